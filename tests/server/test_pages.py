"""The console's pages over plain HTTP, as a browser without JavaScript sees them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.server.conftest import ADMIN, ANALYST, AUDITOR, LEAD, PASSPHRASES, Enter, csrf
from tests.server.desk import SmallDesk
from tests.server.given import START, given
from tests.server.given_verdict import CASE, NOW, TENANT
from watchfloor.core.finding import Severity
from watchfloor.core.plan import Approval
from watchfloor.core.policy import ApprovalRule, Policy, ResponsePolicy
from watchfloor.core.record import DeadLetter
from watchfloor.server.pages import render

OTHER = "c-00000000000000ac"
LETTER = {
    "tenant": TENANT, "uid": "d-1", "time": NOW, "reason": "not JSON: unterminated string", "source": "mail.jsonl",
    "position": 11, "unit": "line", "content": None, "size": 8_123,
}  # fmt: skip
ENCODED, TRAVEL = "Encoded PowerShell on a build server", "Impossible travel of t.lindqvist"


def titles(page: str) -> list[str]:
    return re.findall(r'class="title"[^>]*>([^<]+)<', page)


def words(page: str) -> str:
    """The text of a page, its white space folded."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def post(browser: TestClient, path: str, **form: object) -> int:
    token = csrf(browser.get(f"/cases/{CASE}").text)
    return browser.post(f"/cases/{CASE}/{path}", data={"csrf": token, **form}).status_code


def test_login_leads_to_the_page_that_was_asked_for(visit: Callable[..., TestClient]) -> None:
    browser = visit()
    asked = browser.get(f"/cases/{CASE}")
    assert asked.headers["location"] == f"/login?next=/cases/{CASE}"
    page = browser.get(asked.headers["location"]).text
    form = {"user": ANALYST, "passphrase": PASSPHRASES[ANALYST], "csrf": csrf(page), "next": f"/cases/{CASE}"}
    assert browser.post("/login", data=form).headers["location"] == f"/cases/{CASE}"


def test_tabs_count_and_part_the_cases(enter: Enter) -> None:
    browser = enter(ANALYST)
    page = browser.get("/").text
    assert re.findall(r"<b>(\d+)</b></a>", page) == ["2", "3", "2", "7"]
    assert titles(page) == [
        "Session of nadia.osei used from another country after a phishing mail",
        "Access key used from outside the company",
    ]
    assert len(titles(browser.get("/?tab=queue").text)) == 3
    assert "Announced scanner" in browser.get("/?tab=closed").text
    assert len(titles(browser.get("/?tab=all").text)) == 7


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tab=all&text=bucket+deploy-bot", ["Access key used from outside the company"]),
        ("tab=all&text=T1539", ["Session of nadia.osei used from another country after a phishing mail"]),
        ("tab=all&severity=5", ["Access key used from outside the company"]),
        ("tab=all&layer=email", ["Session of nadia.osei used from another country after a phishing mail"]),
        (
            "tab=queue&sort=severity",
            ["Encoded PowerShell on a build server", "New sign-in method added", "Impossible travel of t.lindqvist"],
        ),
        (
            "tab=queue&sort=title&reverse=true",
            ["New sign-in method added", "Impossible travel of t.lindqvist", "Encoded PowerShell on a build server"],
        ),
        ("tab=all&text=nothing-like-this", []),
    ],
)
def test_queue_finds_and_sorts(enter: Enter, query: str, expected: list[str]) -> None:
    assert titles(enter(ANALYST).get(f"/?{query}").text) == expected


def test_the_case_page_shows_all_that_the_verdict_rests_on(enter: Enter, desk: SmallDesk) -> None:
    page = enter(ANALYST).get(f"/cases/{CASE}").text
    text = words(page)
    verdict = desk.story.verdicts[CASE]
    assert "Needs a person now Malicious" in text
    assert "97 % almost certain" in text
    assert verdict.sentence in text
    for claim in verdict.claims:
        assert claim.sentence in text
    for missing in verdict.could_not_check:
        assert missing.title in text
        assert missing.reason in text
    for gate in verdict.gates:
        assert f"{'holds' if gate.holds else 'does not hold'} {gate.sentence}" in text
    assert verdict.counterfactual is not None
    assert verdict.counterfactual.sentence in text
    for answer in verdict.answers:
        assert f"{answer.title}: {answer.value}" in text
    assert "Sum +6.0 −2.5 −2.8" in text
    assert "In the end 97 % 2 % 1 %" in text
    for finding in desk.story.findings.values():
        assert finding.title in text
    assert "Accounts payable lead · Finance · privileged" in text
    assert "verdict.decided" in text


def test_a_struck_claim_is_shown_struck_and_counts_nothing(enter: Enter) -> None:
    page = enter(ANALYST).get(f"/cases/{CASE}").text
    assert "<s>The address belongs to a hosting company.</s>" in page
    assert "Struck out: bytes 40 to 52 do not read as quoted" in page


def test_each_claim_opens_the_bytes_it_cites(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(ANALYST)
    hrefs = [unescape(h) for h in re.findall(r'class="cite" href="([^"]+)"', browser.get(f"/cases/{CASE}").text)]
    claims = {c.uid: c for c in desk.story.verdicts[CASE].claims}
    assert len(hrefs) == sum(len(c.citations) for c in claims.values())
    for href in hrefs:
        page = browser.get(href).text
        claim = claims[href.rpartition("claim=")[2]]
        assert claim.sentence in unescape(page)
        assert "the same as when it was recorded" in page
        cited = [c for c in claim.citations if c.evidence in href]
        bare = re.sub(r'<span class="layout">[^<]*</span>', "", page)
        assert unescape("".join(re.findall(r"<mark>([^<]*)</mark>", bare))) == "".join(c.quote for c in cited)
        assert page.count(", as cited.") == len(cited)


def test_evidence_that_was_changed_says_so(enter: Enter, desk: SmallDesk) -> None:
    claim = desk.story.verdicts[CASE].claims[0]
    uid = claim.citations[0].evidence
    desk.tampered.add(uid)
    page = enter(ANALYST).get(f"/evidence/{uid}?case={CASE}&claim={claim.uid}").text
    assert "NOT the recorded sha256:" in page
    assert "has changed since it was recorded" in page
    assert ", as cited." not in page


def test_evidence_that_failed_is_shown_as_not_checked(enter: Enter, desk: SmallDesk) -> None:
    uid = next(e.uid for e in desk.story.evidence.values() if e.status == "failed")
    assert "Could not check: the indicator file could not be read" in enter(ANALYST).get(f"/evidence/{uid}").text


def test_downloaded_evidence_is_the_recorded_bytes(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(ANALYST)
    for uid, evidence in desk.story.evidence.items():
        assert browser.get(f"/evidence/{uid}/raw").content == evidence.content.encode()


def test_approve_run_and_undo_without_javascript(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(LEAD)
    passphrase = PASSPHRASES[LEAD]
    digest = desk.story.plan.digest()
    ticked = {"plan_digest": digest, "steps": ["3", "2"], "passphrase": passphrase, "run": "true"}
    assert post(browser, "plan/approve", **ticked) == 303
    assert [(o.n, o.status) for o in desk.outcomes] == [(2, "succeeded"), (3, "succeeded")]
    text = words(browser.get(f"/cases/{CASE}").text)
    assert "Done, checked The check shows it." in text
    assert "enabled true false" in text
    assert post(browser, "plan/undo", step="3", passphrase=passphrase) == 303
    assert desk.outcomes[-1].status == "undone"
    assert "Undone" in words(browser.get(f"/cases/{CASE}").text)
    assert desk.approvals[0].steps == (2, 3)
    assert desk.approvals[0].plan_digest == digest


def test_approve_now_and_run_later(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(LEAD)
    form = {"plan_digest": desk.story.plan.digest(), "steps": ["2"], "passphrase": PASSPHRASES[LEAD], "run": "false"}
    assert post(browser, "plan/approve", **form) == 303
    assert desk.outcomes == []
    page = browser.get(f"/cases/{CASE}").text
    assert "Run what is approved" in page
    assert "Approved by lee" in words(page)
    assert post(browser, "plan/run", approval_uid=desk.approvals[0].uid) == 303
    assert [o.n for o in desk.outcomes] == [2]
    assert post(browser, "plan/run", approval_uid="a-unknown") == 404


def test_a_step_that_needs_two_people_waits_for_the_second(enter: Enter, desk: SmallDesk) -> None:
    two = ApprovalRule(effect="reversible", approvals=2, roles=("analyst", "lead"))
    desk.policy = Policy(response=ResponsePolicy(rules=(two,)))
    form = {"plan_digest": desk.story.plan.digest(), "steps": ["2"], "run": "true"}
    first = enter(ANALYST)
    assert post(first, "plan/approve", **form, passphrase=PASSPHRASES[ANALYST]) == 303
    assert desk.outcomes == []
    assert "2 approvals by analyst or lead, has 1" in words(first.get(f"/cases/{CASE}").text)
    assert "Run what is approved" not in first.get(f"/cases/{CASE}").text
    assert post(enter(LEAD), "plan/approve", **form, passphrase=PASSPHRASES[LEAD]) == 303
    assert [o.n for o in desk.outcomes] == [2]


def test_no_tick_no_signature(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(LEAD)
    assert post(browser, "plan/approve", plan_digest=desk.story.plan.digest(), passphrase=PASSPHRASES[LEAD]) == 403
    assert desk.approvals == []


def test_an_execution_that_stops_is_told(enter: Enter, desk: SmallDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(approval_uid: str) -> list[object]:
        raise OSError("the disk is full")

    monkeypatch.setattr(desk, "execute", stop)
    browser = enter(LEAD)
    form = {"plan_digest": desk.story.plan.digest(), "steps": ["2"], "passphrase": PASSPHRASES[LEAD], "run": "true"}
    assert post(browser, "plan/approve", **form) == 303
    assert "The last execution stopped: OSError" in words(browser.get(f"/cases/{CASE}").text)


def test_an_expired_approval_counts_no_more(enter: Enter, desk: SmallDesk) -> None:
    desk.approve(desk.story.plan.uid, (2,), LEAD, PASSPHRASES[LEAD])
    late = desk.approvals[0].to_dict() | {"expires_at": NOW - 1}
    desk.approvals = [Approval.from_dict(late)]
    assert "Run what is approved" not in enter(LEAD).get(f"/cases/{CASE}").text


def test_comment_assign_resolve_reopen(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(ANALYST)
    assert post(browser, "comments", text="Called her: not in Romania.") == 303
    assert post(browser, "assign", assignee=LEAD) == 303
    assert post(browser, "assign", assignee="nobody-here") == 404
    assert post(browser, "resolve", resolution_code="benign.travel") == 303
    assert post(browser, "resolve", resolution_code="undetermined.needs_person") == 403
    text = words(browser.get(f"/cases/{CASE}").text)
    assert "Called her: not in Romania." in text
    assert "ana decided Benign, true positive" in text
    assert desk.all_cases[CASE].assignee == LEAD
    assert desk.labels[CASE].verdict == "benign_true_positive"
    assert post(browser, "reopen") == 303
    assert desk.all_cases[CASE].status == "in_progress"


def test_an_auditor_sees_everything_and_no_button(enter: Enter) -> None:
    page = enter(AUDITOR).get(f"/cases/{CASE}").text
    assert "You may read this plan and not approve it." in page
    main = page[page.index("<main") :]
    assert re.findall(r"<form(?! method=\"post\" action=\"[^\"]*approve\" id=\"approve\")", main) == []
    assert "passphrase" not in main


def test_a_case_without_verdict_or_plan_has_a_page(enter: Enter) -> None:
    text = words(enter(ANALYST).get("/cases/c-00000000000000ff").text)
    assert "Not decided yet" in text
    assert "No plan" in text


def test_replay_compares_bytes(enter: Enter) -> None:
    assert "The same bytes came out" in enter(ANALYST).get(f"/cases/{CASE}/replay").text


def test_ledger_and_sources(enter: Enter, desk: SmallDesk) -> None:
    desk.letters = [DeadLetter.from_dict(LETTER)]
    browser = enter(ANALYST)
    ledger = words(browser.get("/ledger").text)
    assert "every digest, link and head holds" in ledger
    assert "verdict.decided" in ledger
    sources = words(browser.get("/sources").text)
    assert "mail.jsonl, line 12 not JSON: unterminated string 8.1 KB" in sources


def test_the_floor_counts_what_the_lists_show(enter: Enter, desk: SmallDesk) -> None:
    desk.letters = [DeadLetter.from_dict(LETTER | {"uid": f"d-{n}"}) for n in range(3)]
    browser = enter(ANALYST)
    page = browser.get("/floor").text
    assert re.findall(r'class="figure">(\d+)</b> ([^<]+)<', page) == [
        ("2", "Needs a person now"),
        ("3", "Queue"),
        ("2", "Closed by itself"),
        ("7", "All cases"),
    ]
    text = words(page)
    assert "2026-10-13 7 Needs a person now: 2 Queue: 3 Closed by itself: 2 2 3 2 0" in text
    assert "3 dead letters" in text
    hrefs = [unescape(h) for h in re.findall(r'href="(/\?tab=all&amp;[^"]+)"', page)]
    counts = [int(n) for n in re.findall(r'<a class="quiet"[^>]*>[^<]+</a></th>\s*<td class="num">(\d+)', page)]
    assert len(hrefs) == len(counts) > 3
    assert [len(titles(browser.get(href).text)) for href in hrefs] == counts
    for gap in desk.story.verdicts[CASE].could_not_check:
        assert gap.title in text


def test_an_entity_leads_to_every_case_with_it(enter: Enter) -> None:
    browser = enter(ANALYST)
    href = unescape(re.findall(r'href="([^"]+)" title="Every case with user:nadia.osei"', browser.get("/").text)[0])
    assert titles(browser.get(href).text) == ["Session of nadia.osei used from another country after a phishing mail"]


def test_accounts_are_for_admins_to_read(enter: Enter) -> None:
    page = enter(ADMIN).get("/accounts")
    assert "audit auditor read" in words(page.text)
    assert "lee lead decide and approve" in words(page.text)
    for user in (ANALYST, LEAD, AUDITOR):
        browser = enter(user)
        assert browser.get("/accounts").status_code == 403
        assert "/accounts" not in browser.get("/").text


@pytest.mark.parametrize(
    "path", ["/nowhere", "/cases/c-none", "/evidence/e-none", "/events/r-none", f"/cases/{CASE}/plan/none"]
)
def test_what_is_not_there_says_so(enter: Enter, path: str) -> None:
    answer = enter(ANALYST).get(path)
    assert answer.status_code == 404
    assert "Not Found" in answer.text


def test_without_browser_libraries_the_page_works_and_says_so(
    enter: Enter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "VENDOR", tmp_path)
    page = enter(ANALYST).get(f"/cases/{CASE}").text
    assert "no live updates and no graph" in words(page)
    assert "/static/vendor/" not in page


def test_many_cases_come_in_pages(enter: Enter, desk: SmallDesk) -> None:
    one = desk.all_cases[OTHER]
    for n in range(150):
        uid = f"c-{0x1000 + n:016x}"
        desk.all_cases[uid] = one.model_copy(update={"uid": uid, "time": START, "severity": Severity.low})
    browser = enter(ANALYST)
    assert len(titles(browser.get("/?tab=queue").text)) == 100
    assert len(titles(browser.get("/?tab=queue&page=2").text)) == 53
    assert len(titles(browser.get("/?tab=queue&page=9999").text)) == 53


def test_health(visit: Callable[..., TestClient]) -> None:
    assert visit().get("/healthz").json()["status"] == "ok"


def test_the_made_up_story_is_grounded() -> None:
    """The tests above mean something only when the citations point at real bytes."""
    story = given()
    for claim in story.verdicts[CASE].claims:
        for cite in claim.citations:
            content = story.evidence[cite.evidence].content.encode()
            assert content[cite.start : cite.end].decode() == cite.quote
