"""What a text must have for a regular expression to match it, so that hardly any text has to be searched."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]  # the only parser of patterns at hand
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

_MOST = 40


class Required(NamedTuple):
    """One of `literals` has to occur in `gate_text` of the text (empty: nothing is known), which has at least `width`
    characters. `also`: of each of these, too."""

    literals: tuple[str, ...] = ()
    width: int = 0
    also: tuple[tuple[str, ...], ...] = ()


def gate_text(lower: str) -> str:
    """The text, in lower case already, in which required literals are looked for.

    Without regard to case RE2 takes the long s for s (and the Kelvin sign for k, which `lower` does, too).
    """
    return lower if lower.isascii() else lower.replace("\u017f", "s")


@lru_cache(maxsize=4096)
def required(source: str) -> Required:
    """What a pattern requires. A pattern that Python's parser reads otherwise than RE2 might requires nothing."""
    if "[:" in source or "\\x{" in source or "\\Q" in source:
        return Required()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parser.parse(source)
        sets = [one for one in dict.fromkeys(_sets(tree)) if all(one)]
        best = _best(sets)
        return Required(best, tree.getwidth()[0], tuple(one for one in sets if one is not best))
    except (re.error, RecursionError, OverflowError, ValueError):
        return Required()


def _sets(tree: Any) -> list[tuple[str, ...]]:
    """Sets of literals, one of each of which has to occur."""
    found: list[tuple[str, ...]] = []
    run = ""
    for op, given in tree:
        if op is sre.LITERAL and given < 128:
            run += chr(given).lower()
            continue
        if op is sre.AT:  # an anchor takes no room
            continue
        found.append((run,))
        run = ""
        found += _inner(op, given)
    return [*found, (run,)]


def _inner(op: Any, given: Any) -> list[tuple[str, ...]]:
    if op is sre.SUBPATTERN:
        return _sets(given[3])
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return _sets(given[2]) if given[0] >= 1 else []
    if op is sre.ATOMIC_GROUP:
        return _sets(given)
    if op is sre.BRANCH:
        branches = [_best(_sets(branch)) for branch in given[1]]
        if all(branches) and sum(map(len, branches)) <= _MOST:
            return [tuple(dict.fromkeys(literal for branch in branches for literal in branch))]
    return []


def _best(sets: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The set whose shortest literal is the longest."""
    usable = [one for one in sets if all(one)]
    return max(usable, key=lambda one: (min(map(len, one)), -len(one)), default=())
