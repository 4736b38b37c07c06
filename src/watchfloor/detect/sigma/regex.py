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
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RegexEngine
from sigma.types import SigmaRegularExpression, SigmaRegularExpressionFlag

FALLBACK_TEXT = 1_000
"""Characters of a value that a pattern in Python's `re` reads."""
_FALLBACK_REPEATS = 2

_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}
_QUIET = re2.Options()
_QUIET.log_errors = False

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(|\)|[*+]|\{[0-9]*,[0-9]*\}|.", re.DOTALL)


class RegexError(ValueError):
    """A pattern that is no regular expression, or one whose cost cannot be bounded."""


class _LinearFirst(RegexEngine):
    """What pySigma compiles with: RE2 for its selectors (`1 of sel_*`); it lets through what only `re` might read, for
    `searcher` to judge."""

    def compile(self, pattern: str, flags: int = 0) -> Any:
        del flags
        try:
            return _compiled(pattern)
        except re2.error:
            return None

    @property
    def error(self) -> type[Exception]:
        return RegexError


POLICY = SigmaPolicy(regex_engine=_LinearFirst())


@lru_cache(maxsize=4096)
def _compiled(source: str) -> Any:
    return re2.compile(source, _QUIET)


def source_of(value: SigmaRegularExpression) -> str:
    """The pattern with its flags in front, `(?i)...`."""
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    return (f"(?{flags})" if flags else "") + str(value.regexp)


def needs_fallback(source: str) -> bool:
    """Whether RE2 cannot read the pattern."""
    try:
        _compiled(source)
    except re2.error:
        return True
    return False


def searcher(source: str) -> Callable[[str], bool]:
    """A function that tells whether a text has a match anywhere. Raises RegexError."""
    try:
        # Bytes, so that the binding has no character offsets to work out.
        find = _compiled(source).search
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
