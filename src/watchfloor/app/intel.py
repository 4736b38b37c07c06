"""A tenant's threat intelligence: what the files of its settings hold, and what its feeds have brought so far."""

from __future__ import annotations

import threading
from collections.abc import Collection

from watchfloor.core.clock import DAY
from watchfloor.core.intel import (
    Counts,
    ExploitedVulnerability,
    Indicator,
    Intel,
    Intelligence,
    Networks,
    Warninglist,
    holding,
    ways_of,
)
from watchfloor.store.intel import Held, IntelStore

Pair = tuple[str, str]
"""A type and a spelling."""


class Names:
    """What indicators name, told fast: a few bytes an indicator, and nothing of what they say.

    A set of hashes: it may say "perhaps" where there is nothing, never "no" where there is something.
    """

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._networks = Networks()

    def add(self, type_: str, value: str) -> None:
        known = hash((type_, value))
        if type_ == "address" and "/" in value and known not in self._hashes:
            self._networks.add(value, (type_, value))
        self._hashes.add(known)

    def of(self, kind: str, value: str) -> list[Pair]:
        """Under what there may be indicators of a value."""
        hashes = self._hashes
        if not hashes:
            return []
        exact, addresses = ways_of(kind, value)
        found = [pair for pair in exact if hash(pair) in hashes]
        for address in addresses:
            found += self._networks.containing(address)
        return found


class TenantIntel(Intelligence):
    """Safe to share between threads. What feeds bring counts from the next `refresh` on.

    An indicator holds from `lookback_days` before the time that its author names: see `IntelPolicy`.
    """

    def __init__(self, files: Intel, store: IntelStore, tenant: str, lookback_days: int) -> None:
        self._files, self._store, self._tenant = files, store, tenant
        self._lookback = lookback_days * DAY
        self._names = Names()
        self._known_to = 0
        self._live: int | None = None
        self._found: dict[Pair, tuple[Indicator, ...]] = {}
        self._turn = threading.Lock()

    @property
    def reaches_back(self) -> int:
        return self._lookback

    def refresh(self) -> None:
        """Take in what feeds have brought since: a look into the database, and what is new."""
        with self._turn:
            for n, type_, value in self._store.after(self._tenant, self._known_to):
                self._names.add(type_, value)
                self._known_to = n
            self._found, self._live = {}, None

    @property
    def mark(self) -> tuple[int, int]:
        """Another one where anything may have become known or have been withdrawn."""
        return self._known_to, self.counts.indicators

    @property
    def counts(self) -> Counts:
        files, live = self._files.counts, self._live
        if live is None:
            live = self._live = self._store.count(self._tenant)
        return files._replace(indicators=files.indicators + live)

    def known(self, kind: str, value: str, also: Collection[str] = ()) -> tuple[Indicator, ...]:
        found = self._files.known(kind, value, also)
        if pairs := self._names.of(kind, value):
            found = holding((*found, *(one for pair in pairs for one in self._of(pair))), also)
        return tuple(map(self._reaching_back, found)) if found else ()

    def _reaching_back(self, one: Indicator) -> Indicator:
        return one.model_copy(update={"valid_from": max(0, one.valid_from - self._lookback)})

    def held(self, kind: str, value: str) -> list[Held]:
        """What feeds hold of a value, with where it stands."""
        return [held for part in self._names.of(kind, value) for held in self._store.naming(self._tenant, *part)]

    def in_files(self, kind: str, value: str) -> tuple[Indicator, ...]:
        """What files hold of a value."""
        return self._files.known(kind, value)

    @property
    def of_files(self) -> Counts:
        """How much files hold."""
        return self._files.counts

    def listed(self, kind: str, value: str) -> tuple[Warninglist, ...]:
        return self._files.listed(kind, value)

    def known_exploited(self, cve: str) -> ExploitedVulnerability | None:
        return self._files.known_exploited(cve)

    def _of(self, part: Pair) -> tuple[Indicator, ...]:
        cache = self._found
        if (found := cache.get(part)) is None:
            found = tuple(held.indicator for held in self._store.naming(self._tenant, *part))
            cache[part] = found
        return found
