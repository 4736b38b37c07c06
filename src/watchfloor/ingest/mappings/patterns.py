"""Regular expressions of mappings: RE2, whose time is linear, as the text is hostile.

They run on UTF-8: so RE2 needs not count characters. A pattern is only tried on texts that hold the plain text which it
needs. A record's short texts come again and again; what was found in them is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import re2

from watchfloor.ingest.mappings.literals import needed
from watchfloor.ingest.mappings.runtime import Known

_REMEMBERED = 512  # of each pattern; there are hundreds
_Search = Callable[[Any, bytes, int, int], Sequence[tuple[int, int]]]
"""From how to look for it, a text, and from where to where, to the spans of the match and of its groups."""
_ANYWHERE = re2._Anchor.UNANCHORED
_NOWHERE = (-1, -1)
_QUIET = re2.Options()
_QUIET.log_errors = False  # they are raised
# `^` and plain characters.
_START = re.compile(r"\^((?:[\w \-:;,/<>=%#@!\"'&~`]|\\[.()\[\]{}+*?|$^/-])+)")
_ESCAPED = re.compile(r"\\(.)")
# A last group that takes all up to some characters.
_TAIL = re.compile(r"(?<!\\)\(\[\^((?:\\[rnt\\]|[^\w\\\]\[^-])+)\]\+\)")
_CONTROL = {"r": "\r", "n": "\n", "t": "\t"}


class Pattern:
    """A compiled pattern. Raises re2.error for what is none."""

    def __init__(self, pattern: str) -> None:
        self._compiled = re2.compile(pattern.encode(), _QUIET)
        self.groups: int = self._compiled.groups
        self._names = [(name.decode(), index) for name, index in self._compiled.groupindex.items()]
        self._start = _start(pattern)
        self._any_of = needed(pattern)
        first = self._compiled
        self._stops: list[bytes] | None = None
        tail = _TAIL.search(pattern)
        if self.groups == 1 and tail is not None and tail.end() == len(pattern) and not _may_part(pattern):
            # RE2 is slow at saying where a long group lies; of this one it needs to find the beginning only.
            first = re2.compile(f"{pattern[: tail.start()]}([^{tail[1]}])".encode(), _QUIET)
            stops = _ESCAPED.sub(lambda found: _CONTROL.get(found[1], found[1]), tail[1])
            self._stops = [char.encode() for char in stops]
        # What `search` calls for each match, without what it does around it: that takes longer than most matches.
        self._search: _Search = self._compiled._regexp.Match
        self._search_first: _Search = first._regexp.Match
        self.first_group = Known(self._first_group, _REMEMBERED)
        """From a text to the pattern's first group, or None."""

    def _possible(self, text: str) -> bool:
        """Whether the text holds what the pattern needs."""
        if not text.startswith(self._start):
            return False
        for part in self._any_of:
            if part in text:
                return True
        return not self._any_of

    def _first_group(self, text: str) -> str | None:
        if not self._possible(text):
            return None
        content = text.encode("utf-8", "replace")
        spans = self._search_first(_ANYWHERE, content, 0, len(content))
        start, end = spans[1] if self.groups else _NOWHERE
        if start < 0:
            return None
        if self._stops is not None:
            begun, end = end, len(content)
            for stop in self._stops:
                at = content.find(stop, begun, end)
                end = end if at < 0 else at
        return content[start:end].decode("utf-8", "replace")

    def named(self, text: str) -> dict[str, str] | None:
        """The named groups that took part in a match, or None without one."""
        if not self._possible(text):
            return None
        content = text.encode("utf-8", "replace")
        spans = self._search(_ANYWHERE, content, 0, len(content))
        if spans[0] == _NOWHERE:
            return None
        groups = ((name, *spans[index]) for name, index in self._names)
        return {name: content[start:end].decode("utf-8", "replace") for name, start, end in groups if start >= 0}


def _start(pattern: str) -> str:
    """The text with which every match begins, at the start of the text; empty where the pattern does not say."""
    found = _START.match(pattern)
    if found is None or _may_part(pattern):
        return ""
    plain = found[1]
    if pattern[found.end() : found.end() + 1] in tuple("?*+{"):
        plain = re.sub(r"(\\.|.)$", "", plain)
    return _ESCAPED.sub(r"\1", plain)


# What holds brackets that are none: escaped characters, classes of characters.
_NO_BRACKETS = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]", re.DOTALL)


_ODD = re.compile(r"\\Q|\(\?[a-z]*U")  # what turns all reading of a pattern around


def _may_part(pattern: str) -> bool:
    """Whether a `|` may stand outside of all brackets."""
    depth = 0
    for char in _NO_BRACKETS.sub("", pattern):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            return True
    return _ODD.search(pattern) is not None
