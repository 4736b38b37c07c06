"""Correlation: findings that belong together become cases. Every link is first-class, says why, and can be undone.

`Correlation` keeps what it reckoned: what came since changes nothing older than the era before it, so only that is
reckoned anew, with the cases that reach into it. The cases are the same as if all had been reckoned at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from watchfloor.core.case import Case, Relation
from watchfloor.core.clock import HOUR
from watchfloor.core.context import Context
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.policy import CorrelationPolicy
from watchfloor.core.regrouping import Regrouping, standing
from watchfloor.triage.cases import Join, build_case
from watchfloor.triage.commonness import Eras, commonness, repeats
from watchfloor.triage.constraints import Constraints, conflict
from watchfloor.triage.forest import Edge, Forest, Union
from watchfloor.triage.groups import Group, Row, groups_of, rows_of, see_recurring, sprayers_of
from watchfloor.triage.ties import PERSON, PERSON_STRENGTH, Commonness, Tie, likeness_keys, thread_keys, tie

# How many earlier groups with the same entity a group is compared with. One would miss a pair that shares two
# entities when another finding stands between; more costs time and finds little.
_LOOK_BACK = 4
MOST_RELATED = 10


def correlate(
    findings: Sequence[Finding], context: Context, policy: CorrelationPolicy, said: Iterable[Regrouping] = ()
) -> list[Case]:
    """Cases in order of their first finding, the same whatever the order of the findings. Tenants never mix.

    `said` is what people said on which findings belong together.
    """
    tenants: dict[str, list[Finding]] = defaultdict(list)
    regroupings = list(said)
    for finding in findings:
        tenants[finding.tenant].append(finding)
    cases = []
    for tenant in sorted(tenants):
        mine = [regrouping for regrouping in regroupings if regrouping.tenant == tenant]
        cases += Correlation(context, policy).cases(tenants[tenant], mine)
    return cases


class _Print(NamedTuple):
    """What of a finding decides where it stands, in short."""

    time: int
    rest: int


class _Near(NamedTuple):
    """A tie that does not join, and why where it is strong enough."""

    edge: Edge
    refused: str


class Correlation:
    """The cases of one tenant, as findings come. For one thread at a time."""

    def __init__(self, context: Context, policy: CorrelationPolicy) -> None:
        self._context, self._policy = context, policy
        self._window = policy.window_hours * HOUR
        self._eras = Eras(self._window)
        self._prints: dict[str, _Print] = {}
        self._moved: dict[str, tuple[str, ...]] = {}
        self._groups: list[Group] = []
        self._edges: list[Edge] = []
        self._near: list[_Near] = []
        self._root: list[int] = []
        """Of each group the first one of its case ..."""
        self._reach: list[int] = []
        """... and the first one that joins may lead to, whether or not they were refused."""
        self._bare: dict[int, Case] = {}
        self._found: dict[int, Case] = {}

    def cases(self, findings: Iterable[Finding], said: Iterable[Regrouping] = ()) -> list[Case]:
        """The cases that all these findings make. What is the same as at the last call is not reckoned again."""
        unique = {finding.uid: finding for finding in findings}
        regroupings = standing(said)
        since = self._changed_since(unique, regroupings)
        if since is not None:
            self._renew(unique, Constraints.of(regroupings), self._eras.of(since))
        return sorted(self._found.values(), key=lambda case: (case.time, case.uid))

    def _changed_since(self, findings: dict[str, Finding], said: Sequence[Regrouping]) -> int | None:
        """The time (ms) of the earliest finding that came, went, changed or was spoken of; None where none did."""
        prints = {uid: _print(finding) for uid, finding in findings.items()}
        before = self._prints
        times = [one.time for uid, one in prints.items() if before.get(uid) != one]
        times += [one.time for uid, one in before.items() if prints.get(uid) != one]
        named = {r.uid: (*r.one, *r.other) for r in said}
        for uid in named.keys() ^ self._moved.keys():
            told = named.get(uid) or self._moved.get(uid, ())
            times += [prints[finding].time for finding in told if finding in prints]
        self._prints, self._moved = prints, named
        return min(times, default=None)

    def _renew(self, findings: dict[str, Finding], constraints: Constraints, era: int) -> None:
        """Reckon anew what findings of this era and later can change."""
        kept, groups = self._grouped(findings, constraints, era)
        self._groups = [*self._groups[:kept], *groups]
        edges = self._ties(kept)
        gone = [edge for edge in self._edges if edge.later >= kept]
        self._edges = [*(edge for edge in self._edges if edge.later < kept), *edges]
        bonds = list(self._bonds(constraints))
        dirty = self._touched(kept, bonds)
        stirred = {end for edge in gone for end in (edge.earlier, edge.later) if end < kept}
        self._join(dirty, bonds)
        self._relate(dirty, stirred)

    # Groups

    def _grouped(self, findings: dict[str, Finding], constraints: Constraints, era: int) -> tuple[int, list[Group]]:
        """How many groups stay as they were, and those that follow them."""
        window, eras = self._window, self._eras
        # Groups of the era before may go on into this one, and count for what is common in it.
        cut, reach = eras.start(era - 1), eras.start(era) - window - HOUR
        kept = next((i for i, g in enumerate(self._groups) if g.start >= cut or g.end >= reach), len(self._groups))
        settled = self._groups[:kept]
        still = {row.finding.uid for group in settled for row in group.rows}
        rows = rows_of((finding for uid, finding in findings.items() if uid not in still), self._context)
        begin = eras.start(eras.of(rows[0].finding.time) - 1) if rows else 0
        around = [row for group in settled for row in group.rows if row.finding.time >= begin] + rows
        sprayers = partial(_cached, {}, eras, _by_era(around, eras))
        groups = groups_of(rows, window, sprayers, constraints.sides)
        first = groups[0].start if groups else 0
        see_recurring(groups, [group for group in settled if group.end >= first - window - HOUR], window)
        return kept, groups

    # Ties

    def _ties(self, kept: int) -> list[Edge]:
        """Candidate links of the groups from `kept` on: each with the few before it on each of its entities and
        threads, and with the few before it that are at least so severe, for each severity up to its own."""
        groups, window, eras = self._groups, self._window, self._eras
        wanted = sorted({eras.of(group.start) for group in groups[kept:]})
        if not wanted:
            return []
        near = next(i for i, group in enumerate(groups) if group.end >= groups[kept].start - window)
        eras_of_near = sorted({eras.of(group.start) for group in groups[near:]})
        common = commonness(eras, eras_of_near, groups, self._context, self._policy)
        before: dict[tuple[int, str], list[int]] = defaultdict(list)
        found = []
        for index in range(near, len(groups)):
            group = groups[index]
            mine = common[eras.of(group.start)]
            earlier: set[int] = set()
            keys = (*group.shares, *thread_keys(group), *likeness_keys(group))
            for least in range(group.severity + 1):
                hubs = _at_least(mine, least).hubs
                for key in keys:
                    if key not in hubs:
                        seen = before[least, key]
                        earlier.update(seen[-_LOOK_BACK:])
                        seen.append(index)
            if index < kept:
                continue
            for other in sorted(earlier):
                least = min(groups[other].severity, group.severity)
                link = tie(groups[other], group, _at_least(mine, least), window)
                if link is not None and link.strength >= self._policy.relate_at:
                    found.append(Edge(link.strength, link, other, index))
        return found

    def _bonds(self, constraints: Constraints) -> Iterator[Edge]:
        """What people put together, as far as it is here, the newest first."""
        wanted = {uid for bond in constraints.bonds for uid in (bond.one, bond.other)}
        if not wanted:
            return
        place = {
            row.finding.uid: index
            for index, group in enumerate(self._groups)
            for row in group.rows
            if row.finding.uid in wanted
        }
        for bond in reversed(constraints.bonds):
            ends = sorted({place[uid] for uid in (bond.one, bond.other) if uid in place})
            if len(ends) == 2 and not conflict(self._groups[ends[0]].sides, self._groups[ends[1]].sides):
                said = Tie(PERSON, bond.said.uid, PERSON_STRENGTH, bond.said.sentence)
                yield Edge(PERSON_STRENGTH, said, ends[0], ends[1])

    # Cases

    def _touched(self, kept: int, bonds: Sequence[Edge]) -> list[bool]:
        """Of each group, whether its case may be another: it is new, or joins may lead from it to one that is."""
        count = len(self._groups)
        union = Union(range(count))
        for edge in (*self._edges, *bonds):
            if edge.strength >= self._policy.join_at:
                union.join(edge.earlier, edge.later)
        roots = [union.root(index) for index in range(count)]
        # Where a join led to what is no more, the rest may stand together in another way.
        before = set(self._reach[kept:])
        fresh = set(roots[kept:]) | {roots[i] for i, old in enumerate(self._reach[:kept]) if old in before}
        self._reach = roots
        return [root in fresh for root in roots]

    def _join(self, dirty: Sequence[bool], bonds: Sequence[Edge]) -> None:
        groups, join_at = self._groups, self._policy.join_at
        # What a person put together is apart from all that any of it is apart from, before anything is joined; but the
        # product's own reasons are named where it has some.
        touched = [index for index, is_dirty in enumerate(dirty) if is_dirty]
        bound = Forest(groups, touched, self._window)
        held = [edge for edge in bonds if dirty[edge.later] and not bound.take(edge)]
        forest = Forest(groups, touched, self._window)
        forest.sides = {index: bound.sides[bound.root(index)] for index in touched}
        mine = [edge for edge in self._edges if dirty[edge.later] and edge.strength >= join_at]
        near = [_Near(edge, "") for edge in self._edges if edge.strength < join_at]
        near += [one for one in self._near if one.refused and not dirty[one.edge.later] and one.edge.later < len(dirty)]
        for edge in (*sorted(mine, key=lambda e: (-e.strength, e.earlier, e.later)), *held):
            if refused := forest.take(edge):
                near.append(_Near(edge, refused))
        self._near = near
        self._root = [forest.root(i) if dirty[i] else self._root[i] for i in range(len(groups))]
        members: dict[int, list[Group]] = defaultdict(list)
        for index, root in enumerate(self._root):
            if dirty[index]:
                members[root].append(groups[index])
        joins: dict[int, list[Join]] = defaultdict(list)
        for edge in forest.joins:
            joins[forest.root(edge.earlier)].append(Join(groups[edge.earlier], groups[edge.later], edge.tie))
        often = repeats(self._eras, (row for group in groups for row in group.rows))
        self._bare = {root: case for root, case in self._bare.items() if root < len(dirty) and not dirty[root]}
        for root, some in members.items():
            era = self._eras.of(some[0].start)
            self._bare[root] = build_case(some, joins[root], partial(_often, often, era))

    def _relate(self, dirty: Sequence[bool], stirred: Iterable[int]) -> None:
        """Show each case those near it. Only of cases that are new, or stand beside new ones or ones that went."""
        root = self._root
        changed = {root[index] for index in stirred} | {root[i] for i, touched in enumerate(dirty) if touched}
        for one in self._near:
            edge = one.edge
            if dirty[edge.earlier] or dirty[edge.later]:
                changed |= {root[edge.earlier], root[edge.later]}
        best: dict[int, dict[int, _Near]] = {of: {} for of in changed}
        for one in sorted(self._near, key=lambda n: (-n.edge.strength, n.edge.earlier, n.edge.later)):
            a, b = root[one.edge.earlier], root[one.edge.later]
            if a != b:
                for of, other in ((a, b), (b, a)):
                    if of in changed:
                        best[of].setdefault(other, one)
        self._found = {of: case for of, case in self._found.items() if of in self._bare and of not in changed}
        for of in changed:
            relations = [_relation(self._bare[other].uid, one) for other, one in best[of].items()][:MOST_RELATED]
            self._found[of] = self._bare[of].model_copy(
                update={"related": tuple(sorted(r.case for r in relations)), "relations": tuple(relations)}
            )


def _print(finding: Finding) -> _Print:
    """What correlation reads of a finding; whether two are the same within this process. What an event involves is
    fixed with its uid: only of findings that may be told again it can become another."""
    detection = finding.detection
    said = (
        finding.title,
        finding.severity,
        finding.thread,
        finding.likeness,
        finding.tactics,
        finding.techniques,
        finding.until,
    )
    told = tuple((i.entity.key, i.role) for i in finding.involved) if finding.changes else len(finding.involved)
    return _Print(finding.time, hash((said, told, detection.uid, detection.title, detection.family, detection.source)))


def _by_era(rows: Iterable[Row], eras: Eras) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[eras.of(row.finding.time)].append(row)
    return found


def _cached(
    known: dict[int, dict[str, frozenset[str]]], eras: Eras, rows: dict[int, list[Row]], time: int
) -> dict[str, frozenset[str]]:
    """The sources that spray in the era of a time and the one before it, by detection."""
    era = eras.of(time)
    if era not in known:
        known[era] = sprayers_of([*rows.get(era - 1, ()), *rows.get(era, ())])
    return known[era]


def _at_least(common: Mapping[Severity, Commonness], least: int) -> Commonness:
    """How common things are in findings of at least this severity."""
    return next(found for severity, found in common.items() if severity >= least)


def _often(counted: Counter[tuple[int, str]], era: int, detection: str) -> int:
    return counted[era, detection] + counted[era - 1, detection]


def _relation(case_uid: str, near: _Near) -> Relation:
    edge = near.edge
    sentence = f"{edge.tie.sentence[:1].upper()}{edge.tie.sentence[1:]}" + (f"; {near.refused}" if near.refused else "")
    return Relation(
        case=case_uid,
        because=edge.tie.because,
        shared=edge.tie.shared,
        strength=edge.strength,
        sentence=f"{sentence}.",
    )
