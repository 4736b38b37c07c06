"""Collector `event`: one event as it lies in the lake.

Query: `{"event": "<uid>"}`. Answer: `{"ocsf": {...}, "original": {...}}`.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.enrich.collectors.base import Found, LocalCollector, text_of
from watchfloor.enrich.collectors.events import Events


class EventCollector(LocalCollector):
    """Reads events by uid. Their source is what recorded them."""

    name = "event"

    def __init__(self, events: Events) -> None:
        self._events = events

    def collect(self, lookups: Sequence[Lookup]) -> list[Evidence]:
        self._events.prepare(lookups)
        return super().collect(lookups)

    def answer(self, lookup: Lookup) -> Found:
        event = self._events.get(lookup.tenant, text_of(lookup.query, "event"))
        return Found({"ocsf": event.ocsf, "original": event.original}, event.source, "B")
