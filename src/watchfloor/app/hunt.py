"""Retro-hunt: rules of today over the events of before, as the lake has them.

What it finds is what the detector would have found when the events came: the same findings, with the same uids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchfloor.app.keeping import Keeper
from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report, silent
from watchfloor.core.clock import DAY
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding
from watchfloor.core.noun import canonical, digest_of
from watchfloor.detect import Detector
from watchfloor.detect.correlation import Hit, MemoryGroups
from watchfloor.store.lake_scan import Batch, scan, segments_between
from watchfloor.store.lake_table import events_in

_BY_THEMSELVES = ("2004", "4009")
"""OCSF classes whose events are findings by themselves, or may be: vendors' alerts, and mail that people report."""
_MANY = 300_000
"""Events from which on a process a core pays for being started."""
_TOGETHER = 500
_PARTS = (('{"original":', "original"), (',"ocsf":', "ocsf"), (',"logsource":', "logsource"))


class Found(NamedTuple):
    """A finding, and the event that it was raised on; of a correlation None, since it rests on several."""

    finding: Finding
    event: Event | None


class Hunt:
    """One look back of a detector over one tenant's lake. `events` and `rules` count what was looked at so far."""

    def __init__(self, parts: Parts, detector: Detector, since: int, before: int) -> None:
        """`since` <= time < `before` (ms) is looked at."""
        self._parts, self._detector = parts, detector
        self._since, self._before = since, before
        self.events = 0

    def run(self, report: Report = silent) -> Iterator[Found]:
        """All findings: on single events as they are read, day by day, and at the end what several say together.

        Indicators are left out: they look back by themselves (`retro`). Memory is that of one batch, and of what
        correlations count in their time spans.
        """
        detector, tenant = self._detector, self._parts.tenant
        correlator, groups = detector.correlator, MemoryGroups(tenant)
        total = sum(s.rows for s in segments_between(self._parts.lake, tenant, self._since, self._before))
        together: dict[str, Finding] = {}
        day, told = "", set[str]()
        read = scan(self._parts.lake, tenant, self._since, self._before)
        processes = 0 if total >= _MANY else 1
        for batch, numbers in detector.lines(((batch, lines_of(batch)) for batch in read), processes):
            if batch.segment.day != day:
                day, told = batch.segment.day, set()
            self.events += batch.table.num_rows
            report("events looked at", self.events, max(total, self.events))
            # Events count as if they had come at the end of their day: so groups of days before are let go of.
            at = (batch.segment.first // DAY + 1) * DAY
            hits: list[Hit] = []
            for event in _candidates(tenant, batch, numbers):
                examined = detector.examine(event)
                hits += examined.hits
                for finding in examined.findings:
                    if finding.detection.kind != "indicator" and finding.uid not in told:
                        told.add(finding.uid)
                        yield Found(finding, event)
            together.update((one.uid, one) for one in correlator.step(hits, groups, at))
            together.update((one.uid, one) for one in correlator.settle(groups, at, at - DAY))
            correlator.expire(groups, at)
        together.update((one.uid, one) for one in correlator.finish(groups, 0, 0))
        for finding in sorted(together.values(), key=lambda one: (one.time, one.uid)):
            yield Found(finding, None)

    def keep(self, keeper: Keeper, report: Report = silent, *, by: str) -> Iterator[Found]:
        """The same, and what is found is kept as findings of the product, each once; the ledger says who looked."""
        parts, found = self._parts, self.run(report)
        count = 0
        while some := list(islice(found, _TOGETHER)):
            keeper.keep_found([one.finding for one in some])
            count += len(some)
            yield from some
        digests = sorted({one.digest for one in self._detector.all_rules})
        body = {
            "since": self._since,
            "before": self._before,
            "events": self.events,
            "findings": count,
            "rules": len(digests),
            "rules_digest": digest_of(canonical(digests)),
        }
        parts.ledger.append(
            parts.tenant, kind="detections.hunted", subject="lake", actor=by, body=body, time=parts.clock()
        )


def hunting_detector(parts: Parts, rules: Sequence[Path], *, shipped: bool = True) -> Detector:
    """A detector of these rules; of none, that of the home's own."""
    if not rules and shipped:
        return parts.detector
    return Detector.load(rules or parts.settings.rules, shipped=shipped, company=parts.context.company)


def _candidates(tenant: str, batch: Batch, numbers: Sequence[int]) -> Iterator[Event]:
    """The events of a batch of which the detector may say something: the others are never made."""
    if batch.segment.class_uid in _BY_THEMSELVES:
        yield from events_in(tenant, batch.table)
    elif numbers:
        yield from events_in(tenant, batch.table.take(numbers))


def lines_of(batch: Batch) -> bytes:
    """Rows as lines of JSON, `{"original":..., "ocsf":..., "logsource":...}`, made without parsing them; none of
    classes that are looked at whole."""
    if batch.segment.class_uid in _BY_THEMSELVES:
        return b""
    pieces = [piece for text, column in _PARTS for piece in (text, batch.table[column])]
    joined = pc.binary_join_element_wise(*pieces, "}\n", "")
    # The texts of an Arrow array lie one behind the other: they are the lines, without a copy for each.
    return b"".join(_texts(chunk) for chunk in joined.chunks)


def _texts(array: pa.StringArray) -> bytes:
    if not len(array):
        return b""
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)
    return bytes(data[int(ends[array.offset]) : int(ends[array.offset + len(array)])])
