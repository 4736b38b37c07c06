"""Planner: verdict -> plan. Pure: the same case, verdict and content give the same bytes.

A step's arguments are references to entities of the case, bound by the part they play; text of a record never
becomes an action, a parameter's name or a path.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import product

from watchfloor.core.case import Case
from watchfloor.core.context import Context
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.finding import Finding
from watchfloor.core.noun import canonical, digest_of, short_id
from watchfloor.core.plan import Call, Effect, Plan, PlannedAction
from watchfloor.core.policy import Policy
from watchfloor.core.verdict import Claim, Verdict
from watchfloor.integrations.catalogue import Action, Actions
from watchfloor.integrations.client import fill
from watchfloor.respond.approvals import harsher, rule_for
from watchfloor.respond.playbooks import Playbook, Step
from watchfloor.respond.targets import Target, cautions_of, forbidden, misfit, side_of, spelled, targets_of

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_MOST_CLAIMS = 5

Bound = dict[str, Target]


@dataclass(frozen=True)
class _Situation:
    """All that a plan is made from."""

    case: Case
    verdict: Verdict
    findings: Sequence[Finding]
    actions: Actions
    policy: Policy
    context: Context
    targets: tuple[Target, ...]

    @cached_property
    def by_finding(self) -> dict[str, list[Target]]:
        found: dict[str, list[Target]] = defaultdict(list)
        for target in self.targets:
            found[target.finding.uid].append(target)
        return found


def plan_for(
    case: Case,
    verdict: Verdict,
    findings: Sequence[Finding],
    playbooks: Sequence[Playbook],
    *,
    actions: Actions,
    policy: Policy,
    context: Context,
    as_of: int,
) -> Plan | None:
    """The plan of all playbooks that fit, in their order; None when policy only observes, the case is closed or
    nothing fits. `left_out` says of each step that could not be bound, or must not be taken, why."""
    if policy.autonomy == "observe" or verdict.disposition == "close":
        return None
    fitting = [p for p in playbooks if p.fits(case, verdict, findings)]
    now = _Situation(case, verdict, findings, actions, policy, context, targets_of(case, findings, context))
    steps: dict[str, PlannedAction] = {}
    left_out: dict[str, None] = {}
    for step in (step for playbook in fitting for step in playbook.steps):
        for made in _planned(step, now):
            if isinstance(made, str):
                left_out.setdefault(f"{step.action}: {made}")
            else:
                steps.setdefault(made.call.digest(), made)
    if not steps:
        return None
    numbered = tuple(step.model_copy(update={"n": n}) for n, step in enumerate(_ordered(steps.values()), start=1))
    unnamed = Plan(
        tenant=case.tenant,
        uid="",
        case_uid=case.uid,
        time=as_of,
        verdict_digest=verdict.digest(),
        policy_digest=policy.digest(),
        playbook=" + ".join(p.name for p in fitting),
        playbook_digest=digest_of(canonical([p.digest() for p in fitting])),
        title=" and ".join(p.title for p in fitting),
        actions=numbered,
        left_out=tuple(left_out),
    )
    return unnamed.model_copy(update={"uid": short_id("p", unnamed.digest())})


def _ordered(steps: Iterable[PlannedAction]) -> list[PlannedAction]:
    """Destructive steps last, so that what can be undone is done while a lead still thinks."""
    return sorted(steps, key=lambda step: step.effect == "destructive")


def _planned(step: Step, now: _Situation) -> Iterator[PlannedAction | str]:
    """The steps that one line of a playbook becomes, and the reasons (strings) for what it does not."""
    if not step.when.holds(now.case, now.verdict, now.findings):
        yield "its condition does not hold"
        return
    bindings, reasons = _bindings(step, now)
    if not bindings:
        yield from sorted(reasons) or [_nobody(step)]
        return
    for index, bound in enumerate(bindings.values()):
        if index >= step.most:
            yield f"no more than {step.most} of {len(bindings)}"
            return
        yield _one(step, bound, now)


def _bindings(step: Step, now: _Situation) -> tuple[dict[tuple[str, ...], Bound], set[str]]:
    """Targets for the step's parameters that stand in one finding together, each combination once."""
    if not step.aim:
        return {(): {}}, set()
    found: dict[tuple[str, ...], Bound] = {}
    reasons: set[str] = set()
    for targets in now.by_finding.values():
        fitting: dict[str, list[Target]] = {name: [] for name in step.aim}
        for target in targets:
            for name, selector in step.aim.items():
                problem = misfit(target, selector, now.context, now.verdict.claims)
                if problem:
                    reasons.add(problem)
                elif problem is not None:
                    fitting[name].append(target)
        for chosen in product(*fitting.values()):
            found.setdefault(tuple(t.plain.key for t in chosen), dict(zip(fitting, chosen, strict=True)))
    return found, reasons


def _one(step: Step, bound: Bound, now: _Situation) -> PlannedAction | str:
    """One planned action, or why there is none."""
    action = now.actions.get(step.action)
    for target in bound.values():
        if forbidden(target, now.policy.response.never, now.context):
            return f"policy never acts on {target.plain.key}"
    arguments: dict[str, str] = {}
    for name, parameter in action.parameters.items():
        value = spelled(bound[name], parameter, now.context) if name in bound else now.case.uid
        if not value:
            return f"no mail address is known of {bound[name].plain.key}"
        arguments[name] = value
    try:
        fill(action, arguments)
    except WatchfloorError as error:
        return error.what
    claims = _claims(step, bound, now)
    if not claims:
        return f"no grounded claim supports it for {_aim_of(bound, now.case)}"
    touched = _touched(action, now)
    touches = 1 + sum(touched.values())
    if touches > now.policy.response.most_touched:
        return f"it touches {touches}, and policy allows {now.policy.response.most_touched}"
    effect, notes = _effect(action, bound, now)
    rule = rule_for(effect, now.policy.response)
    if rule is None:
        return f"policy allows no {effect} step"
    call = Call(action=action.name, arguments=arguments)
    check, expect = now.actions.check_of(call)
    return PlannedAction(
        n=1,
        title=_filled(action.title, arguments),
        call=call,
        entity=_aim_of(bound, now.case),
        claims=claims,
        effect=effect,
        blast_radius=_blast(action, bound, arguments, touched, notes),
        touches=touches,
        undo=now.actions.undo_of(call),
        check=check,
        expect=expect,
    )


def _claims(step: Step, bound: Bound, now: _Situation) -> tuple[str, ...]:
    """The grounded claims that support acting on these targets: about them first, then their findings, the case."""
    keys = frozenset(key for target in bound.values() for key in target.keys)
    uids = {t.finding.uid for t in now.targets if t.keys & keys} if bound else set(now.case.findings)
    if not bound:
        keys = frozenset(key for target in now.targets for key in target.keys)

    def nearness(claim: Claim) -> int | None:
        places = (keys, uids, {now.case.uid})
        return next((i for i, place in enumerate(places) if claim.about in place), None)

    ranked = [
        (near, -claim.strength, claim.uid)
        for claim in now.verdict.claims
        if claim.grounded
        and claim.supports == "malicious"
        and claim.strength > 0
        and any(fnmatchcase(claim.question, pattern) for pattern in step.because)
        and (near := nearness(claim)) is not None
    ]
    return tuple(uid for _, _, uid in sorted(ranked)[:_MOST_CLAIMS])


def _effect(action: Action, bound: Bound, now: _Situation) -> tuple[Effect, list[str]]:
    """The action's effect, raised to destructive by its cautions; and what is said about its targets."""
    effect, notes = action.effect, []
    for target in bound.values():
        for caution, words in cautions_of(target.plain, now.context).items():
            notes.append(words)
            if caution in action.cautions:
                effect = harsher(effect, "destructive")
        identity = now.context.identity(target.plain)
        if identity is not None and identity.privileged:
            notes.append(f"{identity.user} is privileged")
    return effect, notes


def _touched(action: Action, now: _Situation) -> dict[str, int]:
    """How many targets of the case an action touches besides its own, by type."""
    counts = action.blast.counts if action.blast else ()
    entities = {
        (target.entity.type, target.plain)
        for target in now.targets
        if target.entity.type in counts and target.role == "target" and side_of(target, now.context) != "outside"
    }
    return dict(sorted(Counter(kind for kind, _ in entities).items()))


def _blast(action: Action, bound: Bound, arguments: dict[str, str], touched: dict[str, int], notes: list[str]) -> str:
    """`1 user: alice can sign in nowhere until enabled again (alice is privileged)`."""
    aim = next(iter(bound.values())).plain.type if bound else "ticket"
    numbers = ", ".join(f"{n} {kind.replace('_', ' ')}{_plural(kind, n)}" for kind, n in [(aim, 1), *touched.items()])
    words = _filled(action.blast.words, arguments) if action.blast else ""
    said = f" ({'; '.join(dict.fromkeys(notes))})" if notes else ""
    return f"{numbers}: {words}{said}"


def _plural(kind: str, n: int) -> str:
    return "" if n == 1 else "es" if kind.endswith(("s", "x")) else "s"


def _aim_of(bound: Bound, case: Case) -> str:
    return next(iter(bound.values())).plain.key if bound else f"case:{case.uid}"


def _nobody(step: Step) -> str:
    kinds = [selector.type.replace("_", " ") for selector in step.aim.values()]
    return f"no {' with a '.join(kinds)} in the case that plays this part"


def _filled(text: str, arguments: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: arguments[match[1]], text)
