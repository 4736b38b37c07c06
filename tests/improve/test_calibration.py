"""Calibration: figures that fit hand-made cases, and a mend that mends."""

from __future__ import annotations

import random

import pytest

from tests.improve.given import EXPERT, company
from watchfloor.core.scorecard import Weights
from watchfloor.core.verdict import Hypothesis
from watchfloor.improve.calibration import calibrated, measured, mend, mended
from watchfloor.improve.learning import score


def said(malicious: float) -> Weights:
    return {"malicious": malicious, "benign_true_positive": (1 - malicious) / 2, "false_positive": (1 - malicious) / 2}


def test_figures_of_a_hand_made_set() -> None:
    posteriors = [said(0.2)] * 5 + [said(0.9)] * 5
    truths: list[Hypothesis] = ["malicious", *["false_positive"] * 4, *["malicious"] * 4, "false_positive"]
    found = measured(posteriors, truths)
    # Two tenths: 20 % said and 20 % was; 90 % said and 80 % was.
    assert [(one.cases, one.probability, one.attacks) for one in found.bins] == [(5, 0.2, 0.2), (5, 0.9, 0.8)]
    assert found.ece == pytest.approx(0.05)
    assert found.brier == pytest.approx((0.64 + 4 * 0.04 + 4 * 0.01 + 0.81) / 10)


def test_what_was_said_too_boldly_is_mended_and_ranks_stay() -> None:
    chance = random.Random(1)
    posteriors, truths = [], []
    for _ in range(2_000):
        true_share = chance.random()
        bold = true_share**3 / (true_share**3 + (1 - true_share) ** 3)
        posteriors.append(said(bold))
        truths.append(
            "malicious" if chance.random() < true_share else chance.choice(["benign_true_positive", "false_positive"])
        )
    by = mend(posteriors, truths)  # type: ignore[arg-type]
    after = mended(posteriors, by)
    assert by.temperature > 1.5
    assert measured(after, truths).ece < 0.4 * measured(posteriors, truths).ece  # type: ignore[arg-type]
    order = sorted(range(200), key=lambda n: posteriors[n]["malicious"])
    assert [round(after[n]["malicious"], 9) for n in order] == sorted(
        round(after[n]["malicious"], 9) for n in range(200)
    )


def test_a_mended_scorecard_says_what_the_mend_says() -> None:
    cases = company(3, 40)
    posteriors = [score(EXPERT, one) for one in cases]
    by = mend(posteriors, [one.truth for one in cases])
    card = calibrated(EXPERT, by)
    for one, wanted in zip(cases, mended(posteriors, by), strict=True):
        assert score(card, one)["malicious"] == pytest.approx(wanted["malicious"], abs=1e-3)
    assert card.weights == EXPERT.weights


def test_no_case_is_no_error() -> None:
    assert measured([], []).bins == ()
