"""The witnesses of one field, or of all values (keywords), as an index: which rules are worth asking about a text.

A text's 4-byte pieces are looked up among those of all literals at once, so that what a text costs hardly grows with
the number of literals. A regular expression stands behind a literal that it requires.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import re2

from watchfloor.detect.sigma.matchers import reads_raw_text, text_test
from watchfloor.detect.sigma.nodes import LITERAL, Leaf
from watchfloor.detect.sigma.required import Required, gate_text, required

_GRAM = 4
Rules = tuple[int, ...]
TextTest = Callable[[str], bool]


class _Gated:
    """A test behind a literal. `test` None: that the literal is there is all. `raw`: it reads the text as it stands."""

    __slots__ = ("raw", "rules", "test", "width")

    def __init__(self, rules: Rules, test: TextTest | None, raw: bool, width: int) -> None:
        self.rules, self.test, self.raw, self.width = rules, test, raw, width


class Index:
    """Built from leaves, each with the numbers of its rules."""

    def __init__(self, leaves: Iterable[tuple[Leaf, Rules]]) -> None:
        by_kind: dict[str, dict[str, list[int]]] = {kind: defaultdict(list) for kind in LITERAL}
        flags: dict[tuple[str, Any], list[int]] = defaultdict(list)
        behind: dict[str, list[_Gated]] = defaultdict(list)
        self._always: list[_Gated] = []
        for leaf, rules in leaves:
            if leaf.kind in ("null", "exists"):
                flags[leaf.kind, leaf.data].extend(rules)
            elif leaf.kind in LITERAL and not leaf.cased:
                by_kind[leaf.kind][leaf.data].extend(rules)
            else:
                self._gate(leaf, rules, behind)
        self._equals = {literal: tuple(rules) for literal, rules in by_kind["equals"].items()}
        self._starts = _by_length(by_kind["startswith"])
        self._ends = _by_length(by_kind["endswith"])
        for literal, some in by_kind["contains"].items():
            behind[literal].append(_Gated(tuple(some), None, False, 0))
        self.absent: Rules = (*flags["null", None], *flags["exists", False])
        """The rules to ask when the field is not there."""
        self.null: Rules = tuple(flags["null", None])
        self.present: Rules = tuple(flags["exists", True])
        self._behind = {literal: tuple(gates) for literal, gates in behind.items()}
        self._grams, self._short = _grams(self._behind)
        self._gram_set = frozenset(self._grams)

    def _gate(self, leaf: Leaf, rules: Rules, behind: dict[str, list[_Gated]]) -> None:
        needs = requirement(leaf)
        gated = _Gated(rules, text_test(leaf), reads_raw_text(leaf), needs.width)
        if not needs.literals:
            self._always.append(gated)
        for literal in needs.literals:
            behind[literal].append(gated)

    def rules(self, text: str) -> list[int]:
        """The rules with a witness that holds for this text, in no order, some several times."""
        lower = text.lower()
        found = list(self._equals.get(lower, ()))
        for length, literals in self._starts:
            found += literals.get(lower[:length], ())
        for length, literals in self._ends:
            if length <= len(lower):
                found += literals.get(lower[len(lower) - length :], ())
        if self._behind:
            self._look(text, lower, found)
        for gated in self._always:
            if len(text) >= gated.width and gated.test and gated.test(text if gated.raw else lower):
                found += gated.rules
        return found

    def _look(self, text: str, lower: str, found: list[int]) -> None:
        gate = gate_text(lower)
        literals: list[str] = [literal for literal in self._short if literal in gate or literal in lower]
        for gram in self._gram_set.intersection(grams_of(lower.encode("utf-8", "replace"))):
            literals += [literal for literal in self._grams[gram] if literal in lower]
        if gate is not lower:
            for gram in self._gram_set.intersection(grams_of(gate.encode("utf-8", "replace"))):
                literals += [literal for literal in self._grams[gram] if literal in gate]
        for literal in literals:
            for gated in self._behind[literal]:
                if gated.test is None:
                    if gate is lower or literal in lower:
                        found += gated.rules
                elif len(text) >= gated.width and gated.test(text if gated.raw else lower):
                    found += gated.rules


class Keywords:
    """Keyword witnesses of many rules: one pass tells whether any can hold."""

    def __init__(self, leaves: Sequence[tuple[Leaf, Rules]]) -> None:
        self._always: list[int] = []
        literals: dict[str, list[int]] = defaultdict(list)
        for leaf, rules in leaves:
            needs = requirement(leaf)
            if not needs.literals:
                self._always += rules
            for literal in needs.literals:
                literals[literal] += rules
        self._literals = {literal: tuple(rules) for literal, rules in literals.items()}
        options = re2.Options()
        options.max_mem = 64 << 20
        self._pattern = re2.compile("|".join(map(re2.escape, literals)), options) if literals else None

    def rules(self, blob: str) -> list[int]:
        """The rules that may hold, `blob` being all texts of a record in lower case."""
        found = list(self._always)
        gate = gate_text(blob)
        if self._pattern is not None and self._pattern.search(gate.encode("utf-8", "replace")) is not None:
            for literal, rules in self._literals.items():
                if literal in gate:
                    found += rules
        return found


def requirement(leaf: Leaf) -> Required:
    """What a text must have for a leaf's test to hold: literals in lower case, looked for in `gate_text`.

    Only ASCII is required where a test reads the text as it stands: the lower case of other letters may depend on
    what stands beside them.
    """
    if leaf.kind == "regex":
        return required(leaf.data)
    if leaf.kind == "glob":
        parts = [part[1:] for part in leaf.data if part[0] == "="]
        literals = [part.lower() for part in parts if part.isascii() or not leaf.cased]
    elif leaf.kind in LITERAL:
        literals = [leaf.data.lower()] if leaf.data.isascii() or not leaf.cased else []
    else:
        return Required()
    return Required((gate_text(max(literals, key=len)),)) if any(literals) else Required()


def grams_of(data: bytes) -> list[int]:
    """The 4-byte pieces of a text at every offset, as numbers."""
    size = len(data)
    if size < _GRAM:
        return []
    shifted = b"".join([data[at : size - (size - at) % _GRAM] for at in range(_GRAM)])
    return memoryview(shifted).cast("I").tolist()


def _grams(literals: Iterable[str]) -> tuple[dict[int, tuple[str, ...]], tuple[str, ...]]:
    """Literals by the rarest of their pieces, and those that are too short to have one."""
    pieces = {literal: grams_of(literal.encode("utf-8", "replace")) for literal in literals}
    often = Counter(gram for grams in pieces.values() for gram in set(grams))
    found: dict[int, list[str]] = defaultdict(list)
    for literal, grams in pieces.items():
        if grams:
            found[min(grams, key=often.__getitem__)].append(literal)
    short = tuple(literal for literal, grams in pieces.items() if not grams)
    return {gram: tuple(some) for gram, some in found.items()}, short


def _by_length(literals: dict[str, list[int]]) -> list[tuple[int, dict[str, Rules]]]:
    lengths: dict[int, dict[str, Rules]] = defaultdict(dict)
    for literal, rules in literals.items():
        lengths[len(literal)][literal] = tuple(rules)
    return sorted(lengths.items())
