"""Events for collectors: the ones that a batch needs are read from the lake in one go, and kept for the next batch."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.evidence import Lookup
from watchfloor.store.lake import Lake

_KEPT = 4_096


class Events:
    """Reads events by tenant and uid, the last few thousand from memory. Safe to share between threads."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._kept: OrderedDict[tuple[str, str], Event] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, lookups: Sequence[Lookup]) -> None:
        """Read what the look-ups' `event` name, at once: an event by itself costs as much as hundreds together."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for lookup in lookups:
            uid = lookup.query.get("event")
            if isinstance(uid, str) and (lookup.tenant, uid) not in self._kept:
                wanted[lookup.tenant].add(uid)
        for tenant, uids in wanted.items():
            # A segment that cannot be read spoils only the look-ups that need it: `get` says so for each of them.
            with suppress(WatchfloorError):
                self._keep(tenant, self._lake.events(tenant, sorted(uids)).values(), room=len(lookups))

    def many(self, tenant: str, uids: Iterable[str]) -> dict[str, Event]:
        """Those that the lake has. Raises as `Lake.events` does for a segment that cannot be read."""
        wanted = set(uids)
        found = {uid: event for uid in wanted if (event := self._kept.get((tenant, uid))) is not None}
        if fresh := self._lake.events(tenant, wanted - found.keys()):
            self._keep(tenant, fresh.values(), room=len(fresh))
        return found | fresh

    def get(self, tenant: str, uid: str) -> Event:
        """One event. Raises NotFoundError."""
        event = self._kept.get((tenant, uid))
        if event is None:
            event = self._lake.event(tenant, uid)
            self._keep(tenant, (event,))
        return event

    def _keep(self, tenant: str, events: Iterable[Event], room: int = 0) -> None:
        with self._lock:
            for event in events:
                self._kept[tenant, event.uid] = event
            while len(self._kept) > _KEPT + room:
                self._kept.popitem(last=False)
