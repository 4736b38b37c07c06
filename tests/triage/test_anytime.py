"""The bound that holds however often one looks: known values, its shape, and its coverage by simulation."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.bound import Scheme, first_wrong, simulated
from watchfloor.triage.anytime import at_most, clopper_pearson, closing_bound, labels_needed

LIMIT, CONFIDENCE, LABELS = 0.02, 0.95, 2_000
counts = st.integers(0, 120).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.sampled_from([0.9, 0.95, 0.99])


# One-sided 95 % upper limits; 0 of n is 1 - 0.05 ** (1/n), the others are scipy's beta.ppf(0.95, k + 1, n - k).
@pytest.mark.parametrize(
    ("missed", "trials", "bound"),
    [
        (0, 1, 0.95),
        (0, 10, 0.258866),
        (0, 59, 0.049508),
        (0, 149, 0.019905),
        (1, 10, 0.394163),
        (2, 20, 0.282619),
        (5, 100, 0.102253),
        (10, 10, 1.0),
        (0, 0, 1.0),
    ],
)
def test_clopper_pearson_has_the_known_values(missed: int, trials: int, bound: float) -> None:
    assert clopper_pearson(missed, trials, 0.95) == pytest.approx(bound, abs=2e-6)


@given(st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.99))
def test_the_tail_is_the_binomial_sum(counts: tuple[int, int], share: float) -> None:
    successes, trials = counts
    exact = sum(comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes + 1))
    assert at_most(successes, trials, share) == pytest.approx(exact, abs=1e-9)


@given(counts, levels)
def test_a_miss_raises_the_bound_and_a_clean_label_never_does(counts: tuple[int, int], confidence: float) -> None:
    missed, trials = counts
    bound = closing_bound(missed, trials, confidence)
    assert missed / trials <= bound <= 1.0 if trials else bound == 1.0
    assert closing_bound(missed, trials + 1, confidence) <= bound
    assert closing_bound(missed + 1, trials + 1, confidence) >= bound
    assert bound >= clopper_pearson(missed, trials, confidence), "looking often has its price"


@pytest.mark.parametrize(("missed", "needed"), [(0, 175), (1, 355), (2, 456), (5, 721)])
def test_so_many_labels_are_needed_and_one_fewer_is_not_enough(missed: int, needed: int) -> None:
    assert labels_needed(LIMIT, CONFIDENCE, missed) == needed
    assert closing_bound(missed, needed, CONFIDENCE) <= LIMIT < closing_bound(missed, needed - 1, CONFIDENCE)


def test_limits_that_everything_or_nothing_meets() -> None:
    assert labels_needed(1.0, 0.95) == 0
    assert labels_needed(0.0, 0.95) == -1
    with pytest.raises(ValueError, match="impossible"):
        closing_bound(3, 2, 0.95)


@pytest.mark.parametrize("share", [0.0205, 0.025, 0.04])
def test_what_is_over_the_limit_opens_in_at_most_five_of_a_hundred_runs_however_often_one_looks(share: float) -> None:
    """10,000 runs of 2,000 labels each, looked at after every label. The plain bound fails the same test."""
    rng = np.random.default_rng(2026)
    opened = simulated(Scheme.anytime(LIMIT, CONFIDENCE, LABELS), rng, runs=10_000, labels=LABELS, share=share)
    assert opened.mean() <= 1 - CONFIDENCE
    if share < 0.021:
        rng = np.random.default_rng(2026)
        naive = simulated(Scheme.one_look(LIMIT, CONFIDENCE, LABELS), rng, runs=10_000, labels=LABELS, share=share)
        assert naive.mean() > 3 * (1 - CONFIDENCE), "the same labels, a bound that is for one look"


def test_a_class_that_turns_bad_closes_on_only_until_its_first_reviewed_attack() -> None:
    """Closing goes on while nothing was found; after the find it comes back wrongly in at most five of a hundred."""
    rng = np.random.default_rng(2026)
    again = first_wrong(LIMIT, CONFIDENCE, rng, runs=10_000, labels=LABELS, share=0.03)
    assert again.mean() <= 1 - CONFIDENCE
