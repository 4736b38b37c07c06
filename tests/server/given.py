"""One case made of real nouns, and a few beside it: a stolen session after a phishing mail."""

from __future__ import annotations

import json
from typing import NamedTuple

from tests.server.given_verdict import CASE, NOW, POLICY, TENANT, Say, evidence_of, plan_of, verdict_of
from watchfloor.core.case import Case, Link
from watchfloor.core.clock import HOUR, MINUTE, parse_iso
from watchfloor.core.context import Asset, Company, Context, Identity
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.event import Event
from watchfloor.core.evidence import Evidence
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.plan import Plan
from watchfloor.core.verdict import Verdict

START = parse_iso("2026-10-13T07:01:02Z")
CLASS = "sigma/azure/signinlogs @ azure"


class Given(NamedTuple):
    """What the desk is filled with. Evidence and events by uid."""

    cases: list[Case]
    findings: dict[str, Finding]
    verdicts: dict[str, Verdict]
    evidence: dict[str, Evidence]
    events: dict[str, Event]
    plan: Plan
    context: Context


def plain(text: str) -> str:
    return text


def given(say: Say = plain) -> Given:
    """The story. `say` goes over every free text, so that a test can put something hostile into all of them."""
    findings, events = _findings(say)
    evidence = evidence_of(say)
    verdict = verdict_of(say, evidence)
    case = Case(
        tenant=TENANT,
        uid=CASE,
        time=START,
        last_time=findings[-1].time,
        title=say("Session of nadia.osei used from another country after a phishing mail"),
        severity=Severity.high,
        findings=tuple(f.uid for f in findings),
        involved=(
            _with("user", say("nadia.osei"), "actor"),
            _with("address", say("203.0.113.77"), "source"),
            _with("mailbox", say("invoices@paperwing-billing.example"), "source"),
            _with("host", say("nyx-lt-0417"), "target"),
            _with(
                "url",
                say("https://login.paperwing-billing.example/session/renew?tenant=northlight&id=8841902"),
                "destination",
            ),
        ),
        links=(
            Link(
                finding=findings[1].uid,
                other=findings[0].uid,
                because="person",
                shared=say("user:nadia.osei"),
                strength=1.4,
                sentence=say("Both touch nadia.osei within 11 minutes."),
            ),
        ),
        related=("c-00000000000000aa",),
        tactics=("initial-access", "credential-access", "persistence"),
        techniques=("T1566.002", "T1539", "T1114.003"),
        detection_class=say(CLASS),
        assignee="",
    )
    others = _others(say)
    return Given(
        cases=[case, *(c for c, _ in others)],
        findings={f.uid: f for f in findings},
        verdicts={verdict.case_uid: verdict, **{c.uid: v for c, v in others if v is not None}},
        evidence={e.uid: e for e in evidence.values()},
        events={e.uid: e for e in events},
        plan=plan_of(say, verdict),
        context=Context(
            company=Company(name="Northlight"),
            assets=(
                Asset(
                    host="nyx-lt-0417",
                    os="Windows 11",
                    role=say("Finance laptop"),
                    criticality="high",
                    owner="nadia.osei",
                ),
            ),
            identities=(
                Identity(
                    user="nadia.osei", title=say("Accounts payable lead"), department=say("Finance"), privileged=True
                ),
            ),
        ),
    )


def _with(kind: str, value: str, role: str) -> Involvement:
    return Involvement.from_dict({"entity": {"type": kind, "value": value}, "role": role})


_RAISED: tuple[tuple[int, str, str, int, str, str, str], ...] = (
    (
        0,
        "Mail from a domain that looks like a supplier's",
        "mail/look_alike",
        3,
        "email",
        "initial-access",
        "T1566.002",
    ),
    (7, "Link of a young domain opened", "sigma/proxy", 3, "network", "initial-access", "T1566.002"),
    (
        11,
        "Sign-in from a country not seen for this person",
        CLASS.split(" @ ", maxsplit=1)[0],
        4,
        "identity",
        "credential-access",
        "T1539",
    ),
    (
        12,
        "Session token used from two networks at once",
        CLASS.split(" @ ", maxsplit=1)[0],
        4,
        "identity",
        "credential-access",
        "T1539",
    ),
    (19, "Inbox rule that hides mail about payments", "m365/audit", 4, "cloud", "persistence", "T1114.003"),
    (47, "Many mails read by a new client", "m365/audit", 2, "cloud", "", ""),
)


def _findings(say: Say) -> tuple[list[Finding], list[Event]]:
    findings, events = [], []
    for n, (minute, title, family, severity, layer, tactic, technique) in enumerate(_RAISED):
        uid, event_uid, at = f"f-{n:016x}", f"r-{n:016x}", START + minute * MINUTE
        original = {
            "Operation": say("UserLoggedIn"),
            "ClientIP": "203.0.113.77",
            "UserId": say("nadia.osei@northlight.example"),
            "n": n,
        }
        raw = json.dumps(original)
        events.append(
            Event(
                tenant=TENANT,
                uid=event_uid,
                time=at,
                layer=layer,
                mapping="entra_signin",  # type: ignore[arg-type]
                ocsf={
                    "class_uid": 3002,
                    "class_name": "Authentication",
                    "time": at,
                    "raw_data": raw,
                    "message": say("sign-in"),
                },
                original=original,
                source=say("mailgate/2026-10-13.jsonl"),
                position=n,
                unit="line",
                logsource={"product": "azure"},
            )
        )
        findings.append(
            Finding(
                tenant=TENANT,
                uid=uid,
                time=at,
                severity=Severity(severity),
                layer=layer,
                event_uid=event_uid,  # type: ignore[arg-type]
                detection=Detection(
                    uid=f"rule-{n}", title=say(title), family=say(family), source=say("azure"), kind="rule"
                ),
                source=say("mailgate/2026-10-13.jsonl"),
                position=n,
                title=say(title),
                techniques=(say(technique),) if technique else (),
                tactics=(tactic,) if tactic else (),
                involved=(
                    _with("user", say("nadia.osei"), "actor"),
                    _with("mailbox", say("invoices@paperwing-billing.example"), "source")
                    if n == 0
                    else _with("address", say("203.0.113.77"), "source"),
                    _with("host", say("nyx-lt-0417"), "target"),
                ),
            )
        )
    return findings, events


def _others(say: Say) -> list[tuple[Case, Verdict | None]]:
    rows = (
        (
            "Vulnerability scan of the server network",
            "benign_true_positive",
            0.012,
            "close",
            "closed",
            3,
            "Announced scanner vuln-scan-01 in its weekly window.",
        ),
        (
            "Encoded PowerShell on a build server",
            "benign_true_positive",
            0.21,
            "queue",
            "new",
            4,
            "Usual for the software roll-out, but the parent process is new on this host.",
        ),
        (
            "Impossible travel of t.lindqvist",
            "benign_true_positive",
            0.34,
            "queue",
            "in_progress",
            2,
            "A trip to Lisbon is announced; the second address is a hotel.",
        ),
        (
            "Access key used from outside the company",
            "malicious",
            0.88,
            "escalate",
            "new",
            5,
            "The key of deploy-bot lists every bucket from an address never seen.",
        ),
        (
            "DNS query to a known resolver",
            "false_positive",
            0.004,
            "close",
            "closed",
            1,
            "The indicator names a public resolver that half the company uses.",
        ),
    )
    found: list[tuple[Case, Verdict | None]] = []
    for n, (title, hypothesis, probability, disposition, status, severity, sentence) in enumerate(rows):
        uid = f"c-{0xAA + n:016x}"
        case = Case.from_dict(
            {
                "tenant": TENANT,
                "uid": uid,
                "time": START - n * HOUR,
                "last_time": START - n * HOUR,
                "title": say(title),
                "status": status,
                "severity": severity,
                "findings": [],
                "involved": [{"entity": Entity(type="host", value=f"srv-{n:02}").to_dict(), "role": "target"}],
                "tactics": ["execution"] if n == 1 else [],
                "detection_class": CLASS,
                "assignee": "lee" if n == 2 else "",
            }
        )
        rest = round((1 - probability) / 2, 6)
        words = "likely" if probability > 0.5 else "unlikely"
        verdict = Verdict.from_dict(
            {
                "tenant": TENANT,
                "uid": f"v-{n:016x}",
                "case_uid": uid,
                "time": NOW - HOUR,
                "hypothesis": hypothesis,
                "verdict_id": 5,
                "verdict": hypothesis,
                "posterior": {"malicious": probability, "benign_true_positive": rest, "false_positive": rest},
                "probability": probability,
                "probability_words": words,
                "disposition": disposition,
                "resolution_code": "benign.scanner",
                "sentence": say(sentence),
                "answers": [],
                "claims": [],
                "could_not_check": [],
                "counterfactual": None,
                "gates": [],
                "rests_on": [],
                "inputs_digest": POLICY,
                "scorecard_digest": POLICY,
                "policy_digest": POLICY,
            }
        )
        found.append((case, verdict))
    undecided = Case.from_dict(
        found[0][0].to_dict() | {"uid": "c-00000000000000ff", "title": say("New sign-in method added"), "status": "new"}
    )
    return [*found, (undecided, None)]
