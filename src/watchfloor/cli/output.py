"""How commands speak: data on stdout, words and progress on stderr."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from watchfloor.app.progress import Report

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)

_KEPT = "\n\t"


def say(text: str, style: str = "") -> None:
    """A line for people, on stderr."""
    err.print(Text(printable(text), style))


def put(text: str, style: str = "") -> None:
    """A line of what was asked for, on stdout, for people."""
    out.print(Text(printable(text), style))


def printable(text: str) -> str:
    """Texts come from records, that is from attackers: nothing in them may steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _KEPT else c.encode("unicode_escape").decode() for c in text)


def wrapped(text: str, first: str = "", rest: str = "", most: int | None = None) -> str:
    """Text in lines of the terminal's width (80 where there is none), indented; `…` after `most` lines.

    Long words, such as URLs and digests, stay whole, so that they can be copied.
    """
    return textwrap.fill(
        " ".join(text.split()),
        out.width,
        initial_indent=first,
        subsequent_indent=rest or " " * len(first),
        max_lines=most,
        placeholder=" …",
        break_long_words=False,
        break_on_hyphens=False,
    )


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
