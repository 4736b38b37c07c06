"""Scanning with one process a core: batches of lines go out to them, and come back in order."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import BinaryIO, TypeVar

from watchfloor.detect.sigma.engine import Engine
from watchfloor.detect.sigma.logsource import LogSources
from watchfloor.detect.sigma.path import Form, Scanned
from watchfloor.detect.sigma.rules import Rule

BATCH = 1 << 20
"""Bytes of a batch: large enough that handing it over costs nothing, small enough to lie in a core's cache."""
_AHEAD = 2
"""Batches that a process has in hand or waiting, so that memory is bounded and no core waits."""
T = TypeVar("T")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def batches(file: BinaryIO, size: int = BATCH) -> Iterator[bytes]:
    """A file of lines in batches of whole lines, about `size` bytes each; a longer line is a batch of its own."""
    while block := file.read(size):
        if not block.endswith(b"\n"):
            block += file.readline()
        yield block


def scanned(
    engine: Engine,
    given: Iterable[tuple[T, bytes]],
    logsource: Mapping[str, str],
    form: Form = "record",
    *,
    processes: int = 0,
) -> Iterator[tuple[T, list[Scanned]]]:
    """What batches match, in their order, each with whatever stands for it (which is not handed over).

    `processes` 0 means one a core; with 1 everything is done here. Rules are those of the engine.
    """
    processes = processes or cores()
    if processes == 1:
        for tag, data in given:
            yield tag, engine.scan(data, logsource, form)
        return
    # Not forked: the parent may have threads and open databases.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (engine.rules,)) as pool:
        waiting: deque[tuple[T, Future[list[Scanned]]]] = deque()
        for tag, data in given:
            waiting.append((tag, pool.submit(_scan, data, dict(logsource), form)))
            if len(waiting) >= processes * _AHEAD:
                first, found = waiting.popleft()
                yield first, found.result()
        for tag, found in waiting:
            yield tag, found.result()


_engine: Engine | None = None


def _begin(rules: Sequence[Rule]) -> None:
    global _engine  # noqa: PLW0603 - a process of the pool has one engine
    _engine = Engine(rules, LogSources.shipped())


def _scan(data: bytes, logsource: Mapping[str, str], form: Form) -> list[Scanned]:
    if _engine is None:
        raise RuntimeError("the process was not begun")
    return _engine.scan(data, logsource, form)
