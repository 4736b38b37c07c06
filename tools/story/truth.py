"""truth.yaml: which records belong to which attack or hard benign story. The summary reads it, no decision does."""

from __future__ import annotations

from typing import Any

import yaml

from tools.story.attacks import insider, leaked_key, phishing, ransomware, spray, web_shell
from tools.story.benign import correspondence, noise, people, planned, red_team, routine, scanner
from tools.story.recorder import Written, iso

_FALSE, _TRUE_BENIGN = "false_positive", "benign_true_positive"
INCIDENTS: dict[str, tuple[str, str, list[str]]] = {
    phishing.INCIDENT: (
        "Look-alike mail, stolen session, hidden inbox rule, fraud mail",
        "malicious",
        ["tomas.reuter@marlund.example", "203.0.113.201", "198.51.100.77", "sso.rnarlund.example"],
    ),
    ransomware.INCIDENT: (
        "Loader from a document, stolen administrator, backups and snapshots destroyed",
        "malicious",
        ["WS-011", "petra.vogel", "JUMP01", "FS01", "BKP01", "adm.pdevries", "api.metrics-edge.example"],
    ),
    leaked_key.INCIDENT: (
        "Leaked access key: new administrator, secrets read, snapshot shared, trail stopped",
        "malicious",
        ["ci-deploy-legacy", "svc-monitoring-agent", "198.51.100.93"],
    ),
    insider.INCIDENT: (
        "Leaving employee takes customer files",
        "malicious",
        ["marco.santini", "WS-013", "dropfile.example"],
    ),
    web_shell.INCIDENT: (
        "Web shell on the careers portal",
        "malicious",
        ["web01", "www-data", "203.0.113.118", "203.0.113.121"],
    ),
    spray.INCIDENT: (
        "Password spray, one account without a second factor",
        "malicious",
        [
            "hugo.martens@marlund.example",
            "203.0.113.69",
            "203.0.113.71",
            "203.0.113.74",
            "203.0.113.77",
            "203.0.113.82",
        ],
    ),
    scanner.INCIDENT: ("Authorised vulnerability scan", _TRUE_BENIGN, ["scan01", "10.20.9.10"]),
    planned.MAINTENANCE: ("Maintenance night", _TRUE_BENIGN, ["adm.jkeller", "FS02", "SQL01", "APP01"]),
    red_team.INCIDENT: ("Red-team exercise", _TRUE_BENIGN, ["RT-WS01", "APP02", "WS-041", "rt.alpha", "rt.bravo"]),
    planned.ROLL_OUT: ("Software roll-out to 50 workstations", _TRUE_BENIGN, ["DEPLOY01", "svc-deploy"]),
    people.TRAVEL: ("Travelling employee", _FALSE, ["sofia.lindqvist@marlund.example"]),
    people.UNANNOUNCED: (
        "Journey that nobody announced, known device, second factor approved",
        _FALSE,
        ["henrik.lund@marlund.example"],
    ),
    people.STARTER: ("Accounts of a new administrator", _TRUE_BENIGN, ["adm.ahaddad", "adm.mzimmer", "max.zimmer"]),
    noise.BACKGROUND: ("The internet's usual probes, all refused", _FALSE, ["web01", "vpn01"]),
    routine.EXPIRED: ("A service goes on with an expired password", _FALSE, ["svc-erp", "APP01"]),
    correspondence.BULK: ("Newsletters and signing services", _FALSE, ["track.brieftaube-mail.example"]),
    routine.STALE: ("A content network's address on an old block list", _FALSE, ["203.0.113.140"]),
    routine.RULES: ("People tidy their mailboxes", _FALSE, []),
    routine.HR_SYNC: ("Nightly synchronisation of personnel files", _FALSE, ["svc-hrsync@marlund.example"]),
    routine.EXHIBITION: ("Sales prepares a fair", _FALSE, ["claire.dubois@marlund.example"]),
    routine.HOME: ("Developers use their keys from home", _FALSE, ["lena.brandt", "fatima.benali"]),
}


def incidents(files: list[Written]) -> list[dict[str, Any]]:
    """The incidents with their span and their records, in the order of INCIDENTS."""
    found = []
    for identity, (title, verdict, entities) in INCIDENTS.items():
        spans = [written.span[identity] for written in files if identity in written.span]
        found.append(
            {
                "id": identity,
                "title": title,
                "kind": "attack" if verdict == "malicious" else "benign",
                "verdict": verdict,
                "start": iso(min(span[0] for span in spans)) + "Z",
                "end": iso(max(span[1] for span in spans)) + "Z",
                "entities": entities,
                "records": [
                    {"file": f"records/{written.path}", "positions": written.incidents[identity]}
                    for written in files
                    if identity in written.incidents
                ],
            }
        )
    unknown = {identity for written in files for identity in written.incidents} - set(INCIDENTS)
    if unknown:
        raise ValueError(f"incidents that the truth does not name: {sorted(unknown)}")
    return found


def _render(data: dict[str, Any]) -> str:
    """YAML with each list of positions on one line, so that a change of one incident is a change of a few lines."""
    lines = yaml.safe_dump(
        {key: value for key, value in data.items() if key != "records"}, sort_keys=False, width=10_000
    )
    rows = "".join(f"    - {{file: {row['file']}, positions: {row['positions']}}}\n" for row in data["records"])
    head = "  - " + lines.replace("\n", "\n    ").rstrip() + "\n    records:\n"
    return head + rows


def truth_file(files: list[Written]) -> bytes:
    """truth.yaml."""
    head = (
        "# Read only by the summary. `positions` are 0-based: line of a JSON-lines or syslog file, index in\n"
        "# Records[] of CloudTrail, message of an mbox, 0 for an .eml. What is not listed is background and benign.\n"
        "incidents:\n"
    )
    return (head + "".join(_render(incident) for incident in incidents(files))).encode()
