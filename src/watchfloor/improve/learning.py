"""Learning: the expert's scorecard, updated on labels. Additive log-odds throughout; with no labels it is the expert's.

Three things are fitted, each held to where it starts as firmly as held-out labels say:

- what each answer weighs: a Gaussian prior at the expert's weight (`improve.regression`);
- how each class of cases turns out by itself, in the levels that explain held-out labels: shrunk to broader classes
  (`improve.reliability`);
- how much such a level counts beside answers that move: one number a level, a Gaussian prior at 1.

Examples are held out together by group where there are several, so that what is learnt holds in a company that was
never seen. Where the future is the same companies' own (`leave="example"`), each example is held out by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from watchfloor.core.question import Question
from watchfloor.core.scorecard import Reliability, Scorecard, Weights, shrunk, total
from watchfloor.core.verdict import HYPOTHESES
from watchfloor.improve.example import Example, in_order, levels_of
from watchfloor.improve.folds import folds_of
from watchfloor.improve.regression import Coefficients, Design, Prior, losses, solve, sums
from watchfloor.improve.reliability import (
    Chain,
    Entries,
    Fitted,
    Floats,
    Held,
    choose,
    effective,
    fit_levels,
    likeness,
    tiled,
)

__all__ = ["Example", "Leave", "fit", "score"]

Leave = Literal["group", "example"]
Questions = Mapping[str, Question]
NONE: Questions = MappingProxyType({})

# How firmly answers are held to where they start, in labels (precision of the Gaussian); the firmest first. Priors move
# more easily than answers, as how many attacks there are differs most between places.
FIRMNESS = (512.0, 128.0, 32.0, 8.0)
_FIRMNESS_OF_FEW = 32.0
_FEW, _MANY, _PRIORS, _SCALES, _SURE = 30, 12_000, 0.25, 8.0, 2.0
# Levels overlap with each other and with answers: counted less than in full is allowed, more only a little.
_SCALE_MOST = 1.5
# What is written, so that bytes agree across machines whose exponentials differ in their last place.
_PLACES = 4
_OVERLAP_ROUNDS = 3


class _Columns(NamedTuple):
    """The answers of the examples, numbered: (question, value) each with where it starts and its bounds."""

    names: tuple[tuple[str, str], ...]
    start: Floats
    least: Floats
    most: Floats
    group: tuple[str, ...]


class _Part(NamedTuple):
    """A fold: its design, with terms learnt from what it keeps (n,) alone, and the coefficients as they were."""

    design: Design
    keep: Floats
    as_it_was: Coefficients


def fit(
    examples: Iterable[Example], start: Scorecard, *, questions: Questions = NONE, leave: Leave | None = None
) -> Scorecard:
    """The scorecard `start`, updated on examples. The same bytes in whatever order they come; `start` without any.

    `questions` are those of the catalogue: which of them restate one fact, and which an attacker answers, so that they
    may raise suspicion only. `leave` says what the card is for: cases of other groups, or more of the same; by
    default other groups where there are at least three.
    """
    known = in_order(examples)
    if not known:
        return start
    if leave is None:
        leave = "group" if len({one.group for one in known}) >= 3 else "example"
    columns = _columns(known, start, questions)
    plain = _design(known, columns)
    held = _held(known, plain.truth, leave)
    plain = plain._replace(weight=held.weight, factor=_factors(plain, columns, columns.start, start.overlap))
    folds = folds_of(known, leave)
    priors = np.array([start.priors[name] for name in HYPOTHESES])
    # What a class's labels say is set against the weights as they were: weights fitted to the same labels would have
    # taken it away already.
    as_it_was = _as_it_was(plain, columns, priors)
    levels = levels_of(known)
    entries = [_entries(known, level) for level in levels]
    found = [one for _, one in entries]
    chain, parts = _chosen(
        plain, held, found, [(keep, _as_it_was(plain.part(keep), columns, priors)) for keep in folds]
    )
    fitted = fit_levels(chain, found, held, sums(plain, as_it_was))
    full = plain._replace(terms=np.stack([one.without for one in fitted]) if fitted else plain.terms)
    firmness = _firmness(parts, held, columns, priors)
    last = as_it_was._replace(scales=np.ones(len(fitted)))
    if np.isfinite(firmness):
        last = _solved(full, columns, _prior(full, columns, priors, firmness), start.overlap)
    return start.model_copy(
        update={
            "name": "learnt",
            "version": start.version + 1,
            "priors": _weights(last.priors),
            "weights": _merged(start, columns, last.weights),
            "reliability": tuple(
                Reliability(level=levels[one.level], values=_values(entries[one.level][0], one, float(scale)))
                for one, scale in zip(fitted, last.scales, strict=True)
            ),
            "temperature": 1.0,
        }
    )


def score(scorecard: Scorecard, example: Example, questions: Questions = NONE) -> Weights:
    """The posterior that a scorecard gives to an example, as a decision would reckon it from the same answers."""
    weighed: list[Weights] = []
    groups: dict[str, list[Weights]] = defaultdict(list)
    for uid, value in sorted(example.answers.items()):
        question = questions.get(uid)
        given = scorecard.weighs(question, value) if question else scorecard.weights.get(uid, {}).get(value, {})
        if any(given.values()):
            (groups[question.group] if question and question.group else weighed).append(given)
    weighed += [given for _, given in scorecard.reliable(example.classes).values()]
    return scorecard.posterior(
        {
            name: total(
                [
                    scorecard.priors[name],
                    *(given.get(name, 0.0) for given in weighed),
                    *(shrunk([g.get(name, 0.0) for g in group], scorecard.overlap) for group in groups.values()),
                ]
            )
            for name in HYPOTHESES
        }
    )


def _columns(examples: Sequence[Example], start: Scorecard, questions: Questions) -> _Columns:
    names = tuple(sorted({pair for one in examples for pair in one.answers.items()}))
    expert, least, most = (np.zeros((len(names), 3)) for _ in range(3))
    for at, (uid, value) in enumerate(names):
        given = start.weights.get(uid, {}).get(value, {})
        question = questions.get(uid)
        if question is not None and not question.trusted:
            given, most[at] = start.weighs(question, value), (np.inf, 0.0, 0.0)
        else:
            least[at], most[at] = -np.inf, np.inf
        expert[at] = [given.get(name, 0.0) for name in HYPOTHESES]
    group = tuple(questions[uid].group if uid in questions else "" for uid, _ in names)
    return _Columns(names, expert, least, most, group)


def _design(examples: Sequence[Example], columns: _Columns) -> Design:
    number = {name: at for at, name in enumerate(columns.names)}
    pairs = [(row, number[pair]) for row, one in enumerate(examples) for pair in sorted(one.answers.items())]
    row, column = (np.array([pair[at] for pair in pairs], np.int64) for at in (0, 1))
    truth = np.array([[float(one.truth == name) for name in HYPOTHESES] for one in examples])
    nothing = np.zeros((0, len(examples), 3))
    return Design(row, column, np.ones((len(pairs), 3)), len(columns.names), nothing, truth, np.ones(len(examples)))


def _held(examples: Sequence[Example], truth: Floats, leave: Leave) -> Held:
    """What each example counts: many that are alike in one group count as GROUP_LABELS at most. Where other groups are
    to be judged, all of a group count as many as they are beyond being of one group."""
    group = np.unique([one.group for one in examples], return_inverse=True)[1].astype(np.int64)
    alike = [
        (one.group, one.truth, tuple(sorted(one.answers.items())), tuple(sorted(set(one.classes)))) for one in examples
    ]
    times = Counter(alike)
    weight = effective(np.array([float(times[key]) for key in alike]), 0.0)
    weight *= np.array([one.weight for one in examples])
    if leave == "example":
        return Held(truth, weight, group, np.arange(len(examples), dtype=np.int64))
    correlation = likeness(truth, group)
    weight *= 1.0 / (1.0 + (np.bincount(group)[group] - 1.0) * correlation)
    return Held(truth, weight, group, group)


def _entries(examples: Sequence[Example], level: str) -> tuple[tuple[str, ...], Entries]:
    mine = [sorted({value for name, value in one.classes if name == level}) for one in examples]
    names = tuple(sorted({value for values in mine for value in values}))
    number = {name: at for at, name in enumerate(names)}
    row = np.array([at for at, values in enumerate(mine) for _ in values], np.int64)
    value = np.array([number[value] for values in mine for value in values], np.int64)
    return names, Entries(row, value, len(names))


def _chosen(
    plain: Design, held: Held, entries: Sequence[Entries], folds: Sequence[tuple[Floats, Coefficients]]
) -> tuple[Chain, list[_Part]]:
    """The levels that count, and each fold with what it kept of them."""
    keeps = [keep for keep, _ in folds]
    chain = choose(*tiled(entries, held, keeps), np.concatenate([sums(plain, at) for _, at in folds]))
    ones = np.ones(len(chain.levels))
    terms = np.split(chain.terms, len(folds), axis=1)
    return chain, [
        _Part(plain._replace(terms=mine), keep, at._replace(scales=ones))
        for mine, (keep, at) in zip(terms, folds, strict=True)
    ]


def _as_it_was(design: Design, columns: _Columns, priors: Floats) -> Coefficients:
    """The start with other priors only: how many cases are attacks differs from place to place."""
    prior = _prior(design, columns, priors, FIRMNESS[-1])
    fixed = prior.start.weights
    held = [bound._replace(weights=fixed) for bound in (prior.least, prior.most)]
    return solve(design, Prior(prior.start, prior.precision, *held))


def _firmness(parts: Sequence[_Part], held: Held, columns: _Columns, priors: Floats) -> float:
    """The firmness that explains held-out examples best; a fixed one where examples are few. Infinite, so that answers
    stay where they start, where many groups show no more than chance that moved ones help in others."""
    n = len(held.weight)
    if n < _FEW or len(parts) < 2:
        return _FIRMNESS_OF_FEW
    # Very many examples would choose alike: a sample of them does.
    weight = held.weight * (np.arange(n) % -(-n // _MANY) == 0)

    def missed(fits: Sequence[Coefficients]) -> Floats:
        each = [(1.0 - part.keep) * losses(part.design, at) for part, at in zip(parts, fits, strict=True)]
        found: Floats = weight * np.sum(each, axis=0)
        return found

    fits = [part.as_it_was for part in parts]
    stays = least = missed(fits)
    best = float(np.inf)
    for firmness in FIRMNESS:
        prior = _prior(parts[0].design, columns, priors, firmness)
        fits = [
            solve(part.design._replace(weight=weight * part.keep), prior, at)
            for part, at in zip(parts, fits, strict=True)
        ]
        now = missed(fits)
        if np.isfinite(best) and now.sum() >= least.sum():
            break
        best, least = firmness, now
    gains = np.bincount(held.unit, stays - least)
    carries = gains.sum() > _SURE * np.sqrt((gains**2).sum())
    return best if carries or not _FEW <= len(gains) < n else float(np.inf)


def _solved(design: Design, columns: _Columns, prior: Prior, overlap: float) -> Coefficients:
    found = solve(design, prior)
    for _ in range(_OVERLAP_ROUNDS if any(columns.group) else 0):
        # Which of a group's answers is the strongest follows from the weights, and the weights from that.
        found = solve(design._replace(factor=_factors(design, columns, found.weights, overlap)), prior, found)
    return found


def _prior(design: Design, columns: _Columns, priors: Floats, firmness: float) -> Prior:
    levels = len(design.terms)
    ones, free = np.ones(levels), np.full(3, np.inf)
    return Prior(
        Coefficients(priors, columns.start, ones),
        Coefficients(np.full(3, firmness * _PRIORS), np.full_like(columns.start, firmness), ones * _SCALES),
        Coefficients(-free, columns.least, ones * 0.0),
        Coefficients(free, columns.most, ones * _SCALE_MOST),
    )


def _factors(design: Design, columns: _Columns, weights: Floats, overlap: float) -> Floats:
    """What each answer counts of itself, given the others of its group (`core.scorecard.shrunk`)."""
    factor = np.ones_like(design.factor)
    parts = np.unique(columns.group, return_inverse=True)[1].astype(np.int64)
    counts = np.array([bool(name) for name in columns.group], bool) & weights.any(axis=1)
    pairs = np.flatnonzero(counts[design.column])
    if not len(pairs):
        return factor
    mine = np.round(weights[design.column[pairs]], _PLACES)
    # One number for each row's answers of one group: in order of it, the strongest of a group stands first.
    at = design.row[pairs] * len(columns.group) + parts[design.column[pairs]]
    steps = np.arange(len(pairs))
    for k in range(3):
        order = np.lexsort((mine[:, k], -np.abs(mine[:, k]), at))
        sorted_at = at[order]
        first = np.r_[True, sorted_at[1:] != sorted_at[:-1]]
        rank = steps - np.maximum.accumulate(np.where(first, steps, 0))
        factor[pairs[order], k] = (overlap ** np.arange(rank.max() + 1))[rank]
    return factor


def _weights(values: Floats) -> Weights:
    return {name: round(float(value), _PLACES) + 0.0 for name, value in zip(HYPOTHESES, values, strict=True)}


def _values(names: Sequence[str], fitted: Fitted, scale: float) -> dict[str, Weights]:
    found = {name: _weights(terms * scale) for name, terms in zip(names, fitted.terms, strict=True)}
    return {name: weights for name, weights in found.items() if any(weights.values())}


def _merged(start: Scorecard, columns: _Columns, weights: Floats) -> dict[str, dict[str, Weights]]:
    merged = {uid: dict(values) for uid, values in start.weights.items()}
    for (uid, value), row in zip(columns.names, weights, strict=True):
        merged.setdefault(uid, {})[value] = _weights(row)
    return merged
