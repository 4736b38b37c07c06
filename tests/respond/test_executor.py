"""The executor does what was approved, checks that it happened, and calls nothing else a success."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.respond.desk import STOLEN_SESSION, Desk, effects, make_plan, seconds
from tests.respond.given import NOW, case_of, claims_of, finding, verdict_of
from watchfloor.core.clock import HOUR
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.plan import Plan
from watchfloor.core.policy import Policy
from watchfloor.integrations.simulated_company import SimulatedCompany

ALL = (1, 2, 3, 4, 5)


def test_a_plan_of_five_steps_runs_in_order_and_each_effect_is_checked(desk: Desk, company: SimulatedCompany) -> None:
    start = seconds()
    outcomes = desk.run(make_plan(), ALL)
    assert [outcome.status for outcome in outcomes] == ["succeeded"] * 5
    assert [outcome.n for outcome in outcomes] == [1, 2, 3, 4, 5]
    assert effects(company) == [
        "users/sessions/revoke", "users/disable", "users/password/reset", "addresses/block", "ticketsPUT",
    ]  # fmt: skip
    assert company.state.thing("users", "ana")["enabled"] is False
    assert json.loads(outcomes[1].before)["enabled"] is True
    assert json.loads(outcomes[1].after)["enabled"] is False
    assert seconds() - start < 30


def test_each_outcome_is_in_the_ledger_once_with_who_approved_it(desk: Desk) -> None:
    plan = make_plan()
    outcomes = desk.run(plan, (1, 2))
    entries = desk.entries()
    assert [entry.kind for entry in entries] == ["action.succeeded", "action.succeeded"]
    assert [json.loads(entry.body)["uid"] for entry in entries] == [outcome.uid for outcome in outcomes]
    assert {(entry.actor, entry.subject) for entry in entries} == {("ann", plan.case_uid)}


def test_the_same_approval_runs_once_however_often_it_is_asked_for(desk: Desk, company: SimulatedCompany) -> None:
    plan = make_plan()
    approval = desk.approve(plan, (1,))
    first = desk.executor.execute("acme", approval.uid)
    assert desk.executor.execute("acme", approval.uid) == first
    assert len(company.state.log()) == 1


def test_a_second_approval_of_a_step_that_is_done_does_nothing_more(desk: Desk, company: SimulatedCompany) -> None:
    plan = make_plan()
    first = desk.run(plan, (1,))
    assert desk.run(plan, (1, 2), "lea")[0] == first[0]
    assert effects(company) == ["users/sessions/revoke", "users/disable"]


def test_an_accepted_call_with_no_effect_is_an_error_and_stops_the_plan(desk: Desk, company: SimulatedCompany) -> None:
    company.state.faults.no_effect_next = 1
    outcomes = desk.run(make_plan(), ALL)
    assert [outcome.status for outcome in outcomes] == ["no_effect"]
    assert "had no effect" in outcomes[0].sentence
    assert effects(company) == []
    assert desk.entries()[0].kind == "action.no_effect"


def test_a_step_without_effect_can_be_approved_again(desk: Desk, company: SimulatedCompany) -> None:
    plan = make_plan()
    company.state.faults.no_effect_next = 1
    assert desk.run(plan, (1,))[0].status == "no_effect"
    assert desk.run(plan, (1,))[0].status == "succeeded"


def test_a_failing_product_is_asked_again_and_then_it_is_a_failure(desk: Desk, company: SimulatedCompany) -> None:
    company.state.faults.fail_next = 2
    assert [o.status for o in desk.run(make_plan(), (1,))] == ["succeeded"]
    company.state.faults.fail_next = 3
    outcomes = desk.run(make_plan(), (2, 3))
    assert [outcome.status for outcome in outcomes] == ["failed"]
    assert "503" in outcomes[0].sentence


def test_a_lost_answer_is_asked_for_again_under_the_same_key_and_acts_once(
    desk: Desk, company: SimulatedCompany
) -> None:
    company.state.faults.lose_next = 1
    assert desk.run(make_plan(), (1,))[0].status == "succeeded"
    log = company.state.log()
    assert [entry["effect"] for entry in log] == [True, False]
    assert len({entry["key"] for entry in log}) == 1


def test_a_state_that_was_already_so_is_no_success_and_cannot_be_undone(desk: Desk, company: SimulatedCompany) -> None:
    plan = make_plan()
    company.state.call("users", ("ana",), ("POST", "/disable"), "by-hand")
    outcomes = desk.run(plan, (2, 3))
    assert [outcome.status for outcome in outcomes] == ["already_so", "succeeded"]
    assert effects(company) == ["users/disable", "users/password/reset"]
    assert desk.run(plan, (2,), undo=True)[0].status == "refused"
    assert company.state.thing("users", "ana")["enabled"] is False


def test_what_the_other_product_does_not_know_is_a_failure_and_nothing_is_called(
    desk: Desk, company: SimulatedCompany
) -> None:
    spec = {"layer": "endpoint", "tactics": ["execution"], "involved": {"host:ws-1": "target", "file:ab": "related"}}
    plan = make_plan(specs=[spec | {"claims": ["file:ab"]}])
    quarantine = next(a.n for a in plan.actions if a.call.action == "edr.quarantine_file")
    outcome = desk.run(plan, (quarantine,))[0]
    assert outcome.status == "failed"
    assert "404" in outcome.sentence
    assert company.state.log() == []


def test_undo_needs_its_own_approval_and_is_checked_as_well(desk: Desk, company: SimulatedCompany) -> None:
    plan = make_plan()
    desk.run(plan, (2,))
    undone = desk.run(plan, (2,), undo=True)[0]
    assert (undone.status, undone.call.action) == ("undone", "identity.enable_user")
    assert company.state.thing("users", "ana")["enabled"] is True
    again = desk.run(plan, (2,))[0]
    assert again.status == "succeeded"
    company.state.faults.no_effect_next = 1
    assert desk.run(plan, (2,), undo=True)[0].status == "no_effect"


def test_a_step_that_did_nothing_cannot_be_undone(desk: Desk) -> None:
    assert desk.run(make_plan(), (2,), undo=True)[0].status == "refused"


def test_a_plan_changed_after_its_approval_is_refused_and_nothing_is_called(
    desk: Desk, company: SimulatedCompany
) -> None:
    plan = make_plan()
    approval = desk.approve(plan, ALL)
    step = plan.actions[1]
    other = step.call.model_copy(update={"arguments": {"user": "ben"}})
    changed = plan.model_copy(
        update={"actions": (plan.actions[0], step.model_copy(update={"call": other}), *plan.actions[2:])}
    )
    desk.documents.put("acme", changed)
    outcomes = desk.executor.execute("acme", approval.uid)
    assert [outcome.status for outcome in outcomes] == ["refused"]
    assert "byte for byte" in outcomes[0].sentence
    assert company.state.log() == []


def test_an_expired_approval_is_refused(desk: Desk, company: SimulatedCompany) -> None:
    approval = desk.approve(make_plan(), ALL)
    desk.now = NOW + 25 * HOUR
    assert [o.status for o in desk.executor.execute("acme", approval.uid)] == ["refused"]
    assert company.state.log() == []


def test_a_plan_that_a_newer_one_replaced_is_refused(desk: Desk, company: SimulatedCompany) -> None:
    plan = make_plan()
    approval = desk.approve(plan, (1,))
    desk.documents.put("acme", plan.model_copy(update={"uid": "p-newer", "time": plan.time + 1}))
    outcome = desk.executor.execute("acme", approval.uid)[0]
    assert outcome.status == "refused"
    assert "newer plan" in outcome.sentence
    assert company.state.log() == []


def test_a_mild_word_of_a_plan_on_an_effect_does_not_lower_what_the_catalogue_says(
    desk: Desk, company: SimulatedCompany
) -> None:
    spec = {
        "layer": "cloud",
        "tactics": ["discovery"],
        "involved": {"access_key:AKIA1": "actor", "user:ana": "actor"},
    }
    plan = make_plan(specs=[spec])
    delete = next(a for a in plan.actions if a.call.action == "cloud.delete_access_key")
    mild = plan.model_copy(
        update={
            "actions": tuple(
                a.model_copy(update={"effect": "reversible"}) if a.n == delete.n else a for a in plan.actions
            )
        }
    )
    outcome = desk.run(mild, (delete.n,), "ann")[0]
    assert outcome.status == "refused"
    assert "a destructive step needs" in outcome.sentence
    assert company.state.log() == []


def test_two_people_must_agree_where_policy_says_so(desk: Desk, company: SimulatedCompany) -> None:
    rules = [
        rule.model_copy(update={"approvals": 2}) if rule.effect == "reversible" else rule
        for rule in desk.policy.response.rules
    ]
    response = desk.policy.response.model_copy(update={"rules": tuple(rules)})
    strict = desk.with_policy(desk.policy.model_copy(update={"response": response}))
    plan = make_plan(policy=strict.policy)
    alone = strict.run(plan, (1,), "ann")[0]
    assert (alone.status, company.state.log()) == ("refused", [])
    assert "needs 2 approvals by analyst or lead, and has 1" in alone.sentence
    assert strict.run(plan, (1,), "lea")[0].status == "succeeded"


def test_a_plan_whose_verdict_has_changed_is_refused(desk: Desk, company: SimulatedCompany) -> None:
    plan = make_plan()
    verdict = verdict_of(case_of([finding(0, STOLEN_SESSION[0])]), 0.95, claims_of(STOLEN_SESSION))
    assert verdict.digest() == plan.verdict_digest
    desk.documents.put("acme", verdict)
    assert desk.run(plan, (1,))[0].status == "succeeded"
    desk.documents.put("acme", verdict.model_copy(update={"uid": "v-2", "time": NOW + 1, "disposition": "close"}))
    outcome = desk.run(plan, (2,))[0]
    assert outcome.status == "refused"
    assert "verdict has changed" in outcome.sentence
    assert effects(company) == ["users/sessions/revoke"]


def test_a_plan_of_another_policy_is_refused(desk: Desk, company: SimulatedCompany) -> None:
    outcome = desk.run(make_plan(policy=Policy(name="former")), (1,))[0]
    assert outcome.status == "refused"
    assert "policy has changed" in outcome.sentence
    assert company.state.log() == []


def test_another_tenant_has_no_such_approval(desk: Desk) -> None:
    approval = desk.approve(make_plan(), (1,))
    with pytest.raises(NotFoundError):
        desk.executor.execute("other", approval.uid)


def test_a_second_process_is_kept_from_acting_for_the_same_home(
    tmp_path: Path, desk: Desk, company: SimulatedCompany
) -> None:
    other = Desk(tmp_path / "home", company.connections())
    with pytest.raises(WatchfloorError, match="acts for"):
        other.executor.start()
    other.database.close()


def test_a_plan_survives_its_own_bytes(desk: Desk) -> None:
    plan = make_plan()
    desk.documents.put("acme", plan)
    assert desk.documents.get("acme", Plan, plan.uid).digest() == plan.digest()
