"""Regression: the weights of answers as the most probable ones, given labels and a Gaussian prior at the start's.

A multinomial logistic model whose every coefficient has its own prior mean, precision and bounds. Solved by accelerated
proximal steps under a diagonal majoriser (the softmax's curvature is at most 1/2), which keeps bounds exact, needs no
matrix of coefficients by coefficients, and takes the same steps on every machine.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from watchfloor.improve.reliability import Floats, Ints

STEPS = 600
_STILL = 1e-7


class Design(NamedTuple):
    """Examples as arrays: pairs of row and column, sorted by row, with their factors (pairs, 3); the class terms of
    each level (levels, n, 3); the truth, one-hot (n, 3); the weights (n,)."""

    row: Ints
    column: Ints
    factor: Floats
    columns: int
    terms: Floats
    truth: Floats
    weight: Floats

    def part(self, keep: Floats) -> Design:
        """The same with other weights of examples: 0 leaves one out."""
        return self._replace(weight=self.weight * keep)


class Coefficients(NamedTuple):
    """`priors` (3,), `weights` (columns, 3), `scales` (levels,): a level's terms count so much."""

    priors: Floats
    weights: Floats
    scales: Floats


class Prior(NamedTuple):
    """Where coefficients start, how strongly they are held there (precision), and between what they stay."""

    start: Coefficients
    precision: Coefficients
    least: Coefficients
    most: Coefficients


def sums(design: Design, at: Coefficients) -> Floats:
    """The log-odds of each example (n, 3), before they are shared out."""
    n = len(design.truth)
    pushed = design.factor * at.weights[design.column]
    answers = np.stack([np.bincount(design.row, pushed[:, k], n) for k in range(3)], axis=1)
    found: Floats = at.priors + answers + np.einsum("l,lnk->nk", at.scales, design.terms)
    return found


def shares(logits: Floats) -> Floats:
    """Softmax by row."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Floats = odds / odds.sum(axis=1, keepdims=True)
    return found


def loss(design: Design, at: Coefficients, weight: Floats) -> float:
    """The sum of the weighted negative log-likelihoods."""
    right = (shares(sums(design, at)) * design.truth).sum(axis=1)
    return float(-(weight @ np.log(np.maximum(right, 1e-12))))


def solve(design: Design, prior: Prior, begin: Coefficients | None = None) -> Coefficients:
    """The coefficients of the highest posterior density. `begin` is where to begin; it does not change the answer."""
    step = _step(design, prior)
    at = ahead = begin or prior.start
    pace = 1.0
    for _ in range(STEPS):
        slope = _slope(design, prior, ahead)
        after = Coefficients(
            *(
                np.clip(x - s * g, low, high)
                for x, s, g, low, high in zip(ahead, step, slope, prior.least, prior.most, strict=True)
            )
        )
        moved = [new - old for new, old in zip(after, at, strict=True)]
        if max(float(np.abs(m).max(initial=0.0)) for m in moved) < _STILL:
            return after
        uphill = sum(float((g * m).sum()) for g, m in zip(slope, moved, strict=True))
        faster = 1.0 if uphill > 0 else (1.0 + np.sqrt(1.0 + 4.0 * pace * pace)) / 2.0
        push = 0.0 if uphill > 0 else (pace - 1.0) / faster
        at, ahead, pace = after, Coefficients(*(a + push * m for a, m in zip(after, moved, strict=True))), faster
    return at


def _slope(design: Design, prior: Prior, at: Coefficients) -> Coefficients:
    off = (shares(sums(design, at)) - design.truth) * design.weight[:, None]
    pulled = design.factor * off[design.row]
    weights = np.stack([np.bincount(design.column, pulled[:, k], design.columns) for k in range(3)], axis=1)
    given = (off.sum(axis=0), weights, np.einsum("nk,lnk->l", off, design.terms))
    return Coefficients(*(g + p * (x - s) for g, p, x, s in zip(given, prior.precision, at, prior.start, strict=True)))


def _step(design: Design, prior: Prior) -> Coefficients:
    """One over the majoriser's diagonal: for each coefficient, its own size times that of all in its row."""
    n = len(design.truth)
    size = np.stack([np.bincount(design.row, design.factor[:, k], n) for k in range(3)], axis=1)
    size = (1.0 + size + np.abs(design.terms).sum(axis=0)) * design.weight[:, None] / 2.0
    spread = design.factor * size[design.row]
    weights = np.stack([np.bincount(design.column, spread[:, k], design.columns) for k in range(3)], axis=1)
    curve = (size.sum(axis=0), weights, np.einsum("nk,lnk->l", size, np.abs(design.terms)))
    return Coefficients(*(1.0 / np.maximum(c + p, 1e-9) for c, p in zip(curve, prior.precision, strict=True)))
