"""The forecast of noise: its distributions against scipy's, and its promise on days that it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from watchfloor.detect.engineering.forecast import (
    _negative_binomial,
    chi2_quantile,
    forecast,
    regularized_beta,
    regularized_gamma,
)


@given(st.floats(0.01, 500), st.floats(0.001, 1_000))
def test_the_gamma_function_is_scipys(shape: float, x: float) -> None:
    assert regularized_gamma(shape, x) == pytest.approx(stats.gamma.cdf(x, shape), abs=1e-9)


@given(st.floats(0.001, 0.999), st.floats(0.1, 300), st.floats(0.1, 300))
def test_the_beta_function_is_scipys(x: float, a: float, b: float) -> None:
    assert regularized_beta(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-9)


@given(st.floats(0.01, 0.99), st.integers(1, 2_000))
def test_quantiles_of_chi_square(probability: float, freedom: int) -> None:
    assert chi2_quantile(probability, freedom) == pytest.approx(
        stats.chi2.ppf(probability, freedom), rel=1e-6, abs=1e-9
    )


@given(st.floats(0.01, 5_000), st.floats(0.1, 500))
def test_quantiles_of_the_negative_binomial(mean: float, size: float) -> None:
    own = stats.nbinom(size, size / (size + mean))
    low, high = _negative_binomial(mean, size, 0.05)
    for count, wanted in ((low, 0.05), (high, 0.95)):
        assert own.cdf(count) >= wanted - 1e-9
        assert count == 0 or own.cdf(count - 1) < wanted + 1e-9


def test_the_mean_has_garwoods_interval() -> None:
    found = forecast([0, 1, 0, 2, 0, 0, 1, 1, 0, 0])
    assert found.kind == "poisson"
    assert (found.total, found.mean) == (5, 0.5)
    assert found.mean_low == pytest.approx(stats.chi2.ppf(0.05, 10) / 20, rel=1e-6)
    assert found.mean_high == pytest.approx(stats.chi2.ppf(0.95, 12) / 20, rel=1e-6)


def test_nothing_in_many_days_is_not_never() -> None:
    found = forecast([0] * 90)
    assert (found.low, found.high, found.mean_low) == (0, 0, 0.0)
    assert 0.03 < found.mean_high < 0.04  # the rule of three, at 95 %
    with pytest.raises(ValueError, match="no day"):
        forecast([])


@pytest.mark.parametrize(("name", "mean"), [("poisson", 0.3), ("poisson", 8.0), ("negative", 8.0), ("negative", 60.0)])
def test_nine_of_ten_days_fall_into_the_interval(name: str, mean: float) -> None:
    chance = np.random.default_rng(7)
    kept = 0
    for _ in range(300):
        days = chance.poisson(mean, 61) if name == "poisson" else chance.negative_binomial(1.5, 1.5 / (1.5 + mean), 61)
        found = forecast(days[:60].tolist())
        kept += found.low <= days[60] <= found.high
    assert kept >= 0.86 * 300


def test_bursts_are_not_taken_for_chance() -> None:
    found = forecast([0] * 55 + [40] * 5)
    assert found.kind == "negative binomial"
    assert found.high >= 15
