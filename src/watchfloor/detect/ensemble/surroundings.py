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
from watchfloor.core.clock import HOUR, MINUTE
from watchfloor.core.event import Layer
from watchfloor.core.finding import Finding
from watchfloor.detect.ensemble.members import Member, listed

WINDOW = HOUR
"""How far off (ms) something stands around a finding."""
_TYING = frozenset({"host", "user", "address", "mailbox", "access_key"})
_KNOWN_HOURS, _ROUTINE = 12, 0.2
_MOST_DETECTIONS, _A_STEP, _MOST_STEPS, _MOST_RARE = 20.0, 3.0, 3.0, 6.0
_ASSUMED_MINUTES, _NEW = 3, 2.0
"""As if so many minutes had been seen before the first: in a short record nothing is much rarer for being new. What was
seen as often as can be expected of something new counts `_NEW`, and each doubling against that one more or less."""

K = TypeVar("K")
Named = tuple[tuple[str, str], ...]
"""Detections by uid and title."""


class CameUp(NamedTuple):
    """In how many hours, and minutes, before this one a detection came up, of so many known in which anything did. A
    burst is one minute however much comes in it: routine is what comes again and again."""

    hours: int = 0
    known_hours: int = 0
    minutes: int = 0
    known_minutes: int = 0

    @property
    def routine(self) -> bool:
        """Whether it comes up in every fifth hour or more often, where enough is known to tell."""
        return self.known_hours >= _KNOWN_HOURS and self.hours >= _ROUTINE * self.known_hours


class Surroundings(NamedTuple):
    """The different detections around a finding, its own among them, that are `unusual` here, and the tactics and
    layers of all; `where` that is. `came_up`: how often its own detection did before."""

    where: str
    unusual: Named
    tactics: tuple[str, ...]
    layers: tuple[Layer, ...]
    came_up: CameUp = CameUp()

    @property
    def routine(self) -> bool:
        return self.came_up.routine


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


class _Times:
    """In how many different hours and minutes something came up, of findings in order of time."""

    def __init__(self) -> None:
        self._hours = self._minutes = 0
        self._hour = self._minute = -1

    def before(self, time: int) -> tuple[int, int]:
        return self._hours - (self._hour == time // HOUR), self._minutes - (self._minute == time // MINUTE)

    def add(self, time: int) -> None:
        hour, minute = time // HOUR, time // MINUTE
        self._hours += hour != self._hour
        self._minutes += minute != self._minute
        self._hour, self._minute = hour, minute


def surroundings(
    findings: Iterable[Finding], apart: Container[str] = (), *, ahead: int = WINDOW
) -> dict[str, Surroundings]:
    """What stands around each finding, by its uid, up to `ahead` (ms) after it: of its entities that one around which
    most happens. Findings of several tenants must not be mixed. Those `apart` (uids) stand around nothing, and nothing
    around them: what a known scanner sets off."""
    around: dict[str, _Around] = {}
    came_up: dict[str, _Times] = {}
    anything = _Times()
    found: dict[str, Surroundings] = {}
    for finding in sorted(findings, key=lambda f: (f.time, f.uid)):
        mine = came_up.setdefault(finding.detection.uid, _Times())
        (hours, minutes), (known_hours, known_minutes) = mine.before(finding.time), anything.before(finding.time)
        seen = found[finding.uid] = alone(finding, CameUp(hours, known_hours, minutes, known_minutes))
        keys = dict.fromkeys(i.entity.key for i in finding.involved if i.entity.type in _TYING)
        for key in () if finding.uid in apart else keys:
            around.setdefault(key, _Around()).all.append((finding, not seen.routine))
        mine.add(finding.time)
        anything.add(finding.time)
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


def alone(finding: Finding, came_up: CameUp) -> Surroundings:
    """Of a finding with nothing around it."""
    named = ((finding.detection.uid, finding.detection.title),)
    tactics = tuple(dict.fromkeys(map(_tactic, finding.tactics)))
    return Surroundings("By itself", () if came_up.routine else named, tactics, (finding.layer,), came_up)


def several_detections(count: float) -> float:
    """The value of the feature `unusual` for so many different detections: each further one says as much as the one
    before it, because they err for different reasons."""
    return min(count - 1, _MOST_DETECTIONS) / _A_STEP


def context_features(seen: Surroundings) -> list[tuple[str, float]]:
    """What surroundings count for in the model. Features that would be zero are left out."""
    found = []
    if len(seen.unusual) > 1:
        found.append(("unusual", several_detections(len(seen.unusual))))
    for name, several in (("tactics", seen.tactics), ("layers", seen.layers)):
        if len(several) > 1:
            found.append((name, min(math.log2(len(several)), _MOST_STEPS)))
    came_up = seen.came_up
    expected = (came_up.known_minutes / _ASSUMED_MINUTES + 1) / (came_up.minutes + 1)
    rare = _NEW + math.log2(expected)
    if rare > 0 and not seen.routine:
        found.append(("rare", min(rare, _MOST_RARE)))
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
    came_up = seen.came_up
    if not came_up.known_minutes:
        return "This detection is among the first things on record"
    seen_in = f"{came_up.minutes:,} of the {came_up.known_minutes:,} earlier minutes"
    return f"This detection came up in {seen_in} in which anything did"
