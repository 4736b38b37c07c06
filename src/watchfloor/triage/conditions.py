"""Conditions on evidence: `{path: literal}` or `{path: {op: literal}}`, and which paths they looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from watchfloor.core.event import walked


class Match(NamedTuple):
    """A condition that held: every path that was read, and the path of the list item that `any` found (or empty)."""

    paths: tuple[str, ...]
    hit: str


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, literal: Any) -> bool:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and compare(value, literal)

    return test


def _contains(value: Any, literal: Any) -> bool:
    if isinstance(value, str):
        return str(literal).lower() in value.lower()
    return isinstance(value, (list, dict)) and literal in value


def _matches(value: Any, literal: Any) -> bool:
    return isinstance(value, str) and re.search(literal, value, re.IGNORECASE) is not None


# `exists` and `any` need more than the value and stand in `_test`.
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, literal: bool(value == literal),
    "ne": lambda value, literal: bool(value != literal),
    "in": lambda value, literal: value in literal,
    "not_in": lambda value, literal: value not in literal,
    "lt": _ordered(lambda value, literal: bool(value < literal)),
    "lte": _ordered(lambda value, literal: bool(value <= literal)),
    "gt": _ordered(lambda value, literal: bool(value > literal)),
    "gte": _ordered(lambda value, literal: bool(value >= literal)),
    "contains": _contains,
    "matches": _matches,
}
OPERATORS = frozenset({*_TESTS, "exists", "any"})


def match(when: Mapping[str, Any], data: Any) -> Match | None:
    """The paths read when every part of the condition holds for the data, or None. `{}` always holds.

    Parts are taken in order of path, not as written: canonical JSON does not keep the order of members, and a replay
    must read the same.
    """
    return match_parts(sorted(when.items()), data)


def match_parts(conditions: Iterable[tuple[str, Any]], data: Any) -> Match | None:
    """`match` of a condition's parts that are in order already."""
    paths: list[str] = []
    hit = ""
    for path, wanted in conditions:
        found = _test(data, path, wanted)
        if found is None:
            return None
        paths.extend(found.paths)
        hit = hit or found.hit
    return Match(tuple(paths), hit)


def _test(data: Any, path: str, wanted: Any) -> Match | None:
    value = walked(data, _parts(path))
    if not isinstance(wanted, dict):
        held = value in wanted if isinstance(wanted, list) else value == wanted
        return Match((path,), "") if held else None
    paths, hit = [path], ""
    for op, literal in wanted.items():
        if op == "exists":
            held = (value is not None) == literal
        elif op == "any":
            found = _any(value, path, literal)
            if found is None:
                return None
            held, hit, paths = True, found.hit, list(found.paths)
        else:
            held = _TESTS[op](value, literal)
        if not held:
            return None
    return Match(tuple(paths), hit)


@lru_cache(maxsize=4_096)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _any(value: Any, path: str, wanted: Mapping[str, Any]) -> Match | None:
    """The first list item for which `{op: literal}`, or for items with members `{path: ...}`, holds."""
    for index, item in enumerate(value if isinstance(value, list) else ()):
        place = f"{path}.{index}"
        if wanted.keys() <= _TESTS.keys():
            if all(_TESTS[op](item, literal) for op, literal in wanted.items()):
                return Match((place,), place)
        elif (found := match(wanted, item)) is not None:
            return Match(tuple(f"{place}.{p}" for p in found.paths), place)
    return None


def problems(when: Any, place: str = "when") -> Iterator[str]:
    """What is wrong with a condition, each with its place inside the question."""
    if not isinstance(when, dict):
        yield f"{place}: must map paths to tests, not {type(when).__name__}"
        return
    for path, wanted in when.items():
        here = f"{place}.{path}"
        if not isinstance(path, str) or not path:
            yield f"{here}: a path must be text"
        elif isinstance(wanted, dict):
            yield from _test_problems(wanted, here)


def _test_problems(wanted: Mapping[str, Any], here: str) -> Iterator[str]:
    if not wanted:
        yield f"{here}: tests nothing"
    for op, literal in wanted.items():
        if op not in OPERATORS:
            yield f"{here}: unknown operator {op!r}; there are {', '.join(sorted(OPERATORS))}"
        elif op in ("in", "not_in") and not isinstance(literal, list):
            yield f"{here}.{op}: needs a list"
        elif op == "exists" and not isinstance(literal, bool):
            yield f"{here}.exists: needs true or false"
        elif op in ("lt", "lte", "gt", "gte") and not isinstance(literal, (int, float)):
            yield f"{here}.{op}: needs a number"
        elif op == "matches":
            yield from _pattern_problems(literal, here)
        elif op == "any":
            if isinstance(literal, dict) and literal and literal.keys() <= _TESTS.keys():
                yield from _test_problems(literal, f"{here}.any")
            else:
                yield from problems(literal, f"{here}.any")


def _pattern_problems(literal: Any, here: str) -> Iterator[str]:
    try:
        re.compile(literal)
    except (re.error, TypeError) as error:
        yield f"{here}.matches: not a regular expression: {error}"
