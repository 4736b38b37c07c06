"""Findings: from rules, from vendors' alerts, from indicators; what each says and what ties it to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.detect.helpers import detector, event, rule_text
from watchfloor.core.finding import Severity
from watchfloor.core.intel import Indicator, Intel, Warninglist
from watchfloor.core.noun import short_id
from watchfloor.detect import Detector

AT = 1_790_000_000_000


def test_a_rule_s_finding_says_what_the_rule_says(tmp_path: Path) -> None:
    rule = rule_text(
        {"sel": {"EventID": 1}},
        id="0d8b1f1e-4a0c-4e3d-9f6e-0c8d6d0f5a11",
        title="Odd process",
        description="Why it is odd.",
        level="high",
        falsepositives=["Backups"],
        tags=["attack.credential-access", "attack.t1003.001", "attack.defense_evasion", "attack.g0007", "cve.2020-1"],
        logsource={"product": "windows", "category": "process_creation"},
    )
    one = event(
        {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational"},
        {"device": {"hostname": "WS1"}, "actor": {"user": {"name": "ACME\\Alice"}}},
        logsource={"product": "windows", "service": "sysmon"},
        position=7,
    )
    (found,) = detector(tmp_path, rule).findings(one)
    assert found.uid == short_id("f", "acme", "0d8b1f1e-4a0c-4e3d-9f6e-0c8d6d0f5a11", "r-1")
    assert (found.title, found.severity, found.event_uid, found.position) == ("Odd process", Severity.high, "r-1", 7)
    assert found.techniques == ("T1003.001",)
    assert found.tactics == ("credential-access", "defense-evasion")
    assert found.detection.klass == "sigma/windows/process_creation @ windows/sysmon"
    assert found.detection.false_positives == ("Backups",)
    assert {i.entity.key for i in found.involved} == {"user:alice", "host:ws1"}


@pytest.mark.parametrize(
    ("original", "logsource", "expected"),
    [
        (
            {"ProcessGuid": "{ABC-1}", "LogonId": "0xc47e5"},
            {"product": "windows"},
            ("process:abc-1", "logon:ws1/0xc47e5"),
        ),
        (
            {"ProcessGuid": "A", "ParentProcessGuid": "B", "ParentImage": r"C:\W\cmd.exe"},
            {"product": "windows"},
            ("process:a", "process:b"),
        ),
        (
            {"ProcessGuid": "A", "ParentProcessGuid": "B", "ParentImage": r"C:\W\services.exe"},
            {"product": "windows"},
            ("process:a",),
        ),
        ({"SubjectLogonId": "0x3e7"}, {"product": "windows"}, ()),
        ({"uid": "Cx1", "community_id": "1:a="}, {"product": "zeek"}, ("flow:cx1", "community:1:a=")),
        ({"flow_id": 77}, {"product": "suricata"}, ("flow:77",)),
        ({"userIdentity": {"accessKeyId": "ASIAX"}}, {"product": "aws"}, ("session:asiax",)),
        ({"userIdentity": {"accessKeyId": "AKIAX"}}, {"product": "aws"}, ()),
        ({"AppAccessContext": {"AADSessionId": "s-1"}}, {"product": "m365"}, ("session:s-1",)),
    ],
)
def test_threads(
    tmp_path: Path, original: dict[str, Any], logsource: dict[str, str], expected: tuple[str, ...]
) -> None:
    rule = rule_text({"sel": {"x": 1}}, logsource={"product": logsource["product"]})
    one = event({**original, "x": 1}, {"device": {"hostname": "ws1"}}, logsource=logsource)
    (found,) = detector(tmp_path, rule).findings(one)
    assert found.thread == expected


VENDORS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str], tuple[Any, ...]]] = [
    (
        {"class_uid": 2004, "severity_id": 3, "finding_info": {"title": "sshd: failed"}},
        {
            "rule": {
                "id": "5760",
                "groups": ["syslog", "sshd"],
                "mitre": {"id": ["T1110.001"], "tactic": ["Credential Access"]},
            }
        },
        {"product": "wazuh", "service": "alert"},
        ("wazuh/5760", "wazuh/sshd", Severity.medium, ("T1110.001",), ("credential-access",)),
    ),
    (
        {"class_uid": 2004, "severity_id": 4, "finding_info": {"title": "ET MALWARE x"}},
        {
            "alert": {
                "signature_id": 2022550,
                "category": "A Network Trojan was detected",
                "metadata": {"mitre_technique_id": ["T1071_001"]},
            }
        },
        {"product": "suricata", "service": "alert"},
        ("suricata/2022550", "suricata/a-network-trojan-was-detected", Severity.high, ("T1071.001",), ()),
    ),
    (
        {"class_uid": 2004, "severity_id": 1, "finding_info": {"title": "203.0.113.9"}},
        {"sources": ["old-list"], "seen.indicator": "203.0.113.9"},
        {"product": "zeek", "service": "intel"},
        ("zeek/old-list", "zeek/intel", Severity.informational, (), ()),
    ),
    (
        {
            "class_uid": 2004,
            "severity_id": 99,
            "attacks": [{"technique": {"uid": "T1078"}, "tactic": {"name": "Initial Access"}}],
            "finding_info": {"title": "Odd", "analytic": {"uid": "an-1", "category": "Identity"}},
        },
        {},
        {"product": "edr"},
        ("edr/an-1", "edr/identity", Severity.unknown, ("T1078",), ("initial-access",)),
    ),
]


@pytest.mark.parametrize(("ocsf", "original", "logsource", "expected"), VENDORS)
def test_a_vendor_s_alert_is_a_finding_as_it_is(
    ocsf: Any, original: Any, logsource: Any, expected: tuple[Any, ...]
) -> None:
    (found,) = Detector.load(shipped=False).findings(event(original, ocsf, logsource=logsource))
    d = found.detection
    assert d.kind == "vendor"
    assert (d.uid, d.family, found.severity, found.techniques, found.tactics) == expected


def test_other_events_are_no_findings() -> None:
    assert Detector.load().findings(event({"a": 1}, {"class_uid": 3002})) == []


INTEL = Intel(
    indicators=(
        Indicator(type="domain", value="evil.example", confidence=90, source="feed-a"),
        Indicator(type="address", value="203.0.113.9", confidence=40, source="feed-b"),
        Indicator(type="address", value="203.0.113.10", confidence=40, source="feed-b"),
        Indicator(type="file", value="ab" * 32, confidence=60, source="feed-a", valid_until=AT - 1),
        Indicator(type="mailbox", value="x@bad.example", confidence=60, source="feed-c"),
    ),
    warninglists=(
        Warninglist(name="cdn", title="A CDN", type="cidr", applies_to=("address",), entries=("203.0.113.9/32",)),
        Warninglist(name="top", title="Top sites", type="hostname", applies_to=("domain",), entries=("evil.example",)),
    ),
)


@pytest.mark.parametrize(
    ("ocsf", "expected"),
    [
        (
            {"query": {"hostname": "a.evil.example"}},
            [("intel/domain", Severity.high)],
        ),  # listed, but of high confidence
        ({"dst_endpoint": {"ip": "203.0.113.9"}}, []),  # listed, and of low confidence
        ({"src_endpoint": {"ip": "203.0.113.10"}}, [("intel/address", Severity.low)]),
        ({"http_request": {"url": {"url_string": "http://evil.example/x"}}}, [("intel/domain", Severity.high)]),
        ({"process": {"file": {"hashes": [{"value": "ab" * 32}]}}}, []),  # no longer valid
        ({"email": {"from": "x@bad.example"}}, [("intel/mailbox", Severity.medium)]),
        ({"dst_endpoint": {"ip": "198.51.100.1"}}, []),
    ],
)
def test_indicators(ocsf: dict[str, Any], expected: list[tuple[str, Severity]]) -> None:
    found = Detector.load(shipped=False, intel=INTEL).findings(event({}, ocsf))
    assert [(f.detection.family, f.severity) for f in found] == expected
    assert all(f.detection.kind == "indicator" for f in found)
    assert len({f.uid for f in found}) == len(found)
