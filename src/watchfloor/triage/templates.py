"""Placeholders in questions: `{facet.user}`, `{spellings}`, `{evidence.first|day}`; `{name?}` may be absent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from watchfloor.core.clock import day_of, iso

# Names that only evidence can fill; all others are known when the question is asked.
FROM_EVIDENCE = ("evidence.", "hit.")
LONGEST = 120
_PLACEHOLDER = re.compile(r"\{([a-z][^{}|?]*)(\?)?(?:\|([a-z]+))?\}")
_ABSENT = object()


class MissingError(LookupError):
    """A placeholder that must be there has no value."""


def placeholders(template: Any) -> Iterator[str]:
    """Every placeholder's name in a string, list or mapping, in order of appearance."""
    if isinstance(template, str):
        yield from (found[1] for found in _PLACEHOLDER.finditer(template))
    elif isinstance(template, dict):
        for value in template.values():
            yield from placeholders(value)
    elif isinstance(template, list):
        for value in template:
            yield from placeholders(value)


def required(template: Any) -> Iterator[str]:
    """Every placeholder that must have a value, that is, not `{name?}`."""
    if isinstance(template, str):
        yield from (found[1] for found in _PLACEHOLDER.finditer(template) if not found[2])
    elif isinstance(template, (dict, list)):
        for value in template.values() if isinstance(template, dict) else template:
            yield from required(value)


def filters(template: str) -> Iterator[str]:
    """Every filter's name in a string."""
    yield from (found[3] for found in _PLACEHOLDER.finditer(template) if found[3])


Value = Callable[[str], Any]
Fill = Callable[[Value], Any]


def query_filler(template: Any) -> Fill:
    """What fills a query's placeholders; one that is a whole string keeps its value's type.

    A member or item whose optional placeholder is absent is left out. Filling raises MissingError. Made once a
    question: most of a query stays as it is.
    """
    fill = _filler(template)

    def filled(value_of: Value) -> Any:
        found = fill(value_of)
        return {} if found is _ABSENT else found

    return filled


def _filler(template: Any) -> Fill:
    if next(placeholders(template), None) is None:
        return lambda _: template
    if isinstance(template, dict):
        return _members([(key, _filler(value)) for key, value in template.items()])
    if isinstance(template, list):
        return _items([_filler(item) for item in template])
    found = _PLACEHOLDER.fullmatch(template)
    if found is None:
        return lambda value_of: _PLACEHOLDER.sub(lambda part: words(_need(part, value_of)), template)
    return _whole(found)


def _members(parts: Sequence[tuple[str, Fill]]) -> Fill:
    def filled(value_of: Value) -> Any:
        members = ((key, fill(value_of)) for key, fill in parts)
        return {key: value for key, value in members if value is not _ABSENT}

    return filled


def _items(parts: Sequence[Fill]) -> Fill:
    return lambda value_of: [value for fill in parts if (value := fill(value_of)) is not _ABSENT]


def _whole(found: re.Match[str]) -> Fill:
    name, optional = found[1], found[2]

    def filled(value_of: Value) -> Any:
        value = value_of(name)
        if value is None or value == []:
            if optional:
                return _ABSENT
            raise MissingError(name)
        return value

    return filled


def _need(found: re.Match[str], value_of: Callable[[str], Any]) -> Any:
    value = value_of(found[1])
    if value is None or value == []:
        raise MissingError(found[1])
    return value


def fill_sentence(template: str, value_of: Callable[[str], Any]) -> str:
    """A sentence with its placeholders filled by short, printable words; what is absent reads `(none)`."""
    return "".join(
        part if isinstance(part, str) else words(value_of(part[0]), part[1]) for part in _sentence_parts(template)
    )


@lru_cache(maxsize=4_096)
def _sentence_parts(template: str) -> tuple[str | tuple[str, str], ...]:
    """Plain text, and for each placeholder its name and filter."""
    found: list[str | tuple[str, str]] = []
    at = 0
    for place in _PLACEHOLDER.finditer(template):
        found += [template[at : place.start()], (place[1], place[3] or "")]
        at = place.end()
    return (*found, template[at:])


def words(value: Any, shown_as: str = "") -> str:
    """A value for a sentence: one line, printable, not longer than LONGEST. Text from outside may be hostile."""
    if value is None:
        return "(none)"
    if shown_as:
        return FILTERS[shown_as](value)
    if isinstance(value, (list, tuple)):
        text = ", ".join(str(item) for item in value)
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else " " for sign in text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


FILTERS: dict[str, Callable[[Any], str]] = {
    "day": lambda value: day_of(int(_number(value))),
    "time": lambda value: iso(int(_number(value))),
    "percent": lambda value: f"{_number(value):.0%}",
    "count": lambda value: str(len(value)) if isinstance(value, (list, dict)) else "0",
}
