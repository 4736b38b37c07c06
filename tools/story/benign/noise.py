"""Everyday noise: findings that come up every day and mean nothing."""

from __future__ import annotations

from typing import Any

from tools.story.benign.cloud_office import home_address
from tools.story.company import HOST, PEOPLE, WORKSTATIONS, workstation_of
from tools.story.formats import linux, network, sysmon, web, windows
from tools.story.formats.sysmon import POWERSHELL, SYS32
from tools.story.recorder import Story, exact, t

_INFO = (  # what the sensor's rules say about ordinary traffic: (sid, signature, category, severity, port, app)
    (2027758, "ET DNS Query for .cc TLD", "Potentially Bad Traffic", 2, 53, "dns"),
    (2027390, "ET INFO Observed DNS Query to .cloud TLD", "Potentially Bad Traffic", 2, 53, "dns"),
    (2033713, "ET INFO Observed DNS over HTTPS Domain in TLS SNI", "Misc activity", 3, 443, "tls"),
    (
        2022973,
        "ET POLICY Possible Kali Linux hostname in DHCP Request Packet",
        "Potential Corporate Privacy Violation",
        1,
        67,
        "dhcp",
    ),
    (
        2013504,
        "ET POLICY GNU/Linux APT User-Agent Outbound likely related to package management",
        "Not Suspicious Traffic",
        3,
        80,
        "http",
    ),
    (2013028, "ET POLICY curl User-Agent Outbound", "Attempted Information Leak", 2, 80, "http"),
    (2027397, "ET POLICY Spotify P2P Client", "Potential Corporate Privacy Violation", 1, 57621, "failed"),
    (2210054, "SURICATA STREAM excessive retransmissions", "Generic Protocol Command Decode", 3, 443, "tls"),
    (2260002, "SURICATA Applayer Detect protocol only one direction", "Generic Protocol Command Decode", 3, 445, "smb"),
    (2025275, "ET INFO Windows OS Submitting USB Metadata to Microsoft", "Misc activity", 3, 80, "http"),
    (2031071, "ET INFO Microsoft Connection Test", "Misc activity", 3, 80, "http"),
)
BACKGROUND = "internet-background"
_AGENT = "Mozilla/5.0 (compatible; HafenBot/2.1; +https://www.hafenblatt.example/bot)"


_UDP, _LINUX = (53, 67, 57621), ("web01", "git01", "ci01", "db01", "mx01", "mon01")
_PLACES = ("deb.debian.org", "archive.ubuntu.com", "www.msftconnecttest.com", "radio.nordwelle.example")
_APT = {
    "hostname": "deb.debian.org",
    "url": "/debian/dists/bookworm/InRelease",
    "http_user_agent": "Debian APT-HTTP/1.3 (2.6.1)",
    "http_method": "GET",
    "protocol": "HTTP/1.1",
    "status": 200,
    "length": 151_078,
}


def _destination(s: Story, port: int) -> str:
    if port == 67:
        return "255.255.255.255"
    return "10.20.2.11" if port in (53, 445) else web.ADDRESS[s.rng.choice(_PLACES)]


def _sensor(s: Story, day: int) -> None:
    """Policy and informational alerts."""
    rng = s.rng
    for _ in range(62):
        sid, signature, category, severity, port, app = rng.choice(_INFO)
        fetches, proto = "APT" in signature or "curl" in signature, "udp" if port in _UDP else "tcp"
        host = HOST[rng.choice(_LINUX)] if fetches else rng.choice(WORKSTATIONS)
        at = s.work_time(day)
        flow = (host.address, 68 if port == 67 else s.port(), _destination(s, port), port)
        said, http = (sid, signature, category, severity), _APT if "APT" in signature else None
        network.alert(s, at, flow, *said, app=app, http_fields=http, proto=proto.upper())
        network.connection(s, at - 30, flow, sent=600, received=5000, proto=proto)


def _linux(s: Story, day: int) -> None:
    """Linux servers: administrators by ssh and sudo, virus database, typing errors."""
    rng = s.rng
    for host in ("web01", "web02", "git01", "ci01", "db01", "mx01", "vpn01", "mon01"):
        for _ in range(rng.randint(2, 4)):
            user, at = rng.choice(("bram", "miriam", "jkeller")), s.work_time(day)
            if rng.random() < 0.2:
                linux.ssh_login(s, at - 9000, host, user, "10.20.2.56", ok=False)
            linux.ssh_login(s, at, host, user, "10.20.2.56")
            command = rng.choice(
                (
                    "/usr/bin/systemctl status nginx",
                    "/usr/bin/apt-get update",
                    "/usr/bin/journalctl -xe",
                    "/usr/bin/less /var/log/syslog",
                    "/usr/sbin/iptables -L -n",
                )
            )
            linux.sudo(s, at + 70_000, host, user, f"/home/{user}", command)
            linux.audit_command(s, at + 70_300, host, "root", 0, command.split(), command.split()[0], f"/home/{user}")
        for hour in range(0, 24, 3):
            linux.syslog(
                s,
                exact(day, f"{hour:02d}:17:01") + rng.randrange(900),
                host,
                "CRON",
                "(root) CMD (cd / && run-parts --report /etc/cron.hourly)",
                rng.randint(900, 60_000),
            )
            linux.syslog(s, s.any_time(day), host, "systemd", "Finished logrotate.service - Rotate log files.", 1)
    for hour in range(1, 24, 4):
        linux.virus_database(s, t(day, f"{hour:02d}:30") + rng.randrange(60_000), "mx01")
    for person in rng.sample(PEOPLE, 9):
        at = s.any_time(day) if person.department == "Service" else s.work_time(day)
        line = f"{person.sam}/{home_address(person)}:{s.port()} peer info: IV_PLAT=win IV_VER=3.9"
        linux.syslog(s, min(at, t(day, "23:50")), "vpn01", "openvpn", line, 884)


_PAGES = ("/", "/products/ms7", "/careers", "/news/2026/boatshow", "/downloads/ms7-datasheet.pdf", "/contact")
_PROBED = (
    "/wp-login.php",
    "/.env",
    "/phpmyadmin/index.php",
    "/xmlrpc.php",
    "/cgi-bin/luci",
    "/.git/config",
    "/boaform/admin/formLogin",
    "/manager/html",
)
_GRAB = "Mozilla/5.0 zgrab/0.x"


def _public_web(s: Story, day: int) -> None:
    """The public web site: visitors, and a crawler that meets dead links."""
    rng, web01 = s.rng, HOST["web01"].address
    for _ in range(70):
        at, size = s.any_time(day), rng.randint(4000, 60_000)
        flow = (f"192.0.2.{rng.randint(190, 250)}", s.port(), web01, 80)
        uid = network.connection(s, at, flow, sent=520, received=size, service="http", outbound=False)
        network.http(s, at + 30, uid, flow, "www.marlund.example", rng.choice(_PAGES), received=size)
    for _ in range(14):
        path = f"/news/2019/{rng.choice(('regatta', 'team', 'award'))}-{rng.randint(1, 40)}"
        linux.web_alert(s, s.any_time(day), "web01", "31101", "198.51.100.13", "GET", path, 404, _AGENT)


def _internet(s: Story, day: int) -> None:
    """The internet's usual probes of the web site and of ssh, all refused."""
    web01 = HOST["web01"].address
    with s.part(f"internet-{day}", BACKGROUND) as rng:
        for source in rng.sample([f"203.0.113.{last}" for last in range(160, 196)], 4):
            at = s.any_time(day)
            for step, path in enumerate(rng.sample(_PROBED, 5)):
                moment, flow = at + step * 1700, (source, s.port(), web01, 80)
                linux.web_alert(s, moment, "web01", "31101", source, "GET", path, 404, _GRAB)
                network.connection(s, moment, flow, sent=120, received=436, service="http", outbound=False)
            http = {"hostname": "192.0.2.80", "url": "/", "http_user_agent": _GRAB, "http_method": "GET"}
            said = (2029054, "ET SCAN Zmap User-Agent (Inbound)", "Detection of a Network Scan", 3)
            network.alert(s, at + 20, (source, s.port(), web01, 80), *said, app="http", http_fields=http)
        source, at = f"203.0.113.{rng.randint(210, 230)}", t(day, "02:10") + rng.randrange(3_600_000)
        for step, user in enumerate(("admin", "oracle", "test", "ubuntu", "git", "postgres", "pi")):
            linux.ssh_login(s, at + step * 4100, "vpn01", user, source, ok=False, known=False)
        linux.ssh_brute_force(s, at + 31_000, "vpn01", source)


_DEFENDER = "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.24090.11-0\\"
_FLEET = "C:\\Program Files\\FleetView\\"
_INVENTORY = (
    f'powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -WindowStyle Hidden -File "{_FLEET}collect.ps1"'
)


def _agents(s: Story, day: int) -> None:
    """Antivirus reads lsass; the software inventory runs hidden scripts."""
    for host in s.rng.sample(WORKSTATIONS, 7):
        at = s.work_time(day)
        engine = sysmon.spawn(host, at - at % 86_400_000, "SYSTEM", _DEFENDER + "MsMpEng.exe", "MsMpEng.exe")
        sysmon.process_access(s, engine, at, "lsass.exe", "0x1410", _DEFENDER + "mpengine.dll+5b21c4")
    for host in s.rng.sample(WORKSTATIONS, 12):
        at = s.work_time(day)
        agent = sysmon.spawn(host, at - 900_000, "SYSTEM", _FLEET + "fvagent.exe", "fvagent.exe --service")
        shell = sysmon.process(s, agent, at, POWERSHELL, _INVENTORY)
        command = "wmic product get name,version /format:csv"
        sysmon.process(s, shell, at + 3000, SYS32 + "wbem\\WMIC.exe", command)
        sysmon.process(s, shell, at + 4000, SYS32 + "systeminfo.exe", "systeminfo /fo csv")


def _help_desk(s: Story, day: int) -> None:
    """Passwords mistyped until the account is locked, and the help desk that looks it up."""
    rng, controller = s.rng, HOST["DC01"]
    felix = sysmon.resident(HOST["WS-007"], t(day, "08:00"), "explorer.exe", "felix.brandl")
    for person in rng.sample(PEOPLE[:39], 4):
        at, host = s.work_time(day), workstation_of(person.sam)
        sysmon.process(s, felix, at, SYS32 + "net.exe", f"net user {person.sam} /domain", integrity="High")
        way: dict[str, Any] = {"source": host.address, "workstation": host.name}
        for step in range(rng.randint(2, 4)):
            windows.logon_failed(s, controller, at - 200_000 + step * 15_000, person.sam, **way)
        if rng.random() < 0.5:
            windows.locked_out(s, controller, at - 120_000, person.sam, host.name)


def write(s: Story) -> None:
    """All three days."""
    for day in (1, 2, 3):
        with s.part(f"noise-{day}"):
            _sensor(s, day)
            _linux(s, day)
            _public_web(s, day)
            _internet(s, day)
            _agents(s, day)
            _help_desk(s, day)
