"""Mistakes in a mapping: all of them, each with its file, line and key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from watchfloor.content import Document
from watchfloor.core.errors import WatchfloorError

Place = tuple[str | int, ...]
"""The keys and indices that lead to a spot in a document."""
_SHOWN = 20


class Problem(NamedTuple):
    place: Place
    what: str
    do: str


class Problems:
    """Collects mistakes of one document; `check` raises them together."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.where = document.where
        self._found: list[Problem] = []

    def add(self, place: Place, what: str, do: str = "") -> None:
        if (problem := Problem(place, what, do)) not in self._found:
            self._found.append(problem)

    def choice(self, place: Place, what: str, wanted: Any, known: Any) -> bool:
        """Whether a value is one of the known ones; a mistake where it is not."""
        try:
            if wanted in known:
                return True
        except TypeError:
            pass
        self.add(place, f"no {what} {wanted!r}", f"There are: {', '.join(map(str, known))}.")
        return False

    def keys(self, place: Place, found: Any, known: frozenset[str]) -> None:
        for name in found:
            if name not in known:
                self.add((*place, name), f"unknown key {name!r}", f"Known are: {', '.join(sorted(known))}.")

    def check(self) -> None:
        """Raises WatchfloorError that names every mistake."""
        if not self._found:
            return
        told = [*self._told()]
        if len(told) == 1:
            where, what, do = told[0]
            raise WatchfloorError(what, where=f"{self._document.where}, {where}", do=do)
        shown = "; ".join(
            f"{where}: {what}" + (f" ({do.rstrip('.')})" if do else "") for where, what, do in told[:_SHOWN]
        )
        more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        raise WatchfloorError(f"{len(told)} mistakes: {shown}{more}", where=self._document.where)

    def _told(self) -> Iterator[tuple[str, str, str]]:
        found = sorted((self._document.line(p.place), i, p) for i, p in enumerate(self._found))
        for line, _, (place, what, do) in found:
            key = ".".join(map(str, place))
            yield ", ".join(filter(None, [f"line {line}" if line else "", key])), what, do
