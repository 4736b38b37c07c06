"""Getting at values of a record: paths, and what counts as absent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Data = dict[str, Any]
Getter = Callable[[Data], Any]

# What products write where they have nothing to say.
_ABSENT = frozenset({"", "-", "(null)", "null", "N/A"})


def present(value: Any) -> Any:
    """The value, or None where it only says that there is none."""
    if isinstance(value, str):
        return None if value in _ABSENT else value
    return None if isinstance(value, (list, dict)) and not value else value


def getter(path: str) -> Getter:
    """A function that gets the value at a dotted path; a key that itself holds dots (`id.orig_h`) goes first.

    `*` in a path collects over a list: `answers.*.name` is the list of names.
    """
    if "*" in path.split("."):
        return _collector(path)
    if "." not in path:
        return lambda data: present(data.get(path))
    parts = tuple(path.split("."))

    def deep(data: Data) -> Any:
        value = data.get(path)
        return present(value if value is not None else _walk(data, parts))

    return deep


def _walk(data: Any, parts: tuple[str, ...]) -> Any:
    """A list on the way is entered at its first item, or at the index that the part names."""
    value = data
    for part in parts:
        if isinstance(value, list):
            if part.isdigit():
                value = value[int(part)] if int(part) < len(value) else None
                continue
            value = value[0] if value else None
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _collector(path: str) -> Getter:
    before, _, after = path.partition("*")
    first = getter(before.strip(".")) if before.strip(".") else None
    parts = tuple(after.strip(".").split(".")) if after.strip(".") else ()

    def collect(data: Data) -> Any:
        items = first(data) if first else data
        if not isinstance(items, list):
            return None
        found = [value for item in items if (value := present(_walk(item, parts))) is not None]
        return found or None

    return collect
