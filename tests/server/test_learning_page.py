"""The learning page: what was learnt, whether it helped, why weights moved, and who had it decide."""

from __future__ import annotations

from functools import cache

import pytest

from tests.improve.given import EXPERT, SHIPPED, company, questions_of
from tests.server.conftest import ANALYST, Enter
from tests.server.desk import SmallDesk
from tests.server.given import NOW, TENANT
from tests.server.test_pages import words
from watchfloor.app.scorecards import LearningView
from watchfloor.core.applied import Applied
from watchfloor.improve.calibration import Bin, Calibration
from watchfloor.improve.training import Training, train
from watchfloor.server.present.learning import MARGIN, SIZE, plot


@cache
def training() -> Training:
    asked = questions_of(trusted=True)[:2]
    cases = [one for seed in (1, 2, 3) for one in company(seed, 40, asked=asked)]
    return train(TENANT, cases, EXPERT, SHIPPED.questions)


def applied(found: Training) -> Applied:
    return Applied(
        tenant=TENANT,
        uid="applied-1",
        time=NOW,
        number=1,
        before=found.start,
        scorecard=found.scorecard_digest,
        training=found.uid,
        by="lee",
        public_key="a2V5",
        signature="c2ln",
    )


def test_nothing_learnt_says_how_to_begin(enter: Enter) -> None:
    page = words(enter(ANALYST).get("/learning").text)
    assert "Nothing was trained yet: watchfloor improve export" in page
    assert "the expert's; none was applied" in page


def test_it_shows_figures_weights_and_who_applied_what(desk: SmallDesk, enter: Enter) -> None:
    found = training()
    desk.learnt = LearningView(found.scorecard_digest, [applied(found)], [found])
    text = enter(ANALYST).get("/learning").text
    page = words(text)
    assert f"Learnt {found.learnt.macro_f1:.3f} {found.learnt.log_loss:.3f}" in page
    before = found.plain["start"]
    assert f"Scorecard before {before.macro_f1:.3f} {before.log_loss:.3f}" in page
    assert "each group held out once (3 groups); 120 cases tested" in page
    first = found.changes[0]
    assert f"{first.what} {first.value}" in page
    assert f"lee applied {found.uid}" in page
    assert text.count("<circle") == len(found.learnt.calibration.bins)
    assert "is not better" not in page


def test_a_version_that_did_not_help_says_so_and_unknown_ones_are_not_found(desk: SmallDesk, enter: Enter) -> None:
    found = training()
    worse = found.model_copy(update={"learnt": found.plain["start"], "uid": "scorecard-worse"})
    desk.learnt = LearningView(found.start, [], [found, worse])
    browser = enter(ANALYST)
    page = words(browser.get("/learning?version=scorecard-worse").text)
    assert "it is not better than the scorecard that it started from" in page
    assert "Trained versions" in page
    assert browser.get("/learning?version=scorecard-no").status_code == 404


def test_it_needs_a_login(visit: Enter) -> None:
    assert visit().get("/learning").status_code in (303, 401)


def test_what_fits_lies_on_the_line_and_more_cases_are_larger_dots() -> None:
    bins = (Bin(cases=90, probability=0.2, attacks=0.2), Bin(cases=10, probability=0.9, attacks=0.5))
    drawn = plot(Calibration(brier=0.1, ece=0.1, bins=bins))
    fits, bold = drawn.dots
    assert fits.x - MARGIN == pytest.approx(0.2 * SIZE)
    assert fits.y - MARGIN == pytest.approx(0.8 * SIZE)
    # Said more than was: under the line.
    assert bold.y - MARGIN > SIZE - (bold.x - MARGIN)
    assert fits.r > bold.r
    assert drawn.path.count("L") == 1
