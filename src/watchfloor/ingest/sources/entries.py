"""The text of `sources.yaml`, with an entry more or less: everything else in it stays as its owner wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from watchfloor.core.errors import WatchfloorError

_INDENT = 2
_AFTER = re.compile(r"\s*,?[ \t]*")
_BEFORE = re.compile(r",?\s*$")


def with_entry(text: str, fields: Mapping[str, Any]) -> str:
    """With a source at the end. Raises WatchfloorError where the file is laid out too strangely for that."""
    found = _list(text)
    if found is None:
        return _ended(text) + "sources:\n" + _block(fields, _INDENT)
    _, items = found
    if items.flow_style:
        start, end = items.start_mark.index, items.end_mark.index
        if not items.value:
            return _ended(text[:start].rstrip(" ") + "\n" + _block(fields, _INDENT) + text[end:].lstrip("\n"))
        entry = yaml.safe_dump(dict(fields), default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
        return text[: end - 1] + ", " + entry.strip() + text[end - 1 :]
    return _ended(text) + _block(fields, items.start_mark.column)


def without_entry(text: str, number: int) -> str:
    """Without the source at this place (from 0). Comments before and after it stay."""
    found = _list(text)
    if found is None or number >= len(found[1].value):
        raise WatchfloorError("there is no such entry")
    key, items = found
    if items.flow_style:
        start, end = items.value[number].start_mark.index, items.value[number].end_mark.index
        before, after = text[:start], text[end:]
        if number + 1 < len(items.value):
            return before + _AFTER.sub("", after, count=1)
        return _BEFORE.sub("", before) + after
    lines = text.splitlines(keepends=True)
    column = items.start_mark.column
    begin = _dash(lines, items.value[number].start_mark.line, column)
    last = number + 1 == len(items.value)
    end = len(lines) if last else _dash(lines, items.value[number + 1].start_mark.line, column)
    while end > begin + 1 and lines[end - 1].strip()[:1] in ("", "#"):
        end -= 1
    if len(items.value) == 1:  # a key without a value is no list
        at = key.end_mark
        lines[at.line] = lines[at.line][: at.column] + ": []" + lines[at.line][at.column :].partition(":")[2]
    return "".join(lines[:begin] + lines[end:])


def _list(text: str) -> tuple[yaml.ScalarNode, yaml.SequenceNode] | None:
    """The key `sources` and its list, of the last document; None where there is no document."""
    documents = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
    if not documents:
        return None
    pairs = documents[-1].value if isinstance(documents[-1], yaml.MappingNode) else []
    for key, value in pairs:
        if key.value == "sources" and isinstance(value, yaml.SequenceNode):
            return key, value
    raise WatchfloorError("must hold `sources:` with a list, and nothing else")


def _block(fields: Mapping[str, Any], indent: int) -> str:
    dumped = yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True, default_flow_style=None, width=10**6)
    first, *others = dumped.removesuffix("\n").split("\n")
    return " " * indent + "- " + first + "\n" + "".join(" " * (indent + 2) + line + "\n" for line in others)


def _dash(lines: list[str], line: int, column: int) -> int:
    """The line on which an item begins: its dash may stand alone before it."""
    while line > 0 and lines[line][column : column + 1] != "-":
        line -= 1
    return line


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
