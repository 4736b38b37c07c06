"""Correlation: findings that belong together become cases. Every link is first-class and says why.

The strongest links are taken first (Kruskal over the graph of groups); a link that would make a case too long, or hold
it together by too many weak ties, is refused and the two cases are shown as related.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from watchfloor.core.case import Case
from watchfloor.core.clock import HOUR
from watchfloor.core.context import Context
from watchfloor.core.entity import Entity
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.policy import CorrelationPolicy
from watchfloor.triage.cases import Join, build_case
from watchfloor.triage.groups import Group, Row, groups_of, rows_of
from watchfloor.triage.ties import THREAD, Commonness, Tie, thread_keys, tie

# How many earlier groups with the same entity a group is compared with. One would miss a pair that shares two
# entities when another finding stands between; more costs time and finds little.
_LOOK_BACK = 4
# An incident has few actors and places: a case held together by more weak ties than this is a chain of coincidences.
MOST_WEAK_TIES = 6
# ... and one that is longer than this many windows is routine, not an incident; kill-chain order may take longer.
LONGEST_WEAK = 2
LONGEST = 7
MOST_RELATED = 10
_MOST_PARTNERS = 100
_PASSING = ("process:", "message:")


class _Edge(NamedTuple):
    strength: float
    tie: Tie
    earlier: int
    later: int


def correlate(findings: Sequence[Finding], context: Context, policy: CorrelationPolicy) -> list[Case]:
    """Cases in order of their first finding, the same whatever the order of the findings. Tenants never mix."""
    tenants: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        tenants[finding.tenant].append(finding)
    return [case for tenant in sorted(tenants) for case in _of_tenant(tenants[tenant], context, policy)]


def _of_tenant(findings: Sequence[Finding], context: Context, policy: CorrelationPolicy) -> list[Case]:
    window = policy.window_hours * HOUR
    rows = rows_of(findings, context)
    groups = groups_of(rows, window)
    common = _commonness(groups, context, policy)
    forest = _Forest(groups, window)
    near: set[tuple[int, int]] = set()
    edges = (edge for edge in _edges(groups, common, window) if edge.strength >= policy.relate_at)
    for edge in sorted(edges, key=lambda e: (-e.strength, e.earlier, e.later)):
        if edge.strength < policy.join_at or not forest.join(edge):
            near.add((edge.earlier, edge.later))
    return _cases(forest, near, rows)


def _commonness(groups: Sequence[Group], context: Context, policy: CorrelationPolicy) -> dict[Severity, Commonness]:
    """Severity -> how common entities are in findings of at least this severity, ascending.

    That a web server has a thousand clients with a failed request each makes two severe findings on it no less telling.
    What a known scanner sets off says nothing on how common its targets are; the scanner itself ties nothing.
    """
    hosts = {(key, group.start) for group in groups for key in group.shares if key.startswith("host:")}
    scanners = frozenset(key for key, time in hosts if _scans(key, context.at(time)))
    genuine = [group for group in groups if scanners.isdisjoint(group.shares)]
    found = {}
    for least in sorted({group.severity for group in groups}):
        some = [group for group in genuine if group.severity >= least]
        partners = _partners(some)
        found[least] = Commonness(partners, _hubs(some, partners, policy) | scanners)
    return found


def _scans(key: str, context: Context) -> bool:
    asset = context.asset(Entity.from_key(key))
    return asset is not None and "scanner" in asset.tags


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


def _edges(groups: Sequence[Group], common: Mapping[Severity, Commonness], window: int) -> Iterator[_Edge]:
    """Candidate links: each group with the few before it on each of its entities and threads, and with the few before
    it that are at least so severe, for each severity up to its own."""
    before: dict[tuple[Severity, str], list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        earlier: set[int] = set()
        for least in (severity for severity in common if severity <= group.severity):
            for key in (*group.shares, *thread_keys(group)):
                if key not in common[least].hubs:
                    seen = before[least, key]
                    earlier.update(seen[-_LOOK_BACK:])
                    seen.append(index)
        for other in sorted(earlier):
            found = tie(groups[other], group, common[min(groups[other].severity, group.severity)], window)
            if found is not None:
                yield _Edge(found.strength, found, other, index)


class _Forest:
    """Union-find over groups that knows each tree's span and the weak ties that hold it together."""

    def __init__(self, groups: Sequence[Group], window: int) -> None:
        self.groups, self.window = groups, window
        self.parent = list(range(len(groups)))
        self.span = [(g.start, g.end) for g in groups]
        self.weak: list[frozenset[str]] = [frozenset()] * len(groups)
        self.joins: list[_Edge] = []

    def root(self, index: int) -> int:
        while self.parent[index] != index:
            self.parent[index] = self.parent[self.parent[index]]
            index = self.parent[index]
        return index

    def join(self, edge: _Edge) -> bool:
        """Whether the two ends stand in one tree now."""
        a, b = sorted((self.root(edge.earlier), self.root(edge.later)))
        if a == b:
            return True
        start, end = min(self.span[a][0], self.span[b][0]), max(self.span[a][1], self.span[b][1])
        weak = self.weak[a] | self.weak[b]
        bound = LONGEST
        if edge.tie.because == "entity":
            weak |= {edge.tie.shared}
            bound = LONGEST_WEAK
        too_long = end - start > bound * self.window and edge.tie.because != THREAD
        if too_long or (edge.tie.because != THREAD and len(weak) > MOST_WEAK_TIES):
            return False
        self.parent[b] = a
        self.span[a], self.weak[a] = (start, end), weak
        self.joins.append(edge)
        return True


def _cases(forest: _Forest, near: Iterable[tuple[int, int]], rows: Sequence[Row]) -> list[Case]:
    members: dict[int, list[Group]] = defaultdict(list)
    joins: dict[int, list[Join]] = defaultdict(list)
    for index, group in enumerate(forest.groups):
        members[forest.root(index)].append(group)
    for edge in forest.joins:
        join = Join(forest.groups[edge.earlier], forest.groups[edge.later], edge.tie)
        joins[forest.root(edge.earlier)].append(join)
    repeats = Counter(row.finding.detection.uid for row in rows)
    cases = {root: build_case(groups, joins[root], repeats) for root, groups in members.items()}
    related: dict[int, Counter[str]] = defaultdict(Counter)
    for one, other in near:
        a, b = forest.root(one), forest.root(other)
        if a != b:
            related[a][cases[b].uid] += 1
            related[b][cases[a].uid] += 1
    for root, others in related.items():
        nearest = sorted(others, key=lambda uid: (-others[uid], uid))[:MOST_RELATED]
        cases[root] = cases[root].model_copy(update={"related": tuple(sorted(nearest))})
    return sorted(cases.values(), key=lambda case: (case.time, case.uid))
