"""What correlations measure over the events of a window, as events come into it and leave it."""

from __future__ import annotations

import operator
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol, TypeVar

from watchfloor.detect.correlation.group import Entry
from watchfloor.detect.sigma.correlation import Correlation
from watchfloor.detect.sigma.values import number_of

Figure = int | Fraction
T = TypeVar("T")
LARGEST = 1e30
"""Numbers beyond are no amounts of anything."""
_COMPARE: dict[str, Callable[[Figure, int | float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}


class Measure(Protocol):
    """A figure over a window. Entries come in their order; the oldest leave first."""

    def add(self, entry: Entry) -> None: ...
    def remove(self, entry: Entry) -> None: ...
    def holds(self, start: int, /) -> Figure | None:
        """The figure where the condition holds for the window from `start` (ms) to the last entry added, else None."""


def measure_of(rule: Correlation) -> Measure:
    """A fresh measure for a rule."""
    if rule.ordered:
        return _Ordered(rule)
    return _MEASURES[rule.kind](rule)


class _Compared:
    def __init__(self, rule: Correlation) -> None:
        self._rule = rule

    def _kept(self, figure: Figure | None) -> Figure | None:
        if figure is None or not all(_COMPARE[op](figure, bound) for op, bound in self._rule.bounds):
            return None
        return figure


class _Events(_Compared):
    """Different events; one that two rules match is one."""

    def __init__(self, rule: Correlation) -> None:
        super().__init__(rule)
        self._seen: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        self._seen[entry.ident] += 1

    def remove(self, entry: Entry) -> None:
        _less(self._seen, entry.ident)

    def holds(self, _start: int) -> Figure | None:
        return self._kept(len(self._seen))


class _Values(_Compared):
    """Different values."""

    def __init__(self, rule: Correlation) -> None:
        super().__init__(rule)
        self._seen: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        self._seen.update(entry.values)

    def remove(self, entry: Entry) -> None:
        for value in entry.values:
            _less(self._seen, value)

    def holds(self, _start: int) -> Figure | None:
        return self._kept(len(self._seen))


def numbers(entry: Entry) -> list[Fraction]:
    """The numbers of an entry, exact, so that a sum is the same in any order."""
    found = (number_of(value) for value in entry.values)
    return [Fraction(number) for number in found if number is not None and abs(number) < LARGEST]


class _Numbers(_Compared):
    """Sum, mean, median or percentile of the numbers; an event counts once, whatever it matches or completes."""

    def __init__(self, rule: Correlation) -> None:
        super().__init__(rule)
        self._seen: Counter[str] = Counter()
        self._numbers: dict[str, list[Fraction]] = {}
        self._sum, self._count = Fraction(0), 0
        self._sorted: list[Fraction] = []
        self._ranks = rule.kind in ("value_median", "value_percentile")

    def add(self, entry: Entry) -> None:
        self._seen[entry.uid] += 1
        if self._seen[entry.uid] == 1:
            found = self._numbers[entry.uid] = numbers(entry)
            self._sum += sum(found)
            self._count += len(found)
            if self._ranks:
                for number in found:
                    insort(self._sorted, number)

    def remove(self, entry: Entry) -> None:
        _less(self._seen, entry.uid)
        if entry.uid not in self._seen:
            found = self._numbers.pop(entry.uid)
            self._sum -= sum(found)
            self._count -= len(found)
            if self._ranks:
                for number in found:
                    del self._sorted[bisect_left(self._sorted, number)]

    def holds(self, _start: int) -> Figure | None:
        if not self._count:
            return None
        if self._ranks:
            return self._kept(self._percentile())
        return self._kept(self._sum if self._rule.kind == "value_sum" else self._sum / self._count)

    def _percentile(self) -> Fraction:
        """Between two numbers it lies in proportion, as in most products (R's type 7)."""
        place = Fraction(self._rule.percentile, 100) * (self._count - 1)
        low = int(place)
        high = min(low + 1, self._count - 1)
        return self._sorted[low] + (place - low) * (self._sorted[high] - self._sorted[low])


class _Rules(_Compared):
    """Different rules that matched, or an expression over them."""

    def __init__(self, rule: Correlation) -> None:
        super().__init__(rule)
        self._seen: Counter[int] = Counter()

    def add(self, entry: Entry) -> None:
        self._seen[entry.ref] += 1

    def remove(self, entry: Entry) -> None:
        _less(self._seen, entry.ref)

    def holds(self, _start: int) -> Figure | None:
        if not self._rule.terms:
            return self._kept(len(self._seen))
        seen = self._seen.keys()
        if any(seen >= set(term.present) and seen.isdisjoint(term.absent) for term in self._rule.terms):
            return len(seen)
        return None


class _Ordered(_Rules):
    """Rules that matched in their order. Events of the same moment may stand in either order.

    `_latest[row][n]` is the latest start of a run of n + 1 rules that keeps the order and ends so far: with terms, a
    row is one term's rules; without, a row is the rule that the run ends with.
    """

    def __init__(self, rule: Correlation) -> None:
        super().__init__(rule)
        width = len(rule.rules)
        rows = len(rule.terms) if rule.terms else width
        self._latest: list[list[int | None]] = [[None] * width for _ in range(rows)]

    def add(self, entry: Entry) -> None:
        super().add(entry)
        if self._rule.terms:
            for term, row in zip(self._rule.terms, self._latest, strict=True):
                if entry.ref in term.present:
                    place = term.present.index(entry.ref)
                    row[place] = _later(row[place], row[place - 1] if place else entry.time)
            return
        mine = self._latest[entry.ref]
        mine[0] = entry.time
        for length in range(1, entry.ref + 1):
            for earlier in self._latest[: entry.ref]:
                mine[length] = _later(mine[length], earlier[length - 1])

    def holds(self, start: int) -> Figure | None:
        if not self._rule.terms:
            runs = [n + 1 for row in self._latest for n, at in enumerate(row) if at is not None and at >= start]
            return self._kept(max(runs, default=0))
        seen = self._seen.keys()
        for term, row in zip(self._rule.terms, self._latest, strict=True):
            if not term.present:
                whole = True
            else:
                began = row[len(term.present) - 1]
                whole = began is not None and began >= start
            if whole and seen.isdisjoint(term.absent):
                return len(seen)
        return None


def _later(one: int | None, other: int | None) -> int | None:
    return max((at for at in (one, other) if at is not None), default=None)


def _less(seen: Counter[T], key: T) -> None:
    seen[key] -= 1
    if not seen[key]:
        del seen[key]


_MEASURES: dict[str, Callable[[Correlation], Measure]] = {
    "event_count": _Events,
    "value_count": _Values,
    "value_sum": _Numbers,
    "value_avg": _Numbers,
    "value_median": _Numbers,
    "value_percentile": _Numbers,
    "temporal": _Rules,
}
