"""How commands speak: data on stdout, words and progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from watchfloor.app.progress import Report

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)


def say(text: str, style: str = "") -> None:
    """A line for people, on stderr. Never interprets markup: texts may come from records."""
    err.print(text, style=style or None, markup=False)


def lines(items: Iterable[dict[str, Any]]) -> int:
    """JSON lines on stdout; returns how many."""
    count = 0
    for item in items:
        sys.stdout.buffer.write(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE))
        count += 1
    sys.stdout.buffer.flush()
    return count


@contextmanager
def progress() -> Iterator[Report]:
    """A progress bar on a terminal's stderr, silence elsewhere. Yields `report(phase, done, total)`."""
    if not err.is_terminal:
        yield lambda _phase, _done, _total: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(phase: str, done: int, total: int | None) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total, text="")
            bar.update(tasks[phase], completed=done, total=total, text=f"{done:,}" + (f"/{total:,}" if total else ""))

        yield report
