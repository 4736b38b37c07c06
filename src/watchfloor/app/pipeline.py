"""The machine's half of the five steps: records -> events -> findings -> cases -> evidence -> verdicts -> plans."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

from watchfloor.app.decide import Decider
from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report, silent
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Noun, digest_of, short_id
from watchfloor.core.record import DeadLetter
from watchfloor.ingest import Unreadable, ingest

BATCH = 8_000
T = TypeVar("T")


class IngestReport(Noun):
    """What came in. `records` = `events` + `dead_letters`, always."""

    records: int
    events: int
    dead_letters: int
    base_events: int
    passed_over: int
    """Files of folders that hold no records."""
    findings: int
    mappings: dict[str, int]
    layers: dict[str, int]
    dead: tuple[str, ...]
    """The first dead letters, a line each."""
    seconds: float


@contextmanager
def _few_collections() -> Iterator[None]:
    """Bulk work makes many small objects and no cycles: look for cycles less often, which saves a seventh of it."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Pipeline:
    """Carries records to verdicts for one tenant."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._decider = Decider(parts)

    @_few_collections()
    def ingest(self, paths: Sequence[Path], report: Report = silent) -> IngestReport:
        """Read, normalise, keep and detect over files and folders. Bad input is kept as dead letters, never raised."""
        parts, started = self._parts, time.perf_counter()
        counts: Counter[str] = Counter()
        mappings: Counter[str] = Counter()
        layers: Counter[str] = Counter()
        dead: list[str] = []
        passed_over: list[str] = []
        items = ingest(paths, parts.tenant, parts.normalizer, passed_over=passed_over)
        for batch in _batches(items, BATCH):
            events = [item for item in batch if isinstance(item, Event)]
            letters = [self._dead_letter(item) for item in batch if isinstance(item, Unreadable)]
            parts.lake.write(parts.tenant, events)
            # The lake first: a finding must never speak of an event that is not kept.
            findings = [finding for event in events for finding in parts.detector.findings(event)]
            parts.documents.put(parts.tenant, *letters, *findings)
            mappings.update(event.mapping for event in events)
            layers.update(event.layer for event in events)
            dead += [f"{letter.where}: {letter.reason}" for letter in letters[: 20 - len(dead)]]
            counts.update(records=len(batch), events=len(events), dead=len(letters), findings=len(findings))
            report("records read", counts["records"], None)
        done = IngestReport(
            records=counts["records"],
            events=counts["events"],
            dead_letters=counts["dead"],
            base_events=mappings["base"],
            passed_over=len(passed_over),
            findings=counts["findings"],
            mappings=dict(mappings.most_common()),
            layers=dict(layers.most_common()),
            dead=tuple(dead),
            seconds=round(time.perf_counter() - started, 3),
        )
        body = done.to_dict() | {"paths": [str(p) for p in paths]}
        parts.ledger.append(
            parts.tenant, kind="ingest", subject="records", actor="watchfloor", body=body, time=parts.clock()
        )
        parts.updates.publish(parts.tenant, "ingest", "records")
        return done

    def _dead_letter(self, item: Unreadable) -> DeadLetter:
        parts = self._parts
        content = parts.evidence.put_bytes(parts.tenant, item.raw) if item.raw else None
        return DeadLetter(
            tenant=parts.tenant,
            uid=short_id("d", item.source, str(item.position), item.unit, item.reason, digest_of(item.raw)),
            time=parts.clock(),
            source=item.source,
            position=item.position,
            unit=item.unit,
            reason=item.reason,
            content=content,
            size=len(item.raw),
        )

    def findings(self) -> list[Finding]:
        """All findings of the tenant, oldest first."""
        return self._parts.documents.find(self._parts.tenant, Finding, limit=None, newest_first=False)

    def count(self) -> int:
        """How many findings there are."""
        return self._parts.documents.count(self._parts.tenant, Finding)

    @_few_collections()
    def triage(self, report: Report = silent) -> list[str]:
        """Correlate all findings and decide every case whose inputs changed. Returns the uids of cases decided."""
        return self._decider.run(self.findings(), report)


def _batches(items: Iterable[T], size: int) -> Iterable[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
