"""Groups: repeated findings of one detection on one entity within the window. Noise counts once, and so do its ties."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from watchfloor.core.attack import STAGE, tactic
from watchfloor.core.clock import HOUR
from watchfloor.core.context import Context
from watchfloor.core.entity import Involvement, Role
from watchfloor.core.event import Layer
from watchfloor.core.finding import Finding, Severity
from watchfloor.triage.constraints import NO_SIDES, Side
from watchfloor.triage.principals import stands_for_nobody

# An address that repeats one detection against so many principals is the one that acts (scan, spray).
_SPRAYED = 5
# A repetition that rests for a twenty-fourth of the window (an hour of a day) is over: what comes then is another
# episode, which ties to the one before like any other finding. Without it, an alert of the morning reaches to an attack
# in the evening that raises the same alert, and all of the day with it.
_PAUSE = 24
# In these layers the device that records is a sensor that sees everybody: it is not where anything happened.
_MOST_LIKENESS = 4
OBSERVED: frozenset[Layer] = frozenset({"network", "threat_intelligence"})


@dataclass(frozen=True)
class Row:
    """A finding with its entities resolved: key -> role. `shared` are keys that stand for nobody or for many."""

    finding: Finding
    roles: Mapping[str, Role]
    involved: tuple[Involvement, ...]
    shared: frozenset[str]


@dataclass
class Group:
    """Findings of one detection with one anchor within the window, in order of time."""

    anchor: str
    rows: list[Row] = field(default_factory=list)
    sides: frozenset[Side] = NO_SIDES
    """What people said that its findings stand apart from."""
    recurs: float = 0.0
    """The share of hours, from a window before to a window after, in which its detection comes up on its anchor."""

    @property
    def first(self) -> Finding:
        return self.rows[0].finding

    @property
    def start(self) -> int:
        return self.rows[0].finding.time

    @cached_property
    def end(self) -> int:
        return max(row.finding.until for row in self.rows)

    @cached_property
    def shares(self) -> dict[str, float]:
        """Key -> the share of this group's findings that it is on; only keys that can tie."""
        counts = Counter(key for row in self.rows for key in row.roles if key not in row.shared)
        return {key: count / len(self.rows) for key, count in sorted(counts.items())}

    @cached_property
    def severity(self) -> Severity:
        """That of its most severe finding."""
        return max(row.finding.severity for row in self.rows)

    @cached_property
    def actors(self) -> frozenset[str]:
        """The keys that act: users, keys and addresses in an actor's or source's part, and the hosts it is on."""
        return frozenset(
            key
            for row in self.rows
            for key, role in row.roles.items()
            if key not in row.shared and (role in ("actor", "source") or key.startswith("host:"))
        )

    @cached_property
    def stages(self) -> frozenset[int]:
        names = {tactic(t) for row in self.rows for t in row.finding.tactics}
        return frozenset(STAGE[name] for name in names if name in STAGE)

    @cached_property
    def likeness(self) -> tuple[str, ...]:
        """What its findings' texts are like: the first few."""
        return tuple(dict.fromkeys(one for row in self.rows for one in row.finding.likeness))[:_MOST_LIKENESS]

    @cached_property
    def threads(self) -> frozenset[str]:
        return frozenset(thread for row in self.rows for thread in row.finding.thread)


def rows_of(findings: Iterable[Finding], context: Context) -> list[Row]:
    """Findings with resolved entities, in order of time; the same uid twice counts once."""
    resolve = _Resolver(context)
    rows = []
    unique = {f.uid: f for f in findings}
    for finding in sorted(unique.values(), key=lambda f: (f.time, f.uid)):
        involved: dict[str, _Resolved] = {}
        others = len(finding.involved) > 1
        for item in finding.involved:
            found = resolve(item, finding.time)
            # ... unless the alert names nothing else: then the host is what it is about.
            if others and item.entity.type == "host" and finding.layer in OBSERVED and item.role == "target":
                found = found._replace(shared=True)
            involved.setdefault(found.key, found)
        rows.append(
            Row(
                finding,
                {key: found.involvement.role for key, found in involved.items()},
                tuple(found.involvement for found in involved.values()),
                frozenset(key for key, found in involved.items() if found.shared),
            )
        )
    return rows


class _Resolved(NamedTuple):
    key: str
    involvement: Involvement
    shared: bool


class _Resolver:
    """Involvements in the case's spelling, each as it was true at its time; reckoned once for each context."""

    def __init__(self, context: Context) -> None:
        self._over_time = self._context = context
        self._egress = [n for text in context.company.egress_addresses for n in _networks(text)]
        self._known: dict[tuple[str, str, Role], _Resolved] = {}

    def __call__(self, item: Involvement, time: int) -> _Resolved:
        context = self._over_time.at(time)
        if context is not self._context:
            self._context = context
            self._known.clear()
        place = (item.entity.type, item.entity.value, item.role)
        found = self._known.get(place)
        if found is None:
            entity = self._context.resolve(item.entity)
            nobody = entity.type == "user" and stands_for_nobody(entity.value)
            involvement = Involvement(entity=entity, role=item.role)
            found = _Resolved(entity.key, involvement, nobody or self._is_egress(item))
            self._known[place] = found
        return found

    def _is_egress(self, item: Involvement) -> bool:
        if item.entity.type != "address":
            return False
        return any(one.network_address in net for one in _networks(item.entity.value) for net in self._egress)


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """An address or network, or nothing for text that is neither: it can then be nobody's way out."""
    try:
        return (ip_network(text.strip(), strict=False),)
    except ValueError:
        return ()


def groups_of(
    rows: Sequence[Row],
    window: int,
    sprayers: Callable[[int], Mapping[str, frozenset[str]]],
    sides: Mapping[str, frozenset[Side]],
) -> list[Group]:
    """Rows put into groups, each no longer than the window (ms) and without a long pause, in order of time.

    `sprayers` tells for a time (ms) the sources that spray, by detection; `sides` of each finding what people said that
    it stands apart from: findings of two sides are two groups.
    """
    open_groups: dict[tuple[str, str, frozenset[Side]], Group] = {}
    groups: list[Group] = []
    for row in rows:
        finding = row.finding
        uid, mine = finding.detection.uid, sides.get(finding.uid, NO_SIDES)
        anchor = _anchor(row, sprayers(finding.time).get(uid, frozenset()))
        group = open_groups.get((uid, anchor, mine))
        if group is None or not anchor or _is_over(group, finding.time, window):
            group = open_groups[uid, anchor, mine] = Group(anchor, sides=mine)
            groups.append(group)
        group.rows.append(row)
    return groups


def _is_over(group: Group, time: int, window: int) -> bool:
    return time - group.start > window or time - group.rows[-1].finding.until > window // _PAUSE


def see_recurring(groups: Iterable[Group], before: Iterable[Group], window: int) -> None:
    """Note of each group how much of the time its detection comes up; `before` are groups that know already."""
    hours: dict[tuple[str, str], set[int]] = defaultdict(set)
    anchored = [group for group in groups if group.anchor]
    for group in (*anchored, *(group for group in before if group.anchor)):
        hours[group.first.detection.uid, group.anchor].update(row.finding.time // HOUR for row in group.rows)
    ordered = {key: sorted(some) for key, some in hours.items()}
    for group in anchored:
        mine = ordered[group.first.detection.uid, group.anchor]
        low, high = (group.start - window) // HOUR, (group.end + window) // HOUR
        group.recurs = (bisect_right(mine, high) - bisect_left(mine, low)) / (high - low + 1)


def sprayers_of(rows: Iterable[Row]) -> dict[str, frozenset[str]]:
    """Per detection, the sources that raise it for many different actors or targets."""
    struck: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        sources = [k for k, role in row.roles.items() if role == "source" and k not in row.shared]
        others = [k for k, role in row.roles.items() if role in ("actor", "target")]
        for source in sources:
            struck[row.finding.detection.uid, source].update(others)
    found: dict[str, set[str]] = defaultdict(set)
    for (uid, source), others_struck in struck.items():
        if len(others_struck) >= _SPRAYED:
            found[uid].add(source)
    return {uid: frozenset(sources) for uid, sources in found.items()}


def _anchor(row: Row, sprayers: frozenset[str]) -> str:
    """The one entity that a finding is a repetition on; empty when it has none."""
    layer = row.finding.layer
    best = min(
        ((_rank(key, role, layer, key in sprayers), key) for key, role in row.roles.items() if key not in row.shared),
        default=(9, ""),
    )
    return best[1]


def _rank(key: str, role: Role, layer: Layer, sprays: bool) -> int:
    kind = key.partition(":")[0]
    if sprays:
        return 0
    if layer == "network":
        return 1 if role == "source" else 5
    if layer == "endpoint" and kind == "host":
        return 1
    if role == "actor":
        return 2
    if kind == "host":
        return 3
    return 4 if role == "source" else 5
