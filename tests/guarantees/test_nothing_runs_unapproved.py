"""Promise 2: an approval is a signature over the exact plan; the executor refuses any other byte."""

from __future__ import annotations

import pytest

from tests.conftest import PASSWORD
from watchfloor.app.views import CaseView
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.errors import RefusedError
from watchfloor.core.plan import Approval, Plan
from watchfloor.integrations import Client


@pytest.fixture
def case(decided: Watchfloor) -> CaseView:
    """The most pressing case with a plan whose steps a lead may all approve."""
    views = (decided.desk.case_view(row.case.uid) for row in decided.desk.queue(disposition="escalate", limit=None))
    return next(view for view in views if view.plan and len(view.plan.actions) > 1)


def plan_of(case: CaseView) -> Plan:
    assert case.plan is not None
    return case.plan


def state(product: Watchfloor, plan: Plan) -> list[object]:
    """What the other products say about each step."""
    client = Client(product.parts.actions, product.parts.connections)
    return [client.perform(action.check).body for action in plan.actions]


def test_an_approved_plan_runs_is_checked_and_can_be_undone(decided: Watchfloor, case: CaseView) -> None:
    plan = plan_of(case)
    before = state(decided, plan)
    approval = decided.desk.approve(plan.uid, tuple(a.n for a in plan.actions), "lena", PASSWORD)
    outcomes = decided.desk.execute(approval.uid)
    assert {o.status for o in outcomes} <= {"succeeded", "already_so"}
    assert len(outcomes) == len(plan.actions)
    changed = state(decided, plan)
    for action, now in zip(plan.actions, changed, strict=True):
        assert isinstance(now, dict)
        assert {key: now[key] for key in action.expect} == action.expect
    undoable = next(a for a, o in zip(plan.actions, outcomes, strict=True) if a.undo and o.status == "succeeded")
    (undone,) = decided.desk.undo(plan.uid, undoable.n, "lena", PASSWORD)
    assert undone.status == "undone"
    place = plan.actions.index(undoable)
    now, was = state(decided, plan)[place], before[place]
    assert isinstance(now, dict)
    assert isinstance(was, dict)
    # What this step changed; other steps of the plan may have changed other things of the same entity.
    assert {key: now[key] for key in undoable.expect} == {key: was[key] for key in undoable.expect}


def test_a_plan_changed_after_approval_is_refused_and_nothing_is_called(decided: Watchfloor, case: CaseView) -> None:
    plan = plan_of(case)
    approval = decided.desk.approve(plan.uid, (plan.actions[0].n,), "lena", PASSWORD)
    before = state(decided, plan)
    other = plan.actions[0].model_copy(update={"title": plan.actions[0].title + "."})
    changed = plan.model_copy(update={"actions": (other, *plan.actions[1:])})
    decided.parts.documents.put(decided.parts.tenant, changed)
    outcomes = decided.desk.execute(approval.uid)
    assert [o.status for o in outcomes] == ["refused"]
    assert state(decided, plan) == before


def test_an_approval_for_other_steps_or_by_another_hand_is_refused(decided: Watchfloor, case: CaseView) -> None:
    plan = plan_of(case)
    with pytest.raises(RefusedError):
        decided.desk.approve(plan.uid, (plan.actions[0].n,), "lena", "not the passphrase")
    approval = decided.desk.approve(plan.uid, (plan.actions[0].n,), "lena", PASSWORD)
    before = state(decided, plan)
    widened = approval.model_copy(update={"steps": tuple(a.n for a in plan.actions), "uid": "a-widened"})
    forged = approval.model_copy(update={"approver": "ana", "uid": "a-forged"})
    for bad in (widened, forged):
        decided.parts.documents.put(decided.parts.tenant, bad)
        assert [o.status for o in decided.desk.execute(bad.uid)] == ["refused"]
    assert state(decided, plan) == before
    assert decided.parts.documents.get(decided.parts.tenant, Approval, approval.uid) == approval


def test_arguments_are_entities_of_the_case_and_never_text_from_records(decided: Watchfloor) -> None:
    plans = decided.parts.documents.find(decided.parts.tenant, Plan, limit=None)
    assert plans
    for plan in plans:
        case = decided.desk.case_view(plan.case_uid).case
        known = {i.entity.key for i in case.involved}
        for action in plan.actions:
            assert action.entity in known | {f"case:{case.uid}"}
            assert action.claims
