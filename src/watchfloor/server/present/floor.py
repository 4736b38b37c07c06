"""The floor's charts: bars in percent of the longest, each with its figure and a way to the cases behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from watchfloor.app.views import SourceRow
from watchfloor.core.clock import iso
from watchfloor.server.present.words import LAYER
from watchfloor.store.case_lines import DayCount, Overview

DECIDERS = {
    "now": "Needs a person now",
    "queue": "Queue",
    "closed": "Closed by itself",
    "done": "Resolved, or in another case",
}
MOST_SOURCES = 8


class Segment(NamedTuple):
    """A piece of a bar: which deciders' (a key of DECIDERS, or empty), where it begins and how long it is (percent)."""

    kind: str
    x: float
    width: float
    cases: int


class Bar(NamedTuple):
    """`href` leads to what is counted; empty where that cannot be listed."""

    name: str
    href: str
    cases: int
    segments: list[Segment]


def days(overview: Overview) -> list[Bar]:
    """Cases by the day of their newest finding, and by who decides; the newest day first."""
    longest = max((sum(_of(day)) for day in overview.days), default=1)
    bars = []
    for day in reversed(overview.days):
        segments, x = [], 0.0
        for kind, count in zip(DECIDERS, _of(day), strict=True):
            width = 100 * count / longest
            segments.append(Segment(kind, round(x, 2), round(width, 2), count))
            x += width
        bars.append(Bar(iso(day.day)[:10], "", sum(_of(day)), segments))
    return bars


def layers(overview: Overview) -> list[Bar]:
    """Cases by layer of the stack; one with findings of several counts in each."""
    return _bars([(LAYER[layer], _cases(layer=layer), count) for layer, count in overview.layers.items()])


def classes(overview: Overview) -> list[Bar]:
    """The classes with most cases."""
    return _bars([(name, _cases(text=name[:200]), count) for name, count in overview.classes])


def gaps(overview: Overview) -> list[Bar]:
    """The questions that most often could not be answered."""
    return _bars([(title, "", count) for title, count in overview.could_not_check])


def troubled(sources: Sequence[SourceRow]) -> list[SourceRow]:
    """Sources whose records could not all be read first, then the newest."""
    return sorted(sources, key=lambda s: (-s.dead_letters, -(s.last_time or 0), s.source))[:MOST_SOURCES]


def _of(day: DayCount) -> tuple[int, int, int, int]:
    return day.now, day.queue, day.closed, day.done


def _cases(**filters: str) -> str:
    return f"/?{urlencode({'tab': 'all', **filters})}"


def _bars(rows: Sequence[tuple[str, str, int]]) -> list[Bar]:
    longest = max((count for _, _, count in rows), default=0) or 1
    return [Bar(name, href, n, [Segment("", 0, round(100 * n / longest, 2), n)]) for name, href, n in rows]
