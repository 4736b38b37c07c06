# ruff: noqa: PLR0917 - an event is who, when, where, what: the same order in every writer
"""Linux servers: syslog lines (rsyslog's RFC 3339 file format), and Wazuh's alerts on them (`alerts.json` lines)."""

from __future__ import annotations

from typing import Any

from tools.story.company import HOST
from tools.story.recorder import Record, Story, day_of, iso

_MONTH_DAY = {"2026-10-13": "Oct 13", "2026-10-14": "Oct 14", "2026-10-15": "Oct 15"}
_AGENT = {
    "web01": "003",
    "web02": "004",
    "git01": "005",
    "ci01": "006",
    "db01": "007",
    "mx01": "008",
    "vpn01": "009",
    "mon01": "010",
    "wazuh01": "000",
    "APP01": "011",
}
# id: (level, description, groups, ATT&CK (id, tactic, technique))
RULES: dict[str, tuple[int, str, list[str], tuple[str, str, str] | None]] = {
    "31101": (5, "Web server 400 error code.", ["web", "accesslog", "attack"], None),
    "31103": (
        7,
        "SQL injection attempt.",
        ["web", "accesslog", "attack", "sql_injection"],
        ("T1190", "Initial Access", "Exploit Public-Facing Application"),
    ),
    "31104": (
        6,
        "Common web attack.",
        ["web", "accesslog", "attack"],
        ("T1055", "Defense Evasion", "Process Injection"),
    ),
    "31106": (
        6,
        "A web attack returned code 200 (success).",
        ["web", "accesslog", "attack"],
        ("T1190", "Initial Access", "Exploit Public-Facing Application"),
    ),
    "31108": (0, "Ignored URLs (simple queries).", ["web", "accesslog"], None),
    "31151": (
        10,
        "Multiple web server 400 error codes from same source ip.",
        ["web", "accesslog", "web_scan", "recon"],
        ("T1595.002", "Reconnaissance", "Vulnerability Scanning"),
    ),
    "31516": (6, "Suspicious URL access.", ["web", "appsec", "attack"], ("T1595", "Reconnaissance", "Active Scanning")),
    "30305": (5, "Apache: Attempt to access forbidden file or directory.", ["apache", "web", "access_denied"], None),
    "31122": (5, "Web server 500 error code (Internal Error).", ["web", "accesslog", "system_error"], None),
    "550": (
        7,
        "Integrity checksum changed.",
        ["ossec", "syscheck", "syscheck_entry_modified", "syscheck_file"],
        ("T1565.001", "Impact", "Stored Data Manipulation"),
    ),
    "554": (5, "File added to the system.", ["ossec", "syscheck", "syscheck_entry_added", "syscheck_file"], None),
    "510": (7, "Host-based anomaly detection event (rootcheck).", ["ossec", "rootcheck"], None),
    "2902": (7, "New dpkg (Debian Package) installed.", ["syslog", "dpkg", "config_changed"], None),
    "5402": (
        3,
        "Successful sudo to ROOT executed.",
        ["syslog", "sudo"],
        ("T1548.003", "Privilege Escalation", "Sudo and Sudo Caching"),
    ),
    "5401": (
        5,
        "Failed attempt to run sudo.",
        ["syslog", "sudo"],
        ("T1548.003", "Privilege Escalation", "Sudo and Sudo Caching"),
    ),
    "5403": (
        4,
        "First time user executed sudo.",
        ["syslog", "sudo"],
        ("T1548.003", "Privilege Escalation", "Sudo and Sudo Caching"),
    ),
    "5501": (
        3,
        "PAM: Login session opened.",
        ["pam", "syslog", "authentication_success"],
        ("T1078", "Defense Evasion", "Valid Accounts"),
    ),
    "5503": (
        5,
        "PAM: User login failed.",
        ["pam", "syslog", "authentication_failed"],
        ("T1110.001", "Credential Access", "Password Guessing"),
    ),
    "5710": (
        5,
        "sshd: Attempt to login using a non-existent user",
        ["syslog", "sshd", "authentication_failed", "invalid_login"],
        ("T1110.001", "Credential Access", "Password Guessing"),
    ),
    "5712": (
        10,
        "sshd: brute force trying to get access to the system. Non existent user.",
        ["syslog", "sshd", "authentication_failures"],
        ("T1110", "Credential Access", "Brute Force"),
    ),
    "5715": (
        3,
        "sshd: authentication success.",
        ["syslog", "sshd", "authentication_success"],
        ("T1021", "Lateral Movement", "Remote Services"),
    ),
    "5760": (
        5,
        "sshd: authentication failed.",
        ["syslog", "sshd", "authentication_failed"],
        ("T1110.001", "Credential Access", "Password Guessing"),
    ),
    "80792": (3, "Audit: Command: {command}.", ["audit", "audit_command"], None),
    "2832": (5, "Crontab entry changed.", ["syslog", "cron"], ("T1053.003", "Persistence", "Cron")),
    "533": (7, "Listened ports status (netstat) changed (new port opened or closed).", ["ossec"], None),
    "52507": (3, "ClamAV database update", ["clamd", "freshclam", "virus"], None),
}
_REASON = {200: 5120, 302: 0, 301: 178, 403: 362, 404: 436, 500: 612}


def _wazuh(
    s: Story,
    at: int,
    host: str,
    rule_id: str,
    log: str,
    decoder: Record,
    location: str,
    data: Record | None = None,
    extra: Record | None = None,
    description: str = "",
) -> None:
    level, text, groups, attack = RULES[rule_id]
    rule: Record = {"level": level, "description": description or text, "id": rule_id}
    if attack:
        rule["mitre"] = {"id": [attack[0]], "tactic": [attack[1]], "technique": [attack[2]]}
    rule |= {"firedtimes": 0, "mail": level >= 10, "groups": groups}
    alert: Record = {
        "timestamp": iso(at) + "+0000",
        "rule": rule,
        "agent": {"id": _AGENT[host], "name": host, "ip": HOST[host].address},
        "manager": {"name": "wazuh01"},
        "id": "",
        "full_log": log,
        "decoder": decoder,
    }
    if location in ("/var/log/auth.log", "/var/log/syslog"):
        name = log.split(" ")[4 if log[4] != " " else 5].split("[", maxsplit=1)[0].rstrip(":")
        alert["predecoder"] = {"program_name": name, "timestamp": log[:15], "hostname": host}
    if data:
        alert["data"] = data
    alert |= (extra or {}) | {"location": location}
    s.put(f"endpoint/wazuh-alerts-{day_of(at)}.jsonl.gz", at, alert)


def syslog(s: Story, at: int, host: str, program: str, text: str, pid: int = 0) -> str:
    """One line of a server's syslog; returns it in the old style, as Wazuh quotes it."""
    tag = f"{program}[{pid}]" if pid else program
    s.put(f"endpoint/syslog-{host}.log", at, f"{iso(at, 6)}+00:00 {host} {tag}: {text}")
    return f"{_MONTH_DAY[day_of(at)]} {iso(at, 0)[11:]} {host} {tag}: {text}"


def access_line(at: int, source: str, request: str, status: int, agent: str, size: int = 0) -> str:
    """A line of Apache's combined access log."""
    day = f"{day_of(at)[8:]}/Oct/2026:{iso(at, 0)[11:]} +0000"
    return f'{source} - - [{day}] "{request} HTTP/1.1" {status} {size or _REASON[status]} "-" "{agent}"'


def web_alert(
    s: Story,
    at: int,
    host: str,
    rule_id: str,
    source: str,
    method: str,
    url: str,
    status: int,
    agent: str,
    previous: list[str] | None = None,
) -> None:
    """An alert that the access log gave rise to."""
    line = access_line(at, source, f"{method} {url}", status, agent)
    data = {"protocol": method, "srcip": source, "id": str(status), "url": url}
    extra: Record = {"previous_output": "\n".join(previous)} if previous else {}
    _wazuh(s, at, host, rule_id, line, {"name": "web-accesslog"}, "/var/log/apache2/access.log", data, extra)


def ssh_login(s: Story, at: int, host: str, user: str, source: str, *, ok: bool = True, known: bool = True) -> None:
    """A log-on by ssh: syslog line and alert (5715, 5760, or 5710 for a user that does not exist)."""
    port, pid = s.port(), s.rng.randint(1200, 60_000)
    if ok:
        text = f"Accepted publickey for {user} from {source} port {port} ssh2: ED25519 SHA256:{s.token(43)}"
    else:
        text = f"Failed password for {'' if known else 'invalid user '}{user} from {source} port {port} ssh2"
    line = syslog(s, at, host, "sshd", text, pid)
    rule_id = "5715" if ok else ("5760" if known else "5710")
    data = {"srcip": source, "srcport": str(port), ("dstuser" if known else "srcuser"): user}
    _wazuh(s, at, host, rule_id, line, {"parent": "sshd", "name": "sshd"}, "/var/log/auth.log", data)
    if ok:
        session = syslog(
            s,
            at + 60,
            host,
            "sshd",
            f"pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)",
            pid,
        )
        _wazuh(
            s,
            at + 60,
            host,
            "5501",
            session,
            {"parent": "pam", "name": "pam"},
            "/var/log/auth.log",
            {"dstuser": f"{user}(uid=1000)", "uid": "0"},
        )


def ssh_brute_force(s: Story, at: int, host: str, source: str) -> None:
    """5712, when a source has tried many users that do not exist."""
    line = syslog(
        s,
        at,
        host,
        "sshd",
        f"Disconnected from invalid user admin {source} port {s.port()} [preauth]",
        s.rng.randint(1200, 60_000),
    )
    _wazuh(
        s,
        at,
        host,
        "5712",
        line,
        {"parent": "sshd", "name": "sshd"},
        "/var/log/auth.log",
        {"srcip": source, "srcuser": "admin"},
    )


def sudo(
    s: Story,
    at: int,
    host: str,
    user: str,
    directory: str,
    command: str,
    *,
    ok: bool = True,
    terminal: str = "pts/0",
    first: bool = False,
) -> None:
    """sudo to root: syslog line and alert (5402; 5403 the first time; 5401 when it was refused)."""
    refused = "" if ok else "command not allowed ; "
    line = syslog(
        s, at, host, "sudo", f"  {user} : {refused}TTY={terminal} ; PWD={directory} ; USER=root ; COMMAND={command}"
    )
    data = {"srcuser": user, "dstuser": "root", "tty": terminal, "pwd": directory, "command": command}
    rule_id = "5401" if not ok else "5403" if first else "5402"
    _wazuh(s, at, host, rule_id, line, {"parent": "sudo", "name": "sudo"}, "/var/log/auth.log", data)


def audit_command(
    s: Story, at: int, host: str, user: str, uid: int, command: list[str], exe: str, directory: str
) -> None:
    """80792: auditd saw an execve that its rules watch (commands of service users and of root on a terminal)."""
    serial, pid = s.rng.randint(40_000, 900_000), s.rng.randint(1200, 60_000)
    stamp = f"{at // 1000}.{at % 1000:03d}:{serial}"
    words = {f"a{position}": word for position, word in enumerate(command)}
    auid = "4294967295" if uid in (33, 112) else str(uid)
    arguments = " ".join(f'{key}="{value}"' for key, value in words.items())
    name = exe.rsplit("/", 1)[-1]
    ids = " ".join(f"{kind}={uid}" for kind in ("uid", "gid", "euid", "suid", "fsuid", "egid", "sgid", "fsgid"))
    log = (
        f"type=SYSCALL msg=audit({stamp}): arch=c000003e syscall=59 success=yes exit=0 a0=55d0 a1=55d1 a2=55d2 a3=8 "
        f'items=2 ppid={pid - 3} pid={pid} auid={auid} {ids} tty=(none) ses={auid} comm="{name}" exe="{exe}" '
        f'subj=unconfined key="audit-wazuh-c" type=EXECVE msg=audit({stamp}): argc={len(command)} {arguments} '
        f'type=CWD msg=audit({stamp}): cwd="{directory}"'
    )
    audit: dict[str, Any] = {
        "type": "SYSCALL",
        "id": str(serial),
        "arch": "c000003e",
        "syscall": "59",
        "success": "yes",
        "exit": "0",
        "ppid": str(pid - 3),
        "pid": str(pid),
        "auid": auid,
        "uid": str(uid),
        "gid": str(uid),
        "euid": str(uid),
        "tty": "(none)",
        "session": auid,
        "command": name,
        "exe": exe,
        "key": "audit-wazuh-c",
        "cwd": directory,
        "execve": words,
    }
    _wazuh(
        s,
        at,
        host,
        "80792",
        log,
        {"parent": "auditd", "name": "auditd"},
        "/var/log/audit/audit.log",
        {"audit": audit},
        description=f"Audit: Command: {exe}.",
    )
    syslog(
        s, at, host, "audisp-syslog", f'type=EXECVE msg=audit({stamp}): argc={len(command)} {arguments} UID="{user}"'
    )


def file_integrity(s: Story, at: int, host: str, path: str, owner: str, size: int, *, added: bool, digest: str) -> None:
    """Syscheck: 554 a file appeared, 550 a file changed."""
    mode = "added" if added else "modified"
    log = f"File '{path}' {mode}\nMode: realtime\n"
    check: Record = {
        "path": path,
        "mode": "realtime",
        "size_after": str(size),
        "perm_after": "rw-r--r--",
        "uname_after": owner,
        "gname_after": owner,
        "md5_after": digest[:32].lower(),
        "sha1_after": digest[:40].lower(),
        "sha256_after": digest.lower(),
        "mtime_after": iso(at, 0),
        "event": mode,
    }
    if not added:
        log += "Changed attributes: size,mtime,md5,sha1,sha256\n"
        check |= {"size_before": str(size - 212), "changed_attributes": ["size", "mtime", "md5", "sha1", "sha256"]}
    _wazuh(
        s,
        at,
        host,
        "554" if added else "550",
        log,
        {"name": "syscheck_new_entry" if added else "syscheck_integrity_changed"},
        "syscheck",
        extra={"syscheck": check},
    )


def rootcheck(s: Story, at: int, host: str, title: str, file: str) -> None:
    """510."""
    log = f"{title} '{file}'."
    _wazuh(s, at, host, "510", log, {"name": "rootcheck"}, "rootcheck", {"title": title, "file": file})


def package(s: Story, at: int, host: str, name: str, version: str) -> None:
    """2902: dpkg installed or upgraded a package."""
    log = f"{day_of(at)} {iso(at, 0)[11:]} status installed {name}:amd64 {version}"
    data = {"package": name, "version": version, "arch": "amd64", "dpkg_status": "status installed"}
    _wazuh(s, at, host, "2902", log, {"name": "dpkg-decoder"}, "/var/log/dpkg.log", data)


def crontab(s: Story, at: int, host: str, user: str) -> None:
    """2832: somebody replaced a crontab."""
    line = syslog(s, at, host, "crontab", f"({user}) REPLACE ({user})", s.rng.randint(1200, 60_000))
    _wazuh(s, at, host, "2832", line, {"name": "crontab"}, "/var/log/syslog", {"srcuser": user})


def ports_changed(s: Story, at: int, host: str, before: str, after: str) -> None:
    """533."""
    log = f"ossec: output: 'netstat listening ports':\n{after}"
    _wazuh(s, at, host, "533", log, {"name": "ossec"}, "netstat listening ports", extra={"previous_output": before})


def virus_database(s: Story, at: int, host: str) -> None:
    """52507."""
    line = syslog(s, at, host, "freshclam", f"ClamAV update process started at {iso(at, 0)}", 911)
    _wazuh(s, at, host, "52507", line, {"name": "freshclam"}, "/var/log/syslog")
