"""The door: who may hand in, and the way into the spool, answered only after the commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intake import LiveSource, SourceKind
from watchfloor.server.intake.http import Asked, RefusedRequestError
from watchfloor.store.spool import Parcel, Spool, SpoolFullError

COMMIT_SECONDS = 30.0


class Sources(Protocol):
    """What the door asks of the product."""

    def with_token(self, kind: SourceKind, token: str) -> LiveSource | None: ...
    def named(self, kind: SourceKind, name: str) -> LiveSource | None: ...
    def signing_secret(self, source: LiveSource) -> str: ...


class Door:
    """One tenant's way in, for one event loop."""

    def __init__(self, spool: Spool, sources: Sources, tenant: str, clock: Callable[[], int]) -> None:
        self._spool, self.sources, self._tenant, self._clock = spool, sources, tenant, clock
        self._ready: deque[tuple[Future[int], asyncio.Future[int]]] = deque()
        self._waking = False

    def admit(self, kind: SourceKind, asked: Asked, *schemes: str) -> LiveSource:
        """The source whose token a request shows under one of these schemes. Raises RefusedRequestError."""
        scheme, token = asked.credentials()
        source = self.sources.with_token(kind, token) if scheme in schemes else None
        if source is None:
            raise RefusedRequestError("bad_token")
        return source

    def committed(self, seq: int) -> bool:
        """Whether a number that `put` may have given stands for what is on the disk."""
        return 0 < seq <= self._spool.last

    async def put(self, source: LiveSource, content: bytes, form: str = "") -> int:
        """Store what a source hands in; its number, after the commit. Raises RefusedRequestError."""
        loop = asyncio.get_running_loop()
        try:
            future = self._spool.put(self._tenant, Parcel(source.source, self._clock(), content, form))
        except SpoolFullError as error:
            raise RefusedRequestError("full", str(error)) from None
        waiter: asyncio.Future[int] = loop.create_future()
        future.add_done_callback(lambda done: self._committed(loop, done, waiter))
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                return await waiter
        except (WatchfloorError, TimeoutError) as error:
            raise RefusedRequestError("broken", str(error)) from None

    def _committed(self, loop: asyncio.AbstractEventLoop, future: Future[int], waiter: asyncio.Future[int]) -> None:
        """In the spool's thread: one commit ends many requests, and wakes the loop once."""
        self._ready.append((future, waiter))
        if not self._waking:
            self._waking = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._waking = False
        while self._ready:
            future, waiter = self._ready.popleft()
            if waiter.done():
                continue
            if (error := future.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(future.result())
