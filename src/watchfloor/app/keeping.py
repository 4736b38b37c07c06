"""Keeping what was read: events to the lake, what is found on them and what could not be read to the documents.

The same for files and for live parcels, whoever reads them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from watchfloor.app.counting import StoredGroups
from watchfloor.app.deliveries import Item
from watchfloor.app.noticing import Noticing
from watchfloor.app.parts import Parts
from watchfloor.app.suppressions import Suppressions
from watchfloor.core.clock import DAY
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding, joined
from watchfloor.core.intel_object import IntelObject, Whole
from watchfloor.core.noun import short_id
from watchfloor.core.record import DeadLetter
from watchfloor.core.risk import Risk
from watchfloor.detect.correlation import KEPT
from watchfloor.detect.detector import Examined
from watchfloor.ingest import Unreadable
from watchfloor.store.documents import Document
from watchfloor.store.intel import Change


class Kept(NamedTuple):
    """What became of a batch. `new` of the events were not here before."""

    events: list[Event]
    new: int
    letters: list[DeadLetter]
    findings: list[Finding]
    intel: Change


class Keeper:
    """Keeps batches for one tenant, one at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._turn = threading.Lock()
        self._groups = StoredGroups(parts.documents, parts.tenant)
        self._noticing = Noticing(parts)
        self._suppressions = Suppressions(parts)
        self._settled = 0

    def keep(self, items: Sequence[Item], beside: Callable[[Kept], Iterable[Document]] = lambda _: ()) -> Kept:
        """Keep a batch; what `beside` gives is written in the same commit as what was found. Doing it again changes
        nothing.

        An event that breaks its own keeping becomes a dead letter with the reason and stops no other. Raises
        WatchfloorError, OSError or SQLAlchemyError when the place cannot take anything now.
        """
        parts = self._parts
        events = [item for item in items if isinstance(item, Event)]
        letters = self._letters([item for item in items if isinstance(item, Unreadable)])
        objects = [item for item in items if isinstance(item, (IntelObject, Whole))]
        with self._turn:
            try:
                self._noticing.begin(events)
                events, new, examined, broken = self._kept(events)
                letters += broken
                with parts.together():  # what is read here is still so when it is written
                    if self._noticing.outrun():
                        examined = self._noticing.examined(events)
                    findings = [finding for one in examined for finding in one.findings]
                    if hits := [hit for one in examined for hit in one.hits]:
                        findings += parts.detector.correlator.step(hits, self._groups, parts.clock())
                    findings = self._joined(findings)
                    held = self._suppressions.marks(findings, events)
                    learned = self._noticing.kept(events)
                    kept = Kept(events, new, letters, findings, parts.intel_store.put(parts.tenant, objects))
                    parts.documents.put(parts.tenant, *letters, *findings, *held, *learned, *beside(kept))
            except BaseException:
                self._noticing.drop()  # it may have learned from what is not kept
                raise
        return kept

    def settle(self, since: int | None = None) -> list[Finding]:
        """Decide what correlations have waited with until nothing more could come, and let go of what is too old to
        count. With `since` (ms of the clock) no more will come of what came since then: files are at their end."""
        parts = self._parts
        correlator, now = parts.detector.correlator, parts.clock()
        if since is None and now // DAY != self._settled // DAY:
            self._expire()
        with self._turn, parts.together():
            if since is None:
                found = correlator.settle(self._groups, now, self._settled)
                correlator.expire(self._groups, now)
                self._groups.leave({rule.uid for rule in parts.detector.correlations}, before=now - KEPT)
                self._settled = now
            else:
                found = correlator.finish(self._groups, now, since)
            found = self._joined(found)
            parts.documents.put(parts.tenant, *found, *self._suppressions.marks(found))
        return found

    def _expire(self) -> None:
        with self._turn:
            try:
                with self._parts.together():
                    self._noticing.expire()
            except BaseException:
                self._noticing.drop()
                raise

    @contextmanager
    def between_batches(self) -> Iterator[None]:
        """A block in which no batch is under way: what batches share may be exchanged in it."""
        with self._turn:
            yield

    def keep_found(self, findings: Sequence[Finding]) -> None:
        """Keep what was found on events that are kept already. The same finding counts once, and its risk does not
        sink: what was unusual is known only to who saw the events come."""
        documents, tenant = self._parts.documents, self._parts.tenant
        with self._turn, self._parts.together():
            known = sorted(documents.known(tenant, Finding, [one.uid for one in findings]))
            risks = {one.uid: one.risk for one in documents.get_many(tenant, Finding, known)}
            found = [_as_risky(one, risks.get(one.uid)) for one in self._joined(findings)]
            documents.put(tenant, *found, *self._suppressions.marks(found))

    def _kept(self, events: list[Event]) -> tuple[list[Event], int, list[Examined], list[DeadLetter]]:
        """The events that the lake has now, how many are new, what was found on each, and those that broke."""
        try:
            return (events, *self._written(events), [])
        except (WatchfloorError, OSError, SQLAlchemyError):
            raise
        except Exception:  # one of them is at fault: find out which
            self._noticing.anew()
            return self._each(events)

    def _written(self, events: Sequence[Event]) -> tuple[int, list[Examined]]:
        parts = self._parts
        # The lake first: a finding must never speak of an event that is not kept.
        new = parts.lake.write(parts.tenant, events)
        parts.intel.refresh()
        return new, self._noticing.examined(events)

    def _joined(self, findings: Sequence[Finding]) -> list[Finding]:
        """One finding an alert or a correlation's match, with what is known of it already. What was dismissed before we
        heard of it is none."""
        alerts: dict[str, Finding] = {}
        changing = [finding.uid for finding in findings if finding.changes]
        if changing:
            documents, tenant = self._parts.documents, self._parts.tenant
            known = sorted(documents.known(tenant, Finding, changing))
            alerts = {finding.uid: finding for finding in documents.get_many(tenant, Finding, known)}
        found: dict[str, Finding] = {}
        for finding in findings:
            before = alerts.get(finding.uid)
            alerts[finding.uid] = found[finding.uid] = finding if before is None else joined(before, finding)
        return [finding for finding in found.values() if not finding.quiet]

    def _each(self, events: Sequence[Event]) -> tuple[list[Event], int, list[Examined], list[DeadLetter]]:
        kept: list[Event] = []
        found: list[Examined] = []
        letters: list[DeadLetter] = []
        new = 0
        for event in events:
            try:
                fresh, examined = self._written([event])
            except (WatchfloorError, OSError, SQLAlchemyError):
                raise
            except Exception as error:
                reason = f"it could not be kept and looked at: {type(error).__name__}: {error}"[:500]
                (letter,) = self._letters([_broken(event, reason)])
                letters.append(letter.model_copy(update={"uid": short_id("d", event.uid, digits=32)}))
                continue
            kept.append(event)
            found += examined
            new += fresh
        return kept, new, found, letters

    def _letters(self, items: Sequence[Unreadable]) -> list[DeadLetter]:
        """The dead letters of what could not be read, their bytes kept. The same piece has the same uid."""
        parts = self._parts
        digests = parts.evidence.put_all_bytes(parts.tenant, [item.raw for item in items])
        return [
            DeadLetter(
                tenant=parts.tenant,
                uid=_uid(item, digest),
                time=parts.clock(),
                source=item.source,
                position=item.position,
                unit=item.unit,
                reason=item.reason,
                content=digest if item.raw else None,
                size=len(item.raw),
                live=item.live,
                form=item.form,
            )
            for item, digest in zip(items, digests, strict=True)
        ]


def _as_risky(finding: Finding, before: Risk | None) -> Finding:
    less = before is not None and (finding.risk is None or finding.risk.log_odds < before.log_odds)
    return finding.model_copy(update={"risk": before}) if less else finding


def _uid(item: Unreadable, digest: str) -> str:
    if item.live:
        return short_id("d", item.source, item.reason, digest, digits=32)
    return short_id("d", item.source, str(item.position), item.unit, item.reason, digest)


def _broken(event: Event, reason: str) -> Unreadable:
    raw = str(event.ocsf.get("raw_data", "")).encode("utf-8", "surrogatepass")
    return Unreadable(
        tenant=event.tenant,
        source=event.source,
        position=event.position,
        unit=event.unit,  # type: ignore[arg-type]  # an event keeps its record's unit as text
        reason=reason,
        raw=raw,
    )
