"""The door: who may hand in, and the way into the spool, answered only after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import NamedTuple, Protocol

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intake import LiveSource, SourceKind
from watchfloor.server.intake.http import Asked, RefusedRequestError
from watchfloor.store.spool import Parcel, Spool, SpoolFullError


class Sources(Protocol):
    """What the door asks of the product."""

    def with_token(self, kind: SourceKind, token: str) -> LiveSource | None: ...
    def named(self, kind: SourceKind, name: str) -> LiveSource | None: ...
    def signing_secret(self, source: LiveSource) -> str: ...


class _Handed(NamedTuple):
    parcel: Parcel
    number: asyncio.Future[int]


class Door:
    """One tenant's way in, for one event loop.

    What requests hand in while a commit is under way goes to the spool together: one call of the other thread, and one
    from it, serves them all.
    """

    def __init__(self, spool: Spool, sources: Sources, tenant: str, clock: Callable[[], int]) -> None:
        self._spool, self.sources, self._tenant, self._clock = spool, sources, tenant, clock
        self._handed: list[_Handed] = []
        self._under_way = 0

    def admit(self, kind: SourceKind, asked: Asked, *schemes: str) -> LiveSource:
        """The source whose token a request shows under one of these schemes. Raises RefusedRequestError."""
        scheme, token = asked.credentials()
        source = self.sources.with_token(kind, token) if scheme in schemes else None
        if source is None:
            raise RefusedRequestError("bad_token")
        return source

    @property
    def full(self) -> bool:
        """Whether nothing more can be taken for now."""
        return self._spool.full(self._tenant)

    def committed(self, seq: int) -> bool:
        """Whether a number that `put` may have given stands for what is on the disk."""
        return 0 < seq <= self._spool.last

    async def put(self, source: LiveSource, content: bytes, form: str = "") -> int:
        """Store what a source hands in; its number, after the commit. Raises RefusedRequestError."""
        loop = asyncio.get_running_loop()
        number: asyncio.Future[int] = loop.create_future()
        if not self._handed and not self._under_way:
            loop.call_soon(self._send, loop)
        self._handed.append(_Handed(Parcel(source.source, self._clock(), content, form), number))
        try:
            return await number
        except SpoolFullError as error:
            raise RefusedRequestError("full", str(error)) from None
        except WatchfloorError as error:
            raise RefusedRequestError("broken", str(error)) from None

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        """Everything that was handed in goes off; where that is too much, each by itself as long as there is room."""
        handed, self._handed = self._handed, []
        if not self._put(loop, handed):
            for one in handed:
                self._put(loop, [one])

    def _put(self, loop: asyncio.AbstractEventLoop, handed: Sequence[_Handed]) -> bool:
        try:
            future = self._spool.put(self._tenant, *(one.parcel for one in handed))
        except Exception as error:
            if len(handed) > 1 and isinstance(error, SpoolFullError):
                return False
            for one in handed:
                _fail(one, error)
            return True
        self._under_way += 1
        future.add_done_callback(lambda done: self._wake(loop, handed, done))
        return True

    def _wake(self, loop: asyncio.AbstractEventLoop, handed: Sequence[_Handed], done: Future[int]) -> None:
        """In the spool's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._committed, loop, handed, done)

    def _committed(self, loop: asyncio.AbstractEventLoop, handed: Sequence[_Handed], done: Future[int]) -> None:
        self._under_way -= 1
        error = done.exception()
        for back, one in enumerate(reversed(handed)):
            if error is not None:
                _fail(one, error)
            elif not one.number.done():
                one.number.set_result(done.result() - back)
        if self._handed and not self._under_way:
            self._send(loop)


def _fail(one: _Handed, error: BaseException) -> None:
    if not one.number.done():
        one.number.set_exception(error)
