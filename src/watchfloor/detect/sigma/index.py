"""The witnesses of one field, or of all values (keywords), as an index: which rules are worth asking about a text.

All literals are looked for in one pass (an RE2 set, which is an automaton over the text's bytes), so that what a text
costs hardly grows with their number. A regular expression stands behind a literal that it requires.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import re2

from watchfloor.detect.sigma.matchers import reads_raw_text, text_test
from watchfloor.detect.sigma.memory import ENTRY, LONGEST, Memory
from watchfloor.detect.sigma.nodes import LITERAL, Leaf
from watchfloor.detect.sigma.required import Required, gate_text, required

_ESCAPED = re.compile(r"[^ !#-.0-\[\]-~]")
_SHORTEST = 3
_LONG = 400
"""Bytes of a text from which on it is worth asking first whether it has any literal."""
_ANCHORS = {"contains": ("", ""), "startswith": (r"\A", ""), "endswith": ("", r"\z")}
_ANCHORED = (r"\A", r"\z")
_LINE = 32
"""Characters of a line, on average, from which on it is worth to be remembered."""
_WRITTEN_OUT = r"\\u(?:00[2-7]|212a|017f)"
"""A letter that a keyword may have, as JSON may write it: then the line is looked at as it reads."""
Rules = tuple[int, ...]
TextTest = Callable[[str], bool]


class _Gated:
    """A test behind a literal. `test` None: that the literal is there is all. `raw`: it reads the text as it stands."""

    __slots__ = ("raw", "rules", "test", "width")

    def __init__(self, rules: Rules, test: TextTest | None, raw: bool, width: int) -> None:
        self.rules, self.test, self.raw, self.width = rules, test, raw, width


class Index:
    """Built from leaves, each with the numbers of its rules."""

    def __init__(self, leaves: Iterable[tuple[Leaf, Rules]], memory: Memory) -> None:
        equals: dict[str, list[int]] = defaultdict(list)
        flags: dict[tuple[str, Any], list[int]] = defaultdict(list)
        behind: dict[str, list[_Gated]] = defaultdict(list)
        self._always: list[_Gated] = []
        self._any: list[int] = []
        for leaf, rules in leaves:
            if leaf.kind in ("null", "exists"):
                flags[leaf.kind, leaf.data].extend(rules)
            elif leaf.kind == "equals" and not leaf.cased:
                equals[leaf.data].extend(rules)
            elif leaf.kind in LITERAL and leaf.kind != "equals" and not leaf.data:  # any text has it
                self._any += rules
            elif leaf.kind in LITERAL and not leaf.cased:
                before, after = _ANCHORS[leaf.kind]
                behind[before + _escaped(leaf.data) + after].append(_Gated(rules, None, False, 0))
            else:
                self._gate(leaf, rules, behind)
        self._equals = {literal: tuple(rules) for literal, rules in equals.items()}
        self.absent: Rules = (*flags["null", None], *flags["exists", False])
        """The rules to ask when the field is not there."""
        self.null: Rules = tuple(flags["null", None])
        self.present: Rules = tuple(flags["exists", True])
        self._behind = list(map(tuple, behind.values()))
        self._set: Any = literal_set(list(behind)) if behind else None
        self._one: Any = one_of(list(behind)) if behind else None
        self._memory = memory
        self._lines: dict[str, Rules] | None = None
        """The literals of lines that were seen before; none are kept where a literal may say where a line stands."""
        if not any(mark in pattern for pattern in behind for mark in ("\n", *_ANCHORED)):
            self._lines = memory.table()

    def _gate(self, leaf: Leaf, rules: Rules, behind: dict[str, list[_Gated]]) -> None:
        needs = requirement(leaf)
        gated = _Gated(rules, text_test(leaf), reads_raw_text(leaf), needs.width)
        if not needs.literals:
            self._always.append(gated)
        for literal in needs.literals:
            behind[_escaped(literal)].append(gated)

    def rules(self, text: str) -> list[int]:
        """The rules with a witness that holds for this text, in no order, some several times."""
        lower = text.lower()
        found = [*self._any, *self._equals.get(lower, ())]
        if self._set is not None:
            self._look(text, lower, found)
        for gated in self._always:
            if len(text) >= gated.width and gated.test and gated.test(text if gated.raw else lower):
                found += gated.rules
        return found

    def _look(self, text: str, lower: str, found: list[int]) -> None:
        gate = gate_text(lower)
        for read in (lower,) if gate is lower else (lower, gate):
            for at in self._occurring(read):
                for gated in self._behind[at]:
                    if gated.test is None:
                        found += gated.rules if read is lower else ()
                    elif len(text) >= gated.width and gated.test(text if gated.raw else lower):
                        found += gated.rules

    def _occurring(self, text: str) -> Iterable[int]:
        """Which literals occur. Most lines of a long text (a script, the context of a command) stood in others, too."""
        if len(text) <= _LONG:
            return self._set.Match(_encoded(text)) or ()
        lines = text.split("\n") if self._lines is not None else [text]
        if self._lines is None or len(lines) * _LINE > len(text):
            data = _encoded(text)
            return () if self._one.Match(data) is None else self._set.Match(data) or ()
        found: set[int] = set()
        unknown: list[str] = []
        for line in lines:
            known = self._lines.get(line)
            if known is None:
                unknown.append(line)
            elif known:
                found.update(known)
        if unknown:
            some = self._one.Match(_encoded("\n".join(unknown))) is not None
            for line in dict.fromkeys(unknown):
                places = tuple(self._set.Match(_encoded(line)) or ()) if some else ()
                found.update(places)
                if len(line) <= LONGEST:
                    self._memory.take(sys.getsizeof(line) + 8 * len(places) + ENTRY)
                    self._lines[line] = places
        return found


class Keywords:
    """Keyword witnesses of many rules."""

    def __init__(self, leaves: Iterable[tuple[Leaf, Rules]]) -> None:
        self.always: list[int] = []
        """The rules to ask whatever a record says."""
        literals: dict[str, list[int]] = defaultdict(list)
        for leaf, rules in leaves:
            needs = requirement(leaf)
            if not needs.literals:
                self.always += rules
            for literal in needs.literals:
                literals[literal] += rules
        self._literals = {literal: tuple(rules) for literal, rules in literals.items()}

    def rules(self, blob: str) -> list[int]:
        """The rules that may hold, `blob` being all texts of a record in lower case."""
        gate = gate_text(blob)
        found = [rule for literal, rules in self._literals.items() if literal in gate for rule in rules]
        return [*self.always, *found]

    def may_be_in(self, line: bytes) -> bool:
        """Whether a line of JSON, as it is written, may have a keyword."""
        return self._line is None or self._line.Match(line) is not None

    @cached_property
    def _line(self) -> Any:
        """A pattern of what stands in a line as it is written: no part of a literal that JSON may write otherwise."""
        parts = {max(_ESCAPED.split(literal), key=len) for literal in self._literals}
        if self.always or not all(len(part) >= _SHORTEST for part in parts):
            return None
        return one_of([_WRITTEN_OUT, *map(_escaped, sorted(parts))], case_sensitive=False)


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


def _escaped(literal: str) -> str:
    """A literal as a pattern, encoded as texts are."""
    return str(re2.escape(_encoded(literal).decode()))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def literal_set(patterns: Sequence[str]) -> Any:
    """An RE2 set of literals, as patterns: `Match(bytes)` gives the places of those that occur, or None.

    Its automaton has at most a state for each byte of the literals, some 1 KB each; it has room for more than that, for
    where it had none, RE2 would say that nothing occurs. Texts that bring it about cost memory once, and bounded.
    """
    return _set_of(patterns, True)


def one_of(patterns: Sequence[str], *, case_sensitive: bool = True) -> Any:
    """A set of one pattern, for whether any of several occurs: half the time of a set of them, where hardly ever one
    does."""
    return _set_of(["|".join(patterns)], case_sensitive)


def _set_of(patterns: Sequence[str], case_sensitive: bool) -> Any:
    options = re2.Options()
    options.max_mem = (16 << 20) + (8 << 10) * sum(map(len, patterns))
    options.case_sensitive = case_sensitive
    found = re2.Set.SearchSet(options)
    for pattern in patterns:
        found.Add(pattern)
    found.Compile()
    return found
