"""What every anomaly detector is: it looks at an event, and learns from it when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Protocol

from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly.series import AnySeries
from watchfloor.detect.anomaly.shelf import Known, Shelf
from watchfloor.detect.anomaly.sight import Sight

ENTITY_DAYS = 3
"""An entity is known when it was seen on so many days at least, over the learning time."""


class Member(Protocol):
    """One series with what is known of it."""

    @property
    def series(self) -> AnySeries: ...

    @property
    def shelf(self) -> Shelf[Any]: ...

    @property
    def next(self) -> object | None:
        """What it would learn of the event looked at last; None: nothing."""

    def look(self, seen: Sight) -> Signal | None:
        """What it says of an event that meets the series' conditions. What it would learn is `next`."""

    def learn(self) -> None:
        """Learn what is `next`."""

    def taken_up(self) -> None:
        """The shelf was filled from where it is kept: make what is made of it."""


def learned(days: int, learning: int) -> bool:
    """Whether days (bit 0 is today) are enough to say what is usual: they span the learning time and are not few."""
    return days.bit_length() > learning and days.bit_count() >= min(ENTITY_DAYS, learning)


class Calendar:
    """Since when each series has been learning, and whether that was long enough; and which hour of a week it is where
    the company is."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self.shelf = Shelf("calendar", Known, 1_000)
        self._zone = zone

    def slot(self, hour: int) -> int:
        """The hour of the day, by the company's clock, of an hour since the epoch; from 24 at weekends."""
        return _slot(self._zone, hour)

    def mark(self, name: str, day: int) -> None:
        record = self.shelf.get(name)
        if record.mark(day):
            self.shelf.changed(name, record)

    def ready(self, series: AnySeries, day: int, entities: int) -> bool:
        """A stray old event does not end the learning time: more than half of its days must have been seen."""
        record = self.shelf.get(series.name)
        days = record.before(day)
        return (
            entities >= series.entities
            and days.bit_length() > series.learning_days
            and days.bit_count() * 2 > series.learning_days
        )


@lru_cache(maxsize=4_096)
def _slot(zone: tzinfo, hour: int) -> int:
    local = datetime.fromtimestamp(hour * 3_600, zone)
    return local.hour + (24 if local.weekday() >= 5 else 0)


def rested(record: Known, series: AnySeries, day: int) -> bool:
    """Whether it may be said again of this entity."""
    return not record.said or abs(day - record.said) >= series.again_days
