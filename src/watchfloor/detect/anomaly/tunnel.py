"""DNS tunnelling: names under one registered domain that carry data.

What the different names asked for in an hour can carry is their characters times the entropy of a character (bits).
p = P(a day of any domain carries as much in an hour) x P(a day of this domain does). Domains that many machines ask for
in that hour are a service's (content, virus scanners); `carriers` of the series do it by design.
"""

from __future__ import annotations

from math import log2

import msgspec

from watchfloor.core.clock import HOUR
from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly.days import until
from watchfloor.detect.anomaly.member import Calendar, rested
from watchfloor.detect.anomaly.rarity import rate, signal
from watchfloor.detect.anomaly.series import TunnelSeries
from watchfloor.detect.anomaly.shelf import Known, Shelf
from watchfloor.detect.anomaly.sight import Sight, reader, registered
from watchfloor.detect.anomaly.volume import hash_of

NAMES, CLIENTS, CHARACTERS = 1_024, 16, 64
"""Names, clients and kinds of characters that are told apart in an hour."""
LENGTH = 12.0
"""Characters that names carry on average at the least; shorter ones are names of machines."""
DAYS = 32
"""Days of a domain whose largest hours are kept."""


class Names(Known):
    """The hour (since the epoch) that is counted, hashes of its names and clients, its characters; and the largest hour
    of each day by the logarithm of its bits, newest first (`largest[0]` is of `day`; 0: none)."""

    hour: int = 0
    names: set[int] = msgspec.field(default_factory=set)
    clients: set[int] = msgspec.field(default_factory=set)
    characters: dict[str, int] = msgspec.field(default_factory=dict)
    largest: list[int] = msgspec.field(default_factory=list)

    def move(self, day: int) -> None:
        self.largest = ([0] * min(DAYS, day - self.day) + self.largest)[:DAYS]

    def size(self) -> int:
        return 1 + (len(self.names) + len(self.characters) + len(self.largest)) // 8


class Tunnel:
    """One series of name look-ups."""

    def __init__(self, series: TunnelSeries, calendar: Calendar) -> None:
        self.series, self._calendar = series, calendar
        self.shelf = Shelf(f"tunnel/{series.name}", Names, series.most, self._left)
        self._sizes: dict[int, int] = {}
        self._client = reader(series.entity, series.name)
        self._carriers = frozenset(series.carriers)
        self.next: tuple[str, Names, int] | None = None

    def taken_up(self) -> None:
        """The shelf was filled: make what is made of it."""
        for record in self.shelf.rows.values():
            for size in record.largest:
                self._count(size, 1)

    def look(self, seen: Sight) -> Signal | None:
        self.next = None
        name = seen.facets["domain"]
        if name is None:
            return None
        name = name.rstrip(".")[:253]
        domain = registered(name)
        inner = name[: -len(domain) - 1] if name.endswith("." + domain) else ""
        if "." not in domain or domain in self._carriers or name.endswith(".arpa"):
            return None
        record = self.shelf.get(domain)
        client = self._client(seen)
        hour = seen.time // HOUR
        if hour < record.hour:
            return None  # its hour is over
        if hour > record.hour:
            record.hour, record.names, record.clients, record.characters = hour, set(), set(), {}
        mark = hash_of(inner)
        if client is not None and len(record.clients) < CLIENTS:
            record.clients.add(hash_of(client))
        if mark in record.names or len(record.names) >= NAMES:
            return None
        record.names.add(mark)
        for character in inner:
            if character in record.characters or len(record.characters) < CHARACTERS:
                record.characters[character] = record.characters.get(character, 0) + 1
        self.next = domain, record, seen.day
        said = None
        count = len(record.names)
        if count >= self.series.names and count % 16 == 0:
            said = self._carries(record, domain, client or "?", seen.day)
        self.shelf.changed(domain, record)
        return said

    def learn(self) -> None:
        assert self.next is not None
        domain, record, day = self.next
        self.next = None
        before = record.largest
        if record.mark(day):
            self._calendar.mark(self.series.name, day)
            for size in before:
                self._count(size, -1)
            for size in record.largest:
                self._count(size, 1)
        record.largest = record.largest or [0]
        if day == record.day and (len(record.names) < 4 or len(record.names) % 8 == 0):
            size = max(record.largest[0], size_of(record))
            self._count(record.largest[0], -1)
            self._count(size, 1)
            record.largest[0] = size
        self.shelf.changed(domain, record)

    def _count(self, size: int, by: int) -> None:
        if size:
            self._sizes[size] = self._sizes.get(size, 0) + by

    def _left(self, _key: str, record: Names) -> None:
        for size in record.largest:
            self._count(size, -1)

    def _carries(self, record: Names, domain: str, client: str, day: int) -> Signal | None:
        series = self.series
        characters, bits = sum(record.characters.values()), entropy(record.characters)
        length = characters / len(record.names)
        if len(record.clients) >= series.clients or length < LENGTH or bits < series.bits:
            return None
        if characters * bits < series.bytes * 8:
            return None
        if not rested(record, series, day) or not self._calendar.ready(series, day, len(self.shelf.rows)):
            return None
        size, days = size_of(record), until(record.days, record.day, day) & ~1
        own = [largest for largest in record.largest[max(0, 1 - (day - record.day)) :] if largest]
        as_large = sum(n for each, n in self._sizes.items() if each >= size)
        any_day = rate(as_large, sum(self._sizes.values()), 0.5, 2.0)
        own_day = rate(sum(each >= size - 2 for each in own), days.bit_count(), 0.5, 2.0)
        if any_day * own_day > series.says:
            return None
        record.said = day
        return signal(
            "dns_tunnelling",
            series,
            domain,
            f"{len(record.names)} different names under {domain} in an hour, {length:.0f} characters each with "
            f"{bits:.1f} bits a character ({characters * bits / 8:,.0f} bytes), asked for by "
            f"{len(record.clients)} machines, {client} the last; on {days.bit_count()} days before at most "
            f"{2 ** (max(own, default=0) / 2) / 8:,.0f} bytes",
            (
                (f"as much under any domain on {any_day:.1%} of its days", any_day),
                (f"as much under this one on {own_day:.1%}", own_day),
            ),
        )


def entropy(characters: dict[str, int]) -> float:
    """Bits a character."""
    total = sum(characters.values())
    return -sum(n / total * log2(n / total) for n in characters.values()) if total else 0.0


def size_of(record: Names) -> int:
    """What the hour's names can carry: twice the binary logarithm of the bits, so that steps are of two fifths."""
    return round(2 * log2(1 + sum(record.characters.values()) * entropy(record.characters)))
