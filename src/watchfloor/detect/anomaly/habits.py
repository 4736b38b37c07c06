"""Habits: what an entity was seen with, on which days; and how many of its peers have each of these.

Counting the same event again changes nothing, and the order of events nothing that matters: only days are held.
"""

from __future__ import annotations

import msgspec

from watchfloor.detect.anomaly.days import WINDOW, until
from watchfloor.detect.anomaly.rarity import rate
from watchfloor.detect.anomaly.shelf import Known

PRIOR, PRIOR_DAYS = 0.05, 2.0
"""Before an entity is known: one day in twenty brings something new, as if seen over two days."""


class Habits(Known):
    """`attributes`: the days of each, bit 0 being `day`. `lost`: the last day on which one was let go of."""

    attributes: dict[str, int] = msgspec.field(default_factory=dict)
    lost: int = 0

    def move(self, day: int) -> None:
        moved = ((name, until(mask, self.day, day)) for name, mask in self.attributes.items())
        self.attributes = {name: mask for name, mask in moved if mask}

    def size(self) -> int:
        return 1 + len(self.attributes)

    def add(self, attribute: str, day: int, most: int, peers: Peers) -> bool:
        """Seen with an attribute on a day. `most` are kept: those that it had on the fewest days, the longest ago, go.
        Returns whether the day is news."""
        had = self.attributes
        news = self.mark(day)
        for gone in had.keys() - self.attributes.keys():
            peers.add(gone, -1)
        if not attribute or self.day - day >= WINDOW:
            return news
        if attribute not in self.attributes:
            while len(self.attributes) >= most:
                least = min(self.attributes, key=lambda a: worth(self.attributes[a]))
                del self.attributes[least]
                peers.add(least, -1)
                self.lost = self.day
            peers.add(attribute)
        self.attributes[attribute] = self.attributes.get(attribute, 0) | 1 << (self.day - day)
        return news


def worth(mask: int) -> tuple[int, int]:
    """On how many days, and how lately."""
    return mask.bit_count(), -(mask & -mask)


class Peers:
    """How many entities have each attribute. Made of the records, not kept."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}
        self._counts: dict[int, int] = {}
        self._total = 0

    def add(self, attribute: str, by: int = 1) -> None:
        before = self.of.get(attribute, 0)
        self._total += by
        for count, change in ((before, -1), (before + by, 1)):
            if count:
                self._counts[count] = self._counts.get(count, 0) + change
                if not self._counts[count]:
                    del self._counts[count]
        if before + by:
            self.of[attribute] = before + by
        else:
            del self.of[attribute]

    def enter(self, record: Habits) -> None:
        """A record was taken up from where it is kept."""
        for attribute in record.attributes:
            self.add(attribute)

    def leave(self, _key: str, record: Habits) -> None:
        """A record was let go of."""
        for attribute in record.attributes:
            self.add(attribute, -1)

    def as_rare(self, count: int) -> float:
        """The share of known pairs whose attribute no more than `count` entities have."""
        few = sum(c * n for c, n in self._counts.items() if c <= count)
        return rate(few, self._total, 0.5, 2.0)


def novelty(habits: Habits, day: int) -> float:
    """How often a day of this entity brings something new, by the days before this one."""
    days = habits.before(day)
    first = days.bit_length()
    begun = {m.bit_length() for mask in habits.attributes.values() if (m := until(mask, habits.day, day) & ~1)} - {
        first
    }
    return rate(len(begun), days.bit_count(), PRIOR, PRIOR_DAYS)
