"""Events of files and folders for commands that keep nothing, with what is not read on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchfloor.cli.output import say

if TYPE_CHECKING:
    from watchfloor.core.event import Event
    from watchfloor.ingest import Normalizer

SHOWN = 20


class Reading:
    """Events of files and folders, told about on stderr: what is not read, and how the count comes out."""

    def __init__(self, paths: list[Path], tenant: str, normalizer: Normalizer) -> None:
        self._paths, self._tenant, self._normalizer = paths, tenant, normalizer
        self._events = self._base = self._dead = 0
        self._passed_over: list[str] = []

    def __iter__(self) -> Iterator[Event]:
        from watchfloor.ingest import Unreadable, ingest

        for item in ingest(self._paths, self._tenant, self._normalizer, passed_over=self._passed_over):
            if isinstance(item, Unreadable):
                self._dead += 1
                say(f"not read: {item.where}: {item.reason}", style="yellow")
            else:
                self._events += 1
                self._base += item.mapping == "base"
                yield item

    def say_balance(self) -> None:
        """`records read = events + dead letters`, on stderr."""
        say_balance(self._events, self._dead, self._base, len(self._passed_over))


def say_problems(detector: Any) -> None:
    """Rules that are not used, the first of them, on stderr."""
    problems = detector.problems
    for problem in problems[:SHOWN]:
        say(f"rule not used: {problem}", style="yellow")
    if len(problems) > SHOWN:
        say(f"... and {len(problems) - SHOWN:,} more rules not used; `watchfloor doctor --rules DIR` lists all")


def say_balance(events: int, dead: int, base: int, passed_over: int, indicators: int = 0) -> None:
    """How the count of records comes out, on stderr."""
    known = f"{base:,} of no known product" if base else "all of known products"
    also = f" + {indicators:,} indicators" if indicators else ""
    say(f"{events + dead + indicators:,} records read = {events:,} events ({known}) + {dead:,} dead letters{also}")
    if passed_over:
        say(f"{passed_over:,} files hold no records and were passed over")
