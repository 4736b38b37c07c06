"""Rules as the core's plain tables: leaves, steps, gates."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from watchfloor.detect.sigma.fields import Field
from watchfloor.detect.sigma.index import requirement
from watchfloor.detect.sigma.matchers import reads_raw_text, text_test
from watchfloor.detect.sigma.native import _core
from watchfloor.detect.sigma.nodes import LITERAL, And, Leaf, Node, Not, Or
from watchfloor.detect.sigma.required import Required
from watchfloor.detect.sigma.rules import Rule
from watchfloor.detect.sigma.witness import Popularity, popularity, witnesses

KINDS = {"original": 0, "ocsf": 1, "derived": 2}
"""Where fields are read, by the numbers that core.h has for it."""
# Numbers that core.h has under the same names.
_LITERAL, _GLOB, _CALL, _NULLS, _EXISTS, _REFERS = 0, 1, 3, 4, 5, 6
_HOW = {"equals": 0, "startswith": 1, "endswith": 2, "contains": 3}
_ANY_START, _NUMBER_START, _ADDRESS_START = range(3)
_STARTS = {"cidr": _ADDRESS_START, "compare": _NUMBER_START, "time": _NUMBER_START}
_YES, _NO = -1, -2
_EVERYTHING = 0
"""The core's field of every scalar."""
_SET_FROM = 6
"""As many literals of one field in an `or` are asked in one pass."""
_KEYWORD_RUN = re.compile(r"[ -!#-.0-\[\]-~]{4,}")
"""What JSON writes in one way only, but for the letters' case: neither quotes, backslashes nor slashes."""


class Lowering:
    """Gives rules to a core as they are first needed."""

    def __init__(self, core: _core.Core, rules: Sequence[Rule]) -> None:
        self._core, self._rules = core, rules
        self._fields: dict[Field | None, int] = {None: _EVERYTHING}
        self._leaves: dict[Leaf, int] = {}
        self._witnesses: dict[int, tuple[Leaf, ...] | None] = {}
        self._popular = popularity(rule.node for rule in rules)
        self._absent = core.add_field(())
        self._constant = {held: self._add(_EXISTS, not held, False, self._absent) for held in (True, False)}

    def group(self, numbers: Iterable[int]) -> int:
        """The group of these rules, rising numbers."""
        always, keyword_rules, keywords = array("I"), array("I"), []
        gates: dict[Field, dict[Leaf, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number in numbers:
            if number not in self._witnesses:
                self._witnesses[number] = _asked_when(self._rules[number].node, self._popular)
            found = self._witnesses[number]
            if found is None:
                always.append(number)
            for leaf in found or ():
                if leaf.field is None:
                    runs = keyword_runs(leaf)
                    keyword_rules.extend([number] * len(runs))
                    keywords += [run.encode() for run in runs]
                else:
                    gates[leaf.field][leaf].append(number)
        packed = tuple(self._gate(field, leaves) for field, leaves in gates.items())
        return self._core.add_group(always.tobytes(), packed, keyword_rules.tobytes(), tuple(keywords))

    def _gate(self, field: Field, leaves: dict[Leaf, list[int]]) -> tuple[int, bytes, bytes, bytes]:
        numbers, starts, rules = array("I"), array("I", [0]), array("I")
        for leaf, of in leaves.items():
            numbers.append(self.leaf(leaf))
            rules.extend(of)
            starts.append(len(rules))
        return self._field(field), numbers.tobytes(), starts.tobytes(), rules.tobytes()

    def rule(self, number: int) -> None:
        """Give the core what a rule means."""
        steps = _Steps(self)
        steps.add(self._rules[number].node, _Target(_YES), _Target(_NO))
        self._core.add_rule(number, steps.packed())

    def _field(self, field: Field | None) -> int:
        found = self._fields.get(field)
        if found is None:
            assert field is not None
            places = tuple((KINDS[kind], path) for kind, path in field.places)
            found = self._fields[field] = self._core.add_field(places)
        return found

    def constant(self, held: bool) -> int:
        """A leaf that always or never holds."""
        return self._constant[held]

    def leaf(self, leaf: Leaf) -> int:
        """The number of a leaf."""
        found = self._leaves.get(leaf)
        if found is None:
            found = self._leaves[leaf] = self._leaf_of(leaf)
        return found

    def any_of(self, leaves: Sequence[Leaf]) -> int:
        """A leaf that holds when one of these literals of one field does."""
        return self._core.add_set(array("I", map(self.leaf, leaves)).tobytes())

    def _leaf_of(self, leaf: Leaf) -> int:
        field, data = self._field(leaf.field), leaf.data
        if _is_mergeable(leaf):  # most are
            return self._add(_LITERAL, _HOW[leaf.kind], False, field, data=data.encode())
        if leaf.kind == "null":
            return self._add(_NULLS, 0, False, field)
        if leaf.kind == "exists":
            return self._add(_EXISTS, int(data), False, field)
        if leaf.kind == "fieldref":
            other, starts, ends = data
            how = "contains" if starts and ends else "startswith" if starts else "endswith" if ends else "equals"
            return self._add(_REFERS, _HOW[how], False, field, self._field(other))
        raw, needs = reads_raw_text(leaf), _needs(leaf)
        sets = (needs.literals, *needs.also) if needs.literals else ()
        required = b"&".join(_packed(["=" + literal for literal in one]) or b"" for one in sets)
        if leaf.kind in LITERAL and (text := _utf8(data)) is not None:
            return self._add(_LITERAL, _HOW[leaf.kind], raw, field, data=text, required=required)
        test = text_test(leaf)
        if leaf.kind == "glob" and (packed := _packed(data)) is not None:
            return self._add(_GLOB, 0, raw, field, data=packed, test=test, required=required)
        start = _STARTS.get(leaf.kind, _ANY_START)
        return self._add(_CALL, 0, raw, field, test=test, required=required, shortest=needs.width, start=start)

    def _add(
        self,
        what: int,
        how: int,
        raw: bool,
        field: int,
        other: int = 0,
        *,
        data: bytes = b"",
        test: Any = None,
        required: bytes = b"",
        shortest: int = 0,
        start: int = _ANY_START,
    ) -> int:
        return self._core.add_leaf(what, int(how), int(raw), field, other, data, test, required, shortest, start)


def _utf8(text: str) -> bytes | None:
    """None for half a surrogate pair, which no valid text has; the leaf's own test says no to every text then."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _packed(parts: Sequence[str]) -> bytes | None:
    packed = b""
    for part in parts:
        text = _utf8(part[1:])
        if text is None:
            return None
        packed += b"=" + len(text).to_bytes(4, "little") + text if part[0] == "=" else part.encode()
    return packed


def _needs(leaf: Leaf) -> Required:
    """What a text must have in lower case.

    The core asks Python's regular expressions about texts beyond ASCII without regard to this, so it need not take the
    long s for s; where a leaf itself has one, nothing is known.
    """
    return Required() if leaf.kind != "regex" and "\u017f" in str(leaf.data) else requirement(leaf)


def keyword_runs(leaf: Leaf) -> list[str]:
    """Of these one has to stand, in letters of either case, in any line of JSON in which a keyword is found.

    None: nothing is known.
    """
    runs = [max(_KEYWORD_RUN.findall(literal), key=len, default="") for literal in _needs(leaf).literals]
    return runs if all(runs) else []


def _asked_when(node: Node, popular: Popularity) -> tuple[Leaf, ...] | None:
    """The witnesses of a rule that the core looks for; None for a rule that is always asked."""
    found = witnesses(node, popular)
    if found is None or any(
        leaf.kind in ("null", "exists") or not (leaf.field or keyword_runs(leaf)) for leaf in found
    ):
        return None
    return found


class _Target:
    """Where a step leads: known once what stands there is added."""

    __slots__ = ("at",)

    def __init__(self, at: int = _NO) -> None:
        self.at = at


class _Steps:
    """A tree as steps that each lead onwards: `and`, `or` and `not` are in where they lead."""

    def __init__(self, lowering: Lowering) -> None:
        self._lowering = lowering
        self._steps: list[tuple[int, _Target, _Target]] = []

    def add(self, node: Node, yes: _Target, no: _Target) -> None:
        if isinstance(node, Leaf):
            self._steps.append((self._lowering.leaf(node), yes, no))
        elif isinstance(node, Not):
            self.add(node.item, no, yes)
        else:
            self._several(node, yes, no)

    def _several(self, node: And | Or, yes: _Target, no: _Target) -> None:
        is_and = isinstance(node, And)
        ordered = sorted(_flattened(node), key=_cost)
        items: list[Node | int] = list(ordered) if is_and else self._merged(ordered)
        if not items:
            self._steps.append((self._lowering.constant(is_and), yes, no))
        for item in items[:-1]:
            following = _Target()
            self._one(item, following if is_and else yes, no if is_and else following)
            following.at = len(self._steps)
        for item in items[-1:]:
            self._one(item, yes, no)

    def _one(self, item: Node | int, yes: _Target, no: _Target) -> None:
        if isinstance(item, int):
            self._steps.append((item, yes, no))
        else:
            self.add(item, yes, no)

    def _merged(self, items: Sequence[Node]) -> list[Node | int]:
        """Many literals of one field are one leaf."""
        by_field: dict[Field | None, list[Leaf]] = defaultdict(list)
        for item in items:
            if isinstance(item, Leaf) and _is_mergeable(item):
                by_field[item.field].append(item)
        large = [leaves for leaves in by_field.values() if len(leaves) >= _SET_FROM]
        within = {id(leaf) for leaves in large for leaf in leaves}
        return [*map(self._lowering.any_of, large), *(item for item in items if id(item) not in within)]

    def packed(self) -> bytes:
        """Three numbers for each step."""
        numbers = array("i")
        for leaf, yes, no in self._steps:
            numbers.extend((leaf, yes.at, no.at))
        return numbers.tobytes()


def _flattened(node: And | Or) -> Iterator[Node]:
    """What a node has, with what is in nodes of the same kind right below."""
    for item in node.items:
        if type(item) is type(node):
            yield from _flattened(item)
        else:
            yield item


def _is_mergeable(leaf: Leaf) -> bool:
    return leaf.kind in LITERAL and not leaf.cased and _utf8(leaf.data) is not None


# What costs least is asked first; the result is the same.
_COST = {"equals": 0, "exists": 0, "null": 0, "endswith": 1, "startswith": 1, "contains": 2, "glob": 4}


def _cost(node: Node) -> int:
    if isinstance(node, Leaf):
        return _COST.get(node.kind, 20) + (30 if node.field is None else 0)
    if isinstance(node, Not):
        return _cost(node.item) + 1
    return sum(map(_cost, node.items)) + 1
