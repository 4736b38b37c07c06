"""The page of classes: what closes by itself, why the rest does not; reviews of closed cases are judged blind."""

from __future__ import annotations

import pytest

from tests.server.conftest import ANALYST, Enter
from tests.server.desk import SmallDesk
from tests.server.given import NOW, TENANT
from tests.server.given_verdict import CASE
from tests.server.test_pages import words
from watchfloor.core.clock import DAY
from watchfloor.core.closing import Draw
from watchfloor.core.noun import digest_of


@pytest.fixture
def review(desk: SmallDesk) -> Draw:
    """The desk's case, as one that was closed and that chance drew."""
    draw = Draw.from_dict(
        {
            "tenant": TENANT,
            "uid": "draw-1",
            "case_uid": CASE,
            "time": NOW - DAY,
            "detection_class": desk.story.cases[0].detection_class,
            "detection": "rule-0",
            "alike": digest_of(b"1"),
            "would_close": True,
            "closed": True,
            "rules": digest_of(b"rules"),
            "period": "2026-W42",
            "place": 0.01,
            "share": 0.05,
            "due": NOW + DAY,
        }
    )
    desk.draws.append(draw)
    return draw


def test_the_page_says_of_each_class_what_it_needs(enter: Enter, desk: SmallDesk) -> None:
    assert "1 more classes, which people decide, have no label" in words(enter(ANALYST).get("/closing").text)
    desk.resolve(CASE, "benign_true_positive", ANALYST, "expected_activity")
    page = words(enter(ANALYST).get("/closing").text)
    assert (
        f"{desk.story.cases[0].detection_class} a person decides : up to 100.0% may be missed, the limit is 2.0%"
        in page
    )
    assert "175 more labels without an attack" in page
    assert "0 classes close 1 classes people decide 0 reviews wait 0 reviews are overdue" in page


def test_a_closed_case_that_was_drawn_waits_as_a_review_until_it_is_judged(
    enter: Enter, desk: SmallDesk, review: Draw
) -> None:
    browser = enter(ANALYST)
    assert "Reviews of closed cases 1" in words(browser.get("/").text)
    assert f"{CASE} review of a closed case {review.detection_class}" in words(browser.get("/closing").text)
    desk.resolve(CASE, "benign_true_positive", ANALYST, "expected_activity")
    assert "Reviews of closed cases" not in words(browser.get("/").text)
    assert "None waits." in words(browser.get("/closing").text)


def test_who_reviews_it_does_not_see_the_verdict_first(enter: Enter, desk: SmallDesk, review: Draw) -> None:
    browser, sentence = enter(ANALYST), desk.story.verdicts[CASE].sentence
    before, _, folded = browser.get(f"/cases/{CASE}").text.partition('<details class="panel">')
    assert "Chance drew this closed case" in before
    assert sentence[:40] not in before
    assert sentence[:40] in folded
    desk.resolve(CASE, "benign_true_positive", ANALYST, "expected_activity")
    after = browser.get(f"/cases/{CASE}").text
    assert "Chance drew" not in after
    assert sentence[:40] in after


def test_an_overdue_review_says_so(enter: Enter, desk: SmallDesk, review: Draw) -> None:
    desk.draws[:] = [review.model_copy(update={"due": NOW - 1})]
    assert "1 reviews wait 1 reviews are overdue" in words(enter(ANALYST).get("/closing").text)


def test_the_api_says_the_same(enter: Enter, desk: SmallDesk, review: Draw) -> None:
    told = enter(ANALYST).get("/api/v1/closing").json()
    assert told["classes"][0] | {"uncounted": {}} == {
        "detection_class": review.detection_class,
        "closes": False,
        "why_not": ["up to 100.0% may be missed, the limit is 2.0%: 175 more labels without an attack"],
        "labels": 0, "counted": 0, "missed": 0, "bound": 1.0, "limit": 0.02, "needed": 175, "uncounted": {},
        "unjudged": 0, "next": [], "reviews": 1, "overdue": 0, "reviewed": 0, "drift": 1.0, "drifted": "",
    }  # fmt: skip
    assert told["reviews"] == [{"case": CASE, "detection_class": review.detection_class, "due": review.due}]
