"""Regression: the weights of answers as the most probable ones, given labels and a Gaussian prior at the start's.

A multinomial logistic model whose every coefficient has its own prior mean, precision and bounds. Solved by projected
Newton steps: coefficients that rest on a bound stay there, the others take the full step, halved until the posterior
density grows. The problem is convex, so there is one answer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from watchfloor.improve.reliability import Floats, Ints, shares

_STEPS, _HALVINGS, _STILL = 80, 20, 1e-7
# The curvature changes little from step to step and costs most: it is reckoned anew with every so many steps.
_CURVED = 6
_ROWS, _SAMPLE = 2048, 16_384


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


def losses(design: Design, at: Coefficients) -> Floats:
    """The negative log-likelihood of each example (n,)."""
    right = (shares(sums(design, at)) * design.truth).sum(axis=1)
    found: Floats = -np.log(np.maximum(right, 1e-12))
    return found


def solve(design: Design, prior: Prior, begin: Coefficients | None = None) -> Coefficients:
    """The coefficients of the highest posterior density. `begin` is where to begin; it does not change the answer."""
    start, precision, least, most = (_flat(part) for part in prior)
    at = np.clip(_flat(begin or prior.start), least, most)
    shape = prior.start.weights.shape

    def cost(x: Floats) -> float:
        off = x - start
        return float(design.weight @ losses(design, _parted(x, shape))) + float(off @ (precision * off)) / 2.0

    cost_now = cost(at)
    curve: Floats = np.zeros((0, 0))
    inverse: Floats = curve
    freed: Ints = np.zeros(0, np.int64)
    for number in range(_STEPS):
        slope = _flat(_slope(design, _parted(at, shape))) + precision * (at - start)
        rests = ((at <= least) & (slope > 0)) | ((at >= most) & (slope < 0))
        free = np.flatnonzero(~rests & (least < most))
        if number % _CURVED == 0:
            curve = _curve(design, _parted(at, shape)) + np.diag(precision)
        if number % _CURVED == 0 or not np.array_equal(free, freed):
            freed, inverse = free, np.linalg.inv(curve[np.ix_(free, free)]).astype(np.float64)
        step = np.zeros_like(at)
        step[free] = inverse @ slope[free]
        for halved in range(_HALVINGS):
            after = np.clip(at - step / 2.0**halved, least, most)
            cost_after = cost(after)
            if cost_after <= cost_now:
                break
        else:
            return _parted(at, shape)
        moved = float(np.abs(after - at).max(initial=0.0))
        at, cost_now = after, cost_after
        if moved < _STILL:
            break
    return _parted(at, shape)


def _flat(at: Coefficients) -> Floats:
    """Priors, then weights by hypothesis, then scales, as one row."""
    return np.concatenate([at.priors, at.weights.T.ravel(), at.scales])


def _parted(flat: Floats, shape: tuple[int, ...]) -> Coefficients:
    weights = shape[0] * 3
    return Coefficients(flat[:3], flat[3 : 3 + weights].reshape(3, -1).T, flat[3 + weights :])


def _slope(design: Design, at: Coefficients) -> Coefficients:
    off = (shares(sums(design, at)) - design.truth) * design.weight[:, None]
    pulled = design.factor * off[design.row]
    weights = np.stack([np.bincount(design.column, pulled[:, k], design.columns) for k in range(3)], axis=1)
    scales: Floats = np.einsum("nk,lnk->l", off, design.terms)
    return Coefficients(off.sum(axis=0), weights.astype(np.float64), scales)


def _curve(design: Design, at: Coefficients) -> Floats:
    """The second derivatives of the loss, in the order of `_flat`: of a sample of rows where there are very many, with
    the diagonal of all of them, so that what the sample lacks is not taken for flat. Steps are checked all the same."""
    likely = shares(sums(design, at))
    used = np.flatnonzero(design.weight)
    sample = used[:: max(1, -(-len(used) // _SAMPLE))]
    scale = float(design.weight[used].sum() / design.weight[sample].sum()) if len(used) else 1.0
    size = 3 + 3 * design.columns + len(design.terms)
    found: Floats = np.zeros((size, size))
    for begin in range(0, len(sample), _ROWS):
        found += _curve_of(design, likely, sample[begin : begin + _ROWS])
    found *= scale
    if len(sample) < len(used):
        spread = likely * (1.0 - likely) * design.weight[:, None]
        each = design.factor**2 * spread[design.row]
        columns = [np.bincount(design.column, each[:, k], design.columns) for k in range(3)]
        whole = np.concatenate([spread.sum(axis=0), *columns, np.zeros(len(design.terms))])
        found += np.diag(np.maximum(whole - np.diag(found), 0.0))
    return found


def _curve_of(design: Design, likely: Floats, rows: Ints) -> Floats:
    """By blocks: of two hypotheses each the answers' products, then what the levels' scales share with them."""
    columns, share, weight = design.columns, likely[rows], design.weight[rows]
    places = [np.r_[k, 3 + k * columns + np.arange(columns)] for k in range(3)]
    scales = 3 + 3 * columns + np.arange(len(design.terms))
    answers = _answers(design, rows)
    found: Floats = np.zeros((3 + 3 * columns + len(scales),) * 2)
    terms = design.terms[:, rows]
    off = terms - np.einsum("nk,lnk->ln", share, terms)[:, :, None]
    for k in range(3):
        for j in range(k, 3):
            both = weight * share[:, k] * ((k == j) - share[:, j])
            found[np.ix_(places[k], places[j])] = block = answers[k].T @ (answers[j] * both[:, None])
            found[np.ix_(places[j], places[k])] = block.T
        pull = weight * share[:, k]
        cross = answers[k].T @ (off[:, :, k] * pull).T
        found[np.ix_(places[k], scales)] = cross
        found[np.ix_(scales, places[k])] = cross.T
        found[np.ix_(scales, scales)] += (off[:, :, k] * pull) @ off[:, :, k].T
    return found


def _answers(design: Design, rows: Ints) -> list[Floats]:
    """Of each hypothesis what a row's log-odds move by, with its prior (first) and with each answer."""
    low, high = np.searchsorted(design.row, [rows[0], rows[-1] + 1])
    place = np.full(rows[-1] + 1 - rows[0], -1)
    place[rows - rows[0]] = np.arange(len(rows))
    here = place[design.row[low:high] - rows[0]]
    kept = here >= 0
    column, factor = 1 + design.column[low:high][kept], design.factor[low:high][kept]
    found: list[Floats] = []
    for k in range(3):
        if k and np.array_equal(factor[:, k], factor[:, 0]):
            found.append(found[0])
            continue
        moves: Floats = np.zeros((len(rows), 1 + design.columns))
        moves[:, 0] = 1.0
        moves[here[kept], column] = factor[:, k]
        found.append(moves)
    return found
