"""Where in a group's events a correlation holds.

A rule matches a group when there is a stretch of time no longer than its time span whose events, taken all, meet its
condition (both ends count). Which stretches are looked at depends on the condition:

* where a further event can only help (`gte` over counts and sums, temporal without `not`), those that end at an event:
  the match stands from the event that completes it;
* else (`lt`, `eq`, ranges, means, percentiles, `not`) those that cannot be moved so that they hold more events: ten
  failures are "fewer than five" at no time, though there was a first.

Both are functions of the set of events alone, whatever the order in which they came.

What is told once is a *cell*: the matches of a group whose completing events lie in the same slice of event time, an
hour, or the time span where that is longer. A cell's place does not depend on any event, so that a late event adds to
what was told and never renames it: an attack that goes on for three hours is three findings of one group, not a
thousand, and each grows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from watchfloor.core.clock import HOUR
from watchfloor.detect.correlation.group import Entry
from watchfloor.detect.correlation.measures import Figure, measure_of
from watchfloor.detect.sigma.correlation import Correlation


class Point(NamedTuple):
    """The condition holds for entries[start:end]; those from `begin` on, all of one moment, complete it."""

    start: int
    begin: int
    end: int
    figure: Figure


class Match(NamedTuple):
    """What one finding tells: the entries of all windows of a cell, in order. `complete` are the entries that completed
    one, each with the entries of its window."""

    cell: int
    entries: tuple[Entry, ...]
    figure: Figure
    complete: tuple[tuple[Entry, Sequence[Entry]], ...]


def cell_ms(rule: Correlation) -> int:
    """How long a cell is."""
    return max(rule.span, HOUR)


def matches(rule: Correlation, entries: Sequence[Entry], changed: tuple[int, int] | None, decided: int) -> list[Match]:
    """The matches in the cells that a change between two times (ms) can touch; None: in all.

    A rule that is not eager is asked only about windows of which all entries had arrived at `decided` (ms).
    """
    if rule.eager and changed is not None:
        entries = _touched(rule, entries, *changed)
    cells: dict[int, list[Point]] = {}
    for point in _points(rule, entries):
        if rule.eager or max(entry.arrived for entry in entries[point.start : point.end]) <= decided:
            cells.setdefault(entries[point.begin].time // cell_ms(rule), []).append(point)
    found = [_match(rule, cell, points, entries) for cell, points in cells.items()]
    if not rule.eager or changed is None:
        return found
    first, last = changed[0] // cell_ms(rule), (changed[1] + rule.span) // cell_ms(rule)
    return [match for match in found if first <= match.cell <= last]


def _touched(rule: Correlation, entries: Sequence[Entry], first: int, last: int) -> Sequence[Entry]:
    """The entries of the windows that end in the cells that a change can touch."""
    width = cell_ms(rule)
    low = first // width * width - rule.span
    high = ((last + rule.span) // width + 1) * width
    return entries[bisect_left(entries, (low,)) : bisect_left(entries, (high,))]


def _points(rule: Correlation, entries: Sequence[Entry]) -> Iterator[Point]:
    measure = measure_of(rule)
    left = right = 0
    while right < len(entries):
        now, begin = entries[right].time, right
        while entries[left].time < now - rule.span:
            measure.remove(entries[left])
            left += 1
        while right < len(entries) and entries[right].time == now:
            measure.add(entries[right])
            right += 1
        whole = right == len(entries) or entries[right].time - entries[left].time > rule.span
        if rule.eager or whole:
            figure = measure.holds(entries[left].time)
            if figure is not None:
                yield Point(left, begin, right, figure)


def _match(rule: Correlation, cell: int, points: list[Point], entries: Sequence[Entry]) -> Match:
    members: list[Entry] = []
    upto = 0
    for point in points:
        members += entries[max(point.start, upto) : point.end]
        upto = point.end
    figure = max(point.figure for point in points) if rule.eager else points[-1].figure
    complete = tuple(
        (entry, entries[point.start : point.end]) for point in points for entry in entries[point.begin : point.end]
    )
    return Match(cell, tuple(members), figure, complete)
