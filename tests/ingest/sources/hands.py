"""A hand that keeps what it is given in memory, as the spool and the database would."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from watchfloor.ingest.readers import read_parcel
from watchfloor.ingest.sources.source import Source


class HandInMemory:
    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        self.parcels: list[tuple[bytes, str]] = []
        self.kept = kept or {}
        self.reached = asyncio.Event()
        self.note = ""
        self.problem = ""
        self.order: list[str] = []

    async def put(self, content: bytes, form: str = "") -> None:
        await asyncio.sleep(0)
        self.parcels.append((content, form))
        self.order.append("put")

    def checkpoint(self) -> dict[str, Any]:
        return self.kept

    async def keep(self, checkpoint: Mapping[str, Any]) -> None:
        self.kept = dict(checkpoint)
        self.order.append("keep")

    async def working(self, note: str = "") -> None:
        self.note = note
        self.problem = ""
        self.reached.set()

    async def hindered(self, problem: str) -> None:
        self.problem = problem
        self.reached.set()

    def records(self) -> list[bytes]:
        """The bytes of each record, and of what is none, as the readers see them."""
        return [item.raw for content, form in self.parcels for item in read_parcel("t", "s", content, form=form)]


@contextlib.asynccontextmanager
async def running(source: Source, hand: HandInMemory) -> Any:
    """The source at work, from when it says so. What it raises is raised here."""
    task = asyncio.create_task(source.run(hand))
    reached = asyncio.create_task(hand.reached.wait())
    await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], Any], tries: int = 3_000) -> None:
    """It is not timed: the many tries only keep a broken run from hanging."""
    for _ in range(tries):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")
