"""What is usual for a tenant, kept beside the findings: anomaly detectors learn from each event exactly once.

An event comes again when a process was killed between the lake and the commit of what was found, or when somebody sends
it again. The lake knows it both times, and only in the first case nobody learned from it yet. So before a batch goes to
the lake the uids that are new to it are written down (`Unlearned`), and the commit of its findings, of what was learned
and of what was said takes them away. What was said of an event is kept (`Noticed`), and said again when it comes again.

What is usual is held in memory and written in the rows that changed. Several processes may keep for one tenant:
`Learned` counts commits, and who finds that another has learned meanwhile takes up what that one wrote and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec

from watchfloor.core.clock import DAY
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.noun import Noun, Tenant
from watchfloor.core.signal import Signal
from watchfloor.store.documents import Document, Documents

if TYPE_CHECKING:
    from watchfloor.app.parts import Parts
    from watchfloor.detect import Detector
    from watchfloor.detect.anomaly import Anomalies
    from watchfloor.detect.detector import Examined

REMEMBERED = 7 * DAY
"""So long a batch that was cut off may come again and be learned from."""
_HOSTILE = ("rule", "vendor", "indicator")


class Learned(Noun):
    """How often something was learned for a tenant (`n` commits), since when and until when (ms of the clock)."""

    tenant: Tenant
    time: int
    uid: str = "anomalies"
    n: int = 0
    since: int = 0


class Unlearned(Noun):
    """Events on their way to the lake from which nobody has learned yet."""

    tenant: Tenant
    uid: str
    time: int
    events: tuple[str, ...]


class Noticed(Noun):
    """What anomaly detectors said of an event (`uid`) when it came."""

    tenant: Tenant
    uid: str
    time: int
    signals: tuple[dict[str, Any], ...]

    @property
    def said(self) -> list[Signal]:
        return [msgspec.convert(one, Signal) for one in self.signals]


def examined(detector: Detector, anomalies: Anomalies, event: Event) -> tuple[Examined, list[Signal]]:
    """What is found on an event with what anomaly detectors say of it; they learn from it unless it is hostile."""
    signals = anomalies.observe(event)
    found = detector.examine(event, signals)
    anomalies.learn(hostile=is_hostile(found.findings))
    return found, signals


def is_hostile(findings: Iterable[Finding]) -> bool:
    """Whether somebody who needs no memory finds an event severe: a rule, a product's alert, an indicator."""
    return any(one.severity >= Severity.high and one.detection.kind in _HOSTILE for one in findings)


class Noticing:
    """One tenant's anomaly detectors, beside the keeper. One thread at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._anomalies: Anomalies | None = None
        self._learned = Learned(tenant=parts.tenant, time=0)
        self._batch: Unlearned | None = None
        self._new: frozenset[str] = frozenset()
        self._left: set[str] = set()
        self._before: dict[str, list[Signal]] = {}
        self._said: dict[str, Noticed] = {}

    def begin(self, events: Sequence[Event]) -> None:
        """Write down from which of these events nobody has learned yet, before they go to the lake."""
        parts, uids = self._parts, list(dict.fromkeys(event.uid for event in events))
        self._batch, self._new, self._before, self._said = None, frozenset(), {}, {}
        self._left = set()
        if not uids:
            return
        known = parts.lake.known(parts.tenant, uids)
        cut_off = self._cut_off()
        waiting = {uid for one in cut_off for uid in one.events}
        new = [uid for uid in uids if uid not in known or uid in waiting]
        self._new, self._left = frozenset(new), set(new)
        if new:
            now = parts.clock()
            self._batch = Unlearned(tenant=parts.tenant, uid=uuid4().hex, time=now, events=tuple(new))
            parts.documents.put(parts.tenant, self._batch)
        again = [uid for uid in uids if uid not in self._new]
        self._before = {one.uid: one.said for one in _those(parts.documents, parts.tenant, again)}
        if self._anomalies is not None and self._stored().n != self._learned.n:
            self.drop()

    def examined(self, events: Iterable[Event]) -> list[Examined]:
        """What is found on each event, in order of arrival. What comes twice in a batch is learned from once."""
        anomalies, detector = self._ready(), self._parts.detector
        found = []
        for event in events:
            if event.uid not in self._left:
                found.append(detector.examine(event, self._before.get(event.uid, ())))
                continue
            self._left.discard(event.uid)
            one, signals = examined(detector, anomalies, event)
            if signals:
                self._before[event.uid] = signals
                plain = tuple(msgspec.to_builtins(signal) for signal in signals)
                self._said[event.uid] = Noticed(tenant=event.tenant, uid=event.uid, time=event.time, signals=plain)
            found.append(one)
        return found

    def anew(self) -> None:
        """The batch is to be examined from its beginning: forget what was learned and said of it."""
        self.drop()
        self._left = set(self._new)
        for uid in self._said:
            del self._before[uid]
        self._said = {}

    def outrun(self) -> bool:
        """Inside the commit: whether another process has learned since this batch was begun. Then what it left is taken
        up, and the batch is to be examined again."""
        if self._batch is None or self._stored().n == self._learned.n:
            return False
        try:
            left = self._parts.documents.get(self._parts.tenant, Unlearned, self._batch.uid)
        except NotFoundError:  # the other process got the same events and learned from all of them
            left = self._batch.model_copy(update={"events": ()})
        self._new = frozenset(left.events)
        self.anew()
        lost = [uid for uid in self._batch.events if uid not in self._new]
        self._before |= {one.uid: one.said for one in _those(self._parts.documents, self._parts.tenant, lost)}
        return True

    def kept(self, events: Iterable[Event]) -> list[Document]:
        """Inside the commit: write what was learned. Returns what is to be written with it."""
        if self._batch is None:
            return []
        parts, now = self._parts, self._parts.clock()
        learned = self._new & {event.uid for event in events}
        parts.usual.put(parts.tenant, self._ready().changes())
        self._forget_cut_off(self._batch, learned, now - REMEMBERED)
        since = self._learned.since or now
        self._learned = self._learned.model_copy(update={"n": self._learned.n + 1, "since": since, "time": now})
        return [self._learned, *self._said.values()]

    def drop(self) -> None:
        """Forget what is in memory: what was kept counts."""
        self._anomalies = None

    def expire(self) -> None:
        """Inside a commit: let go of entities that have not been seen for long."""
        anomalies = self._ready()
        if self._stored().n != self._learned.n:
            self.drop()
            return
        anomalies.expire()
        changes = anomalies.changes()
        if changes:
            self._parts.usual.put(self._parts.tenant, changes)
            self._learned = self._learned.model_copy(update={"n": self._learned.n + 1})
            self._parts.documents.put(self._parts.tenant, self._learned)

    def _ready(self) -> Anomalies:
        """The detectors as the last commit left them."""
        if self._anomalies is None:
            self._learned = self._stored()
            self._anomalies = taken_up(self._parts)
        return self._anomalies

    def _stored(self) -> Learned:
        return stored(self._parts)

    def _cut_off(self) -> list[Unlearned]:
        return self._parts.documents.find(self._parts.tenant, Unlearned, limit=None)

    def _forget_cut_off(self, batch: Unlearned, learned: frozenset[str], before: int) -> None:
        documents, tenant = self._parts.documents, self._parts.tenant
        gone = [batch.uid]
        for one in self._cut_off():
            if one.uid == batch.uid:
                continue
            left = tuple(uid for uid in one.events if uid not in learned)
            if not left or one.time < before:
                gone.append(one.uid)
            elif len(left) < len(one.events):
                documents.put(tenant, one.model_copy(update={"events": left}))
        documents.remove(tenant, Unlearned, gone)


def stored(parts: Parts) -> Learned:
    """How much was learned for the tenant."""
    try:
        return parts.documents.get(parts.tenant, Learned, "anomalies")
    except NotFoundError:
        return Learned(tenant=parts.tenant, time=0)


def taken_up(parts: Parts) -> Anomalies:
    """The tenant's detectors with what was kept. Raises WatchfloorError when that cannot be read."""
    from watchfloor.detect.anomaly import Anomalies, Piece

    anomalies = Anomalies.shipped(parts.tenant, parts.clock, ZoneInfo(parts.context.company.timezone))
    try:
        anomalies.load(Piece(*row) for row in parts.usual.rows(parts.tenant))
    except msgspec.MsgspecError as error:
        raise WatchfloorError(
            f"what is usual cannot be read: {error}",
            where=f"{parts.home.database}, tenant {parts.tenant}",
            do="Let it be learned anew: watchfloor detect anomalies forget --all",
        ) from None
    return anomalies


def _those(documents: Documents, tenant: str, uids: Sequence[str]) -> list[Noticed]:
    return documents.get_many(tenant, Noticed, sorted(documents.known(tenant, Noticed, uids)))


def forget(parts: Parts, entity: str, by: str) -> int:
    """Forget what is usual for an entity; returns in how many series it was known. The ledger says who did."""
    with parts.together():
        anomalies = taken_up(parts)
        if found := anomalies.forget(entity):
            parts.usual.put(parts.tenant, anomalies.changes())
            _forgotten(parts, entity, by)
    return found


def forget_all(parts: Parts, by: str) -> None:
    """Forget everything that is usual, readable or not. What was said stays."""
    with parts.together():
        parts.usual.clear(parts.tenant)
        _forgotten(parts, "everything", by)


def _forgotten(parts: Parts, what: str, by: str) -> None:
    learned = stored(parts)
    since = parts.clock() if what == "everything" else learned.since
    parts.documents.put(parts.tenant, learned.model_copy(update={"n": learned.n + 1, "since": since}))
    parts.ledger.append(
        parts.tenant, kind="usual.forgotten", subject=what, actor=by, body={"forgotten": what}, time=parts.clock()
    )
