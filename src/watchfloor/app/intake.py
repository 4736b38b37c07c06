"""Live intake: works off the spool while the product is served, and decides what is new soon after.

At least once in, once in effect. A batch goes in this order, and `kill -9` between any two steps changes no count:

1. the mark says which parcels the batch has and which of its events are in the lake already;
2. events go to the lake; findings, dead letters, the sources' counts and the mark "done" are one commit;
3. the spool lets go of the parcels.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import structlog

from watchfloor.app.deliveries import Deliveries, Item
from watchfloor.app.keeping import Kept
from watchfloor.app.parts import Parts
from watchfloor.app.pipeline import Pipeline
from watchfloor.app.retention import Retention
from watchfloor.app.views import LiveRow
from watchfloor.core.clock import HOUR, MINUTE, iso
from watchfloor.core.errors import NotFoundError
from watchfloor.core.event import Event
from watchfloor.core.intake import IntakeMark, LiveState, Silence, Tally, Trouble, added, silence
from watchfloor.core.intel_object import Whole
from watchfloor.core.noun import canonical
from watchfloor.core.record import DeadLetter
from watchfloor.store.documents import Document
from watchfloor.store.spool import Parcel, Spool, Taken, Waiting

MOST_PARCELS = 4_000
MOST_BYTES = 4 << 20
LINGER = 1.0
"""Seconds in which parcels gather before a small batch is worked off: many small segments make a slow lake."""
QUIET, LONGEST = 1.0, 10.0
"""Triage runs when no finding came for so many seconds, and at the latest so many seconds after the first."""
LOG_EVERY = LOOK_EVERY = MINUTE
EXPIRE_EVERY = HOUR
SILENCE = "watchfloor/silence"
"""The source of our own records that another one fell silent."""
_log = structlog.get_logger(__name__)


class Intake:
    """Works off one tenant's spool, in threads of the serving process."""

    def __init__(self, parts: Parts, pipeline: Pipeline) -> None:
        self._parts, self._pipeline = parts, pipeline
        self._tenant = parts.tenant
        self._spool: Spool | None = None
        self._stopping = threading.Event()
        self._troubles: dict[str, Trouble] = {}
        self._looked_at = self._expired_at = 0
        self._told: deque[Silence] = deque(maxlen=1_000)
        self._debounce = Debounce(QUIET, LONGEST)

    @contextmanager
    def running(self) -> Iterator[Spool]:
        """Open the spool and work it off until the block ends. What is left is worked off at the next start.

        Raises WatchfloorError when another process has this home's spool.
        """
        self._stopping.clear()
        self._debounce = Debounce(QUIET, LONGEST)
        mark = self._mark()
        spool = self._spool = Spool(self._parts.home.spool, after=max(mark.done, mark.begun))
        loops = [self._work_loop, self._triage_loop]
        threads = [threading.Thread(target=loop, name=loop.__name__.strip("_"), daemon=True) for loop in loops]
        if self._pipeline.count() or self._parts.intel_store.last(self._tenant):
            self._debounce.came()  # an earlier process may have died before it decided
        for thread in threads:
            thread.start()
        try:
            yield spool
        finally:
            self._stopping.set()
            self._debounce.stop()
            for thread in threads:
                thread.join()
            self._spool = None
            spool.close()

    # Looking

    @property
    def waiting(self) -> Waiting | None:
        """What waits in the spool; None while nothing is served from this process."""
        return self._spool.waiting(self._tenant) if self._spool else None

    @property
    def troubles(self) -> list[Trouble]:
        return list(self._troubles.values())

    def states(self) -> list[LiveState]:
        """What has come from each live source, the last heard first."""
        return self._parts.documents.find(self._tenant, LiveState, limit=None)

    def live_rows(self) -> dict[str, LiveRow]:
        """What each live source handed in, by its name."""
        now, policy = self._parts.clock(), self._parts.policy.intake
        return {
            state.uid: LiveRow(
                received=state.tally.received,
                repeats=state.tally.repeats,
                indicators=state.tally.indicators,
                last_heard=state.time,
                per_minute=state.per_minute(now),
                silence=silence(state, policy, now),
            )
            for state in self.states()
        }

    # Working

    def _work_loop(self) -> None:
        assert self._spool is not None
        while not self._stopping.is_set():
            with self._trying("working off the spool"):
                self._gather(self._spool)
                if not self.work(self._spool):
                    self._tell_ledger(every=LOG_EVERY)
                self._look_around(self._spool)
        with self._trying("writing to the ledger"):
            self._tell_ledger(every=0)

    def _gather(self, spool: Spool) -> None:
        """Wait for parcels, and a moment longer while there are few."""
        if spool.wait(self._tenant, 1.0):
            parcels, size = spool.waiting(self._tenant)
            if parcels < MOST_PARCELS and size < MOST_BYTES:
                self._stopping.wait(LINGER)

    def work(self, spool: Spool) -> int:
        """Work off one batch. Returns how many records it had; 0 when none was there."""
        mark = self._mark()
        taken = spool.take(self._tenant, MOST_PARCELS, MOST_BYTES, upto=mark.begun)
        if mark.begun and not taken:  # the spool's file was lost: its parcels will not come again
            mark = mark.model_copy(update={"begun": 0, "repeats": {}})
            taken = spool.take(self._tenant, MOST_PARCELS, MOST_BYTES)
        before = [one for one in taken if one.seq <= mark.done]
        if before:  # committed, and cut off before the spool heard of it
            spool.done(self._tenant, before)
            taken = taken[len(before) :]
        if not taken:
            return 0
        items, arrivals = self._read(taken)
        if not mark.begun:
            repeats = self._repeats(items)
            mark = mark.model_copy(update={"begun": taken[-1].seq, "repeats": repeats, "time": self._parts.clock()})
            self._parts.documents.put(self._tenant, mark)
        kept = self._pipeline.keeper.keep(items, partial(self._beside, mark, arrivals))
        spool.done(self._tenant, taken)
        if kept.findings or kept.intel.changed:
            self._debounce.came()
        self._parts.updates.publish(self._tenant, "ingest", "live")
        return len(items)

    def _read(self, taken: Sequence[Taken]) -> tuple[list[Item], dict[str, Counter[int]]]:
        """What came, read, and how many records came from which source when (ms)."""
        deliveries = Deliveries(self._parts)
        items: list[Item] = []
        arrivals: dict[str, Counter[int]] = defaultdict(Counter)
        for _, (source, at, content, form) in taken:
            some = list(deliveries.parcel(source, content, form=form, at=at))
            arrivals[source][at] += sum(not isinstance(item, Whole) for item in some)
            items += some
        return items, arrivals

    def _repeats(self, items: Sequence[Item]) -> dict[str, int]:
        """Events, by source, that came before: in the lake, or earlier in the batch."""
        events = [item for item in items if isinstance(item, Event)]
        seen = self._parts.lake.known(self._tenant, [event.uid for event in events])
        repeats: Counter[str] = Counter()
        for event in events:
            repeats[_source(event.source)] += event.uid in seen
            seen.add(event.uid)
        return dict(+repeats)

    def _beside(self, mark: IntakeMark, arrivals: Mapping[str, Mapping[int, int]], kept: Kept) -> list[Document]:
        """What has to be known at the same moment as a batch's findings: the counts, and that it is done."""
        tallies = self._tallies(mark, kept)
        states = [self._state(source).plus(tallies.get(source, Tally()), at) for source, at in arrivals.items()]
        changes = {
            "time": self._parts.clock(),
            "done": mark.begun,
            "begun": 0,
            "repeats": {},
            "unlogged": added(mark.unlogged, tallies),
        }
        return [*states, mark.model_copy(update=changes)]

    def _tallies(self, mark: IntakeMark, kept: Kept) -> dict[str, Tally]:
        seen = self._parts.documents.known(self._tenant, DeadLetter, [letter.uid for letter in kept.letters])
        events = Counter(_source(event.source) for event in kept.events)
        letters: Counter[str] = Counter()
        again: Counter[str] = Counter(mark.repeats)
        again.update(kept.intel.repeats)
        new = kept.intel.fresh
        for letter in kept.letters:
            (again if letter.uid in seen else letters)[_source(letter.source)] += 1
            seen.add(letter.uid)
        return {
            source: Tally(
                received=events[source]
                - mark.repeats.get(source, 0)
                + letters[source]
                + again[source]
                + new.get(source, 0),
                events=events[source] - mark.repeats.get(source, 0),
                dead_letters=letters[source],
                repeats=again[source],
                indicators=new.get(source, 0),
            )
            for source in {**events, **letters, **again, **new}
        }

    def _state(self, source: str) -> LiveState:
        try:
            return self._parts.documents.get(self._tenant, LiveState, source)
        except NotFoundError:
            return LiveState(tenant=self._tenant, uid=source, time=0)

    def _mark(self) -> IntakeMark:
        try:
            return self._parts.documents.get(self._tenant, IntakeMark, "intake")
        except NotFoundError:
            return IntakeMark(tenant=self._tenant, time=0)

    def _tell_ledger(self, every: int) -> None:
        """One entry for what came in since the last, no more often than `every` milliseconds."""
        mark, parts, now = self._mark(), self._parts, self._parts.clock()
        if not mark.unlogged or now < mark.logged_at + every:
            return
        body = {source: tally.to_dict() for source, tally in mark.unlogged.items()}
        with parts.together():
            parts.ledger.append(self._tenant, kind="intake", subject="live", actor="watchfloor", body=body, time=now)
            parts.documents.put(self._tenant, mark.model_copy(update={"unlogged": {}, "logged_at": now}))

    def _look_around(self, spool: Spool) -> None:
        """Once a minute: keep the lake in few segments, decide what waited to be whole, and see who fell silent.
        Once an hour: let go of events that are past their time."""
        now = self._parts.clock()
        if now >= self._looked_at + LOOK_EVERY:
            self._looked_at = now
            self._parts.lake.compact(self._tenant)
            if now >= self._expired_at + EXPIRE_EVERY:
                self._expired_at = now
                Retention(self._parts).run()
            if self._pipeline.keeper.settle():
                self._debounce.came()
            self._look_for_silence(spool, now)

    def _look_for_silence(self, spool: Spool, now: int) -> None:
        """A source that fell silent is a record of our own, once: it goes the way of all records."""
        policy = self._parts.policy.intake
        if policy.silence_is != "finding":
            return
        for state in self.states():
            found = silence(state, policy, now)
            only_intel = state.tally.indicators and not state.tally.events
            if found is None or found in self._told or state.uid == SILENCE or only_intel:
                continue
            self._told.append(found)
            # Nothing of this moment stands in it: told again after a restart it is the same record, and counts once.
            record = {
                "watchfloor": "source_silent",
                "source": found.source,
                "last_heard": iso(found.last_heard),
                "silent_since": iso(found.last_heard + found.silent_after),
                "longest_gap_minutes": found.longest_gap // MINUTE,
            }
            spool.put(self._tenant, Parcel(SILENCE, now, canonical(record), "ndjson")).result()

    # Deciding

    def _triage_loop(self) -> None:
        while self._debounce.wait():
            with self._trying("deciding cases", again=self._debounce.came):
                started = time.monotonic()
                self._pipeline.triage(self._unless_stopping)
                self._debounce.took(time.monotonic() - started)

    def _unless_stopping(self, _phase: str, _done: int, _total: int | None) -> None:
        """Between two chunks of cases, each of them committed: the place to stop. The next start goes on."""
        if self._stopping.is_set():
            raise _StoppedError

    @contextmanager
    def _trying(self, doing: str, again: Callable[[], None] = lambda: None) -> Iterator[None]:
        """What goes wrong is shown and tried again, after a wait that grows to a minute; never lost."""
        try:
            yield
        except _StoppedError:
            return
        except Exception as error:
            text = str(error) or type(error).__name__
            before = self._troubles.get(doing)
            now = self._parts.clock()
            since = before.since if before else now
            self._troubles[doing] = Trouble(doing=doing, problem=text, since=since)
            # Without the values of variables: they are records, and records stay out of logs.
            _log.error("live intake will try again", doing=doing, problem=text, at=traceback.format_exc(limit=-3))
            again()
            self._stopping.wait(min(60.0, 1.0 + (now - since) / 4_000))
        else:
            self._troubles.pop(doing, None)


class _StoppedError(Exception):
    """The server stops."""


class Debounce:
    """Says when to run after something came: a stream must not start the work at each piece.

    After `quiet` seconds without another, `longest` seconds after the first at the latest, and never before as much
    time has passed as the last run took: the work gets half of the time at most.
    """

    def __init__(self, quiet: float, longest: float) -> None:
        self._quiet, self._longest = quiet, longest
        self._changed = threading.Condition()
        self._first = self._last = self._not_before = 0.0
        self._stopped = False

    def came(self) -> None:
        """Something is there to work on."""
        with self._changed:
            self._last = time.monotonic()
            self._first = self._first or self._last
            self._changed.notify_all()

    def took(self, seconds: float) -> None:
        """How long a run took that has just ended."""
        with self._changed:
            self._not_before = time.monotonic() + seconds

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait(self) -> bool:
        """Sleep until it is time to run; False when stopped."""
        with self._changed:
            while not self._stopped:
                if not self._first:
                    self._changed.wait()
                    continue
                due = max(min(self._last + self._quiet, self._first + self._longest), self._not_before)
                left = due - time.monotonic()
                if left <= 0:
                    self._first = 0.0
                    return True
                self._changed.wait(left)
            return False


def _source(name: str) -> str:
    """The live source of what came out of an archive that it handed in."""
    return name.partition("!")[0]
