"""Rules as written: documents with the place of every key and value, for who checks how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from watchfloor.detect.sigma.files import rule_files
from watchfloor.detect.sigma.logsource import LogSource

_NO_VALUES = "tag:yaml.org,2002:null"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 4
"""Lists in lists, and maps merged into maps: rules have one level. A file may refer to itself."""


class Place(NamedTuple):
    """File, line and column; both count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Broken(NamedTuple):
    """A file that holds no YAML, and where that shows."""

    place: Place
    problem: str


class Value(NamedTuple):
    """One value that a field is compared with. `kind` is YAML's tag: `str`, `int`, `null`, ..."""

    text: str
    kind: str
    node: yaml.Node


class Item(NamedTuple):
    """A field of a selection with its modifiers and values; keywords have no field. `alone`: nothing else stands beside
    it in its map. `listed`: its values stand in a list."""

    selection: str
    field: str
    modifiers: tuple[str, ...]
    values: tuple[Value, ...]
    node: yaml.Node
    alone: bool
    listed: bool


@dataclass(frozen=True)
class RuleDocument:
    """One document of a rule file."""

    file: str
    root: yaml.MappingNode
    entries: Mapping[str, tuple[yaml.Node, yaml.Node]] = field(repr=False)
    text: bytes = field(repr=False, default=b"")

    def place(self, node: yaml.Node | None = None) -> Place:
        """Where a node stands; without one, where the document does."""
        mark = (node or self.root).start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def key(self, name: str) -> yaml.Node:
        """The key of an outermost entry, or the document."""
        return self.entries[name][0] if name in self.entries else self.root

    def value(self, name: str) -> str:
        """The text of an outermost entry; empty when there is none, or when it is no text."""
        node = self.entries[name][1] if name in self.entries else None
        return str(node.value) if isinstance(node, yaml.ScalarNode) and node.tag != _NO_VALUES else ""

    @property
    def title(self) -> str:
        return self.value("title")

    @property
    def kind(self) -> str:
        """`rule`, `correlation` or `filter`; empty for what is none of them."""
        kinds = {"correlation": "correlation", "filter": "filter", "detection": "rule"}
        return next((kind for name, kind in kinds.items() if name in self.entries), "")

    @cached_property
    def logsource(self) -> LogSource:
        node = self.entries["logsource"][1] if "logsource" in self.entries else None
        have = {name: str(value.value) for name, (_, value) in entries_of(node).items() if name in LogSource._fields}
        return LogSource(**have)

    @cached_property
    def selections(self) -> Mapping[str, tuple[yaml.Node, yaml.Node]]:
        """The named parts of the detection."""
        node = self.entries["detection"][1] if "detection" in self.entries else None
        return {name: both for name, both in entries_of(node).items() if name not in ("condition", "timeframe")}

    @cached_property
    def conditions(self) -> tuple[Value, ...]:
        node = self.entries["detection"][1] if "detection" in self.entries else None
        both = entries_of(node).get("condition")
        return tuple(values_of(both[1])) if both else ()

    @cached_property
    def items(self) -> tuple[Item, ...]:
        return tuple(item for name, (key, node) in self.selections.items() for item in _items(name, key, node))

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """The document as plain data."""
        loader = _LOADER("")
        try:
            found = loader.construct_document(self.root)
        except yaml.YAMLError:  # it refers to itself
            found = {}
        finally:
            loader.dispose()
        return found if isinstance(found, dict) else {}


def read_documents(paths: Iterable[Path]) -> Iterator[RuleDocument | Broken]:
    """Every document of the files, folders and zips, in order, and what is no YAML or no map."""
    for path in paths:
        for name, text, problem in rule_files(path):
            if problem:
                yield Broken(Place(name, 1, 1), problem)
            yield from _documents(name, text)


def _documents(file: str, text: bytes) -> Iterator[RuleDocument | Broken]:
    try:
        for root in yaml.compose_all(text, Loader=_LOADER):
            if isinstance(root, yaml.MappingNode):
                yield RuleDocument(file, root, entries_of(root), text)
            elif root.tag != _NO_VALUES:
                yield Broken(Place(file, root.start_mark.line + 1, 1), "no rule: not a map of names to values")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        said = getattr(error, "problem", "") or " ".join(str(error).split())
        yield Broken(place, f"not valid YAML: {said}")


def entries_of(node: yaml.Node | None, depth: int = 0) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Key -> its node and its value's, those merged in by `<<` behind its own; empty for what is no map."""
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    merged: list[yaml.Node] = []
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.tag == "tag:yaml.org,2002:merge":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
        else:
            found[str(key.value)] = (key, value)
    for one in merged if depth < _DEEPEST else ():
        found = {**entries_of(one, depth + 1), **found}
    return found


def values_of(node: yaml.Node) -> Iterator[Value]:
    """The scalars of a value: itself, or those of its list."""
    if isinstance(node, yaml.ScalarNode):
        yield Value(node.value, node.tag.rpartition(":")[2], node)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                yield Value(item.value, item.tag.rpartition(":")[2], item)


def _items(selection: str, key: yaml.Node, node: yaml.Node, depth: int = 0) -> Iterator[Item]:
    if isinstance(node, yaml.MappingNode):
        entries = entries_of(node)
        for name, (its_key, value) in entries.items():
            named, *modifiers = name.split("|")
            alone = len(entries) == 1
            listed = isinstance(value, yaml.SequenceNode)
            yield Item(selection, named, tuple(modifiers), tuple(values_of(value)), its_key, alone, listed)
    elif isinstance(node, yaml.SequenceNode) and depth < _DEEPEST:
        keywords = tuple(values_of(node))
        if keywords:
            yield Item(selection, "", (), keywords, key, True, True)
        for item in node.value:
            if not isinstance(item, yaml.ScalarNode):
                yield from _items(selection, key, item, depth + 1)
    elif isinstance(node, yaml.ScalarNode):
        yield Item(selection, "", (), tuple(values_of(node)), key, True, False)
