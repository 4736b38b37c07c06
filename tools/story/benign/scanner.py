"""The authorised vulnerability scan: thousands of probes from scan01 against every server."""

from __future__ import annotations

from tools.story.company import HOST, SERVERS, Host
from tools.story.formats import linux, network, windows
from tools.story.recorder import Story, t

INCIDENT = "vulnerability-scan"
_PORTS = (
    21,
    22,
    23,
    25,
    53,
    80,
    88,
    110,
    135,
    139,
    143,
    389,
    443,
    445,
    465,
    514,
    587,
    636,
    993,
    1433,
    1521,
    2049,
    3268,
    3306,
    3389,
    5432,
    5985,
    6379,
    8000,
    8080,
    8443,
    9200,
    27017,
)
_OPEN = {"linux": {22, 80, 443}, "server": {135, 139, 445, 3389, 5985}, "dc": {53, 88, 135, 389, 445, 636, 3268, 3389}}
_ALERTS = (
    (
        2009358,
        "ET SCAN Nmap Scripting Engine User-Agent Detected (Nmap Scripting Engine)",
        "Web Application Attack",
        1,
        80,
    ),
    (2024364, "ET SCAN Possible Nmap User-Agent Observed", "Web Application Attack", 1, 80),
    (2010935, "ET SCAN Suspicious inbound to MSSQL port 1433", "Potentially Bad Traffic", 2, 1433),
    (2010937, "ET SCAN Suspicious inbound to mySQL port 3306", "Potentially Bad Traffic", 2, 3306),
    (2010936, "ET SCAN Suspicious inbound to Oracle SQL port 1521", "Potentially Bad Traffic", 2, 1521),
    (2010939, "ET SCAN Suspicious inbound to PostgreSQL port 5432", "Potentially Bad Traffic", 2, 5432),
    (2002910, "ET SCAN Potential VNC Scan 5800-5820", "Attempted Information Leak", 2, 5802),
    (
        2021997,
        "ET EXPLOIT Possible Struts S2-045 OGNL Expression (CVE-2017-5638) in HTTP Header",
        "Attempted Administrator Privilege Gain",
        1,
        80,
    ),
    (
        2034647,
        "ET EXPLOIT Apache log4j RCE Attempt (http ldap) (CVE-2021-44228)",
        "Attempted Administrator Privilege Gain",
        1,
        80,
    ),
    (
        2019232,
        "ET WEB_SERVER Possible CVE-2014-6271 Attempt in Headers",
        "Attempted Administrator Privilege Gain",
        1,
        80,
    ),
)
_PATHS = (
    ("/?id=1%27%20OR%20%271%27=%271", "31103", 403),
    ("/index.php?page=../../../../etc/passwd", "31104", 404),
    ("/cgi-bin/test-cgi", "31101", 404),
    ("/.htaccess", "31101", 403),
    ("/phpinfo.php", "31101", 404),
    ("/admin/", "31101", 404),
    ("/server-status", "31101", 403),
    ("/backup.zip", "31101", 404),
    ("/wp-content/plugins/", "31101", 404),
    ("/uploads/shell.php", "31101", 404),
)
_AGENT = "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)"


def _target(s: Story, host: Host, at: int) -> None:
    """Ports first, then the services that answered."""
    rng, scanner = s.rng, HOST["scan01"].address
    opened = _OPEN.get(host.role, set())
    for step, port in enumerate(port for port in _PORTS for _ in (0, 1)):
        flow = (scanner, s.port(), host.address, port)
        answers = port in opened
        network.connection(
            s,
            at + step * 420,
            flow,
            sent=180 if answers else 0,
            received=300 if answers else 0,
            state=rng.choice(("SF", "RSTO")) if answers else rng.choice(("REJ", "REJ", "S0")),
        )
    later = at + 60_000
    for step in range(11):
        sid, signature, category, severity, port = rng.choice(_ALERTS)
        flow = (scanner, s.port(), host.address, port)
        http = (
            {
                "hostname": host.address,
                "url": rng.choice(_PATHS)[0],
                "http_user_agent": _AGENT,
                "http_method": "GET",
                "protocol": "HTTP/1.1",
                "status": 404,
                "length": 436,
            }
            if port == 80
            else None
        )
        network.alert(
            s,
            later + step * 2100,
            flow,
            sid,
            signature,
            category,
            severity,
            app="http" if http else "failed",
            http_fields=http,
        )
    if host.windows:
        for step in range(3):
            windows.logon_failed(
                s,
                host,
                later + step * 3000,
                "svc-scan" if step else "guest",
                source=scanner,
                workstation="scan01",
                sub_status="0xc000006a" if step else "0xc0000064",
            )


def _web(s: Story, name: str, at: int) -> None:
    scanner, previous = HOST["scan01"].address, []
    for step in range(34):
        path, rule_id, status = s.rng.choice(_PATHS)
        moment = at + step * 900
        linux.web_alert(s, moment, name, rule_id, scanner, "GET", path, status, _AGENT)
        previous.append(linux.access_line(moment, scanner, f"GET {path}", status, _AGENT))
        flow = (scanner, s.port(), HOST[name].address, 80)
        uid = network.connection(s, moment - 20, flow, sent=300, received=436, service="http")
        network.http(s, moment, uid, flow, name, path, status=status, agent=_AGENT, received=436)
        if step % 12 == 11:
            linux.web_alert(s, moment + 50, name, "31151", scanner, "GET", path, status, _AGENT, previous[-8:])
    for step, user in enumerate(("root", "admin", "user", "test")):
        linux.ssh_login(s, at + 40_000 + step * 2000, name, user, scanner, ok=False, known=user == "root")


def write(s: Story) -> None:
    """Every server on the first evening, the web servers again on the third."""
    targets = [host for host in SERVERS if host.name not in ("scan01", "sensor01", "RT-WS01")]
    with s.part("scan", INCIDENT):
        for position, host in enumerate(targets):
            _target(s, host, t(1, "18:02") + position * 540_000)
        for name, clock in (("web01", "18:40"), ("web02", "19:25")):
            _web(s, name, t(1, clock))
    with s.part("scan-repeat", INCIDENT):
        for position, name in enumerate(("web01", "web02", "git01")):
            _target(s, HOST[name], t(3, "18:05") + position * 540_000)
        _web(s, "web01", t(3, "18:50"))
