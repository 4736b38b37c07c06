"""What people said on which findings belong together, as correlation reads it: what must stand together, what apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from watchfloor.core.regrouping import Regrouping, standing

Side = tuple[str, int]
"""A regrouping's uid, and on which side of it a finding stands: 0 or 1."""
NO_SIDES: frozenset[Side] = frozenset()


class Bond(NamedTuple):
    """Two findings that a person put together."""

    one: str
    other: str
    said: Regrouping


class Constraints(NamedTuple):
    """`sides` by finding uid. Apart counts for more than together where both were said."""

    sides: Mapping[str, frozenset[Side]]
    bonds: tuple[Bond, ...]

    @classmethod
    def of(cls, said: Iterable[Regrouping]) -> Constraints:
        sides: dict[str, set[Side]] = defaultdict(set)
        bonds: list[Bond] = []
        for regrouping in standing(said):
            kept, moved = regrouping.one, regrouping.other
            if regrouping.kind in ("apart", "moved"):
                for side, uids in enumerate((kept, moved)):
                    for uid in uids:
                        sides[uid].add((regrouping.uid, side))
            bound = {"together": (*kept, *moved), "moved": moved}.get(regrouping.kind, ())
            bonds += [Bond(bound[0], uid, regrouping) for uid in bound[1:]]
        return cls({uid: frozenset(found) for uid, found in sides.items()}, tuple(bonds))


def conflict(one: frozenset[Side], other: frozenset[Side]) -> bool:
    """Whether a person said that something of the one stands apart from something of the other."""
    return bool(one and other) and any((uid, 1 - side) in other for uid, side in one)
