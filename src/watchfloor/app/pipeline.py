"""The machine's half of the five steps: records -> events -> findings -> cases -> evidence -> verdicts -> plans."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

from watchfloor.app.decide import Decider
from watchfloor.app.deliveries import Deliveries
from watchfloor.app.keeping import Keeper
from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report, silent
from watchfloor.app.retro import Retro
from watchfloor.app.rulebook import Rulebook
from watchfloor.app.suppressions import Suppressions
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Noun

BATCH = 8_000
INGESTED = "records"
"""The ledger's subject of every ingest."""
T = TypeVar("T")


class IngestReport(Noun):
    """What came in. `records` = `events` + `dead_letters` + `indicators`, always."""

    records: int
    events: int
    new_events: int
    """Those that were not here before."""
    dead_letters: int
    indicators: int = 0
    """Objects of threat intelligence."""
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
def few_collections() -> Iterator[None]:
    """Bulk work makes many small objects and no cycles: look for cycles less often, which saves a seventh of it."""
    with _bulk:
        if not _bulk_works:
            _bulk_before[:] = gc.get_threshold()
            gc.set_threshold(100_000, 20, 100)
        _bulk_works.append(None)
    try:
        yield
    finally:
        with _bulk:
            _bulk_works.pop()
            if not _bulk_works:
                gc.set_threshold(*_bulk_before)


# Threads work at the same time: the first sets the thresholds, the last sets them back.
_bulk = threading.Lock()
_bulk_works: list[None] = []
_bulk_before: list[int] = []


class Pipeline:
    """Carries records to verdicts for one tenant."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.keeper = Keeper(parts)
        self._decider = Decider(parts)
        self._retro = Retro(parts)
        self._suppressions = Suppressions(parts)
        self.rulebook = Rulebook(parts, self.keeper)
        self._deciding = threading.Lock()

    @few_collections()
    def ingest(
        self,
        paths: Sequence[Path],
        report: Report = silent,
        *,
        names: Mapping[Path, str] | None = None,
        by: str = "watchfloor",
    ) -> IngestReport:
        """Read, normalise, keep and detect over files and folders. Bad input is kept as dead letters, never raised.

        `names` are what files are called where their paths do not last; `by` is who brought them.
        """
        parts, started = self._parts, time.perf_counter()
        since = parts.clock()
        self.rulebook.settle(by)
        counts: Counter[str] = Counter()
        mappings: Counter[str] = Counter()
        layers: Counter[str] = Counter()
        dead: list[str] = []
        passed_over: list[str] = []
        for batch in _batches(Deliveries(parts).files(paths, passed_over, names), BATCH):
            events, new, letters, findings, intel = self.keeper.keep(batch)
            mappings.update(event.mapping for event in events)
            layers.update(event.layer for event in events)
            dead += [f"{letter.where}: {letter.reason}" for letter in letters[: 20 - len(dead)]]
            counts.update(events=len(events), new=new, dead=len(letters), findings=len(findings))
            counts.update(intel=intel.came, records=len(events) + len(letters) + intel.came)
            report("records read", counts["records"], None)
        counts["findings"] += len(self.keeper.settle(since))
        done = IngestReport(
            records=counts["records"],
            events=counts["events"],
            new_events=counts["new"],
            dead_letters=counts["dead"],
            indicators=counts["intel"],
            base_events=mappings["base"],
            passed_over=len(passed_over),
            findings=counts["findings"],
            mappings=dict(mappings.most_common()),
            layers=dict(layers.most_common()),
            dead=tuple(dead),
            seconds=round(time.perf_counter() - started, 3),
        )
        body = done.to_dict() | {"paths": [(names or {}).get(p, str(p)) for p in paths]}
        parts.lake.compact(parts.tenant)
        parts.ledger.append(parts.tenant, kind="ingest", subject=INGESTED, actor=by, body=body, time=parts.clock())
        parts.updates.publish(parts.tenant, "ingest", INGESTED)
        return done

    def findings(self) -> list[Finding]:
        """All findings of the tenant, oldest first."""
        return self._parts.documents.find(self._parts.tenant, Finding, limit=None, newest_first=False)

    def count(self) -> int:
        """How many findings there are."""
        return self._parts.documents.count(self._parts.tenant, Finding)

    @few_collections()
    def triage(self, report: Report = silent) -> list[str]:
        """Look back with new indicators, correlate all findings and decide every case whose inputs changed. Returns
        the uids of cases decided.

        One at a time: a second call waits. Where looking back fails, cases are decided all the same before it is said.
        """
        with self._deciding:
            try:
                self._retro.run(report)
            finally:
                decided = self._decider.run(self._suppressions.shown(self.findings()), report)
        return decided


def _batches(items: Iterable[T], size: int) -> Iterable[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
