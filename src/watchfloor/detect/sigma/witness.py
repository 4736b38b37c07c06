"""Witnesses: every rule names leaves of which at least one must hold for it to match.

Only these are looked for in values; what a rule means is never decided here.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchfloor.detect.sigma.nodes import LITERAL, And, Leaf, Node, Not


def witnesses(node: Node) -> tuple[Leaf, ...] | None:
    """Leaves of which at least one holds whenever the node does; None when there is no such set."""
    if isinstance(node, Leaf):
        if node.kind == "fieldref":  # compares texts, so there has to be one
            return (Leaf(node.field, "exists", True),)
        return (node,)
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
    return sum(map(_chance, leaves))


def _chance(leaf: Leaf) -> float:
    if leaf.kind in ("null", "exists"):
        return 1.0
    if leaf.kind == "glob":
        length = max((len(part) - 1 for part in leaf.data), default=0)
    elif leaf.kind in LITERAL and not leaf.data.isdecimal():
        length = len(leaf.data) * (1 if leaf.kind == "contains" else 2)
    else:
        return 0.2
    # A keyword is looked for in the whole record, which costs more.
    return 1 / (1 + length**2) + (0.1 if leaf.field is None else 0.0)
