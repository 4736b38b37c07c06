"""Extended conditions of temporal correlations, `a and (b or not c)`, in disjunctive normal form."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaRuleReference,
)

from watchfloor.detect.sigma.conditions import UnsupportedError

MOST_TERMS = 256


class Term(NamedTuple):
    """Rules that must occur and rules that must not, by their places among the rules of the correlation."""

    present: tuple[int, ...]
    absent: frozenset[int]


def terms_of(node: Any, places: dict[str, int]) -> tuple[Term, ...]:
    """The terms of which one must hold. Raises UnsupportedError for an expression with more than MOST_TERMS."""
    found = _terms(node, places, wanted=True)
    unique = {(frozenset(present), frozenset(absent)) for present, absent in found if not present & absent}
    return tuple(sorted((Term(tuple(sorted(p)), a) for p, a in unique), key=lambda t: (t.present, sorted(t.absent))))


_Sides = tuple[frozenset[int], frozenset[int]]


def _terms(node: Any, places: dict[str, int], wanted: bool) -> list[_Sides]:
    if isinstance(node, SigmaRuleReference):
        one = frozenset({places[node.reference]})
        return [(one, frozenset())] if wanted else [(frozenset(), one)]
    if isinstance(node, CorrelationConditionNOT):
        return _terms(node.args[0], places, not wanted)
    if not isinstance(node, CorrelationConditionAND | CorrelationConditionOR):
        raise UnsupportedError(f"condition part {type(node).__name__} cannot be evaluated")
    parts = [_terms(arg, places, wanted) for arg in node.args]
    if isinstance(node, CorrelationConditionOR) is wanted:
        found = [sides for part in parts for sides in part]
    else:
        found = [(frozenset(), frozenset())]
        for part in parts:
            found = list({(p | q, a | b) for (p, a), (q, b) in product(found, part)})
            _check(found)
    return _check(found)


def _check(found: list[_Sides]) -> list[_Sides]:
    if len(found) > MOST_TERMS:
        raise UnsupportedError(f"its condition has more than {MOST_TERMS} alternatives")
    return found
