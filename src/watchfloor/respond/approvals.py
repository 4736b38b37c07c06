"""Approvals: signing exactly one plan, and the sentences that say why an approval does not hold."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchfloor.core.clock import HOUR, iso
from watchfloor.core.errors import RefusedError
from watchfloor.core.noun import short_id
from watchfloor.core.plan import Approval, Effect, Plan, PlannedAction
from watchfloor.core.policy import ApprovalRule, ResponsePolicy
from watchfloor.respond.keys import KeyRing

Roles = Callable[[str], Iterable[str]]
"""The roles that a person has now; none for somebody unknown."""
_ORDER: tuple[Effect, ...] = ("read", "reversible", "destructive")


def harsher(one: Effect, other: Effect) -> Effect:
    """The effect that asks for more approval."""
    return max(one, other, key=_ORDER.index)


def rule_for(effect: Effect, policy: ResponsePolicy) -> ApprovalRule | None:
    """The policy's rule for an effect. None: the policy does not allow that effect at all."""
    return next((rule for rule in policy.rules if rule.effect == effect), None)


def approve(
    plan: Plan,
    steps: tuple[int, ...],
    *,
    user: str,
    passphrase: str,
    keys: KeyRing,
    roles: Roles,
    policy: ResponsePolicy,
    at: int,
    undo: bool = False,
) -> Approval:
    """A person's signature over these steps of this plan. Raises RefusedError where it would not hold."""
    purpose: Literal["execute", "undo"] = "undo" if undo else "execute"
    digest, wanted = plan.digest(), tuple(sorted(set(steps)))
    unsigned = Approval(
        tenant=plan.tenant,
        uid=short_id("a", plan.tenant, digest, purpose, str(wanted), user, str(at)),
        plan_uid=plan.uid,
        case_uid=plan.case_uid,
        time=at,
        plan_digest=digest,
        steps=wanted,
        approver=user,
        expires_at=at + policy.approval_hours * HOUR,
        purpose=purpose,
        public_key=keys.public(user),
        signature="",
    )
    signed = unsigned.model_copy(update={"signature": keys.sign(user, passphrase, unsigned.signed_bytes())})
    if problems := refusals(signed, plan, keys=keys, roles=roles, policy=policy, at=at):
        raise RefusedError("; ".join(problems), where=f"plan {plan.uid}")
    return signed


def refusals(
    approval: Approval, plan: Plan, *, keys: KeyRing, roles: Roles, policy: ResponsePolicy, at: int
) -> tuple[str, ...]:
    """Why this approval does not hold for this plan now, as sentences; empty when it holds.

    A role is asked for each step, so that a lead's step in an analyst's approval refuses the whole approval.
    """
    said = [*_wrong_plan(approval, plan), *_wrong_signature(approval, keys)]
    if not approval.time <= at <= approval.expires_at:
        said.append(f"it is valid from {iso(approval.time)} to {iso(approval.expires_at)}, and now is {iso(at)}")
    if approval.expires_at - approval.time > policy.approval_hours * HOUR:
        said.append(f"it is valid for longer than the policy's {policy.approval_hours} hours")
    by_number = {action.n: action for action in plan.actions}
    if not approval.steps:
        said.append("it names no step")
    if unknown := [n for n in approval.steps if n not in by_number]:
        said.append(f"the plan has no step {', '.join(map(str, unknown))}")
    held = frozenset(roles(approval.approver))
    for step in (by_number[n] for n in approval.steps if n in by_number):
        said += _wrong_role(approval, step, held, policy)
    return tuple(said)


def enough(
    step: PlannedAction, approvals: Iterable[Approval], effect: Effect, roles: Roles, policy: ResponsePolicy
) -> str:
    """Why these approvals, each of which holds, are too few for a step; empty when they suffice."""
    rule = rule_for(effect, policy)
    if rule is None:
        return f"the policy allows no {effect} step"
    people = {
        approval.approver
        for approval in approvals
        if step.n in approval.steps and _may(rule, frozenset(roles(approval.approver)))
    }
    if len(people) >= max(1, rule.approvals):
        return ""
    return f"a {effect} step needs {rule.approvals} approvals by {_or(rule.roles)}, and has {len(people)}"


def _wrong_plan(approval: Approval, plan: Plan) -> list[str]:
    said = []
    if approval.tenant != plan.tenant:
        said.append("it was given in another tenant")
    if (approval.plan_uid, approval.case_uid) != (plan.uid, plan.case_uid):
        said.append("it was given for another plan")
    if approval.plan_digest != plan.digest():
        said.append("the plan is not, byte for byte, the one that was approved")
    return said


def _wrong_signature(approval: Approval, keys: KeyRing) -> list[str]:
    try:
        known = keys.has(approval.approver) and keys.public(approval.approver)
        if not known or known != approval.public_key:
            return [f"its key is not the key of {approval.approver}"]
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(known, validate=True))
        public.verify(base64.b64decode(approval.signature, validate=True), approval.signed_bytes())
    except (InvalidSignature, binascii.Error, ValueError):
        return ["its signature does not fit it"]
    return []


def _wrong_role(approval: Approval, step: PlannedAction, held: frozenset[str], policy: ResponsePolicy) -> list[str]:
    rule = rule_for(step.effect, policy)
    if rule is None:
        return [f"the policy allows no {step.effect} step, which step {step.n} is"]
    if not _may(rule, held):
        return [f"step {step.n} is {step.effect} and needs {_or(rule.roles)}, which {approval.approver} is not"]
    if approval.purpose == "undo" and step.undo is None:
        return [f"step {step.n} has no undo"]
    return []


def _may(rule: ApprovalRule, held: frozenset[str]) -> bool:
    return not rule.roles or bool(held & set(rule.roles))


def _or(roles: tuple[str, ...]) -> str:
    return " or ".join(roles) or "anybody"
