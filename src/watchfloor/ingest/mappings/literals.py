"""What a text must hold for a regular expression to match it: finding plain text is ten times faster than trying RE2.

A cautious reading of the pattern: what it does not know for certain, it takes as needing nothing.
"""

from __future__ import annotations

import re

_GROUP = re.compile(r"\((?:\?:|\?P<\w+>)?(?!\?)")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]", re.DOTALL)
_QUANTIFIER = re.compile(r"([?*+])\??|\{(\d+)(?:,\d*)?\}\??")
_PLAIN_ESCAPE = re.compile(r"\\([^\w\s?])")
_OTHER_ESCAPE = re.compile(r"\\[dDwWsSbBAztnrfv?]")  # a `?` also stands for what cannot be written as UTF-8
_MOST = 8  # looking for more texts is no faster than RE2

AnyOf = tuple[str, ...]
"""Texts of which one has to be there; none when nothing has to."""


class _Unknown(Exception):
    pass


def needed(pattern: str) -> AnyOf:
    """Texts of which every text that the pattern matches holds one."""
    try:
        any_of, end = _alternatives(pattern, 0)
    except _Unknown:
        return ()
    return any_of if end == len(pattern) and len(any_of) <= _MOST else ()


def _alternatives(pattern: str, at: int) -> tuple[AnyOf, int]:
    """What a choice needs, and where it ends: at the pattern's end, or at the bracket that closes it."""
    found: list[AnyOf] = []
    while True:
        any_of, at = _sequence(pattern, at)
        found.append(any_of)
        if pattern[at : at + 1] != "|":
            return (() if () in found else tuple(text for one in found for text in one)), at
        at += 1


def _sequence(pattern: str, at: int) -> tuple[AnyOf, int]:
    """The most telling of what the parts of a sequence need."""
    found: list[AnyOf] = []
    run = ""
    while at < len(pattern) and pattern[at] not in "|)":
        part, char, at = _part(pattern, at)
        quantifier = _QUANTIFIER.match(pattern, at)
        at = quantifier.end() if quantifier else at
        optional = quantifier is not None and (quantifier[1] in ("?", "*") or int(quantifier[2] or 1) == 0)
        if not optional:
            run += char
            found.append(part)
        if quantifier or not char:
            found.append((run,) if run else ())
            run = ""
    found.append((run,) if run else ())
    return max(found, key=lambda any_of: (min(map(len, any_of), default=0), -len(any_of))), at


def _part(pattern: str, at: int) -> tuple[AnyOf, str, int]:
    """One part of a sequence: what it needs, its text where it is one plain character, and where it ends."""
    char = pattern[at]
    if char == "(":
        group = _GROUP.match(pattern, at)
        if group is None:
            raise _Unknown
        any_of, at = _alternatives(pattern, group.end())
        if pattern[at : at + 1] != ")":
            raise _Unknown
        return any_of, "", at + 1
    if char == "[":
        if (one := _CLASS.match(pattern, at)) is None:
            raise _Unknown
        return (), "", one.end()
    if char == "\\":
        if plain := _PLAIN_ESCAPE.match(pattern, at):
            return (), plain[1], plain.end()
        if other := _OTHER_ESCAPE.match(pattern, at):
            return (), "", other.end()
        raise _Unknown
    if char in ".^$":
        return (), "", at + 1
    if char in "?*+{":
        raise _Unknown
    return (), char, at + 1
