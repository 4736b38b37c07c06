"""Layouts: lines whose values stand in columns without names (firewalls' CSV, access logs). Content in `lines/`.

A layout is YAML. `line`: its name, which the record gets as `line`. `start` (RE2): what the text begins with; without
`split` its named groups are the values. `split`: `comma`, `space` (quotes and brackets hold together), `bar`, `pairs`,
`commas` (`A key=some value, ...`) or `colon` (`Key: some value, ...`). `columns`: the names in order (an empty one is
passed over), or a table of such lists by the value of column `key`. `least`: how many cells have to be there (all but
the optional tail). `parts` splits a column once more at blanks. `labels`: columns of names as `(3)www(7)example(0)`.
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
from watchfloor.ingest.mappings.patterns import Pattern
from watchfloor.ingest.readers.structure import pairs

_KEYS = frozenset({"line", "start", "split", "columns", "key", "least", "parts", "labels"})
_LONGEST = 64_000
# The bound on brackets keeps lines of `[ [ [` linear.
_CELL = re.compile(r'"((?:[^"\\]|\\.)*)"|\[([^\]]{0,128})\]|(\S+)', re.DOTALL)
_COLON_KEY = re.compile(r"(?:^|, |: )([A-Z][A-Za-z0-9_]{1,40}): ?(?=\S)")
_COMMA_KEY = re.compile(r"(?:^|, ?)([A-Za-z][\w .:/-]{0,60})=")
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
        split = str(data.get("split", "groups"))
        if split not in {*_SPLITS, *_NAMING, "groups"}:
            raise WatchfloorError(f"no split {split!r}", where=where, do=f"One of {', '.join((*_SPLITS, *_NAMING))}.")
        self._split = _SPLITS.get(split)
        self._named = _NAMING.get(split) or self._groups
        columns = data.get("columns") or []
        self._columns: list[str] | dict[str, list[str]] = (
            {str(k): list(v) for k, v in columns.items()} if isinstance(columns, dict) else list(columns)
        )
        self._key = int(data.get("key", 0))
        self._least = int(data.get("least", 2))
        self._parts: dict[str, list[str]] = data.get("parts") or {}
        self._labels: list[str] = data.get("labels") or []
        self._pattern: Pattern | None = None  # compiled when it is first needed: most products are not in a house

    def read(self, text: str) -> dict[str, Any] | None:
        """The cells by name, with `line`; empty ones are left out. Of a longer text 64,000 characters are read."""
        text = text[:_LONGEST]
        if self._split is None:
            return {**self._named(text), "line": self.name}
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

    def _groups(self, text: str) -> dict[str, Any]:
        if self._pattern is None:
            self._pattern = Pattern(f"^(?:{self.start})")
        found = self._pattern.named(text) or {}
        return {name: value for name, value in found.items() if value}


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
        fitting: list[int] = self._starts.Match(text) or []
        for index in sorted(fitting):
            if (found := self._layouts[index].read(text)) is not None:
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


def _by_key(key: re.Pattern[str], text: str) -> dict[str, Any]:
    """A value reaches to the next key."""
    keys = list(key.finditer(text))[:400]
    ends = [*(key.start() for key in keys[1:]), len(text)]
    return {k.group(1).strip(): text[k.end() : end].strip() for k, end in zip(keys, ends, strict=False)}


_NAMING: dict[str, Callable[[str], dict[str, Any]]] = {
    "pairs": pairs,
    "colon": partial(_by_key, _COLON_KEY),
    "commas": partial(_by_key, _COMMA_KEY),
}
_SPLITS: dict[str, Callable[[str], list[str]]] = {
    "comma": _by_comma,
    "space": _by_space,
    "bar": partial(str.split, sep="|"),
}
