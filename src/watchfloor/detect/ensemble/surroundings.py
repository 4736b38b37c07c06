"""Surroundings: what stands around a finding on the same host, user or address, and how routine its detection is here.

Pure. How routine something is rests on what came before it, never on later findings; what stands around a finding may
have followed it, because a case is weighed anew as findings come. Time is event time (ms); findings of one time come in
the order of their uids.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeVar

from watchfloor.core.attack import tactic
from watchfloor.core.clock import HOUR
from watchfloor.core.event import Layer
from watchfloor.core.finding import Finding
from watchfloor.detect.ensemble.members import Member, listed

WINDOW = HOUR
"""How far off (ms) something stands around a finding."""
_TYING = frozenset({"host", "user", "address", "mailbox", "access_key"})
_KNOWN_HOURS, _ROUTINE = 12, 0.2
_MOST_DETECTIONS, _MOST_STEPS, _MOST_HOURS = 4.0, 3.0, 6.0
_ASSUMED_HOURS = 4
"""As if so many hours had been seen before the first, and everything had come up in one of them: after an hour or two
nothing is rare for being new."""

K = TypeVar("K")
Named = tuple[tuple[str, str], ...]
"""Detections by uid and title."""


class Surroundings(NamedTuple):
    """The different detections around a finding, its own among them, that are `unusual` here, and the tactics and
    layers of all; `where` that is. `hours`: in how many hours before this one its detection came up, `known` of so
    many in which anything did."""

    where: str
    unusual: Named
    tactics: tuple[str, ...]
    layers: tuple[Layer, ...]
    hours: int
    known: int

    @property
    def told(self) -> bool:
        """Whether enough is known to tell what is usual here."""
        return self.known >= _KNOWN_HOURS

    @property
    def routine(self) -> bool:
        """Whether its detection comes up in every fifth hour or more often."""
        return self.told and self.hours >= _ROUTINE * self.known


class _Around:
    """What happened on one entity: findings in order of time, each with whether it is unusual here, and what of them
    is in the window."""

    def __init__(self) -> None:
        self.all: list[tuple[Finding, bool]] = []
        self.unusual: dict[tuple[str, str], int] = {}
        self.tactics: dict[str, int] = {}
        self.layers: dict[Layer, int] = {}

    def windows(self, ahead: int) -> Iterator[Finding]:
        """Each finding, when the window holds what stands around it: from `WINDOW` before to `ahead` after."""
        first = end = 0
        for finding, _ in self.all:
            while (
                end < len(self.all)
                and (f := self.all[end][0]).time <= finding.time + ahead
                and (ahead or (f.time, f.uid) <= (finding.time, finding.uid))
            ):
                self._count(*self.all[end], 1)
                end += 1
            while self.all[first][0].time <= finding.time - WINDOW:
                self._count(*self.all[first], -1)
                first += 1
            yield finding

    def _count(self, finding: Finding, unusual: bool, step: int) -> None:
        if unusual:
            _step(self.unusual, (finding.detection.uid, finding.detection.title), step)
        for name in finding.tactics:
            _step(self.tactics, _tactic(name), step)
        _step(self.layers, finding.layer, step)


def _step(counts: dict[K, int], key: K, step: int) -> None:
    count = counts.get(key, 0) + step
    if count:
        counts[key] = count
    else:
        del counts[key]


_tactic = lru_cache(maxsize=1_024)(tactic)


class _Hours:
    """In how many different hours something came up, of findings in order of time."""

    def __init__(self) -> None:
        self._count, self._last = 0, -1

    def before(self, hour: int) -> int:
        return self._count - (self._last == hour)

    def add(self, hour: int) -> None:
        self._count += hour != self._last
        self._last = hour


def surroundings(
    findings: Iterable[Finding], apart: Container[str] = (), *, ahead: int = WINDOW
) -> dict[str, Surroundings]:
    """What stands around each finding, by its uid, up to `ahead` (ms) after it: of its entities that one around which
    most happens. Findings of several tenants must not be mixed. Those `apart` (uids) stand around nothing, and nothing
    around them: what a known scanner sets off."""
    around: dict[str, _Around] = {}
    came_up: dict[str, _Hours] = {}
    anything = _Hours()
    found: dict[str, Surroundings] = {}
    for finding in sorted(findings, key=lambda f: (f.time, f.uid)):
        hour = finding.time // HOUR
        mine = came_up.setdefault(finding.detection.uid, _Hours())
        seen = found[finding.uid] = alone(finding, mine.before(hour), anything.before(hour))
        keys = dict.fromkeys(i.entity.key for i in finding.involved if i.entity.type in _TYING)
        for key in () if finding.uid in apart else keys:
            around.setdefault(key, _Around()).all.append((finding, not seen.routine))
        mine.add(hour)
        anything.add(hour)
    sizes: dict[str, tuple[int, int, int]] = {}
    for key, one in around.items():
        for finding in one.windows(ahead):
            size = (len(one.unusual), len(one.layers), len(one.tactics))
            if size > sizes.get(finding.uid, (-1, 0, 0)):
                sizes[finding.uid] = size
                found[finding.uid] = found[finding.uid]._replace(
                    where=f"Within an hour on {key}",
                    unusual=tuple(one.unusual),
                    tactics=tuple(one.tactics),
                    layers=tuple(one.layers),
                )
    return found


def alone(finding: Finding, hours: int, known: int) -> Surroundings:
    """Of a finding with nothing around it."""
    named = ((finding.detection.uid, finding.detection.title),)
    tactics = tuple(dict.fromkeys(map(_tactic, finding.tactics)))
    seen = Surroundings("By itself", (), tactics, (finding.layer,), hours, known)
    return seen if seen.routine else seen._replace(unusual=named)


def context_features(seen: Surroundings) -> list[tuple[str, float]]:
    """What surroundings count for in the model. Features that would be zero are left out."""
    found = []
    for name, several, most in (
        ("unusual", seen.unusual, _MOST_DETECTIONS),
        ("tactics", seen.tactics, _MOST_STEPS),
        ("layers", seen.layers, _MOST_STEPS),
    ):
        if len(several) > 1:
            found.append((name, min(math.log2(len(several)), most)))
    rare = math.log2((seen.known / _ASSUMED_HOURS + 1) / (seen.hours + 1))
    if rare > 0 and not seen.routine:
        found.append(("rare", min(rare, _MOST_HOURS)))
    return found


def context_members(seen: Surroundings) -> list[Member]:
    """The same as members of the ensemble, each with what it says."""
    return [Member(name, ((name, value),), _said(name, seen)) for name, value in context_features(seen)]


def _said(name: str, seen: Surroundings) -> str:
    match name:
        case "unusual":
            return (
                f"{seen.where}: {listed(len(seen.unusual), 'unusual detection', [title for _, title in seen.unusual])}"
            )
        case "tactics" | "layers":
            names = sorted(seen.tactics if name == "tactics" else seen.layers)
            return f"{seen.where}: {len(names)} {name}, {', '.join(names).replace('_', ' ')}"
    return f"This detection came up in {seen.hours} of the {seen.known} earlier hours in which anything did"
