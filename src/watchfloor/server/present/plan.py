"""Where each step of a plan stands, and who may take it further."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from watchfloor.core.plan import Approval, Outcome, Plan, PlannedAction
from watchfloor.core.policy import ApprovalRule, Policy

STATE = {
    "proposed": "Proposed",
    "waiting": "Needs more approvals",
    "approved": "Approved",
    "running": "Running",
    "succeeded": "Done, checked",
    "already_so": "Was so already",
    "no_effect": "No effect",
    "failed": "Failed",
    "refused": "Refused",
    "undone": "Undone",
}
DONE = frozenset({"succeeded", "already_so", "undone"})


class Change(NamedTuple):
    """One value that the check read before and after."""

    name: str
    before: str
    after: str


class Step(NamedTuple):
    """`approvals` are those that still count towards running it; `needed` how many people policy asks for."""

    action: PlannedAction
    state: str
    approvals: list[Approval]
    needed: int
    roles: tuple[str, ...]
    outcome: Outcome | None
    changes: list[Change]
    may_approve: bool
    """This person may, and has not yet."""
    may_undo: bool


class Viewer(NamedTuple):
    """Who looks at a plan."""

    user: str
    roles: tuple[str, ...]

    def fits(self, rule: ApprovalRule) -> bool:
        return not rule.roles or bool(set(rule.roles) & set(self.roles))


def rule_for(policy: Policy, action: PlannedAction) -> ApprovalRule:
    """The approval rule of an action's effect; one that nobody satisfies when policy has none."""
    found = next((rule for rule in policy.response.rules if rule.effect == action.effect), None)
    return found or ApprovalRule(effect=action.effect, approvals=1, roles=("nobody",))


def steps(
    plan: Plan,
    approvals: Sequence[Approval],
    outcomes: Sequence[Outcome],
    *,
    policy: Policy,
    viewer: Viewer,
    now: int,
    running: frozenset[str] = frozenset(),
) -> list[Step]:
    """Each step with its state. `running` are uids of approvals that are being executed."""
    found = []
    for action in plan.actions:
        mine = [o for o in outcomes if o.plan_uid == plan.uid and o.n == action.n]
        standing = standing_approvals(plan, action, approvals, mine, now)
        busy = any(a.uid in running for a in standing)
        found.append(_step(action, mine, standing, rule=rule_for(policy, action), viewer=viewer, busy=busy))
    return found


def standing_approvals(
    plan: Plan, action: PlannedAction, approvals: Sequence[Approval], outcomes: Sequence[Outcome], now: int
) -> list[Approval]:
    """Approvals of a step that are valid now and have not been spent. A refused step spends none."""
    spent = {o.approval_uid for o in outcomes if o.status != "refused"}
    return [
        a
        for a in approvals
        if a.plan_uid == plan.uid
        and action.n in a.steps
        and a.purpose == "execute"
        and a.expires_at > now
        and a.uid not in spent
    ]


def _step(
    action: PlannedAction,
    outcomes: list[Outcome],
    standing: list[Approval],
    *,
    rule: ApprovalRule,
    viewer: Viewer,
    busy: bool,
) -> Step:
    outcome = max(outcomes, key=lambda o: o.time, default=None)
    people = {a.approver for a in standing}
    needed = max(rule.approvals, 1)
    if busy:
        state = "running"
    elif standing:
        state = "approved" if len(people) >= needed else "waiting"
    else:
        state = outcome.status if outcome else "proposed"
    done = outcome is not None and outcome.status in DONE
    return Step(
        action=action,
        state=state,
        approvals=standing,
        needed=needed,
        roles=rule.roles,
        outcome=outcome,
        changes=changes(outcome) if outcome else [],
        may_approve=not (done or busy) and viewer.user not in people and viewer.fits(rule),
        may_undo=state == "succeeded" and action.undo is not None and viewer.fits(rule),
    )


def changes(outcome: Outcome) -> list[Change]:
    """The values that the check read, before against after; only those that differ when some do."""
    before, after = _plain(outcome.before), _plain(outcome.after)
    names = dict.fromkeys((*before, *after))
    every = [Change(n, _text(before, n), _text(after, n)) for n in names]
    return [c for c in every if c.before != c.after] or every


def _plain(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        data = json.loads(text)
    except ValueError:
        return {"answer": text}
    return data if isinstance(data, dict) else {"answer": data}


def _text(data: dict[str, Any], name: str) -> str:
    if name not in data:
        return "—"
    value = data[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
