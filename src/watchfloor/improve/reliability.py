"""Reliability: what a class of cases adds by itself. Dirichlet-multinomial, shrunk level by level to what is broader.

A level (category, then detection, then detection in this company) holds classes. For each class, the labels seen are
set against those that all broader terms expect; the logarithm of their ratio is its term:

    term = log((seen + s * mean) / ((labels + s) * mean)),  mean = expected / labels

which is the posterior mean of a Dirichlet-multinomial whose prior is the broader levels' expectation, worth `s`
labels. A class with few labels adds next to nothing, and levels need not nest. `s` is chosen on terms that were
reckoned without the example's own unit (its group, or itself), so nothing explains itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Labels that the broader levels' expectation can be worth, and what the labels of one group can be worth in one class
# at most, however little alike they are.
STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
GROUP_LABELS = 50.0
# A level has to explain this much more (nats) than it costs to have one more strength: Akaike's criterion.
_WORTH = 1.0
_LEAST = 1e-6


class Held(NamedTuple):
    """Labels as arrays: `truth` one-hot (n, 3), `weight` (n,), `group` and `unit` (n,) as numbers. `alike` is how much
    the cases of one group are alike (intraclass correlation, 0 to 1)."""

    truth: Floats
    weight: Floats
    group: Ints
    unit: Ints
    alike: float


class Entries(NamedTuple):
    """Which examples are in which classes of one level: pairs of row and class, sorted by row, classes by name."""

    row: Ints
    value: Ints
    classes: int
    """How many there are."""


class Fitted(NamedTuple):
    """A level as fitted: the term of each class (classes, 3), the terms that each example gets from the others'
    labels (n, 3), the strength, and the labels of each class. `strength` infinite: the level explains nothing."""

    terms: Floats
    without: Floats
    strength: float
    labels: Floats


def fit_level(entries: Entries, held: Held, expected: Floats) -> Fitted:
    """One level, given what all broader terms expect of each example (n, 3)."""
    counts = _clustered(entries, held)[:, None]
    seen, hoped = held.truth[entries.row] * counts, expected[entries.row] * counts
    all_seen, all_hoped = _summed(entries.value, seen, entries.classes), _summed(entries.value, hoped, entries.classes)
    pair = _numbered(entries.value, held.unit[entries.row])
    own_seen, own_hoped = _summed(pair, seen, _size(pair)), _summed(pair, hoped, _size(pair))
    rest_seen = all_seen[entries.value] - own_seen[pair]
    rest_hoped = all_hoped[entries.value] - own_hoped[pair]
    nothing: Floats = np.zeros(expected.shape)
    best, chosen, terms = _likelihood(expected, held) + _WORTH, float(np.inf), nothing
    for strength in STRENGTHS:
        without = _most_suspicious(entries, _terms(rest_seen, rest_hoped, strength), len(expected))
        likelihood = _likelihood(expected * np.exp(without), held)
        if likelihood > best:
            best, chosen, terms = likelihood, strength, without
    full = _terms(all_seen, all_hoped, chosen) if np.isfinite(chosen) else np.zeros((entries.classes, 3))
    return Fitted(full, terms, chosen, np.bincount(entries.value, minlength=entries.classes).astype(float))


def _terms(seen: Floats, hoped: Floats, strength: float) -> Floats:
    labels, hopes = seen.sum(axis=1, keepdims=True), hoped.sum(axis=1, keepdims=True)
    # A difference of sums may leave dust where there is nothing.
    some = (labels > _LEAST) & (hopes > _LEAST)
    mean: Floats = np.maximum(np.where(some, hoped / np.where(some, hopes, 1.0), 1.0), _LEAST)
    ratio = (np.maximum(seen, 0.0) + strength * mean) / ((np.maximum(labels, 0.0) + strength) * mean)
    found: Floats = np.where(some, np.log(ratio), 0.0)
    return found


def _most_suspicious(entries: Entries, terms: Floats, examples: int) -> Floats:
    """Of an example's several classes the most suspicious one's terms (`Scorecard.reliable`); none: nothing."""
    malice = np.round(terms[:, 0] - np.maximum(terms[:, 1], terms[:, 2]), 9)
    order = np.lexsort((entries.value, -malice, entries.row))
    rows = entries.row[order]
    first = np.ones(len(rows), bool)
    first[1:] = rows[1:] != rows[:-1]
    found: Floats = np.zeros((examples, 3))
    found[rows[first]] = terms[order][first]
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


def _clustered(entries: Entries, held: Held) -> Floats:
    pair = _numbered(entries.value, held.group[entries.row])
    size = np.bincount(pair, minlength=_size(pair))[pair].astype(np.float64)
    return effective(size, held.alike)


def _likelihood(odds: Floats, held: Held) -> float:
    shares = odds / odds.sum(axis=1, keepdims=True)
    return float(held.weight @ np.log(np.maximum((shares * held.truth).sum(axis=1), 1e-12)))


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
