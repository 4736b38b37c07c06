"""Regular expressions of rules: RE2, linear in the text whatever the rule or record.

RE2's reading is ours (pySigma's default, too): `\\d`, `\\w`, `\\s` are ASCII and `$` is the very end. Only what RE2 has
no syntax for (look-around, back references) runs in Python's `re`, and only where its cost is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

FALLBACK_TEXT = 1_000
"""Characters of a value that a pattern in Python's `re` reads."""
_FALLBACK_REPEATS = 2

_QUIET = re2.Options()
_QUIET.log_errors = False

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(|\)|[*+]|\{[0-9]*,[0-9]*\}|.", re.DOTALL)


class RegexError(ValueError):
    """A pattern that is no regular expression, or one whose cost cannot be bounded."""


@lru_cache(maxsize=4096)
def compiled(source: str) -> Any:
    """The pattern as RE2 compiles it. Raises re2.error."""
    return re2.compile(source, _QUIET)


def needs_fallback(source: str) -> bool:
    """Whether RE2 cannot read the pattern."""
    try:
        compiled(source)
    except re2.error:
        return True
    return False


def searcher(source: str) -> Callable[[str], bool]:
    """A function that tells whether a text has a match anywhere. Raises RegexError."""
    try:
        # Bytes, so that the binding has no character offsets to work out.
        find = compiled(source).search
    except re2.error as error:
        return _fallback(source, str(error))
    return lambda text: find(text.encode("utf-8", "replace")) is not None


def _fallback(source: str, reason: str) -> Callable[[str], bool]:
    try:
        pattern = re.compile(source)
    except (re.error, RecursionError, OverflowError) as error:
        raise RegexError(f"not a regular expression: {error}") from None
    tokens = _TOKEN.findall(source)
    repeats = [n for n, token in enumerate(tokens) if token in ("*", "+") or token.startswith("{")]
    if len(repeats) > _FALLBACK_REPEATS or any(n and tokens[n - 1] == ")" for n in repeats):
        raise RegexError(
            f"RE2 cannot read it ({reason}), and in Python's re its cost has no bound: "
            f"at most {_FALLBACK_REPEATS} repeats, none of a group"
        )
    return lambda text: pattern.search(text[:FALLBACK_TEXT]) is not None
