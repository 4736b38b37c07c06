"""People merge cases, split them and undo links; each is kept, holds in later runs, and can be taken back."""

from __future__ import annotations

import pytest

from tests.triage.build import finding
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.finding import Finding


def bring(product: Watchfloor, *findings: Finding) -> None:
    product.parts.documents.put(product.parts.tenant, *findings)
    product.pipeline.triage()


def case_of(product: Watchfloor, number: int) -> Case:
    cases = product.parts.documents.find(product.parts.tenant, Case, limit=None)
    (case,) = [case for case in cases if f"f-{number:06d}" in case.findings and not case.merged_into]
    return case


def cases(product: Watchfloor) -> list[Case]:
    """As they stand now, in order."""
    found = product.parts.documents.find(product.parts.tenant, Case, limit=None)
    return sorted((case for case in found if not case.merged_into), key=lambda case: case.uid)


def kinds(product: Watchfloor, case: Case) -> list[str]:
    return [entry.kind for entry in product.desk.case_view(case.uid).entries if not entry.kind.startswith("verdict")]


@pytest.fixture
def filled(product: Watchfloor) -> Watchfloor:
    """Alice's case of three findings, and Bob's of two."""
    tenant = product.parts.tenant
    alice = [
        finding(n, "user:alice:actor", "host:ws-1:target", minute=n, rule=f"r{n}", tenant=tenant) for n in range(3)
    ]
    bob = [finding(n, "user:bob:actor", "host:ws-2:target", minute=n, rule=f"r{n}", tenant=tenant) for n in (10, 11)]
    bring(product, *alice, *bob)
    return product


def test_two_cases_become_one_and_nothing_that_was_said_is_lost(filled: Watchfloor) -> None:
    desk, before = filled.desk, cases(filled)
    alice, bob = case_of(filled, 0), case_of(filled, 10)
    desk.comment(bob.uid, "nora", "the same attacker")
    desk.assign(bob.uid, "nora", "nora")
    said = desk.regroupings.merge(alice.uid, bob.uid, "nora")
    merged = case_of(filled, 10)
    assert (merged.uid, len(merged.findings)) == (alice.uid, 5)
    gone = desk.case_view(bob.uid)
    assert (gone.case.merged_into, gone.case.status, gone.comments[0].text) == (
        alice.uid,
        "closed",
        "the same attacker",
    )
    assert {"case.merged", "case.took_in"} <= set(kinds(filled, alice))
    assert {"case.merged", "case.taken_in"} <= set(kinds(filled, bob))
    assert desk.regroupings.of_case(alice.uid) == [said]
    late = finding(20, "user:bob:actor", "host:ws-2:target", minute=30, rule="late", tenant=filled.parts.tenant)
    bring(filled, late)
    assert case_of(filled, 20).uid == alice.uid
    desk.regroupings.take_back(said.uid, "ana")
    back = case_of(filled, 10)
    assert (back.uid, back.status, back.assignee) == (bob.uid, bob.status, "nora")
    assert case_of(filled, 20).uid == bob.uid
    assert "regrouping.undone" in kinds(filled, bob)
    assert [case.uid for case in cases(filled)] == [case.uid for case in before]


def test_findings_move_into_a_case_of_their_own_and_back(filled: Watchfloor) -> None:
    desk, before = filled.desk, cases(filled)
    alice = case_of(filled, 0)
    said = desk.regroupings.split(alice.uid, ["f-000001", "f-000002"], "nora")
    kept, made = case_of(filled, 0), case_of(filled, 1)
    assert (kept.uid, kept.findings, made.findings) == (alice.uid, ("f-000000",), ("f-000001", "f-000002"))
    assert (made.uid, made.related) == (said.other_case, (alice.uid,))
    assert kinds(filled, made)[:1] == ["case.split"]
    desk.regroupings.take_back(said.uid, "nora")
    assert cases(filled) == before


def test_a_link_is_undone_and_the_case_is_two(filled: Watchfloor) -> None:
    desk, before = filled.desk, cases(filled)
    alice = case_of(filled, 0)
    link = next(link for link in alice.links if link.finding == "f-000002")
    said = desk.regroupings.unlink(alice.uid, link.uid, "nora")
    assert case_of(filled, 2).findings == ("f-000002",)
    assert "undid the link" in said.sentence
    assert "link.undone" in kinds(filled, alice)
    again = desk.regroupings.merge(case_of(filled, 2).uid, alice.uid, "nora")
    assert len(case_of(filled, 2).findings) == 3
    desk.regroupings.take_back(again.uid, "nora")
    assert case_of(filled, 2).findings == ("f-000002",)
    desk.regroupings.take_back(said.uid, "nora")
    assert cases(filled) == before


def test_the_link_of_a_person_is_undone_by_taking_back_what_was_said(filled: Watchfloor) -> None:
    desk = filled.desk
    said = desk.regroupings.merge(case_of(filled, 0).uid, case_of(filled, 10).uid, "nora")
    merged = case_of(filled, 0)
    (link,) = [link for link in merged.links if link.because == "person"]
    assert desk.regroupings.unlink(merged.uid, link.uid, "nora").takes_back == (said.uid,)
    assert case_of(filled, 10).uid != merged.uid


def test_what_makes_no_sense_is_refused(filled: Watchfloor) -> None:
    say, alice, bob = filled.desk.regroupings, case_of(filled, 0), case_of(filled, 10)
    for findings in ([], list(alice.findings), ["f-000010"]):
        with pytest.raises(RefusedError):
            say.split(alice.uid, findings, "nora")
    with pytest.raises(RefusedError, match="itself"):
        say.merge(alice.uid, alice.uid, "nora")
    with pytest.raises(NotFoundError):
        say.unlink(alice.uid, "link-0", "nora")
    with pytest.raises(NotFoundError):
        say.take_back("regrouping-0", "nora")
    with pytest.raises(NotFoundError):
        say.merge(alice.uid, "case-0", "nora")
    say.merge(alice.uid, bob.uid, "nora")
    with pytest.raises(RefusedError, match="took this one in"):
        say.split(bob.uid, ["f-000010"], "nora")


def test_verdicts_on_cases_that_became_one_count_once_a_class(filled: Watchfloor) -> None:
    desk, alice, bob = filled.desk, case_of(filled, 0), case_of(filled, 10)
    desk.resolve(alice.uid, "false_positive", "nora", "")
    desk.resolve(bob.uid, "malicious", "nora", "")
    assert len(filled.parts.labels()) == 2
    filled.pipeline.triage()
    before = case_of(filled, 10)
    said = desk.regroupings.merge(alice.uid, bob.uid, "nora")
    (label,) = filled.parts.labels()
    assert label.verdict == "malicious"
    desk.regroupings.take_back(said.uid, "nora")
    assert len(filled.parts.labels()) == 2
    assert case_of(filled, 10) == before


def test_what_correlation_itself_merges_is_told_too(filled: Watchfloor) -> None:
    alice, bob = case_of(filled, 0), case_of(filled, 10)
    bridge = finding(30, "host:ws-1:target", "host:ws-2:target", "user:alice:actor", "user:bob:actor", minute=12,
                     rule="bridge", tenant=filled.parts.tenant)  # fmt: skip
    bring(filled, bridge)
    assert case_of(filled, 10).uid == alice.uid
    assert "case.took_in" in kinds(filled, alice)
    assert "case.taken_in" in kinds(filled, bob)
