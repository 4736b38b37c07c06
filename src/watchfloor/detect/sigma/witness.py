"""A prefilter that never loses a match: every rule names leaves of which at least one must hold for it to match.

The leaves of all rules stand in one index per field. A record's values give the rules that are worth asking, and a
value seen before gives them from memory. What a rule means is never decided here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from watchfloor.detect.sigma.fields import Field, View
from watchfloor.detect.sigma.matchers import reads_raw_text, text_test
from watchfloor.detect.sigma.nodes import LITERAL, And, Leaf, Node, Not

_MEMORY = 20_000
"""Values remembered per field; then the memory starts afresh."""
_LONGEST_REMEMBERED = 1_000


def witnesses(node: Node) -> tuple[Leaf, ...] | None:
    """Leaves of which at least one holds whenever the node does; None when there is no such set."""
    if isinstance(node, Leaf):
        # These hold, or may hold, without a text in one field.
        no_text = node.kind in ("null", "exists", "fieldref") or node.field is None
        return None if no_text else (node,)
    if isinstance(node, Not):
        return None
    sets = [witnesses(item) for item in node.items]
    if isinstance(node, And):
        return min((s for s in sets if s is not None), key=_frequency, default=None)
    if any(s is None for s in sets):
        return None
    return tuple(dict.fromkeys(leaf for s in sets if s is not None for leaf in s))


def _frequency(leaves: Sequence[Leaf]) -> float:
    """A guess at how often one of the leaves holds: long literals are rare, numbers and flags are not."""
    return sum(_chance(leaf) for leaf in leaves)


def _chance(leaf: Leaf) -> float:
    if leaf.kind not in LITERAL:
        return 0.2
    length = len(leaf.data) * (1 if leaf.kind == "contains" else 2)
    return 1 / (1 + length**2)


class Index:
    """Rules by the text of one field."""

    def __init__(self, entries: Iterable[tuple[Leaf, int]]) -> None:
        by_kind: dict[str, dict[str, list[int]]] = {kind: defaultdict(list) for kind in LITERAL}
        self._raw: list[tuple[Callable[[str], bool], int]] = []
        self._other: list[tuple[Callable[[str], bool], int]] = []
        for leaf, rule in entries:
            if reads_raw_text(leaf):
                self._raw.append((text_test(leaf), rule))
            elif leaf.kind in LITERAL:
                by_kind[leaf.kind][leaf.data].append(rule)
            else:
                self._other.append((text_test(leaf), rule))
        self._equals = by_kind["equals"]
        self._starts = _by_length(by_kind["startswith"])
        self._ends = _by_length(by_kind["endswith"])
        self._contains = list(by_kind["contains"].items())
        self._memory: dict[str, tuple[int, ...]] = {}

    def rules(self, text: str) -> tuple[int, ...]:
        """The rules with a witness that holds for this text."""
        found = self._memory.get(text)
        if found is None:
            found = self._search(text)
            if len(text) <= _LONGEST_REMEMBERED:
                if len(self._memory) >= _MEMORY:
                    self._memory.clear()
                self._memory[text] = found
        return found

    def _search(self, text: str) -> tuple[int, ...]:
        lower = text.lower()
        found = list(self._equals.get(lower, ()))
        for length, literals in self._starts:
            found += literals.get(lower[:length], ())
        for length, literals in self._ends:
            found += literals.get(lower[len(lower) - length :] if length <= len(lower) else "\0" * length, ())
        for literal, rules in self._contains:
            if literal in lower:
                found += rules
        found += [rule for test, rule in self._other if test(lower)]
        found += [rule for test, rule in self._raw if test(text)]
        return tuple(dict.fromkeys(found))


def _by_length(literals: dict[str, list[int]]) -> list[tuple[int, dict[str, list[int]]]]:
    lengths: dict[int, dict[str, list[int]]] = defaultdict(dict)
    for literal, rules in literals.items():
        lengths[len(literal)][literal] = rules
    return sorted(lengths.items())


class Prefilter:
    """All rules of one log source by their witnesses."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._always: list[int] = []
        entries: dict[Field, list[tuple[Leaf, int]]] = defaultdict(list)
        for number, node in enumerate(nodes):
            found = witnesses(node)
            if found is None:
                self._always.append(number)
            for leaf in found or ():
                if leaf.field is not None:
                    entries[leaf.field].append((leaf, number))
        self._fields = [(field, Index(items)) for field, items in entries.items()]

    def candidates(self, view: View) -> list[int]:
        """The numbers of the rules that may match, each once, in order."""
        found = set(self._always)
        for field, index in self._fields:
            for text in view.texts(field):
                found.update(index.rules(text))
        return sorted(found)
