"""The leaves of a rule: one field against one value, as data (for the witness index) and as a test.

A field with several values matches when one of them does. Text compares without case unless `cased`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Literal

from sigma.types import CompareOperators, TimestampPart

from watchfloor.detect.sigma.fields import Field, View
from watchfloor.detect.sigma.regex import searcher
from watchfloor.detect.sigma.values import address_of, number_of, time_of

Test = Callable[[View], bool]
Kind = Literal[
    "equals",
    "startswith",
    "endswith",
    "contains",
    "glob",
    "regex",
    "cidr",
    "compare",
    "time",
    "null",
    "exists",
    "fieldref",
]
LITERAL: frozenset[str] = frozenset({"equals", "startswith", "endswith", "contains"})


@dataclass(frozen=True)
class Leaf:
    """`field` None means every value of the record (keywords). `data` depends on `kind`; literals are lower case
    unless `cased`."""

    field: Field | None
    kind: Kind
    data: Any
    cased: bool = False


def compile_leaf(leaf: Leaf) -> Test:
    """The test of a leaf. Raises RegexError."""
    if leaf.kind == "null":
        return lambda view: any(v is None for v in view.values(leaf.field)) or not view.values(leaf.field)
    if leaf.kind == "exists":
        return lambda view: bool(view.values(leaf.field)) is leaf.data
    if leaf.kind == "fieldref":
        return _fieldref(leaf)
    return _some(leaf, text_test(leaf))


def text_test(leaf: Leaf) -> Callable[[str], bool]:
    """The test of one text (lower case unless `cased` or a regular expression). Raises RegexError."""
    data: Any = leaf.data
    match leaf.kind:
        case "equals":
            return lambda text: text == data
        case "startswith":
            return lambda text: text.startswith(data)
        case "endswith":
            return lambda text: text.endswith(data)
        case "contains":
            return lambda text: data in text
        case "glob":
            return searcher(glob_source(data))
        case "regex":
            return searcher(data)
        case "cidr":
            network = ip_network(data)
            return lambda text: (address := address_of(text)) is not None and address in network
        case "compare":
            return _compare(*data)
        case _:
            return _time(*data)


def reads_raw_text(leaf: Leaf) -> bool:
    """Whether its text test takes the text as it stands, not in lower case."""
    return leaf.cased or leaf.kind == "regex"


def glob_source(parts: tuple[str, ...]) -> str:
    """A regular expression for wildcards; `parts` are `*`, `?` and literals with `=` in front."""
    mapped = {"*": ".*", "?": "."}
    return r"(?s)\A" + "".join(mapped.get(p) or re.escape(p[1:]) for p in parts) + r"\z"


def _some(leaf: Leaf, test: Callable[[str], bool]) -> Test:
    field, data = leaf.field, leaf.data
    if reads_raw_text(leaf):
        return lambda view: any(map(test, view.texts(field)))
    if leaf.kind == "contains" and field is None and data and "\0" not in data:
        return lambda view: data in view.blob()
    return lambda view: any(map(test, view.lower(field)))


def any_literal(field: Field | None, kind: str, literals: tuple[str, ...]) -> Test:
    """One test for many lower-case literals of the same kind on the same field."""
    if kind == "equals":
        among = frozenset(literals)
        return lambda view: not among.isdisjoint(view.lower(field))
    if kind == "startswith":
        return lambda view: any(text.startswith(literals) for text in view.lower(field))
    if kind == "endswith":
        return lambda view: any(text.endswith(literals) for text in view.lower(field))

    def contains(view: View) -> bool:
        for text in view.lower(field):
            for literal in literals:
                if literal in text:
                    return True
        return False

    return contains


def _fieldref(leaf: Leaf) -> Test:
    field = leaf.field
    other, starts, ends = leaf.data

    def compares(mine: str, theirs: str) -> bool:
        if starts and ends:
            return theirs in mine
        if starts:
            return mine.startswith(theirs)
        return mine.endswith(theirs) if ends else mine == theirs

    return lambda view: any(compares(m, t) for m in view.lower(field) for t in view.lower(other))


_COMPARE: dict[CompareOperators, Callable[[Any, Any], bool]] = {
    CompareOperators.LT: lambda a, b: a < b,
    CompareOperators.LTE: lambda a, b: a <= b,
    CompareOperators.GT: lambda a, b: a > b,
    CompareOperators.GTE: lambda a, b: a >= b,
    CompareOperators.NEQ: lambda a, b: a != b,
}


def _compare(operator: CompareOperators, wanted: float, part: TimestampPart | None) -> Callable[[str], bool]:
    compares = _COMPARE[operator]

    def test(text: str) -> bool:
        number = number_of(text) if part is None else time_part(text, part)
        return number is not None and compares(number, wanted)

    return test


def _time(part: TimestampPart, wanted: float) -> Callable[[str], bool]:
    return lambda text: time_part(text, part) == wanted


def time_part(text: str, part: TimestampPart) -> int | None:
    """The minute, hour, day of month, ISO week, month or year of a time in UTC, or None when it is none."""
    when = time_of(text.upper())
    if when is None:
        return None
    if part is TimestampPart.WEEK:
        return when.isocalendar().week
    return int(getattr(when, part.name.lower()))
