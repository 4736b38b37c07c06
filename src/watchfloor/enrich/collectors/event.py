"""Collector `event`: one event as it lies in the lake.

Query: `{"event": "<uid>"}`. Answer: `{"ocsf": {...}, "original": {...}}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.core.noun import canonical
from watchfloor.enrich.collectors.base import Found, LocalCollector, text_of
from watchfloor.enrich.collectors.events import Events

_LARGEST = 2**63


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
        content = {"ocsf": event.ocsf, "original": event.original}
        try:
            canonical(content)
        except TypeError:
            content = _plain(content)
        return Found(content, event.source, "B")


def _plain(value: Any) -> Any:
    """The same data with what JSON cannot carry everywhere (numbers over 64 bits, lone surrogates) as plain text."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return str(value) if isinstance(value, int) and not -_LARGEST <= value < _LARGEST else value
