"""The investigation and what changed, as the case page shows them."""

from __future__ import annotations

import json

from tests.server.conftest import ANALYST, Enter
from tests.server.desk import SmallDesk
from tests.server.given_verdict import CASE
from tests.server.test_could_not_check import decided, plain
from tests.triage.test_decide import LOUD, QUIET, made
from watchfloor.app.similar import SimilarCase
from watchfloor.app.way import MOVED, way
from watchfloor.triage.decide import decide
from watchfloor.triage.reopening import changes


def test_the_page_tells_the_steps_in_their_order_and_those_that_moved_it_most(desk: SmallDesk, enter: Enter) -> None:
    verdict, _ = decided({})
    desk.story.verdicts[CASE] = verdict.model_copy(update={"case_uid": CASE})
    found = way(verdict)
    assert found is not None
    assert verdict.investigation is not None
    assert [row.step for row in found.rows] == list(verdict.investigation.steps)
    assert abs(found.rows[-1].step.probability - verdict.probability) < 1e-3
    assert all(abs(row.moved) >= MOVED for row in found.turning)
    assert [row.n for row in found.turning] == sorted(row.n for row in found.turning)
    page = plain(enter(ANALYST).get(f"/cases/{CASE}").text)
    assert verdict.investigation.sentence in page
    at = [page.index(f"points {row.title} {row.step.answer.replace('_', ' ')}") for row in found.turning]
    assert at == sorted(at)
    assert verdict.stability is not None
    assert f"{verdict.stability.kept} of {verdict.stability.tried} slightly other cases end the same" in page


def test_a_verdict_in_the_place_of_another_says_what_changed(desk: SmallDesk, enter: Enter) -> None:
    before = decide(made({**QUIET, "intel.address": {"indicators": []}}))
    now = decide(made({**QUIET, "intel.address": LOUD["intel.address"]}))
    told = changes(before, now)
    was = {"disposition": "close", "verdict": before.verdict, "probability": before.probability}
    desk._log("verdict.reopened", CASE, "watchfloor", {"was": was, "changes": [c.to_dict() for c in told]})
    browser = enter(ANALYST)
    page = browser.get(f"/cases/{CASE}").text
    assert "reopened" in plain(page)
    assert f"because {told[0].sentence}" in plain(page)
    for uid in (*told[0].evidence_before, *told[0].evidence_after):
        assert f"/evidence/{uid}?case={CASE}" in page
    assert "reopened" in plain(browser.get("/").text)
    again = browser.get(f"/api/v1/cases/{CASE}").json()["reopened"]
    assert again["was"] == "close"
    assert again["changes"] == json.loads(json.dumps([c.to_dict() for c in told]))


def test_similar_cases_say_how_they_ended(desk: SmallDesk, enter: Enter) -> None:
    desk.alike = [
        SimilarCase("c-1", "Earlier one", 0, 0.5, ("detection “x”",), "queue", "unsure", "false_positive", "ana"),
        SimilarCase("c-2", "Another", 0, 0.4, (), "escalate", "malicious", None, ""),
    ]
    browser = enter(ANALYST)
    page = plain(browser.get(f"/cases/{CASE}").text)
    assert "Earlier one" in page
    assert "False positive said ana" in page
    assert "nobody has judged it" in page
    assert [one["case_uid"] for one in browser.get(f"/api/v1/cases/{CASE}/similar").json()] == ["c-1", "c-2"]
