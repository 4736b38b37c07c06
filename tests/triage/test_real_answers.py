"""The questions read what the real collectors answer: a shape that drifts apart would silence a question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.triage.build import START, TENANT, one_case
from watchfloor.core.clock import DAY, HOUR
from watchfloor.core.context import Asset, Company, Context, Identity, Window
from watchfloor.core.event import Event, Layer
from watchfloor.core.facets import facets, involved
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.intel import ExploitedVulnerability, Indicator, Intel, Warninglist
from watchfloor.core.label import Label
from watchfloor.core.verdict import Answer
from watchfloor.enrich import Events, Past, collectors_for
from watchfloor.store.lake import Lake
from watchfloor.triage.case_facts import case_evidence
from watchfloor.triage.catalogue import Catalogue

SHIPPED = Catalogue.shipped()
CONTEXT = Context(
    company=Company(name="Acme", domains=("acme.example",), egress_addresses=("192.0.2.0/28",)),
    assets=(
        Asset(
            host="ws-1",
            addresses=("10.0.0.1",),
            role="Office",
            criticality="high",
            owner="alice",
            tags=("scanner", "CVE-2021-44228"),
            approved_tools=("powershell",),
        ),
        *(Asset(host=f"ws-{n}", role="Office") for n in (2, 3, 4)),
    ),
    identities=(
        Identity(user="alice", title="Clerk", department="Sales", leaving_on="2026-09-30", groups=("Domain Admins",)),
        Identity(user="svc-erp", title="ERP", service_account=True),
        *(Identity(user=name, department="Sales") for name in ("bob", "carol", "dave")),
    ),
    windows=(Window(id="W", kind="red_team", title="T", start=START - HOUR, end=START + DAY, users=("bob",)),),
)
INTEL = Intel(
    indicators=(Indicator(type="address", value="203.0.113.9", source="feed", confidence=90, description="C2"),),
    vulnerabilities=(ExploitedVulnerability(cve="CVE-2021-44228", name="Log4Shell", ransomware=True),),
    warninglists=(Warninglist(name="w", title="W", type="string", applies_to=("address",), entries=("198.51.100.1",)),),
)
WHO = {"actor": {"user": {"name": "alice"}}, "device": {"hostname": "ws-1", "uid": "d-1"}}
FROM = {"src_endpoint": {"ip": "203.0.113.9", "location": {"country": "RU"}, "autonomous_system": {"number": 64500}}}
EVENTS: dict[str, tuple[Layer, dict[str, Any], dict[str, Any]]] = {
    "process": (
        "endpoint",
        {
            "class_uid": 1007,
            **WHO,
            "process": {
                "name": "powershell.exe",
                "cmd_line": "powershell -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAKQA=",
                "parent_process": {"name": "winword.exe"},
                "file": {"hashes": [{"value": "ab" * 32}]},
            },
        },
        {},
    ),
    "dropped": (
        "endpoint",
        {
            "class_uid": 1007,
            **WHO,
            "process": {
                "name": "svchost.exe",
                "cmd_line": "svchost.exe",
                "parent_process": {"name": "winword.exe"},
                "file": {"path": "C:\\Users\\Public\\svchost.exe", "hashes": [{"value": "cd" * 32}]},
            },
        },
        {"Signed": "false"},
    ),
    "logon": (
        "identity",
        {
            "class_uid": 3002,
            "status_id": 1,
            "logon_type_id": 10,
            "user": {"name": "svc-erp"},
            "device": {"hostname": "ws-1", "uid": "d-1"},
            "src_endpoint": {"ip": "10.0.0.1"},
        },
        {"EventID": "4624"},
    ),
    "refused": (
        "identity",
        {"class_uid": 3002, "status_id": 2, "user": {"name": "alice"}, **FROM, "device": {"uid": "d-2"}},
        {"appDisplayName": "Azure CLI", "authenticationProtocol": "deviceCode"},
    ),
    "smb": (
        "network",
        {
            "class_uid": 4001,
            "app_name": "ssl",
            "duration": 9_000_000,
            "traffic": {"bytes_out": 90_000_000, "bytes_in": 4},
            "src_endpoint": {"ip": "10.0.0.1"},
            "dst_endpoint": {"ip": "203.0.113.9", "port": 445},
            "device": {"hostname": "ws-1"},
        },
        {"validation_status": "self signed certificate"},
    ),
    "name": (
        "network",
        {
            "class_uid": 4003,
            "query": {"hostname": "k3j2h4k5j6h7g8f9d0s1a2p3o4i5u6y7t8r9e0w1.evil.example", "type": "TXT"},
            "src_endpoint": {"ip": "10.0.0.1"},
            "dst_endpoint": {"ip": "203.0.113.9", "port": 53},
        },
        {},
    ),
    "lookups": (
        "network",
        {
            "class_uid": 2004,
            "finding_info": {"title": "Suspicious DNS query"},
            "evidences": [{"src_endpoint": {"ip": "10.0.0.1"}, "dst_endpoint": {"ip": "10.0.0.53", "port": 53}}],
            "device": {"hostname": "ws-1"},
        },
        {},
    ),
    "named": (
        "threat_intelligence",
        {
            "class_uid": 2004,
            "finding_info": {"title": "CVE-2021-44228 tried"},
            "evidences": [
                {"src_endpoint": {"ip": "10.0.0.1"}, "dst_endpoint": {"ip": "203.0.113.9", "port": 4444}},
            ],
            "device": {"hostname": "ws-1"},
        },
        {"sources": ["feed-a", "feed-b"]},
    ),
    "shared": (
        "cloud",
        {
            "class_uid": 6003,
            "status_id": 1,
            "actor": {"user": {"name": "alice", "credential_uid": "AKIA1"}},
            "api": {"operation": "ModifySnapshotAttribute", "service": {"name": "ec2"}},
            "cloud": {"region": "eu-north-1", "account": {"uid": "111122223333"}},
            "resources": [{"uid": "snap-1"}],
            "http_request": {"user_agent": "aws-cli/2"},
            **FROM,
        },
        {"requestParameters": {"createVolumePermission": {"add": {"items": [{"userId": "999988887777"}]}}}},
    ),
    "signin": (
        "identity",
        {"class_uid": 3002, "status_id": 1, "user": {"name": "alice"}, **FROM, "device": {"uid": "d-2"}},
        {"clientAppUsed": "IMAP", "riskLevelDuringSignIn": "high", "authenticationRequirement": "x"},
    ),
    "call": (
        "cloud",
        {
            "class_uid": 6003,
            "actor": {"user": {"name": "alice", "credential_uid": "AKIA1"}},
            "api": {"operation": "CreateAccessKey", "service": {"name": "iam"}},
            "cloud": {"region": "eu-north-1", "account": {"uid": "111122223333"}},
            "http_request": {"user_agent": "aws-cli/2"},
            **FROM,
        },
        {},
    ),
    "mail": (
        "email",
        {
            "class_uid": 4009,
            "email": {
                "from": "boss@acme-x.example",
                "to": ["alice@acme.example"],
                "subject": "now",
                "urls": [{"url_string": "http://pay.example/", "hostname": "pay.example"}],
            },
            "unmapped": {"campaign": ["c-1"]},
        },
        {
            "from": "boss@acme-x.example",
            "subject": "now",
            "body": "pay now: http://pay.example/",
            "reported": {"by": "alice@acme.example", "note": "real?"},
        },
    ),
    "http": (
        "network",
        {
            "class_uid": 4002,
            "http_request": {
                "user_agent": "curl",
                "url": {"url_string": "http://203.0.113.9/a.exe", "hostname": "203.0.113.9"},
            },
            "src_endpoint": {"ip": "10.0.0.1"},
            "dst_endpoint": {"ip": "203.0.113.9"},
            "device": {"hostname": "ws-1"},
            "finding_info": {"title": "ET X"},
            "status_id": 4,
        },
        {},
    ),
}


TITLES = {"mail-0": "mail/reported", "lookups-0": "Suspicious DNS query"}


def finding_of(event: Event, title: str) -> Finding:
    closed = event.ocsf.get("status_id") == 4
    return Finding(
        tenant=TENANT,
        uid=f"f-{event.uid}",
        time=event.time,
        detection=Detection(uid=title, title=title, family="f", source="s", kind="vendor" if closed else "rule"),
        standing="resolved" if closed else "open",
        standing_event=event.uid,
        severity=Severity.high,
        layer=event.layer,
        event_uid=event.uid,
        source="t",
        position=0,
        title=title,
        tactics=("exfiltration",),
        involved=involved(event),
        thread=("one",),
    )


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    lake = Lake(Path(tmp_path_factory.mktemp("lake")))
    events = [
        Event(
            tenant=TENANT,
            uid=f"{name}-{day}",
            time=START + number - day * DAY,
            layer=layer,
            mapping="test",
            ocsf={"time": START, **ocsf},
            original=original,
            source="t",
            position=0,
            unit="line",
            logsource={},
        )
        for number, (name, (layer, ocsf, original)) in enumerate(EVENTS.items())
        for day in (0, 2, 3)
    ]
    lake.write(TENANT, events)
    today = [event for event in events if event.uid.endswith("-0")]
    findings = [finding_of(event, TITLES.get(event.uid, event.uid)) for event in today]
    case = one_case(findings, CONTEXT)
    asked = SHIPPED.ask(case, findings, {event.uid: facets(event) for event in today}, CONTEXT)
    before = [f.model_copy(update={"uid": f"{f.uid}-b", "time": f.time - 3 * HOUR}) for f in findings]
    labels = (
        Label(
            tenant=TENANT,
            uid="l",
            time=START - DAY,
            detection_class="f @ s",
            detection="process-0",
            verdict="malicious",
            would_close=False,
            by="nora",
        ),
    )
    past = Past((*findings, *before), CONTEXT, labels)
    collectors = collectors_for(Events(lake), lake.reader(TENANT), CONTEXT, INTEL, past)
    evidence = case_evidence([a.lookup for a in asked], case, findings)
    for one in (a.lookup for a in asked if a.lookup.uid not in evidence):
        evidence[one.uid] = collectors[one.collector].collect([one])[0]
    return [SHIPPED.read(a, evidence[a.lookup.uid]) for a in asked]


def test_every_question_is_asked(answers: list[Answer]) -> None:
    assert set(SHIPPED.questions) - {a.question for a in answers} == set()


def test_no_real_answer_leaves_a_question_silent(answers: list[Answer]) -> None:
    # Nothing was counted by a correlation here, which is all that the one question is about.
    assert {a.question for a in answers if a.status == "not_applicable"} == {"case.counted"}


def test_what_could_not_be_checked_has_a_reason_that_fits(answers: list[Answer]) -> None:
    reasons = {(a.question, a.reason) for a in answers if a.status == "could_not_check"}
    assert reasons == set()


def test_some_answers_say_what_they_must(answers: list[Answer]) -> None:
    values = {(a.question, a.value) for a in answers}
    assert {
        ("intel.address", "known_hostile"),
        ("command.encoded", "found"),
        ("command.obfuscated", "found"),
        ("signin.client", "legacy"),
        ("signin.risk", "high"),
        ("cloud.persistence", "done"),
        ("context.leaving", "leaving"),
        ("context.leaving_with_data", "leaver"),
        ("context.announced_activity", "for_others"),
        ("identity.user_country", "usual"),
        ("identity.volume", "usual"),
        ("url.raw_address", "found"),
        ("program.place", "scratch"),
        ("program.disguise", "system_name"),
        ("program.parent", "reader"),
        ("program.signature", "unsigned"),
        ("context.approved_tool", "approved"),
        ("context.vulnerable_asset", "has_it"),
        ("context.service_account_by_hand", "by_hand"),
        ("context.powerful_group", "powerful"),
        ("intel.exploited_vulnerability", "ransomware"),
        ("intel.feed_names", "several"),
        ("intel.direction", "reached_out"),
        ("network.inside_protocol_outside", "admin"),
        ("network.sent_much", "much"),
        ("network.long", "long"),
        ("network.certificate", "unsound"),
        ("network.dns_tunnel", "odd_type"),
        ("network.port_and_protocol", "odd_port"),
        ("signin.way", "device_code"),
        ("cloud.snapshot_shared", "shared"),
        ("cloud.keys_made_around", "did"),
        ("peers.operation", "no_past"),
        ("progress.host_earlier_stage", "none"),
        ("progress.host_agreement", "few"),
        ("reliability.fires_here", "now_and_then"),
    } <= values


def test_no_claim_has_a_hole(answers: list[Answer]) -> None:
    assert [a.claim for a in answers if "(none)" in a.claim or "{" in a.claim] == []
