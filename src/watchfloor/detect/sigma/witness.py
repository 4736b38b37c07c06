"""Witnesses: every rule names leaves of which at least one must hold for it to match.

Only these are looked for in values; what a rule means is never decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from watchfloor.detect.sigma.nodes import LITERAL, And, Leaf, Node, Not, leaves_of

Popularity = Mapping[Leaf, int]
_LONG = 12
"""Characters beyond which a literal is not rarer: `Microsoft Corporation` is long, and what most files have."""


def popularity(nodes: Iterable[Node]) -> Popularity:
    """How many rules have each leaf. What many rules name (`cmd.exe`) is what many events have."""
    return Counter(leaf for node in nodes for leaf in set(leaves_of(node)))


def witnesses(node: Node, popular: Popularity | None = None) -> tuple[Leaf, ...] | None:
    """Leaves of which at least one holds whenever the node does, the rarest such; None when there are none."""
    found = _rarest(node, popular or {})
    return None if found is None else found[1]


def _rarest(node: Node, popular: Popularity) -> tuple[float, tuple[Leaf, ...]] | None:
    """Witnesses, and a guess at how often one of them holds."""
    if isinstance(node, Leaf):
        if node.kind == "fieldref":  # compares texts, so there has to be one
            return 1.0, (Leaf(node.field, "exists", True),)
        return _chance(node) * popular.get(node, 1), (node,)
    if isinstance(node, Not):
        return None
    sets = [_rarest(item, popular) for item in node.items]
    if isinstance(node, And):
        return min((one for one in sets if one is not None), key=lambda one: one[0], default=None)
    if any(one is None for one in sets):
        return None
    chosen = [one for one in sets if one is not None]
    return sum(chance for chance, _ in chosen), tuple(dict.fromkeys(leaf for _, some in chosen for leaf in some))


def _chance(leaf: Leaf) -> float:
    """A guess at how often a leaf holds: long literals are rare, numbers and flags are not."""
    if leaf.kind in ("null", "exists"):
        return 1.0
    if leaf.kind == "glob":
        length = max((len(part) - 1 for part in leaf.data), default=0)
    elif leaf.kind in LITERAL and not leaf.data.isdecimal():
        length = len(leaf.data) * (1 if leaf.kind == "contains" else 2)
    else:
        return 0.2
    # A keyword is looked for in the whole record, which costs more.
    return 1 / (1 + min(length, _LONG) ** 2) + (0.1 if leaf.field is None else 0.0)
