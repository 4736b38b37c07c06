"""Calibration: does what was given 20 % turn out so one time in five? Measured on held-out cases, and mended there.

Sources: Brier 1950 (score); Platt 1999, Guo et al. 2017 (scaling); Naeini et al. 2015 (expected calibration error).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from watchfloor.core.noun import Noun
from watchfloor.core.scorecard import PLACES, Scorecard, Weights
from watchfloor.core.verdict import HYPOTHESES, Hypothesis
from watchfloor.improve.regression import Coefficients, Design, Prior, solve
from watchfloor.improve.reliability import Floats, Ints, shares

BINS = 10
# A mend starts from none; each of its figures is held there as if by so many labels.
_FIRM = 4.0
_PLACES, _LEAST = 4, 1e-6
_COOLEST, _HOTTEST = 0.2, 5.0


class Bin(Noun):
    """Cases whose probability of an attack lay in one tenth: how many, the mean probability, the share of attacks."""

    cases: int
    probability: float
    attacks: float


class Calibration(Noun):
    """Of the probability of `malicious`: `brier` is the mean squared error, `ece` the mean distance between what was
    said and what was, weighted by cases. Both are 0 at best."""

    brier: float
    ece: float
    bins: tuple[Bin, ...]


class Mend(NamedTuple):
    """Added to each hypothesis' log-odds after dividing them by `temperature`."""

    shift: Weights
    temperature: float


def measured(posteriors: Sequence[Weights], truths: Sequence[Hypothesis]) -> Calibration:
    """How well probabilities of malicious fit what turned out; in tenths."""
    said = np.array([one["malicious"] for one in posteriors], float)
    was = np.array([float(truth == "malicious") for truth in truths])
    tenth = np.minimum((said * BINS).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        mine = tenth == number
        if mine.any():
            mean, share = float(said[mine].mean()), float(was[mine].mean())
            bins.append(Bin(cases=int(mine.sum()), probability=round(mean, PLACES), attacks=round(share, PLACES)))
    apart = sum(one.cases * abs(one.probability - one.attacks) for one in bins)
    return Calibration(
        brier=round(float(((said - was) ** 2).mean()), PLACES) if len(said) else 0.0,
        ece=round(apart / len(said), PLACES) if len(said) else 0.0,
        bins=tuple(bins),
    )


def mend(posteriors: Sequence[Weights], truths: Sequence[Hypothesis]) -> Mend:
    """The shift and temperature under which held-out posteriors explain the truths best (Platt's scaling)."""
    logs, n = _logs(posteriors), len(truths)
    nothing: Ints = np.zeros(0, np.int64)
    truth = np.array([[float(one == name) for name in HYPOTHESES] for one in truths]).reshape(n, 3)
    design = Design(nothing, nothing, np.zeros((0, 3)), 0, logs[None], truth, np.ones(n))
    none = np.zeros((0, 3))
    prior = Prior(
        Coefficients(np.zeros(3), none, np.ones(1)),
        Coefficients(np.full(3, _FIRM), none, np.full(1, _FIRM)),
        Coefficients(np.full(3, -np.inf), none, np.full(1, 1.0 / _HOTTEST)),
        Coefficients(np.full(3, np.inf), none, np.full(1, 1.0 / _COOLEST)),
    )
    found = solve(design, prior)
    shift = {name: round(float(value), _PLACES) + 0.0 for name, value in zip(HYPOTHESES, found.priors, strict=True)}
    return Mend(shift, round(1.0 / float(found.scales[0]), _PLACES))


def mended(posteriors: Sequence[Weights], by: Mend) -> list[Weights]:
    """Posteriors as a mended scorecard would have given them."""
    shift = np.array([by.shift[name] for name in HYPOTHESES])
    found = shares(_logs(posteriors) / by.temperature + shift)
    return [{name: float(value) for name, value in zip(HYPOTHESES, row, strict=True)} for row in found]


def calibrated(scorecard: Scorecard, by: Mend) -> Scorecard:
    """The scorecard with the mend in its priors and temperature: its terms stay additive and are the same."""
    temperature = round(scorecard.temperature * by.temperature, _PLACES)
    priors = {name: round(value + by.shift[name] * temperature, _PLACES) for name, value in scorecard.priors.items()}
    return scorecard.model_copy(update={"priors": priors, "temperature": temperature})


def _logs(posteriors: Sequence[Weights]) -> Floats:
    table = np.array([[one[name] for name in HYPOTHESES] for one in posteriors], float).reshape(-1, 3)
    found: Floats = np.log(np.maximum(table, _LEAST))
    return found
