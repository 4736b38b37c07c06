"""How common entities are: with how many others each is seen, and which are hubs, around the time in question.

Counted over eras of three windows: that of the later finding and the one before. So what was common a year ago says
nothing today, and what comes today changes nothing that was decided a year ago.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from watchfloor.core.context import Context
from watchfloor.core.entity import Entity
from watchfloor.core.finding import Severity
from watchfloor.core.policy import CorrelationPolicy
from watchfloor.triage.groups import Group, Row
from watchfloor.triage.ties import Commonness

ERA = 3
"""Windows. More than two: what ties to a finding began no more than two windows before it."""
_MOST_PARTNERS = 100
_PASSING = ("process:", "message:")


class Eras:
    """Time cut into eras, each as long as ERA windows (ms)."""

    def __init__(self, window: int) -> None:
        self.length = ERA * window

    def of(self, time: int) -> int:
        return time // self.length

    def start(self, era: int) -> int:
        return era * self.length


def commonness(
    eras: Eras, wanted: Iterable[int], groups: Sequence[Group], context: Context, policy: CorrelationPolicy
) -> dict[int, dict[Severity, Commonness]]:
    """Era -> severity -> how common entities are in findings of at least this severity, ascending.

    That a web server has a thousand clients with a failed request each makes two severe findings on it no less telling.
    What a known scanner sets off says nothing on how common its targets are; the scanner itself ties nothing.
    """
    by_era: dict[int, list[Group]] = defaultdict(list)
    for group in groups:
        by_era[eras.of(group.start)].append(group)
    found = {}
    for era in wanted:
        around = [*by_era.get(era - 1, ()), *by_era.get(era, ())]
        hosts = {(key, group.start) for group in around for key in group.shares if key.startswith("host:")}
        scanners = frozenset(key for key, time in hosts if context.at(time).scans(Entity.from_key(key)))
        genuine = [group for group in around if scanners.isdisjoint(group.shares)]
        found[era] = {
            least: _of([group for group in genuine if group.severity >= least], scanners, policy)
            for least in sorted({group.severity for group in around})
        }
    return found


def _of(groups: Sequence[Group], scanners: frozenset[str], policy: CorrelationPolicy) -> Commonness:
    partners = _partners(groups)
    return Commonness(partners, _hubs(groups, partners, policy) | scanners)


def _partners(groups: Sequence[Group]) -> Counter[str]:
    """With how many other entities each entity is seen, counted up to _MOST_PARTNERS.

    Processes and messages come and go: those of one host and one user are many and make neither of them common.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        some = [key for key in group.shares if not key.startswith(_PASSING)][: _MOST_PARTNERS + 1]
        for key in group.shares:
            if len(seen[key]) < _MOST_PARTNERS:
                seen[key].update(other for other in some if other != key)
    return Counter({key: min(len(others), _MOST_PARTNERS) for key, others in seen.items()})


def _hubs(groups: Sequence[Group], partners: Mapping[str, int], policy: CorrelationPolicy) -> frozenset[str]:
    """Entities that so many groups share that sharing one says nothing.

    Repetitions count once. An entity with few partners is no hub: a single host's findings all share that host.
    """
    counts = Counter(key for group in groups for key in group.shares)
    most = max(policy.hub_findings, policy.hub_share * len(groups))
    many = min(policy.hub_findings, _MOST_PARTNERS)
    return frozenset(key for key, count in counts.items() if count >= most and partners[key] >= many)


def repeats(eras: Eras, rows: Iterable[Row]) -> Counter[tuple[int, str]]:
    """How often each detection found something, by era."""
    return Counter((eras.of(row.finding.time), row.finding.detection.uid) for row in rows)
