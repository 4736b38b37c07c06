"""First seen and rare: an attribute that an entity was never, or almost never, seen with.

p = P(a day of this entity brings something new) x P(what is new is known to so few of its peers).
The first is a beta-binomial over the entity's own days. The second is the share of all known pairs whose attribute as
few entities have; for one that nobody has this is the Good-Turing estimate of what was not seen yet.
"""

from __future__ import annotations

from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly.days import WINDOW, until
from watchfloor.detect.anomaly.habits import PRIOR, PRIOR_DAYS, Habits, Peers, novelty
from watchfloor.detect.anomaly.member import Calendar, learned, rested
from watchfloor.detect.anomaly.rarity import rate, signal
from watchfloor.detect.anomaly.series import FirstSeenSeries
from watchfloor.detect.anomaly.shelf import Shelf
from watchfloor.detect.anomaly.sight import Sight, reader

FEW, FEW_SHARE = 3, 0.05
"""What more of its peers than this have is not called new of one more: what all get on one day is said of a few."""
RARE_DAYS, RARE_SHARE = 20, 0.05
"""Of an entity seen on so many days, what it had on fewer than this share of them is rare."""


class FirstSeen:
    """One pair of entity and attribute."""

    def __init__(self, series: FirstSeenSeries, calendar: Calendar) -> None:
        self.series, self._calendar = series, calendar
        self.peers = Peers()
        self.shelf = Shelf(f"first_seen/{series.name}", Habits, series.most, self.peers.leave)
        self._entity = reader(series.entity, series.name)
        self._attribute = reader(series.attribute, series.name)
        self.next: tuple[str, str, int] | None = None

    def taken_up(self) -> None:
        """The shelf was filled: make what is made of it."""
        for record in self.shelf.rows.values():
            self.peers.enter(record)

    def look(self, seen: Sight) -> Signal | None:
        self.next = None
        entity, attribute = self._entity(seen), self._attribute(seen)
        if entity is None or attribute is None:
            return None
        record, day = self.shelf.rows.get(entity), seen.day
        if record is None:
            self.next = entity, attribute, day
            return None
        mask = record.attributes.get(attribute, 0)
        if record.day >= day and mask >> (record.day - day) & 1:
            return None
        self.next = entity, attribute, day
        if not self._calendar.ready(self.series, day, len(self.shelf.rows)) or not rested(record, self.series, day):
            return None
        days = record.before(day)
        if not learned(days, self.series.learning_days) or record.day - day >= 2:
            return None
        said = self._new(record, entity, attribute, day) if not mask else self._rare(record, entity, attribute, day)
        if said is not None:
            record.said = day
            self.shelf.changed(entity, record)
        return said

    def learn(self) -> None:
        assert self.next is not None
        entity, attribute, day = self.next
        self.next = None
        record = self.shelf.get(entity)
        record.add(attribute, day, self.series.most_each, self.peers)
        self._calendar.mark(self.series.name, day)
        self.shelf.changed(entity, record)

    def _new(self, record: Habits, entity: str, attribute: str, day: int) -> Signal | None:
        if record.lost and day - record.lost < WINDOW:
            return None  # it may be one of those let go of
        others = self.peers.of.get(attribute, 0)
        if others > max(FEW, FEW_SHARE * len(self.shelf.rows)):
            return None
        known = self.peers.as_rare(others + 1)
        days = record.before(day).bit_count()
        if known * rate(0, days, PRIOR, PRIOR_DAYS) > self.series.says:
            return None
        new = novelty(record, day)
        if new * known > self.series.says:
            return None
        return signal(
            "first_seen",
            self.series,
            entity,
            f"{attribute} was seen with {entity} for the first time; on {days} days before: {_usual(record)}; "
            f"{others} of {len(self.shelf.rows)} others have it",
            ((f"something new on {new:.1%} of days", new), (f"known to {others} others", known)),
        )

    def _rare(self, record: Habits, entity: str, attribute: str, day: int) -> Signal | None:
        masks = {name: until(mask, record.day, day) & ~1 for name, mask in record.attributes.items()}
        mine, days = masks[attribute].bit_count(), record.before(day).bit_count()
        if not mine or days < RARE_DAYS or mine > days * RARE_SHARE:
            return None
        as_rare = sum(m.bit_count() for m in masks.values() if m.bit_count() <= mine)
        usual = min(1.0, rate(as_rare, days, PRIOR, PRIOR_DAYS))
        others = self.peers.of.get(attribute, 1) - 1
        known = self.peers.as_rare(others + 1)
        if usual * known > self.series.says:
            return None
        return signal(
            "rare",
            self.series,
            entity,
            f"{attribute} was seen with {entity} on {mine} of {days} days before; usual: {_usual(record)}; "
            f"{others} of {len(self.shelf.rows)} others have it",
            ((f"something as rare on {usual:.1%} of days", usual), (f"known to {others} others", known)),
        )


def _usual(record: Habits) -> str:
    """The attributes that it had on most days."""
    most = sorted(record.attributes, key=lambda a: (-record.attributes[a].bit_count(), a))[:3]
    more = len(record.attributes) - len(most)
    named = ", ".join(f"{name[:60]} ({record.attributes[name].bit_count()})" for name in most)
    return named + (f" and {more} more" if more > 0 else "")
