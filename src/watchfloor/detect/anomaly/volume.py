"""Volume against season: more in an hour than this hour has at this entity.

An hour of the day where the company is, on working days and at weekends apart, is a negative binomial whose mean and
variance are of what that hour had before, newer days counting more, drawn towards the entity's other hours while it has
few days of its own. Hours in which nothing came count: they are reckoned from the time that went by. What an hour may
add to the usual is bounded, so that one wild hour does not make the next one usual.
p = 24 x P(an hour has as many): one day of it.
"""

from __future__ import annotations

import math
from zlib import crc32

import msgspec

from watchfloor.core.clock import HOUR, iso
from watchfloor.core.event import get_path
from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly.member import Calendar, learned, rested
from watchfloor.detect.anomaly.rarity import count_tail, signal
from watchfloor.detect.anomaly.series import VolumeSeries
from watchfloor.detect.anomaly.shelf import Known, Shelf
from watchfloor.detect.anomaly.sight import Sight, kept, reader

KEEP = 0.96
"""What a day still counts for a day later: half after seventeen days."""
OPEN, OPEN_DISTINCT = 30, 3
"""Hours for which late events are still counted into their own hour; fewer where values are held to tell them apart."""
OTHER_HOURS = 2.0
"""The entity's other hours count as much as two days of this one."""
DISTINCT = 1_024
"""Different values that are told apart in an hour."""
STEPS = 1.15
"""An hour is looked at again when it has grown by so much."""
MOST_SPREADS = 3.0
"""An hour adds no more to the usual than its mean and so many standard deviations, at least so many events."""


class Hour(msgspec.Struct, array_like=True):
    """`count` as it is, `usual` of it what may be learned; `values` hashes of those told apart; looked at again when
    `count` reaches `next`."""

    count: float = 0.0
    usual: float = 0.0
    next: float = 0.0
    values: set[int] = msgspec.field(default_factory=set)


class Slot(msgspec.Struct, array_like=True):
    """What an hour of the day had: decayed sums of counts and of their squares, as of a day."""

    day: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, count: float, day: int) -> None:
        faded = KEEP ** max(0, day - self.day)
        self.total, self.squares = self.total * faded + count, self.squares * faded + count * count
        self.day = max(self.day, day)


class Level(Known):
    """`since`: the first hour (since the epoch). `hours` that are open, `slots` by hour of the day, from 24 at
    weekends, `all` of them together; `told` values are told apart."""

    since: int = 0
    hours: dict[int, Hour] = msgspec.field(default_factory=dict)
    slots: dict[int, Slot] = msgspec.field(default_factory=dict)
    all: Slot = msgspec.field(default_factory=Slot)
    told: int = 0

    def size(self) -> int:
        return 1 + (len(self.hours) + len(self.slots) + self.told) // 4


def usual(level: Level, hour: int, slot: int) -> tuple[float, float]:
    """Mean and variance of what an hour has, by the hours of its slot before it."""
    day = hour // 24
    # How many days have gone by, each by what it still counts; those of the slot are its share of a week.
    days = (1 - math.pow(KEEP, max(0.0, (hour - level.since) / 24))) / (1 - KEEP)
    if days <= 0:
        return 0.0, 0.0
    had, every = level.slots.get(slot, Slot()), level.all
    faded, all_faded = math.pow(KEEP, max(0, day - had.day)), math.pow(KEEP, max(0, day - every.day))
    weight = days * (2 / 7 if slot >= 24 else 5 / 7) + OTHER_HOURS
    mean = (had.total * faded + OTHER_HOURS * every.total * all_faded / (24 * days)) / weight
    squares = (had.squares * faded + OTHER_HOURS * every.squares * all_faded / (24 * days)) / weight
    return mean, max(mean, squares - mean * mean)


class Volume:
    """One series of counts."""

    def __init__(self, series: VolumeSeries, calendar: Calendar) -> None:
        self.series, self._calendar = series, calendar
        self.shelf = Shelf(f"volume/{series.name}", Level, series.most)
        self._entity = reader(series.entity, series.name)
        self._value = reader(series.distinct, series.name) if series.distinct else None
        self._open = OPEN_DISTINCT if series.distinct else OPEN
        self.next: tuple[str, Level, Hour, float, int] | None = None

    def taken_up(self) -> None:
        """Nothing is made of the shelf."""

    def look(self, seen: Sight) -> Signal | None:
        self.next = None
        entity = self._entity(seen)
        if entity is None:
            return None
        record, hour = self.shelf.get(entity), seen.time // HOUR
        now = record.hours.get(hour)
        if now is None:
            newest = max(record.hours, default=hour)
            if hour <= newest - self._open:
                return None  # its hour is closed
            now = record.hours[hour] = Hour(next=float(self.series.at_least))
            record.since = min(record.since or hour, hour)
            self._close(record, max(newest, hour))
        added = self._added(seen, record, now)
        if not added:
            return None
        now.count += added
        self.next = entity, record, now, added, seen.day
        said = self._more(record, entity, now, hour, seen.day) if now.count >= now.next else None
        self.shelf.changed(entity, record)
        return said

    def learn(self) -> None:
        assert self.next is not None
        entity, record, now, added, day = self.next
        self.next = None
        now.usual += added
        if (record.day != day or not record.days & 1) and record.mark(day):
            self._calendar.mark(self.series.name, day)
            self.shelf.changed(entity, record)

    def _added(self, seen: Sight, record: Level, now: Hour) -> float:
        """What an event adds to its hour; nothing where its value was there before."""
        if self._value is not None:
            value = self._value(seen)
            if value is None or len(now.values) >= DISTINCT:
                return 0.0
            mark = hash_of(value)
            if mark in now.values:
                return 0.0
            now.values.add(mark)
            record.told += 1
            return 1.0
        if self.series.total:
            number = get_path(seen.event.ocsf, self.series.total)
            return max(0.0, float(number)) / self.series.unit if isinstance(number, (int, float)) else 0.0
        return 1.0

    def _close(self, record: Level, newest: int) -> None:
        for hour in sorted(hour for hour in record.hours if hour <= newest - self._open):
            closed = record.hours.pop(hour)
            record.told -= len(closed.values)
            mean, variance = usual(record, hour, self._calendar.slot(hour))
            # A first hour may be as large as it is; later ones no larger than what could still be usual.
            most = mean + MOST_SPREADS * math.sqrt(variance) + MOST_SPREADS if record.slots else math.inf
            counted = min(closed.usual, most)
            record.slots.setdefault(self._calendar.slot(hour), Slot()).add(counted, hour // 24)
            record.all.add(counted, hour // 24)

    def _more(self, record: Level, entity: str, now: Hour, hour: int, day: int) -> Signal | None:
        now.next = max(now.count + 1, now.count * STEPS)
        series = self.series
        if not self._calendar.ready(series, day, len(self.shelf.rows)) or not rested(record, series, day):
            return None
        if not learned(record.before(day), series.learning_days):
            return None
        mean, variance = usual(record, hour, self._calendar.slot(hour))
        p = min(1.0, 24 * count_tail(now.count, max(mean, 0.5), max(variance, 1.0)))
        if p > series.says:
            return None
        record.said = day
        return signal(
            "volume",
            series,
            entity,
            f"{entity}: {now.count:,.0f} {series.noun} in the hour from {iso(hour * HOUR)[:16]}; "
            f"usual at this hour: {mean:,.1f}, give or take {math.sqrt(variance):,.1f}",
            ((f"so many {kept(series.noun)} in an hour of a day", p),),
        )


def hash_of(text: str) -> int:
    """The same number for the same text in every process."""
    return crc32(text.encode("utf-8", "backslashreplace"))
