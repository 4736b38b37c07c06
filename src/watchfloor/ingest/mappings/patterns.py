"""Regular expressions of mappings: RE2, whose time is linear, as the text is hostile.

They run on UTF-8: so RE2 needs not count characters. A pattern that begins with `^` and plain text is only tried on
texts that begin so. A record's short texts come again and again; what was found in them is remembered.
"""

from __future__ import annotations

import re
from typing import Any

import re2

from watchfloor.ingest.mappings.runtime import Known

_REMEMBERED = 512  # of each pattern; there are hundreds
_QUIET = re2.Options()
_QUIET.log_errors = False  # they are raised
# `^` and plain characters.
_START = re.compile(r"\^((?:[\w \-:;,/<>=%#@!\"'&~`]|\\[.()\[\]{}+*?|$^/-])+)")
_ESCAPED = re.compile(r"\\(.)")


class Pattern:
    """A compiled pattern. Raises re2.error for what is none."""

    def __init__(self, pattern: str) -> None:
        self._compiled = re2.compile(pattern.encode(), _QUIET)
        self.groups: int = self._compiled.groups
        self._names = [(name.decode(), index) for name, index in self._compiled.groupindex.items()]
        self._start = _start(pattern)
        self.first_group = Known(self._first_group, _REMEMBERED)
        """From a text to the pattern's first group, or None."""

    def _first_group(self, text: str) -> str | None:
        if not text.startswith(self._start):
            return None
        found = self._compiled.search(text.encode("utf-8", "replace"))
        group: bytes | None = found[1] if found else None
        return None if group is None else group.decode("utf-8", "replace")

    def named(self, text: str) -> dict[str, str] | None:
        """The named groups that took part in a match, or None without one."""
        if not text.startswith(self._start):
            return None
        found: Any = self._compiled.search(text.encode("utf-8", "replace"))
        if not found:
            return None
        groups = ((name, found[index]) for name, index in self._names)
        return {name: group.decode("utf-8", "replace") for name, group in groups if group is not None}


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


def _may_part(pattern: str) -> bool:
    """Whether a `|` may stand outside of all brackets."""
    depth = 0
    for char in _NO_BRACKETS.sub("", pattern):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            return True
    return "\\Q" in pattern
