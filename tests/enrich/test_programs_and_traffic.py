"""Traits of programs, traffic and tickets: what gives them away, and what is near it and does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.enrich.support import event
from watchfloor.core.noun import canonical
from watchfloor.enrich.analysis import cloud_api, connection, identity, program


def started(path: str, parent: str = "", original: dict[str, Any] | None = None) -> dict[str, Any]:
    ran = {"name": path.rpartition("\\")[2] or path, "file": {"path": path}, "parent_process": {"name": parent}}
    found = program.traits_of(event("e", original=original, process=ran))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "parent", "original", "trait"),
    [
        (r"C:\Users\Public\svchost.exe", "", {}, "system_name_elsewhere"),
        (r"C:\Temp\x.exe", "", {"OriginalFileName": "PsExec.exe"}, "renamed"),
        (r"C:\Windows\System32\cmd.exe", "WINWORD.EXE", {}, "reader_starts_script"),
        (r"C:\Windows\System32\lsass.exe", "explorer.exe", {}, "unlikely_parent"),
        (r"C:\Windows\System32\cmd.exe", "sqlservr.exe", {}, "service_starts_shell"),
        (r"C:\Users\al\Downloads\cv.pdf.exe", "", {}, "double_extension"),
        (r"C:\Users\al\AppData\Local\Temp\8f3a91bc77.exe", "", {}, "odd_name"),
        (r"C:\Users\al\Downloads\AnyDesk.exe", "", {}, "remote_management"),
        (r"C:\Temp\Rubeus.exe", "", {}, "attack_tool"),
        (r"C:\Tools\PsExec64.exe", "", {}, "dual_use_tool"),
    ],
)
def test_what_gives_a_program_away(path: str, parent: str, original: dict[str, Any], trait: str) -> None:
    assert trait in started(path, parent, original)["traits"]


@pytest.mark.parametrize(
    ("path", "parent", "original"),
    [
        (r"C:\Windows\System32\svchost.exe", "services.exe", {"OriginalFileName": "svchost.exe"}),
        ("svchost.exe", "services.exe", {}),
        (r"C:\Windows\System32\lsass.exe", "wininit.exe", {}),
        (r"C:\Windows\System32\cmd.exe", "explorer.exe", {"OriginalFileName": "Cmd.Exe"}),
        (r"C:\Program Files\Office\WINWORD.EXE", "explorer.exe", {"OriginalFileName": "WinWord.exe"}),
        (r"C:\Program Files\Tool\helper.exe", "cmd.exe", {"OriginalFileName": "inner-name.exe"}),
        ("/usr/bin/ssh", "", {}),
    ],
)
def test_what_is_near_it_and_does_not(path: str, parent: str, original: dict[str, Any]) -> None:
    assert started(path, parent, original)["traits"] == []


def test_the_parent_counts_only_where_the_event_is_a_start() -> None:
    ran = {"name": "cmd.exe", "parent_process": {"name": "winword.exe"}}
    found = program.traits_of(event("e", actor={"process": ran}, class_uid=1001))
    assert found is not None
    assert (found["parent"], found["traits"]) == ("", [])
    assert program.traits_of(event("e")) is None


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (r"C:\Windows\Temp\a.exe", "scratch"),
        (r"C:\Users\Public\a.exe", "scratch"),
        ("/dev/shm/x", "scratch"),
        (r"C:\Users\al\AppData\Roaming\Teams\teams.exe", "user"),
        (r"C:\Windows\System32\cmd.exe", "system"),
        ("/usr/bin/ls", "system"),
        (r"C:\Program Files\a\b.exe", "program"),
        (r"\\fs02\share\a.exe", "share"),
        ("cmd.exe", ""),
    ],
)
def test_the_place_of_a_path(path: str, place: str) -> None:
    assert program.place_of(path) == place


def traffic(original: dict[str, Any] | None = None, **ocsf: Any) -> dict[str, Any]:
    ends = {"src_endpoint": {"ip": "10.0.0.1"}, "dst_endpoint": {"ip": "203.0.113.9", "port": 443}}
    found = connection.traits_of(event("e", original=original, **{**ends, **ocsf}))
    assert found is not None
    return found


def to(port: int, address: str = "203.0.113.9") -> dict[str, Any]:
    return {"dst_endpoint": {"ip": address, "port": port}}


NAME = "aGVsbG8gd29ybGQgdGhpcyBpcyBkYXRhIHRoYXQgZ29lcw.b3V0IG9mIHRoZSBob3VzZSBpbiBuYW1lcw.t.evil.example"


@pytest.mark.parametrize(
    ("ocsf", "original", "trait"),
    [
        ({"app_name": "ssh"}, {}, "other_application_on_port"),
        ({"app_name": "tls", **to(4444)}, {}, "odd_port_for_application"),
        (to(4444), {}, "often_abused_port"),
        ({"duration": 3 * 3_600_000}, {}, "long_connection"),
        ({"traffic": {"bytes_out": 90_000_000, "bytes_in": 1}}, {}, "sent_much"),
        ({"query": {"hostname": NAME}}, {}, "long_name"),
        ({"query": {"hostname": NAME}}, {}, "random_name"),
        ({"query": {"hostname": "a.example", "type": "TXT"}}, {}, "odd_query_type"),
        (to(445), {}, "admin_port_outbound"),
        (to(21), {}, "clear_text_login"),
        ({}, {"validation_status": "self signed certificate"}, "bad_certificate"),
        ({"http_request": {"user_agent": "sqlmap/1.7"}}, {}, "tool_agent"),
    ],
)
def test_what_gives_traffic_away(ocsf: dict[str, Any], original: dict[str, Any], trait: str) -> None:
    assert trait in traffic(original, **ocsf)["traits"]


@pytest.mark.parametrize(
    ("ocsf", "original"),
    [
        ({"app_name": "ssl"}, {"validation_status": "ok"}),
        ({"app_name": "quic"}, {}),
        ({"traffic": {"bytes_out": 90_000_000, "bytes_in": 90_000_000}}, {}),
        ({"traffic": {"bytes_out": -5, "bytes_in": "x"}, "duration": True}, {}),
        (to(445, "10.0.0.9"), {}),
        ({"query": {"hostname": "www.a-rather-long-shop-name.example", "type": "A"}}, {}),
        ({"http_request": {"user_agent": "Mozilla/5.0"}}, {}),
    ],
)
def test_what_is_near_it_in_traffic_and_does_not(ocsf: dict[str, Any], original: dict[str, Any]) -> None:
    assert traffic(original, **ocsf)["traits"] == []


def test_an_event_without_traffic_has_none() -> None:
    assert connection.traits_of(event("e", process={"name": "a"})) is None


def signed_in(original: dict[str, Any], **ocsf: Any) -> list[str]:
    found = identity.traits_of(event("e", original=original, class_uid=3002, user={"name": "al"}, **ocsf), None)
    assert found is not None
    return list(found["traits"])


@pytest.mark.parametrize(
    ("original", "ocsf", "trait"),
    [
        ({"riskEventTypes_v2": ["anonymizedIPAddress"]}, {}, "anonymised"),
        ({"securityContext": {"isProxy": True}}, {}, "anonymised"),
        ({"riskEventTypes_v2": ["anomalousToken"]}, {}, "token_replay"),
        ({"riskEventTypes_v2": ["leakedCredentials"]}, {}, "leaked_password"),
        ({"authenticationProtocol": "deviceCode"}, {}, "device_code"),
        ({"appDisplayName": "Microsoft Azure CLI"}, {}, "command_line_client"),
        ({"conditionalAccessStatus": "failure"}, {}, "policy_failed"),
        ({"userType": "Guest"}, {}, "guest"),
        ({"EventID": 4769, "TicketEncryptionType": "0x17"}, {}, "weak_ticket"),
        ({"EventID": "4768", "EventData": {"PreAuthType": "0"}}, {}, "no_preauthentication"),
        ({"LmPackageName": "NTLM V1"}, {}, "old_ntlm"),
        ({}, {"logon_type_id": 9}, "other_credentials"),
    ],
)
def test_what_gives_a_sign_in_away(original: dict[str, Any], ocsf: dict[str, Any], trait: str) -> None:
    assert trait in signed_in(original, **ocsf)


@pytest.mark.parametrize(
    "original",
    [
        {"riskEventTypes_v2": ["unfamiliarFeatures"], "conditionalAccessStatus": "success"},
        {"securityContext": {"isProxy": False}, "appDisplayName": "Office 365"},
        {"EventID": 4769, "TicketEncryptionType": "0x12"},
        {"EventID": 4768, "PreAuthType": "2", "LmPackageName": "NTLM V2"},
    ],
)
def test_what_is_near_it_in_a_sign_in_and_does_not(original: dict[str, Any]) -> None:
    assert signed_in(original) == []


def test_a_role_that_others_may_take() -> None:
    def trusts(principal: str) -> bool:
        policy = f'{{"Statement": [{{"Principal": {{"AWS": "{principal}"}}}}]}}'
        raw = {"requestParameters": {"policyDocument": policy}}
        found = cloud_api.traits_of(event("e", original=raw, api={"operation": "UpdateAssumeRolePolicy"}))
        assert found is not None
        return "foreign_trust" in found["categories"]

    assert trusts("arn:aws:iam::999988887777:root")
    assert not trusts("arn:aws:sts::1:assumed")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(anything, st.text(max_size=200), st.text(max_size=60))
def test_hostile_events_never_break_it(data: Any, name: str, path: str) -> None:
    raw = {"Image": path, "validation_status": data, "OriginalFileName": data, "Signed": data, "EventID": data}
    parts = {
        "process": {"name": name, "file": {"path": path}, "parent_process": {"name": path}},
        "query": {"hostname": name, "type": path}, "traffic": data, "duration": data, "app_name": data,
        "dst_endpoint": {"ip": name, "port": data}, "user": {"name": name},
    }  # fmt: skip
    one = event("e", original=raw, **parts)
    for traits in (program.traits_of(one), connection.traits_of(one)):
        assert traits is None or canonical(traits)
    assert canonical(identity.traits_of(event("e", original=raw, **{**parts, "class_uid": 3002}), None))
