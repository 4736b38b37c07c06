"""Extended conditions of temporal correlations, `a and (b or not c)`, in disjunctive normal form."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

MOST_TERMS = 256


class Term(NamedTuple):
    """Rules that must occur and rules that must not, by their places among the rules of the correlation."""

    present: tuple[int, ...]
    absent: frozenset[int]


def terms_of(expression: Any, places: dict[str, int]) -> tuple[Term, ...]:
    """The terms of which one must hold. `expression` is a name, or `[and | or | not, ...]`.

    Raises ValueError for an expression with more than MOST_TERMS.
    """
    found = _terms(expression, places, wanted=True)
    unique = {(frozenset(present), frozenset(absent)) for present, absent in found if not present & absent}
    return tuple(sorted((Term(tuple(sorted(p)), a) for p, a in unique), key=lambda t: (t.present, sorted(t.absent))))


_Sides = tuple[frozenset[int], frozenset[int]]


def _terms(node: Any, places: dict[str, int], wanted: bool) -> list[_Sides]:
    if isinstance(node, str):
        one = frozenset({places[node]})
        return [(one, frozenset())] if wanted else [(frozenset(), one)]
    operator, *given = node
    if operator == "not":
        return _terms(given[0], places, not wanted)
    parts = [_terms(arg, places, wanted) for arg in given]
    if (operator == "or") is wanted:
        found = [sides for part in parts for sides in part]
    else:
        found = [(frozenset(), frozenset())]
        for part in parts:
            found = list({(p | q, a | b) for (p, a), (q, b) in product(found, part)})
            _check(found)
    return _check(found)


def _check(found: list[_Sides]) -> list[_Sides]:
    if len(found) > MOST_TERMS:
        raise ValueError(f"its condition has more than {MOST_TERMS} alternatives")
    return found
