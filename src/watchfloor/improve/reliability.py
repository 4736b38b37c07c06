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
    of, the labels seen in each class (classes, 3) and by each entry's class without its unit (m, 3), and where each row
    begins, if any has several classes."""

    entries: Entries
    counts: Floats
    pair: Ints
    seen: Floats
    rest: Floats
    begins: Ints | None


class _Link(NamedTuple):
    """A level in a chain: which, what it is worth, what it adds to each example, the log-odds with it, and how likely
    those make the labels."""

    level: int
    strength: int
    without: Floats
    logits: Floats
    likelihood: float


class Chain(NamedTuple):
    """Which levels count, broad ones first, each with its strength (of STRENGTHS), and the terms that examples get from
    them where they were chosen (levels, n, 3)."""

    levels: tuple[int, ...]
    strengths: tuple[int, ...]
    terms: Floats


def choose(entries: Sequence[Entries], held: Held, judged: Floats, logits: Floats) -> Chain:
    """The levels that explain held-out examples; `judged`: what each counts there (n,); `logits`: what all else expects
    of it (n, 3). What is judged but has no weight in `held` is learnt from by nothing.

    Not every level: a broad one would take what a narrow one explains better, and of several that say the same each
    would be believed. The one that explains most comes first, then the one with which the chain explains most, until
    none is worth its strength. The first is exchanged where another explains more beside the second.
    """
    links = _Chooser([_prepared(one, held) for one in entries], held.truth, judged, logits).chosen()
    terms: Floats = np.stack([link.without for link in links]) if links else np.zeros((0, len(logits), 3))
    return Chain(tuple(link.level for link in links), tuple(link.strength for link in links), terms)


class _Chooser:
    """Chains of levels, and how likely they make the labels that are judged."""

    def __init__(self, levels: Sequence[_Level], truth: Floats, judged: Floats, logits: Floats) -> None:
        self.levels, self.logits = levels, logits
        self.rows = np.flatnonzero(judged)
        self.truth, self.judged = truth[self.rows], judged[self.rows]
        self.alone = self._likelihood(logits)

    def chosen(self) -> list[_Link]:
        links: list[_Link] = []
        left = list(range(len(self.levels)))
        while left:
            tried = {at: self._with(links, at) for at in left}
            best = max(left, key=lambda at: self._explains(tried[at]))
            now = self._explains(links)
            if self._explains(tried[best]) - now <= _WORTH:
                break
            # What has nothing to add beside those chosen is not asked again.
            left = [at for at in left if at != best and self._explains(tried[at]) > now]
            links, first = tried[best], links
            if len(first) == 1:
                # The first was chosen before any broader one stood before it.
                links = self._exchanged(links, first[0].level)
        return links

    def _exchanged(self, links: list[_Link], old: int) -> list[_Link]:
        mine = {link.level for link in links}
        rest = self._refitted(
            [link for link in links if link.level < old], [link for link in links if link.level > old]
        )
        tried = [links, *(self._with(rest, at) for at in range(len(self.levels)) if at not in mine)]
        return max(tried, key=self._explains)

    def _with(self, links: Sequence[_Link], new: int) -> list[_Link]:
        """The chain with one more level in its place."""
        found = [link for link in links if link.level < new]
        link = self._fitted(new, found[-1].logits if found else self.logits, _FIRST)
        return self._refitted([*found, link], [link for link in links if link.level > new]) if link else [*links]

    def _refitted(self, links: Sequence[_Link], narrower: Sequence[_Link]) -> list[_Link]:
        """Narrower levels fitted anew; they go where they add nothing any more."""
        found = [*links]
        for old in narrower:
            link = self._fitted(old.level, found[-1].logits if found else self.logits, old.strength)
            found += [link] if link else []
        return found

    def _fitted(self, at: int, logits: Floats, start: int) -> _Link | None:
        """A level at the strength that explains most, looked for from `start`; None where it explains nothing."""
        level, known = self.levels[at], dict[int, _Link]()
        rest = _rest(level, logits)

        def link(strength: int) -> _Link:
            if strength not in known:
                without = _most_suspicious(level, _terms(level.rest, rest, STRENGTHS[strength]), len(logits))
                known[strength] = _Link(at, strength, without, logits + without, self._likelihood(logits + without))
            return known[strength]

        best = link(start)
        for way in (1, -1):
            while 0 <= best.strength + way < len(STRENGTHS):
                more = link(best.strength + way)
                if more.likelihood <= best.likelihood:
                    break
                best = more
        return best if best.likelihood > self._likelihood(logits) else None

    def _explains(self, links: Sequence[_Link]) -> float:
        return links[-1].likelihood if links else self.alone

    def _likelihood(self, logits: Floats) -> float:
        return float(self.judged @ np.log(np.maximum((shares(logits[self.rows]) * self.truth).sum(axis=1), 1e-12)))


def fit_levels(chain: Chain, entries: Sequence[Entries], held: Held, logits: Floats) -> list[Fitted]:
    """The chosen levels, fitted on all examples."""
    found = []
    for at, strength in zip(chain.levels, chain.strengths, strict=True):
        level = _prepared(entries[at], held)
        hoped = _summed(level.entries.value, shares(logits)[level.entries.row] * level.counts, level.entries.classes)
        worth = STRENGTHS[strength]
        without = _most_suspicious(level, _terms(level.rest, _rest(level, logits), worth), len(logits))
        found.append(Fitted(at, _terms(level.seen, hoped, worth), without))
        logits = logits + without
    return found


def tiled(entries: Sequence[Entries], held: Held, keeps: Sequence[Floats]) -> tuple[list[Entries], Held, Floats]:
    """As many copies of the examples as there are folds: each learns from what it keeps and is judged by the rest, so
    that what is held out has a part in nothing, by no level between."""
    n, times = len(held.weight), np.arange(len(keeps))

    def again(numbers: Ints, size: int) -> Ints:
        return (numbers + size * times[:, None]).ravel()

    copies = [Entries(again(e.row, n), again(e.value, e.classes), e.classes * len(keeps)) for e in entries]
    keep = np.concatenate(keeps)
    weight = np.tile(held.weight, len(keeps))
    truth = np.tile(held.truth, (len(keeps), 1))
    return (
        copies,
        Held(truth, weight * keep, again(held.group, _size(held.group)), again(held.unit, _size(held.unit))),
        weight * (1.0 - keep),
    )


def _rest(level: _Level, logits: Floats) -> Floats:
    """The labels that `logits` expect of each entry's class without its unit (m, 3)."""
    expected = shares(logits)[level.entries.row] * level.counts
    own = _summed(level.pair, expected, _size(level.pair))[level.pair]
    return _summed(level.entries.value, expected, level.entries.classes)[level.entries.value] - own


def _prepared(entries: Entries, held: Held) -> _Level:
    group = _numbered(entries.value, held.group[entries.row])
    pair = _numbered(entries.value, held.unit[entries.row])
    size = np.bincount(group, minlength=_size(group))[group].astype(np.float64)
    count = np.minimum(held.weight[entries.row], effective(size, 0.0))[:, None]
    labels = held.truth[entries.row] * count
    seen = _summed(entries.value, labels, entries.classes)
    rest = seen[entries.value] - _summed(pair, labels, _size(pair))[pair]
    begins = np.flatnonzero(np.r_[True, np.diff(entries.row) > 0]) if len(entries.row) else entries.row
    return _Level(entries, count, pair, seen, rest, begins if len(begins) < len(entries.row) else None)


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
    row, found = level.entries.row, np.zeros((examples, 3))
    if level.begins is None:
        found[row] = terms
        return found
    malice = np.round(terms[:, 0] - np.maximum(terms[:, 1], terms[:, 2]), 9)
    most = np.repeat(np.maximum.reduceat(malice, level.begins), np.diff(np.r_[level.begins, len(row)]))
    # Of equals the first by name, as entries stand.
    at = np.flatnonzero(malice == most)
    at = at[np.r_[True, np.diff(row[at]) > 0]]
    found[row[at]] = terms[at]
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
