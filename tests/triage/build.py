"""Small findings, cases and inputs for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from watchfloor.core.case import Case
from watchfloor.core.clock import MINUTE
from watchfloor.core.context import Context
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.event import Layer
from watchfloor.core.evidence import Evidence
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.label import Label
from watchfloor.core.policy import CorrelationPolicy, Policy
from watchfloor.core.question import Asked
from watchfloor.core.scorecard import Scorecard
from watchfloor.triage.bound import LabelBook
from watchfloor.triage.catalogue import Catalogue
from watchfloor.triage.correlation import correlate
from watchfloor.triage.decide import Inputs

START = 1_790_000_000_000
TENANT = "acme"


def finding(
    number: int,
    *entities: str,
    minute: float = 0.0,
    rule: str = "r1",
    severity: Severity = Severity.medium,
    layer: Layer = "endpoint",
    tactics: Sequence[str] = (),
    thread: Sequence[str] = (),
    tenant: str = TENANT,
) -> Finding:
    """A finding; entities are `type:value:role`."""
    involved = []
    for text in entities:
        kind, value, role = text.split(":")
        involved.append(Involvement.from_dict({"entity": {"type": kind, "value": value}, "role": role}))
    detection = Detection(uid=rule, title=f"Rule {rule}", family="sigma/windows", source="sysmon", kind="rule")
    return Finding(
        tenant=tenant,
        uid=f"f-{number:06d}",
        time=START + int(minute * MINUTE),
        detection=detection,
        severity=severity,
        layer=layer,
        event_uid=f"ev-{number:06d}",
        source="test",
        position=number,
        title=f"Rule {rule}",
        tactics=tuple(tactics),
        involved=tuple(involved),
        thread=tuple(thread),
    )


def entity(key: str) -> Entity:
    return Entity.from_key(key)


def one_case(findings: Sequence[Finding], context: Context | None = None) -> Case:
    """The single case that findings make."""
    cases = correlate(findings, context or Context(), CorrelationPolicy())
    assert len(cases) == 1, [c.title for c in cases]
    return cases[0]


def answered(asked: Asked, content: Any) -> Evidence:
    return Evidence.of(asked.lookup, content, at=asked.lookup.as_of, source="test")


def inputs(
    catalogue: Catalogue,
    findings: Sequence[Finding],
    contents: Mapping[str, Any],
    *,
    facets: Mapping[str, Mapping[str, Any]] | None = None,
    policy: Policy | None = None,
    labels: Iterable[Label] = (),
    scorecard: Scorecard | None = None,
) -> Inputs:
    """Inputs of one case. `contents` maps question ids to their evidence; None stands for a failed look-up.

    Questions that it does not name are not asked; those that share a look-up share its evidence.
    """
    case = one_case(findings)
    asked = [a for a in catalogue.ask(case, findings, facets or {}, Context()) if a.question in contents]
    merged: dict[str, dict[str, Any]] = {}
    for a in asked:
        known = merged.setdefault(a.lookup.uid, {})
        for key, value in (contents[a.question] or {}).items():
            both = isinstance(value, list) and isinstance(known.get(key), list)
            known[key] = [*known[key], *value] if both else value
    evidence = [
        answered(a, merged[a.lookup.uid])
        if merged[a.lookup.uid]
        else Evidence.failed(a.lookup, "the source is down", at=START, source="test")
        for a in asked
    ]
    return Inputs.of(
        case,
        findings,
        asked,
        evidence,
        catalogue=catalogue,
        scorecard=scorecard or Scorecard.expert(catalogue),
        policy=policy or Policy(),
        labels=LabelBook(labels).record(case),
        as_of=case.last_time,
    )


def label(number: int, *, verdict: str = "false_positive", would_close: bool = True, case_uid: str = "") -> Label:
    return Label.from_dict(
        {
            "tenant": TENANT,
            "uid": f"label-{number}",
            "time": START,
            "detection_class": "sigma/windows @ sysmon",
            "detection": "r1",
            "verdict": verdict,
            "would_close": would_close,
            "basis": "all",
            "by": "nora",
            "case_uid": case_uid,
        }
    )
