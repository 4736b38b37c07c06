"""Impossible travel: one user logs on from two places that nobody gets from one to the other between.

Positions are coordinates that the event brings (OCSF `src_endpoint.location`), or the middle of its country with a
radius, and only what is certainly between the two circles counts. No location: it says nothing. Addresses that several
users have (a company's exit, a VPN) and those that the user had on several days are places where nobody travels to.
p = P(a day of this user has such a leap), a beta-binomial over the days before.
"""

from __future__ import annotations

from bisect import insort
from math import asin, cos, radians, sin, sqrt
from typing import Any, NamedTuple

import msgspec

from watchfloor.core.clock import HOUR, iso
from watchfloor.core.event import get_path
from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly.days import WINDOW, until
from watchfloor.detect.anomaly.habits import Habits, Peers
from watchfloor.detect.anomaly.member import Calendar, learned, rested
from watchfloor.detect.anomaly.rarity import rate, signal
from watchfloor.detect.anomaly.series import TravelSeries, centroids
from watchfloor.detect.anomaly.shelf import Shelf
from watchfloor.detect.anomaly.sight import Sight, kept, reader

STOPS, ADDRESSES = 12, 48
USUAL_DAYS = 3
"""An address that a user had on so many days is one of theirs."""
PRIOR, PRIOR_DAYS = 0.02, 5.0
"""Before a user is known: one day in fifty has a leap, as if seen over five days."""
EARTH_KM = 6_371.0
COORDINATES_KM = 50.0
"""How far off coordinates of an address can be: they are those of its provider's next town."""


class Stop(msgspec.Struct, array_like=True, order=True):
    """A log-on: when (ms), where, how far off that may be (km), from which address, and what the place is called."""

    time: int
    lat: float
    long: float
    radius: float
    address: str
    place: str


class Trips(Habits):
    """`attributes` are the addresses, `stops` the last log-ons by time, `leaps` the days on which there was one."""

    stops: list[Stop] = msgspec.field(default_factory=list)
    leaps: int = 0

    def move(self, day: int) -> None:
        self.leaps = until(self.leaps, self.day, day)
        super().move(day)

    def size(self) -> int:
        return 1 + len(self.stops) + len(self.attributes)


class Leap(NamedTuple):
    """Two stops with the kilometres that are certainly between them, and the hours."""

    before: Stop
    after: Stop
    km: float
    hours: float


def apart(one: Stop, other: Stop) -> float:
    """Kilometres that are certainly between two stops (haversine, less both radii)."""
    up, across = radians(other.lat - one.lat), radians(other.long - one.long)
    h = sin(up / 2) ** 2 + cos(radians(one.lat)) * cos(radians(other.lat)) * sin(across / 2) ** 2
    return max(0.0, 2 * EARTH_KM * asin(sqrt(min(1.0, h))) - one.radius - other.radius)


class Travel:
    """One series of log-ons."""

    def __init__(self, series: TravelSeries, calendar: Calendar) -> None:
        self.series, self._calendar = series, calendar
        self._users = Peers()
        self.shelf = Shelf(f"travel/{series.name}", Trips, series.most, self._users.leave)
        self._centroids = centroids()
        self._entity = reader(series.entity, series.name)
        self.next: tuple[str, Stop, int, bool] | None = None

    def taken_up(self) -> None:
        """The shelf was filled: make what is made of it."""
        for record in self.shelf.rows.values():
            self._users.enter(record)

    def look(self, seen: Sight) -> Signal | None:
        self.next = None
        address = seen.facets["src_ip"]
        if address is None:
            return None
        entity, stop = self._entity(seen), self._stop(seen, kept(address))
        if entity is None or stop is None:
            return None
        record = self.shelf.get(entity)
        leap = self._leap(record, stop, seen.day)
        self.next = entity, stop, seen.day, leap is not None
        if leap is None or not rested(record, self.series, seen.day):
            return None
        if not self._calendar.ready(self.series, seen.day, len(self.shelf.rows)):
            return None
        days = record.before(seen.day)
        if not learned(days, self.series.learning_days):
            return None
        before = until(record.leaps, record.day, seen.day) & ~1
        p = rate(before.bit_count(), days.bit_count(), PRIOR, PRIOR_DAYS)
        if p > self.series.says:
            return None
        record.said = seen.day
        self.shelf.changed(entity, record)
        return self._signal(entity, leap, before.bit_count(), days.bit_count(), p)

    def learn(self) -> None:
        assert self.next is not None
        entity, stop, day, leapt = self.next
        self.next = None
        record = self.shelf.get(entity)
        record.add(stop.address, day, ADDRESSES, self._users)
        if leapt and record.day - day < WINDOW:
            record.leaps |= 1 << (record.day - day)
        if not any(one.address == stop.address and abs(one.time - stop.time) < HOUR // 4 for one in record.stops):
            insort(record.stops, stop)
            del record.stops[:-STOPS]
        self._calendar.mark(self.series.name, day)
        self.shelf.changed(entity, record)

    def _shared(self, record: Trips, address: str) -> bool:
        """Whether an address is several users': nobody is where it is."""
        return self._users.of.get(address, 0) - (address in record.attributes) >= self.series.shared - 1

    def _theirs(self, record: Trips, address: str, day: int) -> bool:
        return until(record.attributes.get(address, 0), record.day, day).bit_count() >= USUAL_DAYS

    def _leap(self, record: Trips, stop: Stop, day: int) -> Leap | None:
        """The way to or from the stops next in time, if one of them is too far. Between two addresses that are the
        user's own there is none: one of them is a way round."""
        if self._shared(record, stop.address):
            return None
        own = self._theirs(record, stop.address, day)
        earlier = [one for one in record.stops if one.time <= stop.time]
        later = [one for one in record.stops if one.time > stop.time]
        for one in (*earlier[-1:], *later[:1]):
            if one.address == stop.address or self._shared(record, one.address):
                continue
            if own and self._theirs(record, one.address, day):
                continue
            before, after = sorted((one, stop))
            km, hours = apart(before, after), (after.time - before.time) / HOUR
            if km >= self.series.nearest_km and km > self.series.fastest_kmh * hours:
                return Leap(before, after, km, hours)
        return None

    def _stop(self, seen: Sight, address: str) -> Stop | None:
        location = get_path(seen.event.ocsf, "src_endpoint.location")
        if not isinstance(location, dict):
            return None
        country = str(location.get("country") or "")
        place = kept(", ".join(str(part) for part in (location.get("city"), country) if part))
        lat, long = _coordinates(location)
        if lat is not None and long is not None:
            return Stop(seen.time, lat, long, COORDINATES_KM, address, place or f"{lat:.1f}, {long:.1f}")
        middle = self._centroids.get(country) or self._centroids.get(country.lower())
        return Stop(seen.time, middle[0], middle[1], middle[2], address, place) if middle else None

    def _signal(self, entity: str, leap: Leap, leaps: int, days: int, p: float) -> Signal:
        before, after, km, hours = leap
        return signal(
            "impossible_travel",
            self.series,
            entity,
            f"{entity} logged on from {before.place} ({before.address}) at {iso(before.time)[:16]} and from "
            f"{after.place} ({after.address}) {hours * 60:.0f} minutes later: {km:,.0f} km; such a leap on {leaps} of "
            f"{days} days before",
            ((f"such a leap on {p:.2%} of days", p),),
        )


def _coordinates(location: dict[str, Any]) -> tuple[float | None, float | None]:
    """Latitude and longitude, if they are ones. OCSF's `coordinates` are in GeoJSON's order: longitude first."""
    pair = location.get("coordinates")
    long, lat = pair if isinstance(pair, list) and len(pair) == 2 else (location.get("long"), location.get("lat"))
    try:
        found = float(lat), float(long)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None, None
    return found if abs(found[0]) <= 90 and abs(found[1]) <= 180 and found != (0.0, 0.0) else (None, None)
