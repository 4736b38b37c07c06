"""Surroundings: what stands around a finding on the same host, user or address, and how routine its detection is here.

Pure and causal: what is said of a finding rests on itself and on those before it, never on later ones. Time is event
time (ms); findings of one time come in the order of their uids.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container, Iterable
from functools import lru_cache
from typing import NamedTuple, TypeVar

from watchfloor.core.attack import tactic
from watchfloor.core.clock import HOUR
from watchfloor.core.event import Layer
from watchfloor.core.finding import Finding
from watchfloor.detect.ensemble.members import Member, listed

WINDOW = HOUR
"""How far back (ms) something stands around a finding."""
_TYING = frozenset({"host", "user", "address", "mailbox", "access_key"})
_KNOWN_HOURS, _ROUTINE = 12, 0.2
_MOST_DETECTIONS, _MOST_STEPS, _MOST_HOURS = 4.0, 3.0, 6.0

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
    """What happened lately around one entity."""

    def __init__(self) -> None:
        self._recent: deque[tuple[Finding, bool]] = deque()
        self.unusual: dict[tuple[str, str], int] = {}
        self.tactics: dict[str, int] = {}
        self.layers: dict[Layer, int] = {}

    def add(self, finding: Finding, unusual: bool) -> None:
        self._recent.append((finding, unusual))
        self._count(finding, unusual, 1)
        while self._recent[0][0].time <= finding.time - WINDOW:
            self._count(*self._recent.popleft(), -1)

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


def surroundings(findings: Iterable[Finding], apart: Container[str] = ()) -> dict[str, Surroundings]:
    """What stands around each finding, by its uid: of its entities that one around which most happens. Findings of
    several tenants must not be mixed. Those `apart` (uids) stand around nothing, and nothing around them: what a known
    scanner sets off."""
    around: dict[str, _Around] = {}
    came_up: dict[str, _Hours] = {}
    anything = _Hours()
    found: dict[str, Surroundings] = {}
    for finding in sorted(findings, key=lambda f: (f.time, f.uid)):
        hour = finding.time // HOUR
        mine = came_up.setdefault(finding.detection.uid, _Hours())
        seen = alone(finding, mine.before(hour), anything.before(hour))
        best: tuple[int, int, int, str, _Around] | None = None
        for involved in () if finding.uid in apart else finding.involved:
            if involved.entity.type in _TYING:
                key = involved.entity.key
                one = around.get(key) or around.setdefault(key, _Around())
                one.add(finding, not seen.routine)
                size = (len(one.unusual), len(one.layers), len(one.tactics))
                if best is None or size > best[:3]:
                    best = (*size, key, one)
        if best is not None:
            *_, key, one = best
            seen = seen._replace(
                where=f"Within an hour on {key}",
                unusual=tuple(one.unusual),
                tactics=tuple(one.tactics),
                layers=tuple(one.layers),
            )
        found[finding.uid] = seen
        mine.add(hour)
        anything.add(hour)
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
        ("unusual", seen.unusual if seen.told else (), _MOST_DETECTIONS),
        ("tactics", seen.tactics, _MOST_STEPS),
        ("layers", seen.layers, _MOST_STEPS),
    ):
        if len(several) > 1:
            found.append((name, min(math.log2(len(several)), most)))
    if seen.told and not seen.routine:
        found.append(("rare", min(math.log2((seen.known + 1) / (seen.hours + 1)), _MOST_HOURS)))
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
