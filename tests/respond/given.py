"""Cases, verdicts and plans for the tests of this room, from a few words."""

from __future__ import annotations

from typing import Any

import yaml

from watchfloor import content
from watchfloor.core.case import Case
from watchfloor.core.context import Context
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.evidence import Citation
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.noun import digest_of
from watchfloor.core.plan import Plan
from watchfloor.core.policy import Policy
from watchfloor.core.verdict import Claim, Verdict
from watchfloor.integrations.catalogue import Actions
from watchfloor.respond.planner import plan_for
from watchfloor.respond.playbooks import Playbook, shipped_playbooks

NOW = 1_800_000_000_000
ACTIONS = Actions.shipped()
PLAYBOOKS = shipped_playbooks(ACTIONS)
NOTHING = digest_of(b"")


def playbook_tests() -> list[tuple[str, dict[str, Any]]]:
    """Every test inside the shipped playbooks, with its playbook's name."""
    documents = content.documents(content.folder("playbooks"))
    return [(d.data["name"], test) for d in documents for test in d.data["tests"]]


def finding(index: int, spec: dict[str, Any], tenant: str = "acme") -> Finding:
    involved = tuple(Involvement(entity=Entity.from_key(key), role=role) for key, role in spec["involved"].items())
    return Finding(
        tenant=tenant,
        uid=f"f-{index}",
        time=NOW + index,
        detection=Detection(uid="r", title="r", family=spec.get("family", "x"), source="x", kind="rule"),
        severity=Severity.high,
        layer=spec["layer"],
        event_uid=f"r-{index}",
        source="file",
        position=index,
        title="something",
        tactics=tuple(spec.get("tactics", ())),
        involved=involved,
    )


def claim(
    about: str, *, supports: str = "malicious", strength: float = 2.0, grounded: bool = True, question: str = "q"
) -> Claim:
    citation = Citation(evidence="e-1", content_digest=NOTHING, start=0, end=1, quote="x")
    return Claim.from_dict(
        {
            "uid": f"claim-{about}-{supports}-{question}",
            "sentence": f"{about} looks {supports}",
            "question": question,
            "about": about,
            "supports": supports,
            "strength": strength,
            "citations": [citation.to_dict()],
            "grounded": grounded,
        }
    )


def case_of(findings: list[Finding]) -> Case:
    involved = dict.fromkeys(i for f in findings for i in f.involved)
    return Case(
        tenant=findings[0].tenant,
        uid="c-1",
        time=NOW,
        last_time=NOW + 10,
        title="something",
        severity=Severity.high,
        findings=tuple(f.uid for f in findings),
        involved=tuple(involved),
        tactics=(),
        detection_class="x @ x",
    )


def verdict_of(case: Case, probability: float, claims: list[Claim], disposition: str = "escalate") -> Verdict:
    return Verdict.from_dict(
        {
            "tenant": case.tenant,
            "uid": "v-1",
            "case_uid": case.uid,
            "time": NOW,
            "hypothesis": "malicious",
            "verdict_id": 2,
            "verdict": "True positive",
            "posterior": {
                "malicious": probability,
                "benign_true_positive": 0.0,
                "false_positive": 1 - probability,
            },
            "probability": probability,
            "probability_words": "very likely",
            "disposition": disposition,
            "resolution_code": "x",
            "sentence": "x",
            "answers": [],
            "claims": [c.to_dict() for c in claims],
            "could_not_check": [],
            "counterfactual": None,
            "gates": [],
            "rests_on": [],
            "inputs_digest": NOTHING,
            "scorecard_digest": NOTHING,
            "policy_digest": NOTHING,
        }
    )


def claims_of(specs: list[dict[str, Any]]) -> list[Claim]:
    """One claim about each finding, and one about each entity named under `claims`, of a question where it is named,
    `about|question`."""
    found = [claim(f"f-{index}") for index in range(len(specs))]
    named = (about.partition("|") for spec in specs for about in spec.get("claims", ()))
    return found + [claim(about, question=question or "q") for about, _, question in named]


def plan_of(
    specs: list[dict[str, Any]],
    *,
    probability: float = 0.95,
    context: Context | None = None,
    policy: Policy | None = None,
    claims: list[Claim] | None = None,
    playbooks: tuple[Playbook, ...] = PLAYBOOKS,
    disposition: str = "escalate",
) -> Plan | None:
    findings = [finding(index, spec) for index, spec in enumerate(specs)]
    case = case_of(findings)
    verdict = verdict_of(case, probability, claims_of(specs) if claims is None else claims, disposition)
    return plan_for(
        case,
        verdict,
        findings,
        playbooks,
        actions=ACTIONS,
        policy=policy or Policy(),
        context=context or Context(),
        as_of=NOW,
    )


def lines_of(plan: Plan) -> list[str]:
    """Each step as `action name=value`, with its effect where it is destructive."""
    return [
        " ".join(
            [
                step.call.action,
                *(f"{name}={value}" for name, value in sorted(step.call.arguments.items())),
                *(["destructive"] if step.effect == "destructive" else []),
            ]
        )
        for step in plan.actions
    ]


def sorted_line(line: str) -> str:
    """The same line with its arguments by name, as `lines_of` writes them."""
    action, *rest = line.split(" ")
    return " ".join([action, *sorted(w for w in rest if "=" in w), *(w for w in rest if "=" not in w)])


def context_of(text: str) -> Context:
    return Context.from_dict(yaml.safe_load(text))
