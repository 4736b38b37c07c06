"""Beacons: connections of one machine to one destination at regular intervals, jitter allowed.

Of the last 24 intervals, those within a quarter of their median are counted. Of a stream of accidental connections
(exponential intervals) each is so with probability 0.174, whatever its rate; p by chance is the binomial tail. Software
that asks for updates is regular, too, so chance alone says little: p is no less than the share of this tenant's pairs
that are as regular and as little known to other machines.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import pairwise
from math import exp, log
from statistics import median

import msgspec

from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly.habits import Peers
from watchfloor.detect.anomaly.member import Calendar, rested
from watchfloor.detect.anomaly.rarity import binomial_tail, rate, signal
from watchfloor.detect.anomaly.series import BeaconSeries
from watchfloor.detect.anomaly.shelf import Known, Shelf
from watchfloor.detect.anomaly.sight import Sight, reader

RING, ENOUGH = 25, 17
"""Times that are kept of a pair, and how many it takes to judge."""
WIDTH = 0.25
BY_CHANCE = exp(-(1 - WIDTH) * log(2)) - exp(-(1 + WIDTH) * log(2))
REGULAR = 1e-6
SAME_BEAT, SHORTEST, LONGEST = 3, 20, 6 * 3_600
"""Seconds: connections within so many are one; medians that count as a beacon's."""
_GLUE = "\x1f"


class Pulse(Known):
    """`times` of connections in seconds since the epoch, sorted; `regular`: 0 not judged, 1 no, 2 yes."""

    times: list[int] = msgspec.field(default_factory=list)
    regular: int = 0
    seen: int = 0


def regularity(times: list[int]) -> tuple[float, float, int, int]:
    """p by chance, the median interval in seconds, how many intervals are near it, and of how many."""
    gaps = [later - earlier for earlier, later in pairwise(times)]
    middle = median(gaps)
    near = sum(abs(gap - middle) <= WIDTH * middle for gap in gaps)
    # The median itself is always near: it says nothing.
    return binomial_tail(near - 1, len(gaps) - 1, BY_CHANCE), middle, near, len(gaps)


class Beacon:
    """One series of connections."""

    def __init__(self, series: BeaconSeries, calendar: Calendar) -> None:
        self.series, self._calendar = series, calendar
        self.shelf = Shelf(f"beacon/{series.name}", Pulse, series.most, self._left)
        self.peers, self._machines = Peers(), Peers()
        self._judged, self._regular = 0, 0
        self._entity = reader(series.entity, series.name)
        self._destination = reader(series.destination, series.name)
        self.next: tuple[str, int, int] | None = None

    def taken_up(self) -> None:
        """The shelf was filled: make what is made of it."""
        for key, record in self.shelf.rows.items():
            self._count(key, 1)
            self._judged += record.regular > 0
            self._regular += record.regular > 1

    def look(self, seen: Sight) -> Signal | None:
        self.next = None
        entity, destination = self._entity(seen), self._destination(seen)
        if entity is None or destination is None:
            return None
        key, second = f"{entity}{_GLUE}{destination}", seen.time // 1_000
        record = self.shelf.rows.get(key)
        if record is None:
            self.next = key, second, seen.day
            return None
        if _same_beat(record.times, second):
            return None
        self.next = key, second, seen.day
        # Of a busy pair not every connection is judged.
        if len(record.times) < ENOUGH or record.seen % 4 or self.peers.of.get(destination, 0) > self.series.peers:
            return None
        return self._judge(record, key, entity, destination, seen.day)

    def learn(self) -> None:
        assert self.next is not None
        key, second, day = self.next
        self.next = None
        record = self.shelf.get(key)
        if not record.days:
            self._count(key, 1)
        record.mark(day)
        insort(record.times, second)
        record.seen += 1
        del record.times[:-RING]
        self._calendar.mark(self.series.name, day)
        self.shelf.changed(key, record)

    def _count(self, key: str, by: int) -> None:
        entity, _, destination = key.partition(_GLUE)
        self.peers.add(destination, by)
        self._machines.add(entity, by)

    def _left(self, key: str, record: Pulse) -> None:
        self._count(key, -1)
        self._judged -= record.regular > 0
        self._regular -= record.regular > 1

    def _judge(self, record: Pulse, key: str, entity: str, destination: str, day: int) -> Signal | None:
        chance, every, near, gaps = regularity(record.times)
        regular = 2 if chance <= REGULAR and SHORTEST <= every <= LONGEST else 1
        if regular != record.regular:
            self._judged += not record.regular
            self._regular += (regular > 1) - (record.regular > 1)
            record.regular = regular
            self.shelf.changed(key, record)
        if regular < 2 or not rested(record, self.series, day):
            return None
        if not self._calendar.ready(self.series, day, len(self._machines.of)):
            return None
        as_regular = rate(self._regular - 1, self._judged, 0.02, 50.0)
        others = self.peers.of.get(destination, 1) - 1
        known = self.peers.as_rare(others + 1)
        if max(as_regular * known, chance) > self.series.says:
            return None
        record.said = day
        self.shelf.changed(key, record)
        return signal(
            "beaconing",
            self.series,
            entity,
            f"{entity} connects to {destination} every {_time(every)}: {near} of {gaps} intervals are within a quarter "
            f"of it, {gaps * BY_CHANCE:.0f} would be by chance; {others} other machines connect there, and "
            f"{self._regular - 1} of {self._judged} pairs judged are as regular",
            ((f"{as_regular:.1%} of pairs are as regular", as_regular), (f"known to {others} others", known)),
        )


def _same_beat(times: list[int], second: int) -> bool:
    at = bisect_left(times, second - SAME_BEAT)
    return at < len(times) and times[at] <= second + SAME_BEAT


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
