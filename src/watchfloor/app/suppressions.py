"""Suppressions: made and lifted by people, applied where findings are kept, seen in counts.

They apply at keeping, to findings that are new, and not where cases are made: a finding that stands in a case stays in
it, so no verdict loses what it rests on, and what a suppression held back stays with its mark when the suppression has
ended. Brought back, marked findings come into cases as new ones do, and those are decided anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from watchfloor.app.parts import Parts
from watchfloor.core.clock import DAY
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.noun import short_id
from watchfloor.core.suppression import FieldCondition, Suppressed, Suppression
from watchfloor.detect.sigma.fields import FieldNames, View

SUBJECT = "detections"
"""The ledger's subject of what changes detections."""


class Held(NamedTuple):
    """A suppression and what it has held back so far: how much, how grave, how many vendors' alerts of level high."""

    suppression: Suppression
    in_force: bool
    findings: int
    gravest: Severity
    vendor_high: int
    last: int
    """The time (ms) of the newest; 0 where there is none."""


class Suppressions:
    """One tenant's suppressions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._names: FieldNames | None = None

    # People

    def add(self, wanted: Suppression) -> Suppression:
        """Make one; the policy bounds how long it lasts. Raises RefusedError."""
        parts = self._parts
        now, most = parts.clock(), parts.policy.detection.longest_suppression_days
        if wanted.until <= now:
            raise RefusedError("a suppression that has ended before it began", do="Give a time in the future")
        if wanted.until > now + most * DAY:
            raise RefusedError(
                f"the policy lets a suppression last {most} days", do="Give an earlier end, and renew it then"
            )
        uid = short_id("s", parts.tenant, wanted.words, wanted.owner, str(now))
        made = wanted.model_copy(update={"uid": uid, "time": now})
        self._write("suppression.added", made, made.made_by)
        return made

    def lift(self, uid: str, by: str, *, bring_back: bool = False) -> Suppression:
        """End one now. `bring_back` gives what it has held back to triage. Raises NotFoundError, RefusedError."""
        parts = self._parts
        found = self.get(uid)
        if found.status == "lifted" and not bring_back:
            raise RefusedError(f"{uid} is lifted already")
        lifted = found.model_copy(update={"status": "lifted", "lifted_by": by, "lifted_at": parts.clock()})
        marks = self.marked(uid) if bring_back else []
        with parts.together():
            parts.documents.remove(parts.tenant, Suppressed, [mark.uid for mark in marks])
            self._write("suppression.lifted", lifted, by, brought_back=len(marks))
        return lifted

    def get(self, uid: str) -> Suppression:
        """Raises NotFoundError."""
        try:
            return self._parts.documents.get(self._parts.tenant, Suppression, uid)
        except NotFoundError:
            raise NotFoundError(
                f"there is no suppression {uid}", do="`watchfloor detect suppress list` names them"
            ) from None

    def held(self) -> list[Held]:
        """Every suppression that was made, the newest first, with what it has held back."""
        documents, tenant, now = self._parts.documents, self._parts.tenant, self._parts.clock()
        marks: dict[str, list[Suppressed]] = defaultdict(list)
        for mark in documents.find(tenant, Suppressed, limit=None):
            marks[mark.status].append(mark)
        return [_held(one, marks[one.uid], now) for one in documents.find(tenant, Suppression, limit=None)]

    def total(self) -> tuple[int, int]:
        """How many findings are held back now, by all, and how many of them are vendors' alerts of level high."""
        tally = self._parts.documents.tally(self._parts.tenant, Suppressed, "loud")
        return sum(count for count, _ in tally.values()), tally.get("1", (0, 0))[0]

    def marked(self, uid: str, limit: int | None = None) -> list[Suppressed]:
        """The marks that one has left, the newest finding first."""
        return self._parts.documents.find(self._parts.tenant, Suppressed, status=uid, limit=limit)

    def _write(self, kind: str, suppression: Suppression, by: str, **more: int) -> None:
        parts = self._parts
        body = suppression.to_dict() | more
        with parts.together():
            parts.documents.put(parts.tenant, suppression)
            parts.ledger.append(parts.tenant, kind=kind, subject=SUBJECT, actor=by, body=body, time=parts.clock())
        parts.updates.publish(parts.tenant, "queue", "")

    # The stream

    def marks(self, findings: Sequence[Finding], events: Iterable[Event] = ()) -> list[Suppressed]:
        """Marks for those of some findings, about to be kept, that are held back. `events` are at hand for conditions
        on fields; others are read from the lake. A finding that was here before without a mark gets none."""
        documents, tenant, now = self._parts.documents, self._parts.tenant, self._parts.clock()
        every = {one.uid: one for one in documents.find(tenant, Suppression, limit=None)}
        if not every or not findings:
            return []
        self._release(findings, every)
        candidates: dict[str, list[Suppression]] = {}
        for finding in findings:
            mine = [one for one in every.values() if one.in_force(now) and one.means(finding)]
            if mine:
                candidates[finding.uid] = mine
        new = candidates.keys() - documents.known(tenant, Finding, list(candidates))
        fresh = [finding for finding in findings if finding.uid in new]
        looked_at = self._events(fresh, candidates, events)
        found = []
        for finding in fresh:
            one = next((s for s in candidates[finding.uid] if self._fields(s, looked_at.get(finding.event_uid))), None)
            if one is not None:
                found.append(_mark(finding, one))
        return found

    def shown(self, findings: Sequence[Finding]) -> list[Finding]:
        """Those that are not held back: what cases are made of."""
        marks = self._parts.documents.find(self._parts.tenant, Suppressed, limit=None)
        held = {mark.uid for mark in marks}
        return [finding for finding in findings if finding.uid not in held] if held else list(findings)

    def _release(self, findings: Sequence[Finding], every: Mapping[str, Suppression]) -> None:
        """An alert that its product raises above what is held back is held back no longer."""
        documents, tenant = self._parts.documents, self._parts.tenant
        changing = {finding.uid: finding for finding in findings if finding.changes}
        if not changing:
            return
        known = documents.known(tenant, Suppressed, list(changing))
        marks = documents.get_many(tenant, Suppressed, sorted(known))
        graver = [m.uid for m in marks if changing[m.uid].severity > every[m.status].up_to]
        documents.remove(tenant, Suppressed, graver)

    def _events(
        self, findings: Sequence[Finding], candidates: Mapping[str, Sequence[Suppression]], given: Iterable[Event]
    ) -> dict[str, Event]:
        wanted = {f.event_uid for f in findings if any(one.where for one in candidates[f.uid])}
        if not wanted:
            return {}
        found = {event.uid: event for event in given if event.uid in wanted}
        missing = wanted - found.keys()
        return found | (self._parts.lake.events(self._parts.tenant, missing) if missing else {})

    def _fields(self, suppression: Suppression, event: Event | None) -> bool:
        """Whether the fields of the event are as it says; what cannot be looked at is not held back."""
        if not suppression.where:
            return True
        if event is None:
            return False
        self._names = self._names or FieldNames.shipped()
        view = View(event)
        return all(one.holds(view.texts(self._names.field(one.field, event.logsource))) for one in suppression.where)


def conditions(pairs: Iterable[str]) -> tuple[FieldCondition, ...]:
    """`Field=value` as people write them. Raises RefusedError."""
    found = []
    for pair in pairs:
        field, sign, value = pair.partition("=")
        if not (field.strip() and sign and value.strip().strip("*")):
            raise RefusedError(f"{pair!r} is no condition on a field", do="Write Field=value; * in it is any text")
        found.append(FieldCondition(field=field, value=value))
    return tuple(found)


def _mark(finding: Finding, by: Suppression) -> Suppressed:
    return Suppressed(
        tenant=finding.tenant,
        uid=finding.uid,
        time=finding.time,
        status=by.uid,
        severity=finding.severity,
        loud=finding.detection.kind == "vendor" and finding.severity >= Severity.high,
        detection=finding.detection.uid,
    )


def _held(one: Suppression, marks: Sequence[Suppressed], now: int) -> Held:
    return Held(
        one,
        one.in_force(now),
        len(marks),
        max((mark.severity for mark in marks), default=Severity.unknown),
        sum(mark.loud for mark in marks),
        max((mark.time for mark in marks), default=0),
    )
