"""Which events a rule's log source means, and where its fields are found in records that have them by another name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.detect.helpers import detector, event, rule_text

SYSMON = "Microsoft-Windows-Sysmon/Operational"
CREATED = {"product": "windows", "category": "process_creation"}
REGISTRY_SET = {"product": "windows", "category": "registry_set"}
REMOTE_THREAD = {"product": "windows", "category": "create_remote_thread"}
WINDOWS_OS = {"device": {"os": {"type_id": 100}}}
WORKSPACE = {"product": "gcp", "service": "google_workspace.admin"}
LINUX_OS = {"device": {"os": {"type_id": 200}}, "class_uid": 1007, "activity_id": 1}

MEANT: list[tuple[dict[str, str], dict[str, Any], dict[str, Any], dict[str, str], bool]] = [
    (CREATED, {"Channel": SYSMON, "EventID": 1}, {}, {"product": "windows"}, True),
    (CREATED, {"Channel": SYSMON, "EventID": "1"}, {}, {"product": "windows"}, True),
    (CREATED, {"Channel": SYSMON, "EventID": 5}, {}, {"product": "windows"}, False),
    (CREATED, {"Channel": "Security", "EventID": 4688}, {}, {"product": "windows"}, True),
    (CREATED, {"Channel": "Security", "EventID": 1}, {}, {"product": "windows"}, False),
    (CREATED, {}, {"class_uid": 1007, "activity_id": 1, "device": {"os": {"type_id": 100}}}, {"product": "edr"}, True),
    (CREATED, {}, LINUX_OS, {"product": "edr"}, False),
    ({"product": "linux", "category": "process_creation"}, {}, LINUX_OS, {"product": "edr"}, True),
    ({"category": "process_creation"}, {}, LINUX_OS, {"product": "edr"}, True),
    (REGISTRY_SET, {"Channel": SYSMON, "EventID": 13}, {}, {"product": "windows"}, True),
    (REGISTRY_SET, {"Channel": SYSMON, "EventID": 12}, {}, {"product": "windows"}, False),
    (REGISTRY_SET, {"Channel": "Security", "EventID": 4657}, {}, {"product": "windows"}, True),
    (REGISTRY_SET, {}, {"class_uid": 201002, "activity_id": 2, **WINDOWS_OS}, {"product": "edr"}, True),
    (REGISTRY_SET, {}, {"class_uid": 201002, "activity_id": 4, **WINDOWS_OS}, {"product": "edr"}, False),
    (REMOTE_THREAD, {"Channel": SYSMON, "EventID": 8}, {}, {"product": "windows"}, True),
    (REMOTE_THREAD, {}, {"class_uid": 1007, "activity_id": 4, **WINDOWS_OS}, {"product": "edr"}, True),
    (REMOTE_THREAD, {}, {"class_uid": 1007, "activity_id": 3, **WINDOWS_OS}, {"product": "edr"}, False),
    ({"product": "windows", "service": "system"}, {"Channel": "System"}, {}, {"product": "windows"}, True),
    ({"product": "windows", "service": "system"}, {"Channel": "Security"}, {}, {"product": "windows"}, False),
    ({"product": "windows", "service": "ntlm"}, {}, {}, {"product": "windows", "service": "ntlm"}, True),
    ({"product": "windows"}, {}, {}, {"product": "windows", "service": "security"}, True),
    ({"product": "windows"}, {}, {}, {"product": "linux"}, False),
    ({"product": "linux", "service": "auth"}, {}, {}, {"product": "linux", "service": "sshd"}, True),
    ({"product": "zeek", "service": "dns"}, {}, {}, {"product": "zeek", "service": "dns"}, True),
    ({"category": "dns"}, {}, {}, {"product": "zeek", "service": "dns"}, True),
    ({"category": "webserver"}, {}, {}, {"product": "zeek", "service": "http"}, False),
    (WORKSPACE, {"id": {"applicationName": "admin"}}, {}, {"product": "google_workspace"}, True),
    (WORKSPACE, {"id": {"applicationName": "login"}}, {}, {"product": "google_workspace"}, False),
    ({"product": "aws", "service": "cloudtrail"}, {}, {}, {"product": "aws", "service": "vpcflow"}, False),
]


@pytest.mark.parametrize(("wanted", "original", "ocsf", "own", "expected"), MEANT)
def test_log_sources(
    tmp_path: Path, wanted: dict[str, str], original: dict[str, Any], ocsf: dict[str, Any], own: Any, *, expected: bool
) -> None:
    found = detector(tmp_path, rule_text({"sel": {"x": 1}}, logsource=wanted))
    assert bool(found.findings(event({**original, "x": 1}, ocsf, logsource=own))) is expected


FIELDS: list[tuple[dict[str, str], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (
        CREATED,
        {"Image|endswith": r"\a.exe"},
        {"Channel": "Security", "EventID": 4688, "NewProcessName": r"C:\a.exe"},
        {},
    ),
    (CREATED, {"ParentImage": "p"}, {"Channel": "Security", "EventID": 4688, "ParentProcessName": "p"}, {}),
    (
        CREATED,
        {"CommandLine": "c"},
        {},
        {"class_uid": 1007, "activity_id": 1, "device": {"os": {"type_id": 100}}, "process": {"cmd_line": "c"}},
    ),
    (
        REGISTRY_SET,
        {"TargetObject|endswith": r"\Run\upd", "Details": "d"},
        {},
        {
            "class_uid": 201002,
            "activity_id": 3,
            **WINDOWS_OS,
            "reg_value": {"path": r"HKLM\Run", "name": "upd", "data": "d"},
            "unmapped": {"TargetObject": r"HKLM\Run\upd"},
        },
    ),
    (
        REMOTE_THREAD,
        {"SourceImage": "s", "TargetImage": "t"},
        {},
        {
            "class_uid": 1007,
            "activity_id": 4,
            **WINDOWS_OS,
            "actor": {"process": {"file": {"path": "s"}}},
            "process": {"file": {"path": "t"}},
        },
    ),
    ({"category": "dns"}, {"query": "q"}, {}, {"class_uid": 4003, "query": {"hostname": "q"}}),
    ({"category": "proxy"}, {"c-uri": "u"}, {}, {"class_uid": 4002, "http_request": {"url": {"url_string": "u"}}}),
    (
        {"category": "antivirus"},
        {"Signature": "s"},
        {"Channel": "Microsoft-Windows-Windows Defender/Operational", "EventID": 1116, "Threat Name": "s"},
        {},
    ),
    (
        {"product": "azure", "service": "signinlogs"},
        {"ResultType": 50126},
        {"properties": {"status": {"errorCode": 50126}}},
        {},
    ),
    (
        WORKSPACE,
        {"eventService": "admin.googleapis.com", "eventName": "E"},
        {"id": {"applicationName": "admin"}, "events": [{"name": "E"}]},
        {"unmapped": {"serviceName": "admin.googleapis.com"}},
    ),
    (
        {"product": "gcp", "service": "gcp.audit"},
        {"gcp.audit.method_name": "m"},
        {"protoPayload": {"methodName": "m"}},
        {},
    ),
]


@pytest.mark.parametrize(("wanted", "search", "original", "ocsf"), FIELDS)
def test_fields(tmp_path: Path, wanted: dict[str, str], search: dict[str, Any], original: Any, ocsf: Any) -> None:
    found = detector(tmp_path, rule_text({"sel": search}, logsource=wanted))
    # Web traffic is a proxy's where the event says so; a web server's access log is the same OCSF class.
    own = {k: v for k, v in wanted.items() if k != "category" or v == "proxy"}
    assert len(found.findings(event(original, ocsf, logsource=own))) == 1


def test_the_vendor_s_own_field_comes_first(tmp_path: Path) -> None:
    found = detector(tmp_path, rule_text({"sel": {"Image": "own"}}, logsource=CREATED))
    both = {"Channel": "Security", "EventID": 4688, "Image": "own", "NewProcessName": "other"}
    assert len(found.findings(event(both, logsource={"product": "windows"}))) == 1


def test_a_rule_in_ocsf_s_names(tmp_path: Path) -> None:
    found = detector(tmp_path, rule_text({"sel": {"actor.user.name": "eve"}}, taxonomy="ocsf"))
    assert len(found.findings(event({}, {"actor": {"user": {"name": "Eve"}}}))) == 1


def test_records_with_made_up_log_sources_cost_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHFLOOR_ENGINE", "plain")
    found = detector(tmp_path, rule_text({"sel": {"x": 1}}, logsource=CREATED))
    for n in range(500):
        found.findings(event({"Channel": f"c{n}", "EventID": n}, logsource={"product": f"p{n}"}))
    assert len(found._engine._path._plans) <= 4
