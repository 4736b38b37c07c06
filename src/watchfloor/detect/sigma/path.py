"""A path is one way to evaluate a set of rules; whichever is in use, the matches are the same.

`plain` is Python and runs everywhere. `native` (the package `sigma.native`) is there when its C core was built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.detect.sigma.logsource import LogSources

if TYPE_CHECKING:
    from watchfloor.detect.sigma.rules import Rule

Form = Literal["record", "ocsf", "event"]
"""What a line of JSON is: a vendor's own record (`Event.original`; `ocsf` is empty then), an OCSF event (`original` is
empty), or an object of `original`, `ocsf` and `logsource`, as the lake's columns have them."""


class Scanned(NamedTuple):
    """A line that matched rules, or one that could not be read: then `problem` says why and `rules` is empty."""

    line: int
    """From 0, counted over all lines; blank ones too, though nothing is said of them."""
    rules: tuple[int, ...]
    problem: str = ""


class Cost(NamedTuple):
    """What a rule has taken so far: how often it was evaluated (memory answered all other times), and nanoseconds."""

    evaluated: int = 0
    nanoseconds: int = 0


class CannotTakeError(ValueError):
    """A path cannot evaluate these rules; the message says which and why. The plain path takes every rule."""


class EnginePath(Protocol):
    """Made from rules and what log sources mean: `SomePath(rules, sources)`.

    Rules that have a log source in common stand together. A rule's number is its place among the rules.
    """

    name: str

    @property
    def looked_at(self) -> int:
        """Events that were asked about since the path was made."""
        ...

    def __init__(self, rules: Sequence[Rule], sources: LogSources) -> None: ...

    def matches(self, event: Event) -> list[int]:
        """The numbers of the rules that match an event, rising."""
        ...

    def scan(self, data: bytes, logsource: Mapping[str, str], form: Form = "record") -> list[Scanned]:
        """What lines of JSON match, in order of the lines; those that match nothing are left out.

        `logsource` is the log source of every line (with `event`, of those that name none). A line that is no JSON
        object is in the answer with its reason. Blank lines are skipped.
        """
        ...

    def costs(self) -> list[Cost]:
        """What each rule has taken since the path was made, by number."""
        ...


def path_for(rules: Sequence[Rule], sources: LogSources) -> EnginePath:
    """The native path where its core is built and takes the rules, else the plain one.

    The environment variable WATCHFLOOR_ENGINE (`plain` or `native`) decides otherwise. Raises WatchfloorError for any
    other value, and for `native` where it is not to be had.
    """
    wanted = os.environ.get("WATCHFLOOR_ENGINE", "")
    if wanted not in ("", "plain", "native"):
        raise WatchfloorError(f"WATCHFLOOR_ENGINE is {wanted!r}", do="Set it to plain or native, or leave it unset")
    if wanted != "plain":
        try:
            from watchfloor.detect.sigma.native import NativePath

            return NativePath(rules, sources)
        except (ImportError, CannotTakeError) as error:
            if wanted == "native":
                raise WatchfloorError(
                    f"the native path is not to be had: {error}",
                    do="Build it (make install, with a C compiler), or unset WATCHFLOOR_ENGINE",
                ) from error
    from watchfloor.detect.sigma.plain import PlainPath

    return PlainPath(rules, sources)
