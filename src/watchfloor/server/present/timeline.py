"""The timeline: findings by time, one lane a tactic, and the graph of who met whom in which finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from watchfloor.core.case import Case
from watchfloor.core.clock import DAY, HOUR, MINUTE, iso
from watchfloor.core.context import Context
from watchfloor.core.finding import Finding
from watchfloor.server.present.words import facts_of

# In the order of an intrusion; others come last, by name.
STAGES = (
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
)
_STEPS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY)


class Dot(NamedTuple):
    """`x` in percent of the width."""

    x: float
    finding: Finding


class Lane(NamedTuple):
    tactic: str
    dots: list[Dot]


class Tick(NamedTuple):
    x: float
    label: str


class Timeline(NamedTuple):
    lanes: list[Lane]
    ticks: list[Tick]


def timeline(findings: Sequence[Finding]) -> Timeline:
    """Lanes in the order of an intrusion; a finding with several tactics stands in the first."""
    if not findings:
        return Timeline([], [])
    start, end = min(f.time for f in findings), max(f.time for f in findings)
    margin = max((end - start) // 30, MINUTE)
    low, width = start - margin, end - start + 2 * margin
    lanes: dict[str, list[Dot]] = {}
    for finding in sorted(findings, key=lambda f: f.time):
        lane = finding.tactics[0] if finding.tactics else "no tactic"
        lanes.setdefault(lane, []).append(Dot(round(100 * (finding.time - low) / width, 2), finding))
    order = sorted(lanes, key=lambda t: (STAGES.index(t) if t in STAGES else len(STAGES), t))
    return Timeline([Lane(t, lanes[t]) for t in order], _ticks(low, width))


def _ticks(low: int, width: int) -> list[Tick]:
    """Up to six round times."""
    step = next((s for s in _STEPS if width / s <= 6), -(-width // (6 * DAY)) * DAY)
    first = -(-low // step) * step
    return [Tick(round(100 * (at - low) / width, 2), _label(at, step)) for at in range(first, low + width, step)]


def _label(at: int, step: int) -> str:
    """The hour, or the day where the step is a day or a day begins."""
    day, hour = iso(at)[5:10], iso(at)[11:16]
    return day if step >= DAY or hour == "00:00" else hour


def graph(case: Case, findings: Sequence[Finding], context: Context) -> dict[str, Any]:
    """Nodes and edges for Cytoscape.js: a finding ties its actor or source to every other entity in it."""
    nodes: dict[str, dict[str, Any]] = {}
    edges: dict[tuple[str, str], dict[str, Any]] = {}
    for involvement in (*case.involved, *(i for f in findings for i in f.involved)):
        thing = involvement.entity
        nodes.setdefault(
            thing.key,
            {"id": thing.key, "label": thing.value, "type": thing.type, "facts": facts_of(thing, context)},
        )
    for finding in findings:
        keys = [i.entity.key for i in sorted(finding.involved, key=lambda i: i.role not in ("actor", "source"))]
        for other in keys[1:]:
            edge = edges.setdefault(
                (keys[0], other), {"source": keys[0], "target": other, "label": finding.title, "count": 0}
            )
            edge["count"] += 1
    return {"nodes": list(nodes.values()), "edges": list(edges.values())}
