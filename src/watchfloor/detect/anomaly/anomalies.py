"""The anomaly detectors of one tenant: they look at each event in order of arrival, and learn what is usual.

Nothing is learned from an event that a rule finds severe (`learn(hostile=True)`): an attack must not become usual. What
was learned all the same, because no rule knew it, is forgotten 64 days after it was seen last, and rare until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

from watchfloor.core.clock import DAY, HOUR
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly.beacon import Beacon
from watchfloor.detect.anomaly.days import WINDOW
from watchfloor.detect.anomaly.first_seen import FirstSeen
from watchfloor.detect.anomaly.member import Calendar, Member
from watchfloor.detect.anomaly.sequence import Sequence as Steps
from watchfloor.detect.anomaly.series import (
    AnySeries,
    BeaconSeries,
    FirstSeenSeries,
    SequenceSeries,
    TravelSeries,
    TunnelSeries,
    VolumeSeries,
    shipped,
)
from watchfloor.detect.anomaly.shelf import Piece, Shelf
from watchfloor.detect.anomaly.sight import Routes, sight
from watchfloor.detect.anomaly.travel import Travel
from watchfloor.detect.anomaly.tunnel import Tunnel
from watchfloor.detect.anomaly.volume import Volume

AHEAD = HOUR
"""An event that says it is later than this after its arrival tells nothing: its clock is wrong, or somebody's trick."""
MEMBERS: dict[type[Any], Callable[[Any, Calendar], Member]] = {
    FirstSeenSeries: FirstSeen,
    VolumeSeries: Volume,
    BeaconSeries: Beacon,
    TravelSeries: Travel,
    SequenceSeries: Steps,
    TunnelSeries: Tunnel,
}


class Status(NamedTuple):
    """How much one series knows: entities, entries of `most`, days with events in the last 64, the last of them (since
    the epoch; 0 none) and the bytes of its records as they are kept."""

    name: str
    title: str
    entities: int
    entries: int
    most: int
    days: int
    last: int
    ready: bool
    bytes: int


class Anomalies:
    """All anomaly detectors of one tenant, by the clock of its `zone`. Not to be shared between threads."""

    def __init__(self, tenant: str, series: Iterable[AnySeries], clock: Callable[[], int], zone: tzinfo = UTC) -> None:
        self.tenant, self._clock = tenant, clock
        self._calendar = Calendar(zone)
        self.members: list[Member] = [MEMBERS[type(one)](one, self._calendar) for one in series]
        self._shelves: dict[str, Shelf[Any]] = {m.shelf.name: m.shelf for m in self.members}
        self._shelves[self._calendar.shelf.name] = self._calendar.shelf
        if len({member.series.name for member in self.members}) != len(self.members):
            raise WatchfloorError("two series have one name", where="anomaly")
        self._routes = Routes([member.series.when for member in self.members])
        self._learning: list[Member] = []
        self._day = 0

    @classmethod
    def shipped(cls, tenant: str, clock: Callable[[], int], zone: tzinfo = UTC) -> Anomalies:
        """The shipped series, knowing nothing yet. Raises WatchfloorError that names the place of a mistake."""
        return cls(tenant, shipped(), clock, zone)

    def observe(self, event: Event) -> list[Signal]:
        """What the detectors say of an event, by what they learned from those before. Say `learn` before the next."""
        if event.tenant != self.tenant:
            raise WatchfloorError(f"event of tenant {event.tenant!r} for {self.tenant!r}", where=event.uid)
        said: list[Signal] = []
        self._learning = []
        if not 0 < event.time <= self._clock() + AHEAD:
            return said
        seen = sight(event)
        self._day = max(self._day, seen.day)
        for n in self._routes.of(seen):
            member = self.members[n]
            signal = member.look(seen)
            if member.next is not None:
                self._learning.append(member)
            if signal is not None:
                said.append(signal)
        return said

    def learn(self, *, hostile: bool = False) -> None:
        """Learn from the event observed last; nothing if a rule found it severe."""
        if not hostile:
            for member in self._learning:
                member.learn()
        self._learning = []

    # Keeping

    def load(self, pieces: Iterable[Piece]) -> None:
        """Take up what was kept, ordered by `n`. Pieces of series that are there no more are passed over."""
        by_shelf: dict[str, list[Piece]] = {}
        for piece in pieces:
            by_shelf.setdefault(piece.shelf, []).append(piece)
        for name, some in by_shelf.items():
            if name in self._shelves:
                self._shelves[name].load(some)
        for member in self.members:
            member.taken_up()
            self._day = max((self._day, *(record.day for record in member.shelf.rows.values())))

    def changes(self) -> list[Piece]:
        """What changed since the last call, to be kept."""
        return [piece for shelf in self._shelves.values() for piece in shelf.changes()]

    def expire(self) -> None:
        """Let go of entities that were not seen within the last 64 days of events."""
        for member in self.members:
            member.shelf.expire(self._day - WINDOW)

    def forget(self, entity: str) -> int:
        """Forget an entity (`alice`) in all series; returns in how many it was known."""
        found = 0
        for member in self.members:
            keys = [key for key in member.shelf.rows if key.split("\x1f")[0] == entity]
            found += bool(keys)
            for key in keys:
                member.shelf.remove(key)
        return found

    def status(self) -> list[Status]:
        """How much each series knows."""
        today = self._clock() // DAY
        found = []
        for member in self.members:
            record = self._calendar.shelf.get(member.series.name)
            found.append(
                Status(
                    member.shelf.name,
                    member.series.title,
                    len(member.shelf.rows),
                    member.shelf.entries,
                    member.shelf.most,
                    record.days.bit_count(),
                    record.day,
                    self._calendar.ready(member.series, max(today, record.day + 1), len(member.shelf.rows)),
                    member.shelf.bytes(),
                )
            )
        return found
