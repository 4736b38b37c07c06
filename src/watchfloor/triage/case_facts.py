"""Facts of a case as a whole, computed from its findings and recorded as evidence, so that claims can cite them.

Answer of the pseudo-collector `case`:
`{"findings": 7, "detections": 3, "titles": [...], "layers": [...], "layer_count": 2, "tactics": [...],
"tactic_count": 3, "techniques": [...], "technique_count": 4, "stages_in_order": 3, "severity": 4,
"severity_name": "high", "kinds": ["rule"], "hosts": 1, "users": 2, "minutes": 41, "links": 6, "counted": 1,
"counts": ["12 different values of TargetUserName (“Log-on failed”) in 4 min, for IpAddress 10.0.0.7"],
"chains": ["credential-access, then lateral-movement"], "chain_count": 1, "late": ["impact"], "sources": 2,
"agreeing": {"entity": "host:ws-1", "detections": 4, "sources": 2} | null, "indicators": 1, "learned": 0,
"busiest_hour": 9, "first_hosts": ["ws-1"], "techniques_chained": ["T1490 and T1486"], "own_and_vendor": true,
"alerts": 9, "families": 4}`
`counted` are findings of correlations, `counts` what the most severe of them counted.
`detections`, `titles`, `layers`, `late`, `sources`, `agreeing` and `own_and_vendor` are those of findings of medium
severity or more; the rest speaks of all: `alerts` are different detections, `families` theirs. `chains` are stages that
mostly follow one another, seen in that order on what they share; `agreeing` is the user, host or source that most
detections name.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from watchfloor.core.attack import STAGE, in_order, tactic
from watchfloor.core.case import Case
from watchfloor.core.clock import HOUR
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.noun import canonical, digest_of

COLLECTOR = "case"
_NEVER = 2**63
_LATE = frozenset({"lateral-movement", "collection", "command-and-control", "exfiltration", "impact"})
# Stages that mostly follow one another, and techniques that are used together (ATT&CK's procedure examples).
_CHAINS = (
    ("reconnaissance", "initial-access"),
    ("initial-access", "execution"),
    ("initial-access", "persistence"),
    ("execution", "command-and-control"),
    ("discovery", "lateral-movement"),
    ("credential-access", "lateral-movement"),
    ("credential-access", "initial-access"),
    ("collection", "exfiltration"),
    ("defense-evasion", "impact"),
    ("persistence", "exfiltration"),
)
_TOGETHER = (
    ("T1490", "T1486"),
    ("T1003", "T1021"),
    ("T1003", "T1550"),
    ("T1110", "T1078"),
    ("T1566", "T1204"),
    ("T1566", "T1059"),
    ("T1190", "T1505"),
    ("T1528", "T1114"),
    ("T1078", "T1098"),
    ("T1560", "T1567"),
    ("T1560", "T1048"),
    ("T1621", "T1078"),
    ("T1562", "T1486"),
    ("T1087", "T1021"),
)


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
        "alerts": len({f.detection.uid for f in ordered}),
        "families": len({f.detection.family for f in ordered}),
        **_agreement(ordered, telling),
    }


def _agreement(ordered: Sequence[Finding], telling: Sequence[Finding]) -> dict[str, Any]:
    """What findings say together that none of them says by itself."""
    chains, kinds = _chains(ordered), {f.detection.kind for f in telling}
    techniques = {t.upper().partition(".")[0] for f in ordered for t in f.techniques}
    hosts = {i.entity.value: None for f in ordered for i in f.involved if i.entity.type == "host"}
    return {
        "chains": chains,
        "chain_count": len(chains),
        "late": [t for t in in_order(t for f in telling for t in f.tactics) if t in _LATE],
        "sources": len({f.detection.source for f in telling}),
        "agreeing": _agreeing(telling),
        "indicators": sum(1 for f in ordered if f.detection.kind == "indicator"),
        "learned": len({f.detection.uid for f in ordered if f.detection.kind in ("anomaly", "learned")}),
        "busiest_hour": _busiest(ordered),
        "first_hosts": list(hosts)[:5],
        "techniques_chained": [f"{a} and {b}" for a, b in _TOGETHER if a in techniques and b in techniques],
        "own_and_vendor": "vendor" in kinds and "rule" in kinds,
    }


def _chains(ordered: Sequence[Finding]) -> list[str]:
    """Stages that follow one another on an entity that both have, in the order of `_CHAINS`."""
    first: dict[tuple[str, str], int] = {}
    last: dict[tuple[str, str], int] = {}
    for finding in ordered:
        for key in {i.entity.key for i in finding.involved if i.entity.type in ("user", "host", "address")}:
            for name in map(tactic, finding.tactics):
                first.setdefault((key, name), finding.time)
                last[key, name] = finding.time
    keys = {key for key, _ in first}
    return [
        f"{one}, then {other}"
        for one, other in _CHAINS
        if any(first.get((key, one), _NEVER) < last.get((key, other), 0) for key in keys)
    ]


def _agreeing(telling: Sequence[Finding]) -> dict[str, Any] | None:
    said: dict[str, set[str]] = defaultdict(set)
    sources: dict[str, set[str]] = defaultdict(set)
    for finding in telling:
        for one in finding.involved:
            if one.entity.type in ("user", "host") or one.role == "source":
                said[one.entity.key].add(finding.detection.uid)
                sources[one.entity.key].add(finding.detection.source)
    if not said:
        return None
    key = min(said, key=lambda one: (-len(said[one]), -len(sources[one]), one))
    return {"entity": key, "detections": len(said[key]), "sources": len(sources[key])}


def _busiest(ordered: Sequence[Finding]) -> int:
    """The most findings within one hour."""
    times = [f.time for f in ordered]
    return max((end - bisect_left(times, time - HOUR) + 1 for end, time in enumerate(times)), default=0)


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
