"""What compiled mappings call: the rarer cases of what they otherwise do in line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchfloor.core.ocsf import OTHER
from watchfloor.ingest.mappings.convert import CONVERTERS, TEXTS, doubled_json, integer, text
from watchfloor.ingest.mappings.values import ABSENT, Data, Getter, getter, present, step

MOST_ITEMS = 1000
MOST_OBSERVABLES = 200
_REMEMBERED = 4096
_LONGEST_REMEMBERED = 120
NOTHING: Callable[[Any], None] = {}.get
"""A getter that finds nothing."""


def inner(value: Any) -> Any:
    """The getter of what a path enters at a value that is no dictionary: the first item of a list, or nothing."""
    if isinstance(value, list) and value:
        value = value[0]
    return value.get if isinstance(value, dict) else NOTHING


def as_text(value: Any) -> str | None:
    """Text of a value that is no text, None where it says nothing."""
    if value is True or value is False:
        return "true" if value else "false"
    return text(present(value))


def key(value: Any) -> str | None:
    """The text that conditions compare, or None for what is absent."""
    if type(value) is str:
        return None if value in ABSENT else value
    value = present(value)
    return None if value is None else text(value)


def mapped(value: Any, exact: dict[str, Any], folded: dict[str, Any], default: Any) -> Any:
    """The value's entry in a table, whatever its letter case."""
    if value is None:
        return default
    name = text(value) or ""
    found = exact.get(name)
    return folded.get(name.lower(), default) if found is None else found


def numbered(value: Any, table: dict[str, int]) -> int | None:
    """The number of a caption; a number that OCSF knows as it is, any other value as Other."""
    if value is None:
        return None
    number = table.get(str(value))
    if number is None:
        number = integer(value)
    return number if number in table.values() else OTHER


def collected(value: Any, make: Callable[[Any], Any], *, objects: bool) -> list[Any] | None:
    """What `make` makes of each item of a list (also one quoted as JSON text); None when that is nothing."""
    value = doubled_json(value)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return None
    found = []
    for item in value[:MOST_ITEMS]:
        one = make(item if isinstance(item, dict) else {"item": item})
        if one is not None and not (objects and not one):
            found.append(one)
    return found or None


def observe(found: list[Any], seen: set[tuple[int, str]], kind: tuple[str, str, int], value: Any) -> None:
    """Adds the observables of a value: text, a fingerprint, or a list of these. `kind`: name, caption, number."""
    name, caption, number = kind
    for one in value if isinstance(value, list) else (value,):
        shown = one.get("value") if isinstance(one, dict) else one
        if isinstance(shown, str) and (number, shown) not in seen and len(found) < MOST_OBSERVABLES:
            seen.add((number, shown))
            found.append({"name": name, "type": caption, "type_id": number, "value": shown})


def reach(data: Any, parts: tuple[str, ...]) -> Any:
    """The value at a path of a made event."""
    for part in parts:
        if isinstance(data, list) and not part.isdigit():
            return None
        data = step(data, part)
    return data


def first_converted(paths: tuple[str, ...], chain: tuple[str, ...]) -> Getter:
    """A function to the first value at one of the paths that is present and that every converter of a chain reads."""
    getters, converters = [getter(path) for path in paths], [CONVERTERS[name] for name in chain]

    def run(data: Data) -> Any:
        for get in getters:
            value = get(data)
            for convert in converters:
                if value is None:
                    break
                value = convert(value)
            if value is not None:
                return value
        return None

    return run


class Known(dict[str, Any]):
    """What a converter made of texts that it was asked before: addresses and operations come again and again.

    A dictionary whose misses call the converter; it forgets everything when it is full, and long texts are not kept.
    """

    def __init__(self, convert: Callable[[str], Any], most: int = _REMEMBERED) -> None:
        super().__init__()
        self.convert, self.most = convert, most

    def __missing__(self, value: str) -> Any:
        made = self.convert(value)
        if len(value) <= _LONGEST_REMEMBERED:
            if len(self) >= self.most:
                self.clear()
            self[value] = made
        return made


KNOWN = {name: Known(CONVERTERS[name]) for name in sorted(TEXTS - {"text", "failed", "changed"})}
"""By its name, a converter to text."""
