"""Layouts: lines whose values stand in columns without names (firewalls' CSV, access logs). Content in `lines/`.

A layout is YAML: `line` its name, which the record gets as `line`; `start` (RE2) what the text begins with; `split`
`comma`, `space` (quotes and brackets hold together), `bar` or `pairs`; `columns` the names in order (an empty one is
passed over), or a table of such lists by the value of column `key`; `least` so many cells have to be there (all but
the optional tail); `parts` splits a column once more at blanks; `labels` are columns with DNS names as
`(3)www(7)example(0)`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import re2

from watchfloor.content import Document, documents, folder
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.readers.structure import pairs

_KEYS = frozenset({"line", "start", "split", "columns", "key", "least", "parts", "labels"})
_CELL = re.compile(r'"((?:[^"\\]|\\.)*)"|\[([^\]]*)\]|(\S+)', re.DOTALL)
_LABEL = re.compile(r"\(\d{1,3}\)")


class Layout:
    """One layout, compiled. `read(text)` gives the named cells, or None where the text has not its columns."""

    def __init__(self, document: Document) -> None:
        data, where = document.data, document.where
        if not isinstance(data, dict) or not {"line", "start"} <= data.keys():
            raise WatchfloorError("is no layout of lines", where=where, do="Add `line` and `start`.")
        if unknown := set(data) - _KEYS:
            raise WatchfloorError(f"unknown key {', '.join(sorted(map(str, unknown)))}", where=where)
        self.name = str(data["line"])
        self.start = str(data["start"])
        split = str(data.get("split", "space"))
        if split not in _SPLITS and split != "pairs":
            raise WatchfloorError(f"no split {split!r}", where=where, do=f"One of {', '.join(_SPLITS)}, pairs.")
        self._split = _SPLITS.get(split)
        columns = data.get("columns") or []
        self._columns: list[str] | dict[str, list[str]] = (
            {str(k): list(v) for k, v in columns.items()} if isinstance(columns, dict) else list(columns)
        )
        self._key = int(data.get("key", 0))
        self._least = int(data.get("least", 2))
        self._parts: dict[str, list[str]] = data.get("parts") or {}
        self._labels: list[str] = data.get("labels") or []

    def read(self, text: str) -> dict[str, Any] | None:
        """The cells by name, with `line`; empty ones are left out."""
        if self._split is None:
            return {**pairs(text), "line": self.name}
        cells = self._split(text)
        if len(cells) < max(self._least, self._key + 1):
            return None
        columns = self._columns.get(cells[self._key]) if isinstance(self._columns, dict) else self._columns
        if columns is None:
            return None
        found: dict[str, Any] = {n: c for n, c in zip(columns, cells, strict=False) if c and n}
        for column, names in self._parts.items():
            words = str(found.get(column, "")).split(" ")
            if len(words) == len(names):
                found.update(zip(names, words, strict=True))
        for column in self._labels:
            if column in found:
                found[column] = _LABEL.sub(".", found[column]).strip(".")
        found["line"] = self.name
        return found


class Layouts:
    """All layouts; the first whose start fits and whose columns are there reads a text."""

    def __init__(self, layouts: Sequence[Layout]) -> None:
        self._layouts = tuple(layouts)
        self._starts = re2.Set.MatchSet()
        for layout in layouts:
            try:
                self._starts.Add(layout.start)
            except re2.error as error:
                raise WatchfloorError(f"not a regular expression: {error}", where=layout.name) from None
        self._starts.Compile()

    def read(self, text: str) -> dict[str, Any] | None:
        """The named values of a text, or None when no layout is its."""
        for index in sorted(self._starts.Match(text) or ()):
            found = self._layouts[index].read(text)
            if found is not None:
                return found
        return None

    def fits(self, text: str) -> bool:
        """Whether a text begins as one of the layouts does."""
        return bool(self._starts.Match(text))


@cache
def shipped() -> Layouts:
    """The layouts that come with the product, compiled once a process."""
    return load(folder("lines"))


def load(path: Path) -> Layouts:
    """The layouts of a file or folder. Raises WatchfloorError that names file and key."""
    return Layouts([Layout(document) for document in documents(path)])


def _by_comma(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text.replace("\n", " ").replace("\r", " ")]), [])
    except csv.Error:
        return []


def _by_space(text: str) -> list[str]:
    """Words; what stands in quotes or brackets is one, without them."""
    return [double or bracket or word for double, bracket, word in _CELL.findall(text)]


_SPLITS: dict[str, Callable[[str], list[str]]] = {
    "comma": _by_comma,
    "space": _by_space,
    "bar": partial(str.split, sep="|"),
}
