"""A group: the events that one correlation has counted for one user, host, address, ..., and what it told of them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol, Self

import msgspec
import orjson

from watchfloor.core.noun import canonical, short_id


class Entry(NamedTuple):
    """One counted event. Entries sort by time, then by the place of the rule that matched.

    Of a correlation over a correlation, `uid` is the event that completed the inner match, `ident` the match (an event
    or match counts once), and `rests` the JSON of the events that it rests on. `about` is JSON of what a finding says.
    """

    time: int
    ref: int
    uid: str
    ident: str
    position: int
    arrived: int
    values: tuple[str, ...]
    about: str
    rests: str

    @property
    def key(self) -> tuple[int, str, str]:
        return self.ref, self.uid, self.ident


class Group(msgspec.Struct, kw_only=True):
    """The state of one correlation for one group. `time` is when an event was last added (ms of the clock).

    `told` are the findings that were made, by cell, with a digest of what they said. A document of the store, in
    columns, so that thousands of entries are read in a moment.
    """

    tenant: str
    uid: str
    time: int
    status: str
    """The correlation's uid: the store finds groups by it."""
    key: tuple[str, ...]
    entries: list[Entry] = []
    told: dict[str, str] = {}
    before: int = 0
    """How many entries it has in the store."""

    @classmethod
    def of(cls, tenant: str, correlation: str, key: Sequence[str]) -> Self:
        return cls(tenant=tenant, uid=uid_of(correlation, key), time=0, status=correlation, key=tuple(key))

    def add(self, new: Iterable[Entry], now: int) -> tuple[int, int] | None:
        """Add entries; one that is there already, or is told again with other content, counts once.

        Returns the first and last time (ms) at which something changed, None when nothing did.
        """
        known = {entry.key: entry for entry in self.entries}
        times: list[int] = []
        for one in new:
            old = known.get(one.key)
            entry = one if old is None else one._replace(arrived=old.arrived)
            if entry == old:
                continue
            if old is not None:
                self.entries.remove(old)
                times.append(old.time)
            known[entry.key] = entry
            insort(self.entries, entry)
            times.append(entry.time)
        if not times:
            return None
        self.time = max(self.time, now)
        return min(times), max(times)

    def trim(self, since: int, most: int) -> list[Entry]:
        """Let go of what arrived before `since` (ms), and of the oldest beyond `most`; returns the latter."""
        if self.entries and min(entry.arrived for entry in self.entries) < since:
            self.entries = [entry for entry in self.entries if entry.arrived >= since]
        over = max(0, len(self.entries) - most)
        lost, self.entries = self.entries[:over], self.entries[over:]
        return lost

    def canonical(self) -> bytes:
        texts: dict[str, int] = {}
        columns = [list(column) for column in zip(*self.entries, strict=True)] or [[] for _ in Entry._fields]
        for at in (_ABOUT, _RESTS):
            columns[at] = [texts.setdefault(text, len(texts)) for text in columns[at]]
        head = (self.tenant, self.uid, self.time, self.status, self.key, self.told)
        return canonical({"head": head, "columns": columns, "texts": list(texts)})

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        found = orjson.loads(data)
        tenant, uid, time, status, key, told = found["head"]
        columns, texts = found["columns"], found["texts"]
        for at in (_ABOUT, _RESTS):
            columns[at] = [texts[n] for n in columns[at]]
        columns[_VALUES] = map(tuple, columns[_VALUES])
        entries = list(map(Entry, *columns))
        return cls(
            tenant=tenant,
            uid=uid,
            time=time,
            status=status,
            key=tuple(key),
            told=told,
            entries=entries,
            before=len(entries),
        )


_ABOUT, _RESTS, _VALUES = (Entry._fields.index(name) for name in ("about", "rests", "values"))


def uid_of(correlation: str, key: Sequence[str]) -> str:
    """A group's uid. Its key may be chosen by an attacker: 32 digits."""
    return short_id("g", correlation, *key, digits=32)


class Groups(Protocol):
    """Where groups are kept, of one tenant: the store beside the findings, or memory for one run over files."""

    tenant: str

    def get(self, uids: Sequence[str]) -> dict[str, Group]:
        """Those that are there."""

    def put(self, correlation: str, groups: Sequence[Group]) -> None: ...

    def remove(self, correlation: str, groups: Sequence[Group]) -> None: ...

    def between(self, correlation: str, since: int, before: int, limit: int | None = None) -> list[Group]:
        """Groups of a correlation that grew last at `since` <= time < `before` (ms), oldest first."""

    def size(self, correlation: str) -> int:
        """How many entries all groups of a correlation have."""


class MemoryGroups:
    """Groups of one run, kept nowhere."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self._groups: dict[str, dict[str, Group]] = {}
        self._sizes: dict[str, int] = {}
        self._of: dict[str, Group] = {}

    def get(self, uids: Sequence[str]) -> dict[str, Group]:
        return {uid: self._of[uid] for uid in uids if uid in self._of}

    def put(self, correlation: str, groups: Sequence[Group]) -> None:
        mine = self._groups.setdefault(correlation, {})
        for group in groups:
            mine.pop(group.uid, None)  # the last one touched stands last
            mine[group.uid] = self._of[group.uid] = group
            self._sizes[correlation] = self.size(correlation) + len(group.entries) - group.before
            group.before = len(group.entries)

    def remove(self, correlation: str, groups: Sequence[Group]) -> None:
        for group in groups:
            del self._groups[correlation][group.uid], self._of[group.uid]
            self._sizes[correlation] -= group.before

    def between(self, correlation: str, since: int, before: int, limit: int | None = None) -> list[Group]:
        mine = self._groups.get(correlation, {}).values()
        return list(islice((group for group in mine if since <= group.time < before), limit))

    def size(self, correlation: str) -> int:
        return self._sizes.get(correlation, 0)


def about(parts: dict[str, Any]) -> str:
    """JSON of what a finding will say; equal parts give equal text, so that a group keeps it once."""
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS).decode()
