"""Live updates: what changed, told to whoever listens."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Update(NamedTuple):
    """`kind` is `case`, `plan`, `queue` or `ingest`; `subject` the uid of what changed."""

    tenant: str
    kind: str
    subject: str


class Updates:
    """A thread-safe broadcaster. A listener that does not keep up loses its oldest updates, never blocks the work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[queue.Queue[Update]] = set()

    def publish(self, tenant: str, kind: str, subject: str) -> None:
        with self._lock:
            for listener in self._listeners:
                if listener.full():
                    listener.get_nowait()
                listener.put_nowait(Update(tenant, kind, subject))

    @contextmanager
    def subscribe(self) -> Iterator[queue.Queue[Update]]:
        """A queue of updates from now on."""
        listener: queue.Queue[Update] = queue.Queue(maxsize=256)
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)
