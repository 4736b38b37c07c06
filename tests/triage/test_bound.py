"""The exact bound against published and independently reckoned Clopper-Pearson values."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triage.build import finding, label, one_case
from watchfloor.triage.bound import LabelBook, at_most, labels_needed, upper_bound


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
def test_known_values(missed: int, trials: int, bound: float) -> None:
    assert upper_bound(missed, trials, 0.95) == pytest.approx(bound, abs=2e-6)


@given(st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.99))
def test_the_tail_is_the_binomial_sum(counts: tuple[int, int], share: float) -> None:
    successes, trials = counts
    exact = sum(comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes + 1))
    assert at_most(successes, trials, share) == pytest.approx(exact, abs=1e-9)


@given(st.integers(0, 20), st.integers(1, 200), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_bound_never_errs_towards_closing(missed: int, more: int, confidence: float) -> None:
    bound = upper_bound(missed, missed + more, confidence)
    assert at_most(missed, missed + more, bound) <= 1 - confidence + 1e-7
    assert bound >= missed / (missed + more)
    assert upper_bound(missed, missed + more + 1, confidence) <= bound
    assert upper_bound(missed + 1, missed + more + 1, confidence) >= bound


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="impossible"):
        upper_bound(3, 2, 0.95)


@pytest.mark.parametrize("limit", [0.005, 0.02, 0.05, 0.3])
def test_so_many_labels_are_needed_and_one_fewer_is_not_enough(limit: float) -> None:
    needed = labels_needed(limit, 0.95)
    assert upper_bound(0, needed, 0.95) <= limit + 1e-8
    assert upper_bound(0, needed - 1, 0.95) > limit


def test_a_class_record_counts_only_its_class_and_tenant() -> None:
    case = one_case([finding(1, "host:ws-1:target")])
    labels = [
        label(1),
        label(2, verdict="malicious"),
        label(3, would_close=False),
        label(4).model_copy(update={"detection_class": "other @ x"}),
        label(5).model_copy(update={"tenant": "other"}),
        label(6, verdict="malicious", would_close=False, case_uid=case.uid),
    ]
    record = LabelBook(labels).record(case)
    assert (record.labels, record.malicious, record.would_close, record.missed) == (4, 2, 2, 1)
    assert record.said_malicious == ("label-6",)
