"""Sequence novelty: steps after one another that neither this entity nor its peers make.

A step is an API call or the shape of a command; a pair of steps is a Markov chain's transition. Among the last twelve
of an entity within an hour those are counted that are new to it and that nobody else makes. p is the binomial tail
under how often a transition of this entity is so, times the windows that it has in a day.
"""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from watchfloor.core.clock import HOUR
from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly.habits import Habits, Peers
from watchfloor.detect.anomaly.member import Calendar, learned, rested
from watchfloor.detect.anomaly.rarity import binomial_tail, rate, signal
from watchfloor.detect.anomaly.series import SequenceSeries
from watchfloor.detect.anomaly.shelf import Shelf
from watchfloor.detect.anomaly.sight import JOIN, Sight, reader

LAST, FEWEST = 12, 5
"""Transitions that are looked at together, and how many of them must be new before anything is said."""
KEEP = 0.96
PRIOR, PRIOR_STEPS = 0.05, 40.0


class Steps(Habits):
    """`attributes` are the transitions. `recent`: time (ms), step, and whether the way to it was new. `made` and `new`:
    decayed counts of transitions, as of `day`."""

    recent: list[tuple[int, str, bool]] = msgspec.field(default_factory=list)
    made: float = 0.0
    new: float = 0.0

    def move(self, day: int) -> None:
        faded = KEEP ** (day - self.day)
        self.made, self.new = self.made * faded, self.new * faded
        super().move(day)

    def size(self) -> int:
        return 1 + len(self.attributes) + len(self.recent)


class Sequence:
    """One series of steps."""

    def __init__(self, series: SequenceSeries, calendar: Calendar) -> None:
        self.series, self._calendar = series, calendar
        self.peers = Peers()
        self.shelf = Shelf(f"sequence/{series.name}", Steps, series.most, self.peers.leave)
        self._entity = reader(series.entity, series.name)
        self._step = reader(series.step, series.name)
        self.next: tuple[str, int, str, str, bool, int] | None = None

    def taken_up(self) -> None:
        """The shelf was filled: make what is made of it."""
        for record in self.shelf.rows.values():
            self.peers.enter(record)

    def look(self, seen: Sight) -> Signal | None:
        self.next = None
        entity, step = self._entity(seen), self._step(seen)
        if entity is None or step is None:
            return None
        record = self.shelf.get(entity)
        before = self._before(record, seen.time)
        if before == step:
            return None
        pair = f"{before}{JOIN}{step}" if before else ""
        new = bool(pair) and pair not in record.attributes and not self.peers.of.get(pair)
        self.next = entity, seen.time, step, pair, new, seen.day
        if not new or not rested(record, self.series, seen.day):
            return None
        return self._odd(record, entity, pair, seen)

    def learn(self) -> None:
        assert self.next is not None
        entity, time, step, pair, new, day = self.next
        self.next = None
        record = self.shelf.get(entity)
        if record.add(pair, day, self.series.most_each, self.peers):
            self._calendar.mark(self.series.name, day)
        if pair:
            record.made += 1
            record.new += new
        at = bisect_right(record.recent, time, key=lambda one: one[0])
        record.recent.insert(at, (time, step, new))
        del record.recent[: -LAST - 1]
        self.shelf.changed(entity, record)

    def _before(self, record: Steps, time: int) -> str:
        """The step that came before a time, if one did within the hour."""
        at = bisect_right(record.recent, time, key=lambda one: one[0])
        return record.recent[at - 1][1] if at and record.recent[at - 1][0] > time - HOUR else ""

    def _odd(self, record: Steps, entity: str, pair: str, seen: Sight) -> Signal | None:
        window = [one for one in record.recent if seen.time - HOUR < one[0] <= seen.time][-LAST + 1 :]
        new = 1 + sum(one[2] for one in window)
        if new < FEWEST:
            return None
        days = record.before(seen.day)
        if not self._calendar.ready(self.series, seen.day, len(self.shelf.rows)):
            return None
        if not learned(days, self.series.learning_days):
            return None
        # What is new within this window is not yet usual.
        usual = rate(max(0.0, record.new - new + 1), record.made, PRIOR, PRIOR_STEPS)
        windows = max(1.0, record.made * (1 - KEEP) / LAST)
        p = min(1.0, windows * binomial_tail(new, len(window) + 1, usual))
        if p > self.series.says:
            return None
        record.said = seen.day
        self.shelf.changed(entity, record)
        way = JOIN.join(one[1] for one in window[-4:] if one[2])
        return signal(
            "sequence",
            self.series,
            entity,
            f"{new} of the last {len(window) + 1} {self.series.noun} of {entity} follow one another as nobody's do, as "
            f"{pair[:120]}{f' after {way[:160]}' if way else ''}; usually {usual:.1%} do",
            ((f"so many new in a window, of which a day has {windows:.0f}", p),),
        )
