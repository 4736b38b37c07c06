"""Approving and undoing, alike for pages and API: of the very plan that was seen, what policy leaves to this person."""

from __future__ import annotations

from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.plan import Approval, Outcome, Plan
from watchfloor.server.access import Person, Services
from watchfloor.server.present.plan import Viewer, rule_for, standing_approvals


def approve_steps(
    found: Services, person: Person, case_uid: str, *, plan_digest: str, steps: tuple[int, ...], passphrase: str
) -> Approval:
    """Sign steps of the very plan that the person saw. Raises RefusedError for another plan, a step or a role."""
    plan = plan_of(found, case_uid)
    if plan.digest() != plan_digest:
        raise RefusedError(
            "the plan has changed since you saw it", where=plan.uid, do="Open the case again and read it"
        )
    if not steps:
        raise RefusedError("no step was chosen", where=plan.uid, do="Tick the steps to approve")
    _entitled(found, person, plan, steps)
    found.guesses.check(person.name)
    try:
        return found.desk.approve(plan.uid, tuple(sorted(set(steps))), person.name, passphrase)
    except RefusedError:
        found.guesses.refused(person.name)
        raise


def undo_step(found: Services, person: Person, case_uid: str, step: int, passphrase: str) -> list[Outcome]:
    """Sign and run the undo of one step. Raises RefusedError like `approve_steps`."""
    plan = plan_of(found, case_uid)
    _entitled(found, person, plan, (step,))
    found.guesses.check(person.name)
    try:
        return found.desk.undo(plan.uid, step, person.name, passphrase)
    except RefusedError:
        found.guesses.refused(person.name)
        raise


def plan_of(found: Services, case_uid: str) -> Plan:
    """The case's plan. Raises NotFoundError."""
    plan = found.desk.case_view(case_uid).plan
    if plan is None:
        raise NotFoundError("this case has no plan", where=case_uid)
    return plan


def runs_now(found: Services, approval: Approval) -> bool:
    """True when no step of an approval waits for another person's."""
    view = found.desk.case_view(approval.case_uid)
    plan = plan_of(found, approval.case_uid)
    for action in plan.actions:
        if action.n in approval.steps:
            mine = [o for o in view.outcomes if o.plan_uid == plan.uid and o.n == action.n]
            standing = standing_approvals(plan, action, view.approvals, mine, found.clock())
            if len({a.approver for a in standing}) < rule_for(found.desk.policy, action).approvals:
                return False
    return True


def approval_in(found: Services, case_uid: str, approval_uid: str) -> Approval:
    """An approval of this case. Raises NotFoundError."""
    approvals = found.desk.case_view(case_uid).approvals
    approval = next((a for a in approvals if a.uid == approval_uid), None)
    if approval is None:
        raise NotFoundError(f"no approval {approval_uid} in this case", where=case_uid)
    return approval


def _entitled(found: Services, person: Person, plan: Plan, steps: tuple[int, ...]) -> None:
    actions = {action.n: action for action in plan.actions}
    for n in steps:
        if n not in actions:
            raise RefusedError(f"the plan has no step {n}", where=plan.uid)
        rule = rule_for(found.desk.policy, actions[n])
        if not Viewer(person.name, person.roles).fits(rule):
            raise RefusedError(
                f"step {n} is {actions[n].effect}, and {person.name} may not approve that",
                where=plan.uid,
                do=f"Ask somebody with one of: {', '.join(rule.roles)}",
            )
