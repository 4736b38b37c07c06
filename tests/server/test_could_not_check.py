"""Promise 1: "could not check" is never shown or counted as clean. Whatever look-ups fail, each failure is in the
verdict, on the page, in the API and on the terminal; what was not needed is told apart from both."""

from __future__ import annotations

import html
import io
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.server.conftest import ANALYST, Enter
from tests.server.desk import SmallDesk
from tests.server.given_verdict import CASE
from tests.triage.build import START, answered, finding, one_case
from watchfloor.cli import output, tables
from watchfloor.core.context import Context
from watchfloor.core.evidence import Evidence
from watchfloor.core.policy import Policy
from watchfloor.core.scorecard import Scorecard
from watchfloor.core.verdict import Verdict
from watchfloor.triage.bound import LabelBook
from watchfloor.triage.catalogue import Catalogue
from watchfloor.triage.decide import Inputs, decide

SHIPPED = Catalogue.shipped()
FINDINGS = [
    finding(n, "user:alice:actor", "host:ws-17:target", "address:198.51.100.7:source", minute=n, rule=f"r{n}")
    for n in range(3)
]
FACETS = {f.event_uid: {"user": "alice", "host": "ws-17", "src_ip": "198.51.100.7"} for f in FINDINGS}
SCORECARD = Scorecard.expert(SHIPPED)
OFFERED = SHIPPED.ask(one_case(FINDINGS), FINDINGS, FACETS, Context())
LOOKUPS = sorted({a.lookup.uid for a in OFFERED})
FAILS = st.dictionaries(st.sampled_from(LOOKUPS), st.sampled_from(("is down", "gave no answer within 30 s")))


def decided(fails: dict[str, str], left: int = 0) -> tuple[Verdict, set[tuple[str, str]]]:
    """A verdict where these look-ups failed, and which questions rested on them. The last `left` were not asked."""
    asked, not_asked = OFFERED[: len(OFFERED) - left], OFFERED[len(OFFERED) - left :]
    case = one_case(FINDINGS)
    evidence: list[Evidence] = [
        Evidence.failed(a.lookup, f"the source {fails[a.lookup.uid]}", at=START, source="test")
        if a.lookup.uid in fails
        else answered(a, SHIPPED.examples[a.question][0].evidence)
        for a in asked
    ]
    inputs = Inputs.of(
        case, FINDINGS, asked, evidence, not_asked=not_asked, catalogue=SHIPPED, scorecard=SCORECARD,
        policy=Policy(), labels=LabelBook(()).record(case), as_of=case.last_time,
    )  # fmt: skip
    return decide(inputs), {(a.question, a.about) for a in asked if a.lookup.uid in fails}


@settings(max_examples=25)
@given(FAILS, st.integers(0, 6))
def test_every_failed_look_up_is_in_the_verdict_and_none_counts(fails: dict[str, str], left: int) -> None:
    verdict, wanted = decided(fails, left)
    shown = {(gap.question, gap.about) for gap in verdict.could_not_check}
    assert wanted <= shown
    for answer in verdict.answers:
        if answer.status == "could_not_check":
            assert (answer.question, answer.about) in shown
            assert not answer.weights
            assert not answer.counted
    assert all(gap.reason for gap in verdict.could_not_check)
    unneeded = (
        {(one.question, one.about) for one in verdict.investigation.not_needed} if verdict.investigation else set()
    )
    assert not unneeded & shown
    if any(gap.required for gap in verdict.could_not_check):
        assert verdict.disposition != "close"
    assert not shown or f"{len(verdict.could_not_check)} could not be checked" in verdict.sentence


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)))


@pytest.mark.parametrize("every", [1, 3, 10_000])
def test_page_api_and_terminal_show_each_of_them(
    every: int, desk: SmallDesk, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict, wanted = decided({uid: "is down" for n, uid in enumerate(LOOKUPS) if n % every == 0})
    assert wanted
    desk.story.verdicts[CASE] = verdict.model_copy(update={"case_uid": CASE})
    browser = enter(ANALYST)
    page = browser.get(f"/cases/{CASE}").text
    panel = page[page.index('class="unchecked some"') :]
    panel = panel[: panel.index("</div>")]
    assert panel.count("<li>") == len(verdict.could_not_check)
    panel = plain(panel)
    said: list[dict[str, Any]] = browser.get(f"/api/v1/cases/{CASE}/verdict").json()["could_not_check"]
    assert {(gap["question"], gap["about"]) for gap in said} >= wanted
    written = io.StringIO()
    monkeypatch.setattr(output, "out", Console(file=written, width=10_000))
    tables.print_case(desk.case_view(CASE), {})
    terminal = plain(written.getvalue())
    for gap in verdict.could_not_check:
        assert gap.title in panel
        assert panel.count(gap.reason) >= 1
        assert f"could not check: {gap.title} ({gap.reason})" in terminal
    assert "Every question that was asked has its answer" not in page


def test_what_was_not_needed_is_told_as_such_and_not_as_unknown(desk: SmallDesk, enter: Enter) -> None:
    verdict, _ = decided({}, left=1)
    assert verdict.investigation is not None
    if verdict.investigation.stopped != "settled":
        pytest.fail("the made-up case is an attack that nothing can undo; its last question cannot matter")
    desk.story.verdicts[CASE] = verdict.model_copy(update={"case_uid": CASE})
    page = plain(enter(ANALYST).get(f"/cases/{CASE}").text)
    (unneeded,) = verdict.investigation.not_needed
    assert "Not needed: 1" in page
    assert "no answer to them could have changed the decision" in page
    assert unneeded.title in page
    assert unneeded.title not in {gap.title for gap in verdict.could_not_check}
