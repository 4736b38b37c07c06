"""The regression's derivatives are those of its loss, and its answer is the highest point within the bounds."""

from __future__ import annotations

import numpy as np
import pytest

from watchfloor.improve import regression
from watchfloor.improve.regression import Coefficients, Design, Prior, solve


def a_design(rows: int = 40, columns: int = 5, levels: int = 2) -> Design:
    chance = np.random.default_rng(0)
    pairs = np.unique(np.repeat(np.arange(rows), 2) * columns + chance.integers(0, columns, 2 * rows))
    return Design(
        pairs // columns,
        pairs % columns,
        chance.random((len(pairs), 3)),
        columns,
        chance.normal(size=(levels, rows, 3)),
        np.eye(3)[chance.integers(0, 3, rows)],
        chance.random(rows),
    )


def test_the_curvature_is_how_the_slope_changes() -> None:
    design, step = a_design(), 1e-5
    shape = (design.columns, 3)
    at = np.random.default_rng(1).normal(size=3 + 3 * design.columns + 2) * 0.3

    def slope(x: np.ndarray) -> np.ndarray:
        return regression._flat(regression._slope(design, regression._parted(x, shape)))

    curve = regression._curve(design, regression._parted(at, shape))
    for n in range(len(at)):
        moved = np.zeros(len(at))
        moved[n] = step
        assert curve[n] == pytest.approx((slope(at + moved) - slope(at - moved)) / (2 * step), abs=1e-6)


def a_prior(design: Design, least: float) -> Prior:
    levels, shape = len(design.terms), (design.columns, 3)
    return Prior(
        Coefficients(np.zeros(3), np.zeros(shape), np.ones(levels)),
        Coefficients(np.ones(3), np.ones(shape), np.ones(levels)),
        Coefficients(np.full(3, -np.inf), np.full(shape, least), np.zeros(levels)),
        Coefficients(np.full(3, np.inf), np.full(shape, np.inf), np.full(levels, 1.5)),
    )


@pytest.mark.parametrize("least", [-np.inf, 0.0])
def test_no_step_within_the_bounds_is_better(least: float) -> None:
    design = a_design()
    prior = a_prior(design, least)
    found = solve(design, prior)
    slopes = regression._slope(design, found)
    for x, g, p, s, low, high in zip(found, slopes, prior.precision, prior.start, prior.least, prior.most, strict=True):
        whole = g + p * (x - s)
        assert (np.abs(whole)[(x > low) & (x < high)] < 1e-5).all()
        assert (whole[x <= low] > -1e-5).all()
        assert (whole[x >= high] < 1e-5).all()
    assert (found.weights < 0.0).any() == (least < 0.0)


def test_a_sample_for_the_curvature_gives_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    design = a_design(rows=300)
    prior = a_prior(design, -np.inf)
    whole = solve(design, prior)
    monkeypatch.setattr(regression, "_SAMPLE", 60)
    for one, other in zip(whole, solve(design, prior), strict=True):
        assert one == pytest.approx(other, abs=1e-5)
