"""How pySigma is made to read regular expressions as we do."""

from __future__ import annotations

from typing import Any

import re2
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RegexEngine
from sigma.types import SigmaRegularExpression, SigmaRegularExpressionFlag

from watchfloor.detect.sigma.regex import RegexError, compiled

_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}


class _LinearFirst(RegexEngine):
    """What pySigma compiles with: RE2 for its selectors (`1 of sel_*`); it lets through what only `re` might read, for
    `regex.searcher` to judge."""

    def compile(self, pattern: str, flags: int = 0) -> Any:
        del flags
        try:
            return compiled(pattern)
        except re2.error:
            return None

    @property
    def error(self) -> type[Exception]:
        return RegexError


POLICY = SigmaPolicy(regex_engine=_LinearFirst())


def source_of(value: SigmaRegularExpression) -> str:
    """The pattern with its flags in front, `(?i)...`."""
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    return (f"(?{flags})" if flags else "") + str(value.regexp)
