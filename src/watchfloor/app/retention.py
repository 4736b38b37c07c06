"""Retention: events that the policy keeps no longer go, whole days of a class at a time, and the ledger says so.

Evidence stays: what a verdict cites was recorded by digest when it was looked up. The order, in which `kill -9` between
any two steps loses no word of what went: the index forgets the events; the ledger has an entry; the files are removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, get_args

from watchfloor.app.decisions import DecisionRecord
from watchfloor.app.parts import Parts
from watchfloor.core.case import Case, CaseStatus
from watchfloor.core.clock import DAY, day_of
from watchfloor.core.evidence import Evidence
from watchfloor.core.finding import Finding
from watchfloor.store.lake_manifest import Segment

OPEN = tuple(status for status in get_args(CaseStatus) if status not in ("resolved", "closed"))
_CHUNK = 5_000


class Due(NamedTuple):
    """One `<class>/<day>` that is past its time. `held_by` are the open cases that rest on events of it."""

    part: str
    events: int
    bytes: int
    held_by: tuple[str, ...]


class Retention:
    """Retention for one tenant, by its policy."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def due(self) -> list[Due]:
        """What is past its time now, and what of it is held by open cases."""
        parts, now = self._parts, self._parts.clock()
        of: dict[str, list[Segment]] = defaultdict(list)
        for segment in parts.lake.segments(parts.tenant):
            days = parts.policy.retention.days_of(segment.class_uid)
            if days is not None and segment.day < day_of(max(0, now - days * DAY)):
                of[segment.part].append(segment)
        held = self._held() if of else {}
        return [
            Due(part, sum(s.rows for s in some), sum(s.bytes for s in some), tuple(sorted(held.get(part, ()))))
            for part, some in sorted(of.items())
        ]

    def run(self, by: str = "watchfloor") -> list[Due]:
        """Let go of what is past its time and not held; returns all that was due."""
        due, lake, tenant = self.due(), self._parts.lake, self._parts.tenant
        if going := [one.part for one in due if not one.held_by]:
            lake.expire(tenant, going)
        if gone := lake.expired(tenant):  # also what an earlier process could not finish
            self._tell(gone, due, by)
            lake.remove_expired(tenant)
        return due

    def _tell(self, gone: Sequence[Segment], due: Sequence[Due], by: str) -> None:
        parts = self._parts
        days: dict[str, dict[str, object]] = {}
        for part in sorted({segment.part for segment in gone}):
            some = [segment for segment in gone if segment.part == part]
            days[part] = {"events": sum(s.rows for s in some), "digests": [s.digest for s in some]}
        body = {
            "expired": days,
            "held": {one.part: list(one.held_by) for one in due if one.held_by},
            "policy": parts.policy.digest(),
        }
        parts.ledger.append(parts.tenant, kind="retention", subject="lake", actor=by, body=body, time=parts.clock())

    def _held(self) -> dict[str, set[str]]:
        """The open cases that rest on events of a `<class>/<day>`: by their findings, and by what was looked up."""
        parts, tenant = self._parts, self._parts.tenant
        rests: dict[str, set[str]] = defaultdict(set)
        for status in OPEN:
            for case in parts.documents.find(tenant, Case, status=status, limit=None):
                for uid in self._events_of(case):
                    rests[uid].add(case.uid)
        held: dict[str, set[str]] = defaultdict(set)
        for uid, part in parts.lake.parts_of(tenant, rests).items():
            held[part] |= rests[uid]
        return held

    def _events_of(self, case: Case) -> set[str]:
        parts, tenant = self._parts, self._parts.tenant
        findings = parts.documents.get_many(tenant, Finding, case.findings)
        events = {finding.event_uid for finding in findings}
        record = parts.documents.latest(tenant, DecisionRecord, case.uid)
        if record is not None:
            for evidence in parts.documents.get_many(tenant, Evidence, list(record.evidence)):
                uid = evidence.lookup.query.get("event")
                events |= {uid} if isinstance(uid, str) else set()
        return events
