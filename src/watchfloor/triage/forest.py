"""The forest: which groups stand in one case. The strongest links are taken first (Kruskal over the graph of groups).

A link that would make a case too long, or hold it together by too many weak ties, is refused, and so is one that a
person undid; the two cases are then shown as related.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from watchfloor.triage.constraints import conflict
from watchfloor.triage.groups import Group
from watchfloor.triage.ties import PERSON, THREAD, Tie

# An incident has few actors and places: a case held together by more weak ties than this is a chain of coincidences.
MOST_WEAK_TIES = 6
# ... and one that is longer than this many windows is routine, not an incident; kill-chain order may take longer.
LONGEST_WEAK = 2
LONGEST = 7


class Edge(NamedTuple):
    """Two groups, by index in order of time."""

    strength: float
    tie: Tie
    earlier: int
    later: int


class Union:
    """Union-find over indices; the root of a set is its least."""

    def __init__(self, indices: Iterable[int]) -> None:
        self.parent = {index: index for index in indices}

    def root(self, index: int) -> int:
        parent = self.parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        a, b = sorted((self.root(one), self.root(other)))
        self.parent[b] = a


class Forest(Union):
    """Knows of each tree its span, the weak ties that hold it together, and what must stand apart from it."""

    def __init__(self, groups: Sequence[Group], members: Iterable[int], window: int) -> None:
        super().__init__(members)
        self.window = window
        self.span = {index: (groups[index].start, groups[index].end) for index in self.parent}
        self.weak: dict[int, frozenset[str]] = dict.fromkeys(self.parent, frozenset())
        self.sides = {index: groups[index].sides for index in self.parent}
        self.joins: list[Edge] = []

    def take(self, edge: Edge) -> str:
        """Put the two ends into one tree; or why not."""
        a, b = sorted((self.root(edge.earlier), self.root(edge.later)))
        if a == b:
            return ""
        because = edge.tie.because
        start, end = min(self.span[a][0], self.span[b][0]), max(self.span[a][1], self.span[b][1])
        weak = self.weak[a] | self.weak[b] | ({edge.tie.shared} if because == "entity" else frozenset())
        if conflict(self.sides[a], self.sides[b]):
            return "a person said that they stand apart"
        if because not in (THREAD, PERSON):
            bound = LONGEST_WEAK if because == "entity" else LONGEST
            if end - start > bound * self.window:
                return "one case of both would be too long for an incident"
            if len(weak) > MOST_WEAK_TIES:
                return "one case of both would hang together by too many single entities"
        self.parent[b] = a
        self.span[a], self.weak[a], self.sides[a] = (start, end), weak, self.sides[a] | self.sides[b]
        self.joins.append(edge)
        return ""
