"""Executor: runs exactly the approved steps of a plan, durably, and checks that each one had its effect.

Of each step, in turn and each recorded before the next: verify the approval against the stored plan; read the state
before; call, under an idempotency key; read the state after; write the outcome and its ledger entry together.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import canonical, digest_of, short_id
from watchfloor.core.plan import Approval, Call, Effect, Outcome, Plan, PlannedAction
from watchfloor.core.policy import Policy
from watchfloor.core.verdict import Verdict
from watchfloor.integrations.catalogue import Actions
from watchfloor.integrations.client import Caller, UnavailableError
from watchfloor.respond.approvals import Roles, enough, harsher, refusals
from watchfloor.respond.durable import Durable
from watchfloor.respond.keys import KeyRing
from watchfloor.store.documents import Documents

CALLS = 3
"""How often a call is tried while the other product is not available; the idempotency key makes it one effect."""
CHECKS = 4
"""How often the state is read after a call until it shows the effect."""
PAUSE = 0.25
"""Seconds before the second try; doubles."""

Expected = dict[str, str | bool | int]
Facts = dict[str, Any]


class Append(Protocol):
    """Writes one ledger entry (`Ledger.append`)."""

    def __call__(self, tenant: str, *, kind: str, subject: str, actor: str, body: Facts, time: int) -> object: ...


class _Task(NamedTuple):
    """One call to make and how its effect shows."""

    n: int
    call: Call
    check: Call
    expect: Expected


class Executor:
    """Carries out approvals. One process at a time acts for a home. Use as `with Executor(...):` or start and close."""

    def __init__(
        self,
        work: Path,
        *,
        documents: Documents,
        append: Append,
        caller: Caller,
        actions: Actions,
        keys: KeyRing,
        roles: Callable[[str], Roles],
        policy: Policy,
        clock: Callable[[], int],
    ) -> None:
        """`roles` gives, for a tenant, who has which roles now."""
        self._documents, self._append, self._caller, self._actions = documents, append, caller, actions
        self._keys, self._roles, self._policy, self._clock = keys, roles, policy.response, clock
        self._policy_digest = policy.digest()
        self._durable = Durable(work, self)
        self._turns: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def start(self) -> Executor:
        """Begin, and go on with what an earlier process left unfinished."""
        self._durable.start()
        return self

    def close(self) -> None:
        """Stop; what is unfinished goes on at the next start."""
        self._durable.close()

    def __enter__(self) -> Executor:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(self, tenant: str, approval_uid: str) -> list[Outcome]:
        """Run, or undo, what this approval says; one outcome a step, up to the first that did not do its work.

        Asked twice, it runs once. Raises NotFoundError when the tenant has no such approval or plan.
        """
        approval = self._documents.get(tenant, Approval, approval_uid)
        self._documents.get(tenant, Plan, approval.plan_uid)
        uids = self._durable.run(tenant, approval_uid)
        return [self._documents.get(tenant, Outcome, uid) for uid in uids]

    def carry_out(self, tenant: str, approval_uid: str) -> list[str]:
        """The durable work itself; called by `Durable` in the process that lives."""
        approval = self._documents.get(tenant, Approval, approval_uid)
        done: list[str] = []
        # Two approvals of one plan take turns, so that no step is judged while another one changes it.
        with self._turns[tenant, approval.plan_uid]:
            for n in approval.steps or (0,):
                uid, go_on = self._step(tenant, approval_uid, n, first=not done)
                done.append(uid)
                if not go_on:
                    break
        return done

    def _step(self, tenant: str, approval_uid: str, n: int, *, first: bool) -> tuple[str, bool]:
        """One step from verification to outcome: the outcome's uid and whether the next one may follow."""
        step = self._durable.step
        verified = step(f"verify {n}", lambda: self._verify(tenant, approval_uid, n, first))
        if verified["already"]:
            return verified["already"], True
        if verified["refused"]:
            facts: Facts = {"status": "refused", "sentence": verified["refused"], "at": verified["at"]}
            return step(f"record {n}", lambda: self._record(tenant, approval_uid, n, facts)), False
        task = _Task(n, Call.from_dict(verified["call"]), Call.from_dict(verified["check"]), verified["expect"])
        before = step(f"before {n}", lambda: self._read(task))
        called: Facts = {"status": 0, "error": ""}
        after = before
        if not before["error"] and not before["holds"]:
            called = step(f"call {n}", lambda: self._call(task, verified["key"]))
            after = step(f"after {n}", lambda: self._read(task, until_it_holds=not called["error"]))
        facts = _judged(before, called, after, undo=verified["undo"])
        uid = step(f"record {n}", lambda: self._record(tenant, approval_uid, n, facts))
        return uid, facts["status"] in ("succeeded", "already_so", "undone")

    def _verify(self, tenant: str, approval_uid: str, n: int, first: bool) -> Facts:
        """Read plan and approval again from the store and say whether this step may run now, and how."""
        approval = self._documents.get(tenant, Approval, approval_uid)
        plan = self._documents.get(tenant, Plan, approval.plan_uid)
        undo = approval.purpose == "undo"
        earlier = self._outcomes(plan, n)
        standing = next((o for o in reversed(earlier) if o.status in ("succeeded", "undone")), None)
        facts: Facts = {"at": self._clock(), "already": "", "undo": undo}
        facts["refused"] = self._refused(approval, plan, n, first)
        if facts["refused"]:
            return facts
        step = next(action for action in plan.actions if action.n == n)
        if not undo and standing is not None and standing.status == "succeeded":
            return {**facts, "already": standing.uid}
        if undo and (standing is None or standing.status != "succeeded"):
            return {**facts, "refused": f"Step {n} has done nothing that could be undone."}
        call = step.undo if undo and step.undo is not None else step.call
        check, expect = self._actions.check_of(call) if undo else (step.check, step.expect)
        # A later approval of the same step is a new try; the same approval after a crash is the same one.
        tries = sum(outcome.approval_uid != approval_uid for outcome in earlier)
        key = digest_of(canonical([plan.digest(), n, approval.purpose, tries]))
        return {**facts, "call": call.to_dict(), "check": check.to_dict(), "expect": expect, "key": key}

    def _refused(self, approval: Approval, plan: Plan, n: int, first: bool) -> str:
        """Why this step must not run, as one sentence; empty when it may."""
        said = list(self._problems(approval, plan))
        if first and approval.purpose == "execute":
            said += self._outdated(plan)
        if approval.purpose == "execute" and plan.policy_digest != self._policy_digest:
            said.append("the policy has changed since the plan was made")
        step = next((action for action in plan.actions if action.n == n), None)
        if step is not None and not said:
            said += self._step_problems(approval, plan, step)
        return f"Refused: {'; '.join(said)}." if said else ""

    def _outdated(self, plan: Plan) -> Iterable[str]:
        """Whether the case has moved on since the plan was made. Asked before the first step only: a plan that
        has begun to contain an attack is not stopped half-way by one more finding."""
        newest = self._documents.latest(plan.tenant, Plan, plan.case_uid)
        if newest is None or newest.uid != plan.uid:
            yield "a newer plan of this case has taken its place"
        verdict = self._documents.latest(plan.tenant, Verdict, plan.case_uid)
        if verdict is not None and verdict.digest() != plan.verdict_digest:
            yield "the verdict has changed since the plan was made"

    def _problems(self, approval: Approval, plan: Plan) -> tuple[str, ...]:
        return refusals(
            approval,
            plan,
            keys=self._keys,
            roles=self._roles(plan.tenant),
            policy=self._policy,
            at=self._clock(),
        )

    def _step_problems(self, approval: Approval, plan: Plan, step: PlannedAction) -> Iterable[str]:
        """What forbids this step although the approval holds: an action that is not known, or too few approvals."""
        call = step.undo if approval.purpose == "undo" and step.undo is not None else step.call
        try:
            # The plan's word on an effect may be harsher than the catalogue's, never milder.
            effect: Effect = harsher(step.effect, self._actions.get(call.action).effect)
        except WatchfloorError as error:
            yield str(error)
            return
        approvals = [
            other
            for other in self._documents.find(plan.tenant, Approval, case_uid=plan.case_uid, limit=None)
            if other.plan_uid == plan.uid and other.purpose == approval.purpose and not self._problems(other, plan)
        ]
        if too_few := enough(step, approvals, effect, self._roles(plan.tenant), self._policy):
            yield too_few

    def _read(self, task: _Task, *, until_it_holds: bool = False) -> Facts:
        """Make the check: what it answered, whether it shows what is expected, or why it could not be made."""
        facts: Facts = {}
        for turn in range(CHECKS if until_it_holds else 1):
            if turn:
                time.sleep(PAUSE * 2 ** (turn - 1))
            facts = self._read_once(task)
            if facts["holds"]:
                break
        return facts

    def _read_once(self, task: _Task) -> Facts:
        try:
            body = self._caller.perform(task.check).body
        except WatchfloorError as error:
            return {"at": self._clock(), "answer": "", "holds": False, "error": str(error)}
        # Types must agree as well: 0 is not False, and a missing field is not an expected one.
        holds = isinstance(body, dict) and all(
            name in body and body[name] == value and type(body[name]) is type(value)
            for name, value in task.expect.items()
        )
        return {"at": self._clock(), "answer": canonical(body).decode(), "holds": holds, "error": ""}

    def _call(self, task: _Task, key: str) -> Facts:
        """Make the call, again under the same key while the other product is not available."""
        problem = ""
        for turn in range(CALLS):
            if turn:
                time.sleep(PAUSE * 2 ** (turn - 1))
            try:
                return {"status": self._caller.perform(task.call, key=key).status, "error": ""}
            except UnavailableError as error:
                problem = str(error)
            except WatchfloorError as error:
                return {"status": 0, "error": str(error)}
        return {"status": 0, "error": problem}

    def _record(self, tenant: str, approval_uid: str, n: int, facts: Facts) -> str:
        """Write the outcome and its ledger entry in one transaction; done twice, it is written once."""
        approval = self._documents.get(tenant, Approval, approval_uid)
        plan = self._documents.get(tenant, Plan, approval.plan_uid)
        step = next((action for action in plan.actions if action.n == n), None)
        call = Call(action="none", arguments={}) if step is None else step.call
        if step is not None and step.undo is not None and approval.purpose == "undo":
            call = step.undo
        outcome = Outcome(
            tenant=tenant,
            uid=short_id("o", tenant, approval_uid, str(n)),
            plan_uid=plan.uid,
            case_uid=approval.case_uid,
            approval_uid=approval_uid,
            time=facts["at"],
            n=n,
            call=call,
            status=facts["status"],
            sentence=facts["sentence"],
            before=facts.get("before", ""),
            after=facts.get("after", ""),
            response_status=facts.get("response_status", 0),
        )
        with self._documents.database.write():
            if all(known.uid != outcome.uid for known in self._outcomes(plan, n)):
                self._documents.put(tenant, outcome)
                self._append(
                    tenant,
                    kind=f"action.{outcome.status}",
                    subject=outcome.case_uid,
                    actor=approval.approver,
                    body=outcome.to_dict(),
                    time=outcome.time,
                )
        return outcome.uid

    def _outcomes(self, plan: Plan, n: int) -> list[Outcome]:
        """The outcomes of one step so far, in order."""
        found = self._documents.find(plan.tenant, Outcome, case_uid=plan.case_uid, limit=None, newest_first=False)
        return [outcome for outcome in found if outcome.plan_uid == plan.uid and outcome.n == n]


def _judged(before: Facts, called: Facts, after: Facts, *, undo: bool) -> Facts:
    """The outcome's status and sentence: a success only when the check shows a change to what was expected."""
    facts: Facts = {
        "at": after["at"],
        "before": before["answer"],
        "after": after["answer"],
        "response_status": called["status"],
    }
    if before["error"]:
        said = ("failed", f"Nothing was called: the state before could not be read ({before['error']}).")
    elif before["holds"]:
        said = ("already_so", "Nothing was called: the state was already as wanted.")
    elif after["holds"]:
        done = "undone" if undo else "succeeded"
        lost = f" The call itself gave no good answer ({called['error']})." if called["error"] else ""
        said = (done, f"The check shows the wanted state.{lost}")
    elif called["error"]:
        said = ("failed", f"The call failed ({called['error']}), and the check shows no effect.")
    elif after["error"]:
        said = ("failed", f"The call was accepted, and its effect could not be checked ({after['error']}).")
    else:
        said = ("no_effect", "The call was accepted, and the check shows that it had no effect.")
    return {**facts, "status": said[0], "sentence": said[1]}
