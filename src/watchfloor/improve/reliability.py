"""Reliability: what a class of cases adds by itself. Dirichlet-multinomial, shrunk level by level to what is broader.

A level (category, then detection, then detection in this company) holds classes. For each class, the labels seen are
set against those that all broader terms expect; the logarithm of their ratio is its term:

    term = log((seen + s * mean) / ((labels + s) * mean)),  mean = expected / labels

which is the posterior mean of a Dirichlet-multinomial whose prior is the broader levels' expectation, worth `s`
labels. A class with few labels adds next to nothing, and levels need not nest. Which levels count, and `s`, are chosen
on terms that were reckoned without the example's own unit (its group, or itself), so nothing explains itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Labels that the broader levels' expectation can be worth, and what the labels of one group can be worth in one class
# at most, however little alike they are.
STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
GROUP_LABELS = 50.0
_FIRST = STRENGTHS.index(4.0)
# A level has to explain this much more (nats) than it costs to have one more strength: Akaike's criterion.
_WORTH = 1.0
_ALIKE = 1.0
_LEAST = 1e-6


class Held(NamedTuple):
    """Labels as arrays: `truth` one-hot (n, 3), `weight` (n,), `group` and `unit` (n,) as numbers."""

    truth: Floats
    weight: Floats
    group: Ints
    unit: Ints


class Entries(NamedTuple):
    """Which examples are in which classes of one level: pairs of row and class, sorted by row, classes by name."""

    row: Ints
    value: Ints
    classes: int
    """How many there are."""


class Fitted(NamedTuple):
    """A level as fitted: its number among the levels, the term of each class (classes, 3), and the terms that each
    example gets from the others' labels (n, 3)."""

    level: int
    terms: Floats
    without: Floats


class _Level(NamedTuple):
    """What stays the same from fit to fit: what each entry's label counts (m, 1), which pair of class and unit it is
    of, the labels seen in each class (classes, 3) and by each entry's class without its unit (m, 3), and the rows of
    several classes."""

    entries: Entries
    count: Floats
    pair: Ints
    seen: Floats
    rest: Floats
    several: bool


class _Link(NamedTuple):
    """A level in a chain: which, what it is worth, what it adds to each example, the log-odds with it, and how likely
    those make the labels."""

    level: int
    strength: int
    without: Floats
    logits: Floats
    likelihood: float


def fit_levels(entries: Sequence[Entries], held: Held, logits: Floats) -> list[Fitted]:
    """The levels that explain held-out units, broad ones first; `logits`: what all else expects of each example (n, 3).

    Not every level: a broad one would take what a narrow one explains better, and of several that say the same each
    would be believed. The one that explains most comes first, then the one with which the chain explains most, until
    none is worth its strength. What has nothing to add beside those chosen is not asked again.
    """
    levels = [_prepared(one, held) for one in entries]
    links: list[_Link] = []
    now, left = _likelihood(logits, held), list(range(len(levels)))
    while left:
        tried = {at: _chained(links, at, levels, held, logits) for at in left}
        gains = {at: found[-1].likelihood - now if found else 0.0 for at, found in tried.items()}
        most = max(gains.values())
        if most <= _WORTH:
            break
        # Of those that explain alike the narrowest: a broad one can still come in before it, not the other way round.
        best = max(at for at in left if gains[at] >= most - _ALIKE)
        links, now = tried[best], now + gains[best]
        left = [at for at in left if at != best and gains[at] > 0.0]
    found = []
    for link in links:
        level = levels[link.level]
        terms = _terms(level.seen, _expected(level, logits), STRENGTHS[link.strength])
        found.append(Fitted(link.level, terms, link.without))
        logits = link.logits
    return found


def _chained(links: Sequence[_Link], new: int, levels: Sequence[_Level], held: Held, logits: Floats) -> list[_Link]:
    """The chain with one more level in its place: those narrower are fitted anew, and go where they add nothing."""
    found = [link for link in links if link.level < new]
    for at, start in [(new, _FIRST), *((link.level, link.strength) for link in links if link.level > new)]:
        link = _fitted(at, levels[at], held, found[-1].logits if found else logits, start)
        found += [link] if link else []
    return found


def _fitted(at: int, level: _Level, held: Held, logits: Floats, start: int) -> _Link | None:
    """A level at the strength that explains held-out units best, looked for from `start`; None where it explains
    nothing."""
    hoped = _summed(
        level.entries.value, expected := shares(logits)[level.entries.row] * level.count, level.entries.classes
    )
    own = _summed(level.pair, expected, _size(level.pair))
    rest = hoped[level.entries.value] - own[level.pair]
    known: dict[int, _Link] = {}

    def link(strength: int) -> _Link:
        if strength not in known:
            terms = _terms(level.rest, rest, STRENGTHS[strength])
            without = _most_suspicious(level, terms, len(logits))
            after = logits + without
            known[strength] = _Link(at, strength, without, after, _likelihood(after, held))
        return known[strength]

    best = link(start)
    for way in (1, -1):
        while (
            0 <= best.strength + way < len(STRENGTHS)
            and (more := link(best.strength + way)).likelihood > best.likelihood
        ):
            best = more
    return best if best.likelihood > _likelihood(logits, held) else None


def _prepared(entries: Entries, held: Held) -> _Level:
    group = _numbered(entries.value, held.group[entries.row])
    pair = _numbered(entries.value, held.unit[entries.row])
    size = np.bincount(group, minlength=_size(group))[group].astype(np.float64)
    count = np.minimum(held.weight[entries.row], effective(size, 0.0))[:, None]
    labels = held.truth[entries.row] * count
    seen = _summed(entries.value, labels, entries.classes)
    rest = seen[entries.value] - _summed(pair, labels, _size(pair))[pair]
    return _Level(entries, count, pair, seen, rest, bool((np.diff(entries.row) == 0).any()))


def _expected(level: _Level, logits: Floats) -> Floats:
    """The labels that `logits` expect of each class (classes, 3)."""
    return _summed(level.entries.value, shares(logits)[level.entries.row] * level.count, level.entries.classes)


def _terms(seen: Floats, hoped: Floats, strength: float) -> Floats:
    labels, hopes = seen.sum(axis=1, keepdims=True), hoped.sum(axis=1, keepdims=True)
    # A difference of sums may leave dust where there is nothing.
    some = (labels > _LEAST) & (hopes > _LEAST)
    mean: Floats = np.maximum(np.where(some, hoped / np.where(some, hopes, 1.0), 1.0), _LEAST)
    ratio = (np.maximum(seen, 0.0) + strength * mean) / ((np.maximum(labels, 0.0) + strength) * mean)
    found: Floats = np.where(some, np.log(ratio), 0.0)
    return found


def _most_suspicious(level: _Level, terms: Floats, examples: int) -> Floats:
    """Of an example's several classes the most suspicious one's terms (`Scorecard.reliable`); none: nothing."""
    entries = level.entries
    found: Floats = np.zeros((examples, 3))
    if not level.several:
        found[entries.row] = terms
        return found
    malice = np.round(terms[:, 0] - np.maximum(terms[:, 1], terms[:, 2]), 9)
    order = np.lexsort((entries.value, -malice, entries.row))
    rows = entries.row[order]
    first = np.ones(len(rows), bool)
    first[1:] = rows[1:] != rows[:-1]
    found[rows[first]] = terms[order][first]
    return found


def shares(logits: Floats) -> Floats:
    """Softmax by row."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = odds / odds.sum(axis=1, keepdims=True)
    return found


def effective(sizes: Floats, alike: float) -> Floats:
    """What each of `sizes` cases of one group counts: all together 1 / `alike` at most (Kish's design effect)."""
    found: Floats = 1.0 / (1.0 + (sizes - 1.0) * max(alike, 1.0 / GROUP_LABELS))
    return found


def likeness(truth: Floats, group: Ints) -> float:
    """How much outcomes of one group are alike, beyond chance: the intraclass correlation (one-way analysis of
    variance, pooled over the outcomes). 0 where groups do not matter, 1 where each has one outcome only."""
    sizes = np.bincount(group).astype(float)
    n, groups = float(sizes.sum()), len(sizes)
    if groups < 2 or n <= groups:
        return 0.0
    means = np.stack([np.bincount(group, truth[:, k]) for k in range(3)], axis=1) / sizes[:, None]
    within = float(((truth - means[group]) ** 2).sum()) / (n - groups)
    between = float((sizes[:, None] * (means - truth.mean(axis=0)) ** 2).sum()) / (groups - 1)
    size = (n - float((sizes**2).sum()) / n) / (groups - 1)
    whole = between + (size - 1.0) * within
    return min(max((between - within) / whole, 0.0), 1.0) if whole > 0 else 0.0


def _likelihood(logits: Floats, held: Held) -> float:
    return float(held.weight @ np.log(np.maximum((shares(logits) * held.truth).sum(axis=1), 1e-12)))


def _numbered(one: Ints, other: Ints) -> Ints:
    """The pairs of two numberings, numbered."""
    if not len(one):
        return one
    found: Ints = np.unique(one * (int(other.max()) + 1) + other, return_inverse=True)[1].astype(np.int64)
    return found


def _size(numbers: Ints) -> int:
    return int(numbers.max()) + 1 if len(numbers) else 0


def _summed(numbers: Ints, values: Floats, count: int) -> Floats:
    return np.stack([np.bincount(numbers, values[:, k], count) for k in range(3)], axis=1)
