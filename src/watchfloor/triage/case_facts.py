"""Facts of a case as a whole, computed from its findings and recorded as evidence, so that claims can cite them.

Answer of the pseudo-collector `case`:
`{"findings": 7, "detections": 3, "titles": [...], "layers": [...], "layer_count": 2, "tactics": [...],
"tactic_count": 3, "techniques": [...], "technique_count": 4, "stages_in_order": 3, "severity": 4,
"severity_name": "high", "kinds": ["rule"], "hosts": 1, "users": 2, "minutes": 41, "links": 6, "counted": 1,
"counts": ["12 different values of TargetUserName (“Log-on failed”) in 4 min, for IpAddress 10.0.0.7"]}`
`counted` are findings of correlations, `counts` what the most severe of them counted.
`detections`, `titles` and `layers` are those of findings of medium severity or more; the rest speaks of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from watchfloor.core.attack import STAGE, in_order, tactic
from watchfloor.core.case import Case
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.noun import canonical, digest_of

COLLECTOR = "case"


def case_digest(case: Case) -> str:
    """Stands in the look-up, so that a case that has grown is asked again."""
    return digest_of(canonical([case.uid, *case.findings]))


def case_facts(case: Case, findings: Sequence[Finding]) -> dict[str, Any]:
    """The facts, as documented above."""
    ordered = sorted(findings, key=lambda f: (f.time, f.uid))
    # Breadth speaks of findings that are worth something: a sensor's informational chatter is in every layer.
    telling = [f for f in ordered if f.severity >= Severity.medium]
    tactics = in_order(t for f in ordered for t in f.tactics)
    titles: dict[str, None] = {}
    for finding in sorted(telling, key=lambda f: -f.severity):
        titles.setdefault(finding.detection.title)
    layers = sorted({f.layer for f in telling})
    counts = [f.correlated.sentence for f in sorted(ordered, key=lambda f: -f.severity) if f.correlated]
    techniques = sorted({t for f in ordered for t in f.techniques})
    return {
        "findings": len(ordered),
        "detections": len({f.detection.uid for f in telling}),
        "titles": list(titles)[:5],
        "layers": layers,
        "layer_count": len(layers),
        "tactics": list(tactics),
        "tactic_count": len(tactics),
        "techniques": techniques,
        "technique_count": len(techniques),
        "stages_in_order": _stages_in_order(ordered),
        "severity": int(case.severity),
        "severity_name": case.severity.name,
        "kinds": sorted({f.detection.kind for f in ordered}),
        "hosts": sum(1 for i in case.involved if i.entity.type == "host"),
        "users": sum(1 for i in case.involved if i.entity.type == "user"),
        "minutes": (case.last_time - case.time) // 60_000,
        "links": len(case.links),
        "counted": len(counts),
        "counts": counts[:3],
    }


def _stages_in_order(ordered: Sequence[Finding]) -> int:
    """The length of the longest run of ever later kill-chain stages over time (a longest increasing subsequence)."""
    best = [0] * len(STAGE)
    for finding in ordered:
        reached = {}
        for name in finding.tactics:
            stage = STAGE.get(tactic(name))
            if stage is not None:
                reached[stage] = 1 + max(best[:stage], default=0)
        for stage, length in reached.items():
            best[stage] = max(best[stage], length)
    return max(best)


def case_evidence(lookups: Iterable[Lookup], case: Case, findings: Sequence[Finding]) -> dict[str, Evidence]:
    """Evidence for each look-up of the pseudo-collector among `lookups`, by the look-up's uid. Pure.

    It is the product's own reckoning over recorded findings, collected "at" the look-up's `as_of`.
    """
    mine = [lookup for lookup in lookups if lookup.collector == COLLECTOR]
    if not mine:
        return {}
    facts = case_facts(case, findings)
    return {lookup.uid: Evidence.of(lookup, facts, at=lookup.as_of, source="case", reliability="B") for lookup in mine}
