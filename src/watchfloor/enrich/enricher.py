"""The enricher: look-ups in, recorded evidence out. What fails is evidence of a failure, and fails alone."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.enrich.collectors.base import Collector

DEADLINE_SECONDS = 30.0


class EvidenceSink(Protocol):
    """Where evidence is recorded."""

    def put(self, tenant: str, *evidence: Evidence) -> None: ...


class Enricher:
    """Collects evidence for one run.

    Look-ups go to their collectors in one batch each, all collectors at once; a look-up is made once a run. `clock`
    gives the time in milliseconds at which evidence is collected. A collector that raises, answers something else than
    it was asked, is not there, or takes longer than the deadline spoils its own look-ups only.
    """

    def __init__(
        self,
        collectors: Mapping[str, Collector],
        evidence: EvidenceSink,
        clock: Callable[[], int],
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._collectors, self._evidence, self._clock = collectors, evidence, clock
        self._deadline = deadline_seconds
        self._cache: dict[str, Evidence] = {}
        self._running: dict[str, _Batch] = {}

    def collect(self, lookups: Sequence[Lookup], made: Iterable[Evidence] = ()) -> dict[str, Evidence]:
        """Evidence by the look-up's uid, for every look-up. All of it is recorded before this returns, and so is
        evidence that was `made` elsewhere: a commit costs as much as the rest of a small batch."""
        wanted = {lookup.uid: lookup for lookup in lookups}
        fresh = {uid: lookup for uid, lookup in wanted.items() if uid not in self._cache}
        batches: dict[str, list[Lookup]] = defaultdict(list)
        for lookup in fresh.values():
            batches[lookup.collector].append(lookup)
        started = {name: self._start(name, batch) for name, batch in batches.items()}
        until = time.monotonic() + self._deadline
        by_tenant: dict[str, list[Evidence]] = defaultdict(list)
        for evidence in made:
            by_tenant[evidence.tenant].append(evidence)
        for name, batch in started.items():
            for evidence in self._finish(name, batch, until):
                by_tenant[evidence.tenant].append(evidence)
        for tenant, many in by_tenant.items():
            self._evidence.put(tenant, *many)
            # Cached only when recorded: a claim must never rest on evidence that the store has not got. A failure is
            # not kept, so that the next case may have better luck.
            self._cache.update((e.lookup.uid, e) for e in many)
        found = {uid: self._cache[uid] for uid in wanted}
        for uid in [uid for uid, evidence in found.items() if evidence.status == "failed"]:
            del self._cache[uid]
        return found

    def _start(self, name: str, lookups: list[Lookup]) -> _Batch:
        collector = self._collectors.get(name)
        if collector is None:
            known = ", ".join(sorted(self._collectors))
            return _Batch(lookups, f"there is no collector {name!r}; there are {known}")
        stuck = self._running.get(name)
        if stuck is not None and stuck.is_alive():
            return _Batch(lookups, f"collector {name} is still busy with look-ups that exceeded their deadline")
        batch = self._running[name] = _Batch(lookups)
        batch.start(collector)
        return batch

    def _finish(self, name: str, batch: _Batch, until: float) -> list[Evidence]:
        at = self._clock()
        found, reason = batch.result(name, max(0.0, until - time.monotonic()), self._deadline)
        if reason:
            return [Evidence.failed(lookup, reason, at=at, source=name) for lookup in batch.lookups]
        return [evidence.model_copy(update={"collected_at": at}) for evidence in found]


class _Batch:
    """The look-ups of one collector, made in a thread of their own so that a deadline can be kept."""

    def __init__(self, lookups: list[Lookup], reason: str = "") -> None:
        self.lookups, self._reason = lookups, reason
        self._found: list[Evidence] = []
        self._thread: threading.Thread | None = None

    def start(self, collector: Collector) -> None:
        self._thread = threading.Thread(target=self._run, args=(collector,), name="collector", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def result(self, name: str, seconds: float, deadline: float) -> tuple[list[Evidence], str]:
        """The evidence, or the reason why there is none."""
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                return [], f"collector {name} gave no answer within {deadline:g} s"
        if not self._reason and [e.lookup for e in self._found] != self.lookups:
            return [], f"collector {name} did not answer what it was asked"
        return self._found, self._reason

    def _run(self, collector: Collector) -> None:
        try:
            self._found = collector.collect(self.lookups)
        except WatchfloorError as error:
            self._reason = str(error)
        except Exception as error:  # a collector is a plugin: whatever it raises spoils its own look-ups only
            self._reason = f"collector {collector.name} failed: {type(error).__name__}: {error}"[:300]
