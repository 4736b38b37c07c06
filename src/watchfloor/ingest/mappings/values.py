"""Getting at values of a record: paths, and what counts as absent. Compiled mappings do the same without these calls.

A path is dotted; a key that itself holds dots (`id.orig_h`) goes first. A list on the way is entered at its first item,
or at the index that a part names. `*` in a path collects over a list: `answers.*.name` is the list of names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Data = dict[str, Any]
Getter = Callable[[Data], Any]

# What products write where they have nothing to say; none is longer than SHORT.
ABSENT = frozenset({"", "-", "(null)", "null", "N/A"})
SHORT = max(map(len, ABSENT))


def present(value: Any) -> Any:
    """The value, or None where it only says that there is none."""
    if isinstance(value, str):
        return None if value in ABSENT else value
    return None if isinstance(value, (list, dict)) and not value else value


def getter(path: str) -> Getter:
    """A function that gets the value at a path."""
    if "*" in path.split("."):
        return _collector(path)
    if "." not in path:
        return lambda data: present(data.get(path))
    parts = tuple(path.split("."))
    return lambda data: present(walked(data, parts) if (value := data.get(path)) is None else value)


def walked(data: Any, parts: tuple[str, ...]) -> Any:
    """The value at the end of a path's parts, or None."""
    value = data
    for part in parts:
        value = step(value, part)
    return value


def step(value: Any, part: str) -> Any:
    """One part further."""
    if isinstance(value, list):
        if part.isdigit():
            return value[int(part)] if int(part) < len(value) else None
        value = value[0] if value else None
    return value.get(part) if isinstance(value, dict) else None


def _collector(path: str) -> Getter:
    before, _, after = path.partition("*")
    first = getter(before.strip(".")) if before.strip(".") else None
    parts = tuple(after.strip(".").split(".")) if after.strip(".") else ()

    def collect(data: Data) -> Any:
        items = first(data) if first else data
        if not isinstance(items, list):
            return None
        found = [value for item in items if (value := present(walked(item, parts))) is not None]
        return found or None

    return collect
