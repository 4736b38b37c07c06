"""The verdict of the made-up case, the evidence under it and the plan that follows. Citations point at real bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchfloor.core.clock import HOUR, parse_iso
from watchfloor.core.evidence import Citation, Evidence, Lookup
from watchfloor.core.noun import digest_of
from watchfloor.core.plan import Call, Plan, PlannedAction
from watchfloor.core.spans import span_of
from watchfloor.core.verdict import Answer, Claim, ClosingGate, CouldNotCheck, Counterfactual, Hypothesis, Verdict

TENANT = "acme"
NOW = parse_iso("2026-10-13T09:30:00Z")
CASE = "c-0123456789abcdef"
POLICY = digest_of(b"policy")

Say = Callable[[str], str]


def evidence_of(say: Say) -> dict[str, Evidence]:
    """Five answers and a look-up that failed."""

    def look(collector: str, query: dict[str, Any], answer: Any, source: str, reliability: str = "B") -> Evidence:
        lookup = Lookup(tenant=TENANT, collector=collector, query=query, as_of=NOW - HOUR)
        return Evidence.of(lookup, answer, at=NOW - HOUR, source=say(source), reliability=reliability)  # type: ignore[arg-type]

    failed = Lookup(
        tenant=TENANT,
        collector="intel",
        query={"type": "domain", "value": "paperwing-billing.example"},
        as_of=NOW - HOUR,
    )
    population = {"events": 48211, "hosts": 212, "users": 187, "days": 30}
    return {
        "country": look(
            "history",
            {"match": {"user": "nadia.osei", "country": "RO"}, "days": 30},
            {"count": 0, "first": None, "population": population},
            "lake",
        ),
        "mail": look(
            "traits",
            {"event": "r-0000000000000000", "of": "mail"},
            {
                "spf": "fail",
                "dmarc": "fail",
                "look_alike": {"of": say("paperwing.example"), "distance": 8},
                "note": say("überfällig ✉"),
            },
            "mail analysis",
            "A",
        ),
        "rule": look(
            "event",
            {"event": "r-0000000000000004"},
            {
                "ocsf": {"class_uid": 6003},
                "original": {
                    "Operation": "New-InboxRule",
                    "Parameters": [
                        {"Name": "MoveToFolder", "Value": say("RSS Feeds")},
                        {"Name": "SubjectContainsWords", "Value": "invoice;payment"},
                    ],
                },
            },
            "lake",
            "A",
        ),
        "person": look(
            "context",
            {"entity": "user:nadia.osei"},
            {"user": "nadia.osei", "privileged": True, "travel": [], "title": say("Accounts payable lead")},
            "context/identities.yaml",
            "A",
        ),
        "device": look(
            "history",
            {"match": {"user": "nadia.osei", "device": "nyx-lt-0417"}, "days": 30},
            {"count": 412, "days": 22, "population": population},
            "lake",
        ),
        "failed": Evidence.failed(
            failed, say("the indicator file could not be read: line 4 is not JSON"), at=NOW - HOUR, source="intel"
        ),
    }


def _cite(evidence: Evidence, path: str) -> Citation:
    span = span_of(evidence.content, path)
    assert span is not None
    return Citation(
        evidence=evidence.uid,
        content_digest=evidence.content_digest,
        start=span.start,
        end=span.end,
        quote=span.quote,
        path=path,
    )


def _answer(question: str, title: str, value: str, weights: tuple[float, float, float], **more: Any) -> Answer:
    names = ("malicious", "benign_true_positive", "false_positive")
    return Answer.from_dict(
        {
            "question": question,
            "title": title,
            "about": "user:nadia.osei",
            "status": "answered",
            "value": value,
            "weights": dict(zip(names, weights, strict=True)),
            **more,
        }
    )


def _claims(say: Say, evidence: dict[str, Evidence]) -> list[dict[str, Any]]:
    """Strength, what it supports, the sentence and what it cites."""
    for_it: Hypothesis = "malicious"
    found: list[tuple[float, Hypothesis, str, list[Citation]]] = [
        (
            1.9,
            for_it,
            "Nobody in the company signed in from Romania in 30 days.",
            [_cite(evidence["country"], "count")],
        ),
        (
            1.6,
            for_it,
            "The mail failed DMARC and its domain looks like a supplier's.",
            [_cite(evidence["mail"], "dmarc"), _cite(evidence["mail"], "look_alike")],
        ),
        (
            2.2,
            for_it,
            "An inbox rule moves mail about payments to RSS Feeds.",
            [_cite(evidence["rule"], "original.Parameters")],
        ),
        (
            0.7,
            "benign_true_positive",
            "nadia.osei uses this laptop on most days.",
            [_cite(evidence["device"], "count")],
        ),
        (0.4, for_it, "No travel was announced for nadia.osei.", [_cite(evidence["person"], "travel")]),
        (0.0, for_it, "The address belongs to a hosting company.", [_cite(evidence["mail"], "look_alike")]),
    ]
    claims = [
        Claim(
            uid=f"k-{n:016x}",
            sentence=say(sentence),
            question=f"question-{n}",
            about="user:nadia.osei",
            supports=supports,
            strength=strength,
            citations=tuple(citations),
            grounded=True,
        )
        for n, (strength, supports, sentence, citations) in enumerate(found, 1)
    ]
    struck = {"grounded": False, "problem": say("bytes 40 to 52 do not read as quoted")}
    return [claim.to_dict() for claim in (*claims[:-1], claims[-1].model_copy(update=struck))]


def _answers(say: Say) -> tuple[Answer, ...]:
    return (
        _answer(
            "country_first_seen",
            say("Country of the sign-in, in 30 days"),
            say("never seen"),
            (1.9, -0.3, -0.2),
            why=say("0 of 48,211 events"),
        ),
        _answer("mail_look_alike", say("Sender's domain"), say("look-alike, DMARC failed"), (1.6, -0.9, -0.6)),
        _answer("inbox_rule", say("Inbox rule"), say("hides payment words"), (2.2, -1.1, -1.4)),
        _answer("usual_device", say("Device of this person"), say("usual"), (-0.7, 0.5, 0.2)),
        _answer("travel", say("Announced travel"), say("none"), (0.4, -0.6, 0.0)),
        _answer("reliability", say("How often this detection was right here"), say("11 of 14"), (0.6, -0.1, -0.8)),
        _answer("criticality", say("Standing of the person"), say("privileged"), (0.0, 0.0, 0.0)),
    )


def _unchecked(say: Say) -> list[dict[str, Any]]:
    return [
        CouldNotCheck(
            question="intel_domain",
            title=say("Is the sender's domain known to threat intelligence?"),
            about=say("domain:paperwing-billing.example"),
            reason=say("the indicator file could not be read: line 4 is not JSON"),
            required=True,
        ).to_dict(),
        CouldNotCheck(
            question="edr_state",
            title=say("Is the laptop's sensor healthy?"),
            about=say("host:nyx-lt-0417"),
            reason=say("no connection answers for endpoint health"),
            required=False,
        ).to_dict(),
    ]


def _gates(say: Say) -> list[dict[str, Any]]:
    return [
        ClosingGate(
            name="bound",
            holds=False,
            sentence=say("14 labels of this class bound missed attacks at 19.3 %; the limit is 2 %."),
        ).to_dict(),
        ClosingGate(
            name="probability", holds=False, sentence=say("97 % malicious; the limit for closing is 5 %.")
        ).to_dict(),
        ClosingGate(name="answered", holds=False, sentence=say("1 required question has no answer.")).to_dict(),
        ClosingGate(name="grounded", holds=True, sentence=say("No claim that counts is ungrounded.")).to_dict(),
    ]


def verdict_of(say: Say, evidence: dict[str, Evidence]) -> Verdict:
    """Malicious, with a struck claim and two things that could not be checked."""
    return Verdict.from_dict(
        {
            "tenant": TENANT,
            "uid": "v-0123456789abcdef",
            "case_uid": CASE,
            "time": NOW - HOUR,
            "hypothesis": "malicious",
            "verdict_id": 2,
            "verdict": "malicious",
            "posterior": {"malicious": 0.968211, "benign_true_positive": 0.019034, "false_positive": 0.012755},
            "probability": 0.968211,
            "probability_words": "almost certain",
            "disposition": "escalate",
            "resolution_code": "true_positive.account_compromise",
            "sentence": say(
                "Somebody else uses the session of nadia.osei: a look-alike mail, then a sign-in from a country "
                "never seen here, then an inbox rule that hides payment mail."
            ),
            "answers": [a.to_dict() for a in _answers(say)],
            "claims": _claims(say, evidence),
            "could_not_check": _unchecked(say),
            "counterfactual": Counterfactual(
                without=("inbox_rule|user:nadia.osei", "country_first_seen|user:nadia.osei"),
                disposition="queue",
                hypothesis="malicious",
                sentence=say("Without the inbox rule and the new country it would be queued, at 41 %."),
            ).to_dict(),
            "gates": _gates(say),
            "rests_on": [e.uid for e in evidence.values()],
            "inputs_digest": digest_of(b"inputs"),
            "scorecard_digest": digest_of(b"scorecard"),
            "policy_digest": POLICY,
        }
    )


def plan_of(say: Say, verdict: Verdict) -> Plan:
    """Four steps: a read, two reversible ones, of which one has an undo, a destructive one."""

    def step(n: int, title: str, action: str, check: str, expect: dict[str, Any], **more: Any) -> PlannedAction:
        arguments = {"user": say("nadia.osei")}
        fields = {
            "effect": "reversible",
            "blast_radius": say("1 user"),
            "touches": 1,
            "undo": None,
            "entity": say("user:nadia.osei"),
            "claims": ["k-0000000000000001"],
            **more,
        }
        return PlannedAction.from_dict(
            {
                "n": n,
                "title": say(title),
                "call": {"action": action, "arguments": arguments},
                "check": {"action": check, "arguments": arguments},
                "expect": expect,
                **fields,
            }
        )

    undo = Call(action="identity.enable_user", arguments={"user": "nadia.osei"}).to_dict()
    read = {"effect": "read"}
    return Plan(
        tenant=TENANT,
        uid="p-0123456789abcdef",
        case_uid=CASE,
        time=NOW - HOUR,
        verdict_digest=verdict.digest(),
        policy_digest=POLICY,
        playbook=say("compromised-account"),
        playbook_digest=digest_of(b"playbook"),
        title=say("Compromised account"),
        actions=(
            step(
                1,
                "Read the sessions of nadia.osei",
                "identity.list_sessions",
                "identity.get_user",
                {"found": True},
                **read,
            ),
            step(
                2,
                "Revoke every session",
                "identity.revoke_sessions",
                "identity.get_user",
                {"sessions": 0},
                blast_radius=say("1 user, 3 sessions"),
                touches=4,
            ),
            step(3, "Disable the account", "identity.disable_user", "identity.get_user", {"enabled": False}, undo=undo),
            step(
                4,
                "Delete the inbox rule",
                "mail.delete_rule",
                "mail.get_rules",
                {"rules": 0},
                effect="destructive",
                blast_radius=say("1 mailbox, 1 rule"),
                claims=["k-0000000000000003"],
            ),
        ),
        left_out=(say("isolate host: no finding shows code on nyx-lt-0417"),),
    )
