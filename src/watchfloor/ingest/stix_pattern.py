"""The part of STIX patterning that lists of indicators use: comparisons joined by AND and OR.

`[ipv4-addr:value = '203.0.113.7' OR (file:name = 'a.exe' AND file:hashes.MD5 = '...')] OR [...]`, with the operators
`=`, `IN` and, for networks, `ISSUBSET`. Everything else is refused with its reason, never read as something simpler.
Source: OASIS STIX 2.1, chapter 9.
"""

from __future__ import annotations

import re

from watchfloor.core.intel import IndicatorType

# One way for a pattern to hold: all of these (type, value) seen in one event.
Terms = tuple[tuple[IndicatorType, str], ...]

_TYPES: dict[str, IndicatorType] = {
    "ipv4-addr:value": "address",
    "ipv6-addr:value": "address",
    "network-traffic:dst_ref.value": "address",
    "network-traffic:src_ref.value": "address",
    "domain-name:value": "domain",
    "url:value": "url",
    "file:name": "file_name",
    "email-addr:value": "mailbox",
    "email-message:from_ref.value": "mailbox",
    "email-message:sender_ref.value": "mailbox",
    "network-traffic:extensions.http-request-ext.request_header.user-agent": "user_agent",
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<sign>[\[\](),]|!=|<=|>=|=|<|>)
    |(?P<path>[a-zA-Z0-9_-]+:(?:'[^']*'|[\w.*\[\]-])+)|(?P<word>[A-Za-z]+)|(?P<other>\S))""",
    re.VERBOSE,
)
_MOST_WAYS = 1_000
_DEEPEST = 50


class PatternError(ValueError):
    """A pattern that is outside what is read, with the reason."""


def read_pattern(pattern: str) -> tuple[Terms, ...]:
    """The ways in which a pattern holds, without doubles. Raises PatternError."""
    parser = _Parser(pattern)
    ways = parser.observations()
    return tuple(dict.fromkeys(ways))


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._tokens = [(m.lastgroup or "", m[m.lastgroup or 0]) for m in _TOKEN.finditer(pattern)]
        self._next = 0
        self._depth = 0

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _take(self, *wanted: str) -> bool:
        if self._peek().upper() in wanted:
            self._next += 1
            return True
        return False

    def _need(self, wanted: str) -> None:
        if not self._take(wanted):
            raise PatternError(f"expected {wanted} before {self._peek()[:40] or 'its end'!r}")

    def observations(self) -> list[Terms]:
        """`[...] OR [...]`: what joins observations otherwise needs several events and is not read."""
        ways = self._observation()
        while self._take("OR"):
            ways += self._observation()
        if rest := self._peek():
            raise PatternError(f"{rest[:40]!r} between or after observations is not supported")
        return ways

    def _observation(self) -> list[Terms]:
        self._need("[")
        ways = self._any()
        self._need("]")
        return ways

    def _any(self) -> list[Terms]:
        ways = self._all()
        while self._take("OR"):
            ways += self._all()
        return ways

    def _all(self) -> list[Terms]:
        ways = self._one()
        while self._take("AND"):
            right = self._one()
            if len(ways) * len(right) > _MOST_WAYS:
                raise PatternError(f"it holds in more than {_MOST_WAYS} ways")
            ways = [tuple(dict.fromkeys((*a, *b))) for a in ways for b in right]
        return ways

    def _one(self) -> list[Terms]:
        if not self._take("("):
            return self._comparison()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise PatternError("it is nested too deeply")
        ways = self._any()
        self._need(")")
        self._depth -= 1
        return ways

    def _comparison(self) -> list[Terms]:
        kind, path = self._tokens[self._next] if self._next < len(self._tokens) else ("", "its end")
        if kind != "path":
            raise PatternError(f"expected an object path, not {path[:40]!r}")
        self._next += 1
        named = _type_of(path)
        if self._take("IN"):
            self._need("(")
            values = [self._text()]
            while self._take(","):
                values.append(self._text())
            self._need(")")
        elif self._take("=") or (named == "address" and self._take("ISSUBSET")):
            values = [self._text()]
        else:
            raise PatternError(f"operator {self._peek()[:20]!r} on {path} is not supported")
        return [((named, value),) for value in values]

    def _text(self) -> str:
        kind, token = self._tokens[self._next] if self._next < len(self._tokens) else ("", "its end")
        if kind != "text":
            raise PatternError(f"expected text in quotes, not {token[:40]!r}")
        self._next += 1
        return re.sub(r"\\(.)", r"\1", token[1:-1])


def _type_of(path: str) -> IndicatorType:
    plain = path.replace("'", "").lower()
    if plain.startswith("file:hashes."):
        return "file"
    if plain not in _TYPES:
        raise PatternError(f"object path {path} is not supported")
    return _TYPES[plain]
