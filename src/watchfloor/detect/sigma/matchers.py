"""A rule's tree as functions that tell whether an event matches.

A field with several values matches when one of them does. Text compares without case unless `cased`.
"""

from __future__ import annotations

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Any

from watchfloor.detect.sigma.fields import Field, View
from watchfloor.detect.sigma.nodes import LITERAL, And, Leaf, Node, Not
from watchfloor.detect.sigma.regex import searcher
from watchfloor.detect.sigma.values import address_of, number_of, time_of

Test = Callable[[View], bool]


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
    if leaf.kind in LITERAL and field is not None:
        return any_literal(field, leaf.kind, (data,))
    return lambda view: any(map(test, view.lower(field)))


def any_literal(field: Field | None, kind: str, literals: tuple[str, ...]) -> Test:
    """One test for many lower-case literals of the same kind on the same field."""
    if kind == "equals":
        among = frozenset(literals)
        return lambda view: not among.isdisjoint(view.lower(field))
    if kind == "contains":
        return _any_contained(field, literals)
    starts = kind == "startswith"

    def anchored(view: View) -> bool:
        for text in view.lower(field):  # noqa: SIM110 - loops here and below, not any(): no generator on the hot path
            if text.startswith(literals) if starts else text.endswith(literals):
                return True
        return False

    return anchored


def _any_contained(field: Field | None, literals: tuple[str, ...]) -> Test:
    if len(literals) == 1:
        only = literals[0]

        def one(view: View) -> bool:
            for text in view.lower(field):  # noqa: SIM110
                if only in text:
                    return True
            return False

        return one

    last = literals[0]  # the next text likely has what the last one had

    def contains(view: View) -> bool:
        nonlocal last
        for text in view.lower(field):
            if last in text:
                return True
            for literal in literals:
                if literal in text:
                    last = literal
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

    def test(view: View) -> bool:
        mine, theirs = view.lower(field), view.lower(other)
        if len(mine) == 1 == len(theirs):  # nearly always, and a third of the time
            return compares(mine[0], theirs[0])
        return any(compares(m, t) for m in mine for t in theirs)

    return test


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "neq": operator.ne,
}


def _compare(op: str, wanted: float, part: str) -> Callable[[str], bool]:
    compares = _COMPARE[op]

    def test(text: str) -> bool:
        number = time_part(text, part) if part else number_of(text)
        return number is not None and compares(number, wanted)

    return test


def _time(part: str, wanted: float) -> Callable[[str], bool]:
    return lambda text: time_part(text, part) == wanted


def time_part(text: str, part: str) -> int | None:
    """The minute, hour, day of month, ISO week, month or year of a time in UTC, or None when it is none."""
    when = time_of(text.upper())
    if when is None:
        return None
    return when.isocalendar().week if part == "week" else int(getattr(when, part))


# What costs least is asked first; the result is the same.
_COST = {"equals": 0, "exists": 0, "null": 0, "fieldref": 1, "endswith": 1, "startswith": 1, "contains": 2, "cidr": 3}


def _cost(node: Node) -> int:
    if isinstance(node, Leaf):
        return _COST.get(node.kind, 20) + (30 if node.field is None else 0)
    if isinstance(node, Not):
        return _cost(node.item) + 1
    return sum(map(_cost, node.items)) + 1


def compile_node(node: Node) -> Test:
    """One function that tells whether an event matches. Raises RegexError."""
    if isinstance(node, Leaf):
        return compile_leaf(node)
    if isinstance(node, Not):
        inner = compile_node(node.item)
        return lambda view: not inner(view)
    if isinstance(node, And):
        return _all_of([compile_node(item) for item in sorted(node.items, key=_cost)])
    return _any_of(_or_tests(sorted(node.items, key=_cost)))


def _or_tests(items: Sequence[Node]) -> list[Test]:
    groups: dict[tuple[Field | None, str], list[str]] = defaultdict(list)
    rest: list[Node] = []
    for item in items:
        if isinstance(item, Leaf) and item.kind in LITERAL and not item.cased and item.field is not None:
            groups[item.field, item.kind].append(item.data)
        else:
            rest.append(item)
    merged = [any_literal(field, kind, tuple(data)) for (field, kind), data in groups.items()]
    return merged + [compile_node(item) for item in rest]


def _all_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def every(view: View) -> bool:
        for test in tests:  # noqa: SIM110 - a loop, as above
            if not test(view):
                return False
        return True

    return every


def _any_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    last = tests[0]  # as in _any_contained

    def some(view: View) -> bool:
        nonlocal last
        if last(view):
            return True
        for test in tests:
            if test is not last and test(view):
                last = test
                return True
        return False

    return some
