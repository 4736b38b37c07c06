"""The hypotheses matrix adds up, and begins where the verdict began."""

from __future__ import annotations

import math

import pytest

from tests.server.given import given
from tests.server.given_verdict import CASE
from watchfloor.core.verdict import HYPOTHESES
from watchfloor.server.present.matrix import matrix
from watchfloor.triage.terms import PRIOR


def test_the_prior_stands_first_and_the_rest_by_how_much_they_tell() -> None:
    verdict = given().verdicts[CASE]
    prior = verdict.answers[0].model_copy(update={"question": PRIOR, "weights": {"malicious": -3.0}})
    shown = matrix(verdict.model_copy(update={"answers": (*verdict.answers, prior)}))
    assert shown.rows[0].answer.question == PRIOR
    spreads = [max(c.value for c in row.cells) - min(c.value for c in row.cells) for row in shown.rows[1:]]
    assert spreads == sorted(spreads, reverse=True)


def test_sums_are_those_of_the_rows_and_bars_stay_inside() -> None:
    verdict = given().verdicts[CASE]
    shown = matrix(verdict)
    for n, cell in enumerate(shown.sums):
        assert cell.value == pytest.approx(math.fsum(row.cells[n].value for row in shown.rows))
    assert all(0 <= cell.share <= 1 for row in shown.rows for cell in row.cells)
    assert shown.end == tuple(verdict.posterior[h] for h in HYPOTHESES)


def test_answers_that_do_not_count_are_apart() -> None:
    verdict = given().verdicts[CASE]
    unheard = verdict.answers[0].model_copy(update={"counted": False, "about": "user:other"})
    shown = matrix(verdict.model_copy(update={"answers": (*verdict.answers, unheard)}))
    assert unheard in shown.silent
    assert [row.answer.about for row in shown.rows] == ["user:nadia.osei"] * len(shown.rows)
