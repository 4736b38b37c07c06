"""Where in a JSON text the value of a path stands: the bytes that a citation points at."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

_DECODER = json.JSONDecoder()
_BLANK = frozenset(" \t\n\r")


class Span(NamedTuple):
    """Byte offsets into the text's UTF-8, `start` inclusive, `end` exclusive, and the text that stands there."""

    start: int
    end: int
    quote: str


def span_of(text: str, path: str) -> Span | None:
    """The span of the value at a dotted path, or None where the path leads nowhere.

    Paths read as in `core.event.get_path`: numeric parts index lists, other parts enter a list at its first item; the
    empty path is the whole. Of a repeated key the last counts, as in every JSON parser that we use. Raises ValueError
    for a text that is not JSON as far as it had to be read.
    """
    there, span = nearest(text, path)
    return span if there == path else None


@lru_cache(maxsize=2_048)  # reading finds the span that grounding then finds again
def nearest(text: str, path: str) -> tuple[str, Span]:
    """The longest leading part of a path that exists, with its span: what shows that the rest is absent.

    Raises like `span_of`.
    """
    at, parts = _blank(text, 0), path.split(".") if path else []
    for depth, part in enumerate(parts):
        found = _into(text, at, part)
        if found is None:
            path = ".".join(parts[:depth])
            break
        at = found
    return path, _bytes(text, at, _skip(text, at))


def _bytes(text: str, start: int, end: int) -> Span:
    quote = text[start:end]
    if text.isascii():
        return Span(start, end, quote)
    first = len(text[:start].encode())
    return Span(first, first + len(quote.encode()), quote)


def _into(text: str, at: int, part: str) -> int | None:
    """The index at which the value of one step begins."""
    if text[at : at + 1] == "[":
        index = int(part) if part.isdigit() else 0
        item = _item(text, at, index)
        return item if item is None or part.isdigit() else _into(text, item, part)
    if text[at : at + 1] == "{":
        return _member(text, at, part)
    _skip(text, at)
    return None


def _member(text: str, at: int, key: str) -> int | None:
    return _members(text, at).get(key)


@lru_cache(maxsize=1_024)  # many questions read one answer, each other members of it
def _members(text: str, at: int) -> dict[str, int]:
    """Where the value of each member of an object begins; of a repeated key the last."""
    found: dict[str, int] = {}
    at = _blank(text, at + 1)
    while text[at : at + 1] == '"':
        name, at = _DECODER.raw_decode(text, at)
        at = _expect(text, _blank(text, at), ":")
        at = _blank(text, at)
        found[name] = at
        at = _blank(text, _skip(text, at))
        if text[at : at + 1] != ",":
            break
        at = _blank(text, at + 1)
    _expect(text, at, "}")
    return found


def _item(text: str, at: int, index: int) -> int | None:
    at = _blank(text, at + 1)
    while text[at : at + 1] not in ("]", ""):
        if index == 0:
            return at
        index -= 1
        at = _blank(text, _skip(text, at))
        if text[at : at + 1] != ",":
            break
        at = _blank(text, at + 1)
    _expect(text, at, "]")
    return None


def _skip(text: str, at: int) -> int:
    try:
        return _DECODER.raw_decode(text, at)[1]
    except RecursionError:
        raise ValueError(f"JSON nested too deeply at character {at}") from None


def _blank(text: str, at: int) -> int:
    while text[at : at + 1] in _BLANK:
        at += 1
    return at


def _expect(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise ValueError(f"not JSON: expected {sign!r} at character {at}")
    return at + 1
