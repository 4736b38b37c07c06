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
from watchfloor.core.intel import Indicator, Intel, Warninglist
from watchfloor.core.verdict import Answer
from watchfloor.enrich import Past, collectors_for
from watchfloor.store.lake import Lake
from watchfloor.triage.catalogue import Catalogue

SHIPPED = Catalogue.shipped()
CONTEXT = Context(
    company=Company(name="Acme", domains=("acme.example",), egress_addresses=("192.0.2.0/28",)),
    assets=(Asset(host="ws-1", addresses=("10.0.0.1",), role="Office", criticality="high", tags=("scanner",)),),
    identities=(Identity(user="alice", title="Clerk", department="Sales", leaving_on="2026-09-30"),),
    windows=(Window(id="W", kind="red_team", title="T", start=START - HOUR, end=START + DAY, users=("bob",)),),
)
INTEL = Intel(
    indicators=(Indicator(type="address", value="203.0.113.9", source="feed", confidence=90, description="C2"),),
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
            "email": {"from": "boss@acme-x.example", "to": ["alice@acme.example"], "subject": "now"},
        },
        {"from": "boss@acme-x.example", "subject": "now", "reported": {"by": "alice@acme.example", "note": "real?"}},
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
    findings = [finding_of(event, "mail/reported" if event.layer == "email" else event.uid) for event in today]
    case = one_case(findings, CONTEXT)
    asked = SHIPPED.ask(case, findings, {event.uid: facets(event) for event in today}, CONTEXT)
    collectors = collectors_for(lake, lake.reader(TENANT), CONTEXT, INTEL, Past())
    asked = tuple(a for a in asked if a.lookup.collector != "case")
    return [SHIPPED.read(a, collectors[a.lookup.collector].collect([a.lookup])[0]) for a in asked]


def test_nearly_every_question_is_asked(answers: list[Answer]) -> None:
    asked = {a.question for a in answers}
    missing = {q for q in SHIPPED.questions if not q.startswith("case.")} - asked
    assert missing == set()


def test_no_real_answer_leaves_a_question_silent(answers: list[Answer]) -> None:
    assert {a.question for a in answers if a.status == "not_applicable"} == set()


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
        ("identity.user_country", "seen_before"),
        ("identity.volume", "usual"),
        ("url.raw_address", "found"),
    } <= values


def test_no_claim_has_a_hole(answers: list[Answer]) -> None:
    assert [a.claim for a in answers if "(none)" in a.claim or "{" in a.claim] == []
