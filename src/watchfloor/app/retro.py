"""Looking back: indicators that feeds have brought are looked up in the events that came before them.

What it finds is what the detector would have found, had it known the indicator: the same finding, with the same uid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

from watchfloor.app.intel import Names
from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report
from watchfloor.app.suppressions import Suppressions
from watchfloor.core.clock import DAY
from watchfloor.core.errors import NotFoundError
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Noun, Tenant
from watchfloor.detect.indicators import LOOKED_UP

MOST_OF_A_VALUE = 1_000
"""Of one value the newest so many events become findings: what it says is said by then."""
_CHUNK = 2_000


class LookedBack(Noun):
    """How far looking back has come."""

    tenant: Tenant
    uid: Literal["retro"] = "retro"
    time: int
    done: int = 0
    """Indicators up to this number have been looked up."""


class Retro:
    """Looks back for one tenant, over as many days as the policy says."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(self, report: Report) -> int:
        """Look up what has come since the last time; returns how many findings are new. Where nothing has come this
        is one look into the database. Cut off, it begins again and finds the same."""
        parts, tenant = self._parts, self._parts.tenant
        mark = self._mark()
        upto = parts.intel_store.last(tenant)
        if upto <= mark.done:
            return 0
        names, count = Names(), 0
        for _, type_, value in parts.intel_store.after(tenant, mark.done):
            names.add(type_, value)
            count += 1
        parts.intel.refresh()
        at = parts.clock()
        since = at - parts.policy.intel.lookback_days * DAY
        looked = found = 0
        events = self._events(names, since)
        while uids := list(islice(events, _CHUNK)):
            looked += len(uids)
            found += self._keep(uids)
            report("events looked at again", looked, None)
        body = {"indicators": count, "upto": upto, "since": since, "events": looked, "findings": found}
        with parts.together():
            parts.documents.put(tenant, mark.model_copy(update={"done": upto, "time": at}))
            if looked:
                parts.ledger.append(
                    tenant, kind="intel.looked_back", subject="intel", actor="watchfloor", body=body, time=at
                )
        return found

    def _events(self, names: Names, since: int) -> Iterator[str]:
        """Events that have a value which may be named, each once."""
        values, tenant = self._parts.lake_values, self._parts.tenant
        given: set[str] = set()
        for facet, kind in LOOKED_UP:
            hits = [v for v in values.of(tenant, facet, since=since) if names.of(kind, v)]
            fresh = [u for u in values.events(tenant, facet, hits, since=since, most=MOST_OF_A_VALUE) if u not in given]
            given.update(fresh)
            yield from fresh

    def _keep(self, uids: Iterable[str]) -> int:
        parts, tenant = self._parts, self._parts.tenant
        events = parts.lake.events(tenant, uids)
        findings = {f.uid: f for event in events.values() for f in parts.detector.named(event)}
        known = parts.documents.known(tenant, Finding, list(findings))
        fresh = [finding for uid, finding in findings.items() if uid not in known]
        with parts.together():
            parts.documents.put(tenant, *fresh, *Suppressions(parts).marks(fresh, events.values()))
        return len(fresh)

    def _mark(self) -> LookedBack:
        try:
            return self._parts.documents.get(self._parts.tenant, LookedBack, "retro")
        except NotFoundError:
            return LookedBack(tenant=self._parts.tenant, time=0)
