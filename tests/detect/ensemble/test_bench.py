"""The benchmark's figures: the paper's method, intervals, units and calibration, against numbers worked by hand; and
the fit, on examples made for it."""

from __future__ import annotations

import numpy as np
import pytest

from bench.ensemble import (
    Labelled,
    Measured,
    calibration,
    ceiling,
    conflicts,
    cut,
    operation,
    pairwise,
    paper_risk,
    recall_at,
    together,
    vote,
)
from bench.triage_baselines import interval
from tools.train.ensemble import Example, fitted, folds, lightened, platt
from watchfloor.core.clock import HOUR


def example(group: str, attack: str = "", time: int = 0, **features: float) -> Example:
    return Example({name.replace("_", " "): value for name, value in features.items()}, group, "set", time, attack)


def test_a_vote_of_three_needs_two() -> None:
    said = [[0.9, 0.5, 0.1], [0.9, 0.4, 0.1], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    assert vote(said).tolist() == [True, False, False, True]


def test_the_paper_s_risk_is_a_mix_of_magnitude_and_probability() -> None:
    assert paper_risk([1.0, 0.2], [0.5, 0.4]).tolist() == pytest.approx([0.75, 0.3])
    assert paper_risk([1.0], [0.5], alpha=0.2, share=0.8).tolist() == pytest.approx([0.6])


@pytest.mark.parametrize(
    ("k", "n", "low", "high"), [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (5, 10, 0.1871, 0.8129), (0, 0, 0.0, 1.0)]
)
def test_exact_intervals(k: int, n: int, low: float, high: float) -> None:
    assert interval(k, n) == pytest.approx((low, high), abs=1e-4)


def test_what_is_told_again_within_an_hour_is_one_unit_with_its_greatest_score() -> None:
    some = [example("a"), example("a", time=5), example("a", time=HOUR), example("a", "scan", time=5)]
    assert sorted(value for _, value, _ in together(some, [1.0, 3.0, 2.0, 0.0])) == [0.0, 2.0, 3.0]


def test_the_threshold_leaves_one_in_twenty_of_the_harmless_above_it() -> None:
    some = [example("a", time=n * HOUR) for n in range(100)] + [example("b", "x", time=n * HOUR) for n in range(5)]
    threshold = cut(np.array([*range(100), *[1_000] * 5]), some)
    assert sum(n > threshold for n in range(100)) <= 5


def test_calibration_of_what_is_exact_and_of_what_is_wrong() -> None:
    p, y = np.array([0.25] * 4 + [0.75] * 4), np.array([True, False, False, False, True, True, True, False])
    assert "ECE 0.000" in calibration(Measured(0, 0, 0, 0, 0.0, 0.0, p, y))
    assert "ECE 0.500" in calibration(Measured(0, 0, 0, 0, 0.0, 0.0, 1 - p, y))


def test_weights_follow_labels_stay_where_there_are_none_and_never_fall_below_zero() -> None:
    good = [example(f"g{n}", time=n * HOUR, rare=0.0, tactics=2.0) for n in range(80)]
    bad = [example(f"b{n}", "x", time=n * HOUR, rare=4.0, tactics=0.0) for n in range(40)]
    weights = fitted([*good, *bad], 1.0).weights
    assert weights["rare"] > 1
    assert weights["tactics"] == 0
    assert weights["learned"] == 1.0


def test_no_group_is_in_two_folds() -> None:
    some = [example(f"g{n % 7}", "x" if n % 3 else "", time=n) for n in range(70)]
    held = [{some[i].group for i in held} for _, held in folds(some)]
    assert sum(map(len, held)) == len(set().union(*held)) == 7
    for rest, out in folds(some):
        assert {some[i].group for i in rest}.isdisjoint({some[i].group for i in out})


def test_an_attack_of_many_hours_does_not_outweigh_the_others() -> None:
    long = [example("leak", "leak", time=n * HOUR) for n in range(100)]
    short = [example("shell", "shell", time=0) for _ in range(50)]
    weights = {one.group: 0.0 for one in (*long, *short)}
    for one in lightened([*long, *short]):
        weights[one.group] += one.weight
    assert weights == pytest.approx({"leak": 10.0, "shell": 1.0})


def test_platt_s_scaling_makes_log_odds_what_labels_say() -> None:
    some = [example("a", "x" if n % 4 else "", time=n) for n in range(400)]
    slope, shift = platt(np.zeros(400), some)
    assert shift == pytest.approx(np.log(3), abs=0.01)
    assert slope > 0


LABELLED = [
    Labelled("a", "delete", True, 2.0),
    Labelled("a", "delete", False, 2.0),
    Labelled("a", "read", False, 1.0),
    Labelled("b", "read", True, 3.0),
    Labelled("b", "list", False, 0.0),
    Labelled("c", "", True, 0.0),
]


def test_pairs_of_a_rule_with_ties_half() -> None:
    assert pairwise(LABELLED) == (pytest.approx((0.75 + 1.0) / 2), 2)


def test_a_harmless_event_that_does_what_is_another_rule_s_true_event_is_a_conflict() -> None:
    assert conflicts(LABELLED) == [False, False, True, False, False, False]


def test_recall_where_one_in_twenty_speaks_and_its_ceiling_by_operation() -> None:
    assert recall_at(LABELLED) == pytest.approx(1 / 3)
    assert ceiling(LABELLED) == pytest.approx((1 + 0.15) / 3)  # of `delete` or `read`, 0.15 of the one false event


def test_what_was_done() -> None:
    assert operation({"verb": "create", "objectRef": {"resource": "pods", "subresource": "exec"}}) == "create pods exec"
    assert operation({"eventName": "GetObject", "action": "x"}) == "GetObject"
    assert operation({"eventName": {}}) == ""
