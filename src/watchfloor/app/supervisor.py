"""Runs the sources of `sources.yaml` while the product is served: starts them, stores what they hand in, starts those
that failed again after growing waits, follows changes of the file, and says how each does."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from watchfloor.app.parts import Parts
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.intake import Trouble
from watchfloor.core.source import Checkpoint, SourceHealth
from watchfloor.ingest.sources import FILE, Source, read_sources, shown
from watchfloor.store.spool import Parcel, Spool, SpoolFullError

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
LOOK_SECONDS = 1.0
"""Between two looks at `sources.yaml`."""
_FULL_SECONDS = 0.5
_NOTE_SECONDS = 10.0
_END_SECONDS = 15.0
_log = structlog.get_logger(__name__)


class Supervisor:
    """One tenant's sources, in one thread with an event loop of its own."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def sources(self) -> tuple[Source, ...]:
        """As `sources.yaml` has them now. Raises WatchfloorError."""
        try:
            return read_sources(self._parts.home.path)
        except OSError as error:
            raise WatchfloorError(f"cannot be read: {error.strerror or error}", where=FILE) from None

    def health(self) -> list[SourceHealth]:
        """How each source does, by name. Those that `sources.yaml` does not have any more are left out; while it cannot
        be read, those are there that run."""
        found = self._parts.documents.find(self._parts.tenant, SourceHealth, limit=None)
        try:
            known = {source.source for source in self.sources()}
        except WatchfloorError:
            known = {one.uid for one in found if one.status != "stopped"}
        said = {one.uid: one for one in found if one.uid in known}
        never = SourceHealth(tenant=self._parts.tenant, uid="", time=0, status="stopped")
        return [said.get(uid, never.model_copy(update={"uid": uid})) for uid in sorted(known)]

    def look(self) -> tuple[list[SourceHealth], list[Trouble]]:
        """How each source does, and what hinders them now; a `sources.yaml` that cannot be read is such a thing."""
        health, troubles = self.health(), []
        try:
            self.sources()
        except WatchfloorError as error:
            troubles = [Trouble(doing="reading sources.yaml", problem=str(error), since=self._written_at())]
        failing = [one for one in health if one.status == "failing"]
        troubles += [Trouble(doing=f"source {one.uid}", problem=one.problem, since=one.time) for one in failing]
        return health, troubles

    def _written_at(self) -> int:
        """When `sources.yaml` was changed last (ms)."""
        try:
            return (self._parts.home.path / FILE).stat().st_mtime_ns // 1_000_000
        except OSError:
            return self._parts.clock()

    @contextmanager
    def running(self, spool: Spool) -> Iterator[None]:
        """Run them until the block ends, as `sources.yaml` has them at each moment."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="sources", daemon=True)
        thread.start()
        following = asyncio.run_coroutine_threadsafe(self._follow(spool), loop)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(_end_all(), loop).result()
            asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
            following.cancel()

    async def _follow(self, spool: Spool) -> None:
        """Start what `sources.yaml` has new, stop what it has no more, start again what has changed. While the file
        cannot be read, what runs goes on."""
        runs: dict[str, _Run] = defaultdict(_Run)
        seen: bytes | None = None
        before = b""
        while True:
            text = await asyncio.to_thread(_bytes_of, self._parts.home.path / FILE)
            settled, before = text == before, text  # an editor may be in the middle of writing it
            if text != seen and (settled or seen is None):
                seen = text
                try:
                    wanted = {source.source: source for source in await asyncio.to_thread(self.sources)}
                except WatchfloorError as error:
                    _log.error("what runs goes on as it was", problem=str(error))
                else:
                    self._change(runs, wanted, spool)
            await asyncio.sleep(LOOK_SECONDS)

    def _change(self, runs: dict[str, _Run], wanted: Mapping[str, Source], spool: Spool) -> None:
        for name in {**runs, **wanted}:
            run, source = runs[name], wanted.get(name)
            if run.source == source:
                continue
            if run.task is not None:
                run.task.cancel()
            run.source = source
            run.task = asyncio.create_task(self._take_turn(run, source, spool)) if source else None

    async def _take_turn(self, run: _Run, source: Source, spool: Spool) -> None:
        async with run.turn:  # the one before it ends first
            await self._keep_running(source, spool)

    async def _keep_running(self, source: Source, spool: Spool) -> None:
        hand = _Hand(self._parts, spool, source.source)
        await hand.say("starting")
        wait = FIRST_WAIT
        try:
            while True:
                began = time.monotonic()
                hand.reached, hand.hindrance = False, ""
                try:
                    await asyncio.to_thread(source.check)  # it may import a client, and others listen meanwhile
                    await source.run(hand)
                    problem = "it ended"
                except Exception as error:
                    problem = shown(error)
                    if not isinstance(error, (WatchfloorError, OSError)):
                        # Without the values of variables: they are records and secrets.
                        _log.error("a source broke", source=source.source, at=traceback.format_exc(limit=-3))
                if _cancelled():  # a client swallowed it, or made an error of it
                    return
                if hand.reached and time.monotonic() - began > wait:
                    wait = FIRST_WAIT
                _log.error("a source will be tried again", source=source.source, problem=problem, seconds=wait)
                await hand.say("failing", problem)
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
        finally:
            await asyncio.shield(hand.say("stopped"))


@dataclass
class _Run:
    """What runs under one source's name: the source as it was when it was started, or none any more."""

    source: Source | None = None
    task: asyncio.Task[None] | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        return str(error).encode()


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _end_all() -> None:
    others: set[Any] = asyncio.all_tasks() - {asyncio.current_task()}
    while others:  # a client may swallow a cancellation
        for task in others:
            task.cancel()
        _, others = await asyncio.wait(others, timeout=_END_SECONDS)


class _Hand:
    """What one source hands its records to."""

    def __init__(self, parts: Parts, spool: Spool, source: str) -> None:
        self._parts, self._spool, self._source = parts, spool, source
        self._status = ""
        self._problem = self._note = ""
        self._since = 0
        self._said_at = 0.0
        self.reached = False
        self.hindrance = ""

    async def put(self, content: bytes, form: str = "") -> None:
        while True:
            try:
                parcel = Parcel(self._source, self._parts.clock(), content, form)
                stored: Future[int] = self._spool.put(self._parts.tenant, parcel)
                await asyncio.wrap_future(stored)
            except WatchfloorError as error:  # full, or the disk cannot take it: it waits, and the sender with it
                full = isinstance(error, SpoolFullError)
                await self.say("failing", "the spool is full; it waits for room" if full else shown(error))
                await asyncio.sleep(_FULL_SECONDS)
            else:
                if self._problem != self.hindrance:
                    await self.say("failing" if self.hindrance else "working", self.hindrance)
                return

    def checkpoint(self) -> dict[str, Any]:
        try:
            return self._parts.documents.get(self._parts.tenant, Checkpoint, self._source).data
        except NotFoundError:
            return {}

    async def keep(self, checkpoint: Mapping[str, Any]) -> None:
        kept = Checkpoint(tenant=self._parts.tenant, uid=self._source, time=self._parts.clock(), data=dict(checkpoint))
        await asyncio.to_thread(self._parts.documents.put, self._parts.tenant, kept)

    async def working(self, note: str = "") -> None:
        self.reached, self.hindrance = True, ""
        await self.say("working", note=note)

    async def hindered(self, problem: str) -> None:
        self.reached, self.hindrance = True, problem
        await self.say("failing", problem)

    async def say(self, status: str, problem: str = "", note: str = "") -> None:
        """Tell how the source does; written down when that has changed, and a note alone not more often than needed."""
        if (status, problem) == (self._status, self._problem):
            if note == self._note or time.monotonic() < self._said_at + _NOTE_SECONDS:
                return
        else:
            self._since = self._parts.clock()
        self._status, self._problem, self._note, self._said_at = status, problem, note, time.monotonic()
        health = SourceHealth.from_dict(
            {
                "tenant": self._parts.tenant,
                "uid": self._source,
                "time": self._since,
                "status": status,
                "problem": problem,
                "note": note,
            }
        )
        try:
            await asyncio.to_thread(self._parts.documents.put, self._parts.tenant, health)
        except Exception as error:  # the source itself goes on, and it is told again with the next change
            self._status = ""
            _log.error("a source's health cannot be written", source=self._source, problem=str(error))
            return
        self._parts.updates.publish(self._parts.tenant, "ingest", "live")
