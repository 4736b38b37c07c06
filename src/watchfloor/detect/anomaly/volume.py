"""Volume against season: more in an hour than this hour has at this entity.

An hour of the day, on working days and at weekends apart, is a negative binomial whose mean and variance are of what
that hour had before, newer days counting more, drawn towards the entity's other hours while it has few days of its own.
Hours in which nothing came count: they are reckoned from the time that went by. What an hour may add to the usual is
bounded, so that one wild hour does not make the next one usual. p = 24 x P(an hour has as many): one day of it.
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
from watchfloor.detect.anomaly.sight import Sight, condition, kept, reader

KEEP = 0.96
"""What a day still counts for a day later: half after seventeen days."""
OPEN, OPEN_DISTINCT = 30, 3
"""Hours for which late events are still counted into their own hour; fewer where values are held to tell them apart."""
OTHER_HOURS = 2.0
"""The entity's other hours count as much as two days of this one."""
DISTINCT = 1_024
"""Different values that are told apart in an hour."""
STEPS = 1.15


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


class Level(Known):
    """`since`: the first hour (since the epoch). `hours` that are open, `slots` by hour of the day, from 24 at
    weekends."""

    since: int = 0
    hours: dict[int, Hour] = msgspec.field(default_factory=dict)
    slots: dict[int, Slot] = msgspec.field(default_factory=dict)

    def size(self) -> int:
        return 1 + len(self.hours) + len(self.slots) + sum(len(hour.values) for hour in self.hours.values()) // 4


def slot_of(hour: int) -> int:
    day, of_day = divmod(hour, 24)
    return of_day + (24 if (day + 3) % 7 >= 5 else 0)  # 1970-01-01 was a Thursday


def _days(since: int, hour: int, slot: int) -> float:
    """How many days of a slot have gone by, each by what it still counts."""
    whole = max(0.0, (hour - since) / 24)
    share = 2 / 7 if slot >= 24 else 5 / 7
    return share * (1 - math.pow(KEEP, whole)) / (1 - KEEP)


def usual(level: Level, hour: int) -> tuple[float, float]:
    """Mean and variance of what an hour has, by the hours before it."""
    slot, day = slot_of(hour), hour // 24
    weight = total = squares = 0.0
    all_weight = all_total = all_squares = 0.0
    for each in range(48):
        days = _days(level.since, hour, each)
        all_weight += days
        had = level.slots.get(each)
        if had is not None:
            faded = KEEP ** max(0, day - had.day)
            all_total += had.total * faded
            all_squares += had.squares * faded
        if each == slot:
            weight = days
            if had is not None:
                total, squares = had.total * faded, had.squares * faded
    if all_weight <= 0:
        return 0.0, 0.0
    weight += OTHER_HOURS
    total += OTHER_HOURS * all_total / all_weight
    squares += OTHER_HOURS * all_squares / all_weight
    mean = total / weight
    return mean, max(mean, squares / weight - mean * mean)


class Volume:
    """One series of counts."""

    def __init__(self, series: VolumeSeries, calendar: Calendar) -> None:
        self.series, self._calendar = series, calendar
        self.shelf = Shelf(f"volume/{series.name}", Level, series.most)
        self._when = condition(series.when, series.name)
        self._entity = reader(series.entity, series.name)
        self._value = reader(series.distinct, series.name) if series.distinct else None
        self._open = OPEN_DISTINCT if series.distinct else OPEN
        self._next: tuple[str, Level, Hour, float, int] | None = None

    def taken_up(self) -> None:
        """Nothing is made of the shelf."""

    def look(self, seen: Sight) -> Signal | None:
        self._next = None
        if not self._when(seen):
            return None
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
        added = self._added(seen, now)
        if not added:
            return None
        now.count += added
        self._next = entity, record, now, added, seen.day
        said = self._more(record, entity, now, hour, seen.day) if now.count >= now.next else None
        self.shelf.changed(entity, record)
        return said

    def learn(self) -> None:
        if self._next is None:
            return
        entity, record, now, added, day = self._next
        self._next = None
        now.usual += added
        if record.mark(day):
            self._calendar.mark(self.series.name, day)
            self.shelf.changed(entity, record)

    def _added(self, seen: Sight, now: Hour) -> float:
        """What an event adds to its hour; nothing where its value was there before."""
        if self._value is not None:
            value = self._value(seen)
            if value is None or len(now.values) >= DISTINCT:
                return 0.0
            mark = hash_of(value)
            if mark in now.values:
                return 0.0
            now.values.add(mark)
            return 1.0
        if self.series.total:
            number = get_path(seen.event.ocsf, self.series.total)
            return max(0.0, float(number)) / self.series.unit if isinstance(number, (int, float)) else 0.0
        return 1.0

    def _close(self, record: Level, newest: int) -> None:
        for hour in sorted(hour for hour in record.hours if hour <= newest - self._open):
            count = record.hours.pop(hour).usual
            mean, variance = usual(record, hour)
            # A first hour may be as large as it is; later ones no larger than what could still be usual.
            most = mean + 6 * math.sqrt(variance) + 10 if record.slots else math.inf
            slot, day = record.slots.setdefault(slot_of(hour), Slot()), hour // 24
            faded = KEEP ** max(0, day - slot.day)
            counted = min(count, most)
            slot.total, slot.squares = slot.total * faded + counted, slot.squares * faded + counted * counted
            slot.day = max(slot.day, day)

    def _more(self, record: Level, entity: str, now: Hour, hour: int, day: int) -> Signal | None:
        now.next = max(now.count + 1, now.count * STEPS)
        series = self.series
        if not self._calendar.ready(series, day, len(self.shelf.rows)) or not rested(record, series, day):
            return None
        if not learned(record.before(day), series.learning_days):
            return None
        mean, variance = usual(record, hour)
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
