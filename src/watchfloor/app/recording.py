"""Recording: new verdicts with their plans, what they rest on and their ledger entries, all or none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from watchfloor.app.case_book import as_people_left_it
from watchfloor.app.closing import Closing
from watchfloor.app.decisions import DecisionRecord
from watchfloor.app.parts import Parts
from watchfloor.core.case import Case, CaseStatus
from watchfloor.core.closing import Draw
from watchfloor.core.noun import Noun
from watchfloor.core.plan import Plan
from watchfloor.core.verdict import Verdict
from watchfloor.ledger.ledger import Draft
from watchfloor.respond.planner import plan_for
from watchfloor.store.documents import Document
from watchfloor.triage.decide import Prepared
from watchfloor.triage.inputs import Inputs
from watchfloor.triage.reopening import changes
from watchfloor.triage.similar import signature_of


class Weighed(NamedTuple):
    """A case with its inputs, the verdict they give, and what was decided and recorded before."""

    inputs: Inputs
    verdict: Verdict
    record: DecisionRecord
    before: Verdict | None
    changed: bool
    """Whether the inputs differ from those of `before`, escalated cases near by aside."""
    waking: bool
    """Whether a person who was through with the case has to look again."""
    near_before: tuple[str, ...]
    prepared: Prepared | None = None
    """The first half of deciding, where it was done just now."""


class Recorder:
    """Writes down what was decided for one tenant."""

    def __init__(self, parts: Parts, closing: Closing) -> None:
        self._parts, self._closing = parts, closing
        self._kept: set[str] = set()

    def record(self, weighed: Iterable[Weighed]) -> list[str]:
        """Write down new verdicts with their plans, what they rest on, and their ledger entries, all or none.

        Returns the uids of their cases.
        """
        parts = self._parts
        planned = [(one, self._plan(one)) for one in weighed]
        decided = [one.inputs.case.uid for one, _ in planned]
        nouns: list[Document] = []
        entries: list[Draft] = []
        with parts.together():
            stored = {case.uid: case for case in parts.documents.get_many(parts.tenant, Case, decided)}
            for one, plan in planned:
                verdict, before = one.verdict, one.before
                case = as_people_left_it(one.inputs.case, stored.get(one.inputs.case.uid))
                known = {"risk": held.risk} if (held := stored.get(case.uid)) else {}
                case = case.model_copy(update={"status": _status(case, verdict, before, one.waking), **known})
                draw = self._closing.recorded(one.inputs, verdict)
                record = one.record.model_copy(update={"uid": verdict.uid})
                signature = signature_of(case, one.inputs.findings, verdict)
                nouns += [case, verdict, record, draw, signature, *([plan] if plan else [])]
                entries += _entries(case, verdict, plan, before, draw=draw, at=parts.clock())
            parts.documents.put(parts.tenant, *nouns, *self._closing.changed_states())
            parts.ledger.append_many(parts.tenant, entries)
        for uid in decided:
            parts.updates.publish(parts.tenant, "case", uid)
        return decided

    def _plan(self, one: Weighed) -> Plan | None:
        parts = self._parts
        return plan_for(
            one.inputs.case,
            one.verdict,
            one.inputs.findings,
            parts.playbooks,
            actions=parts.actions,
            policy=parts.policy,
            context=parts.context,
            as_of=one.verdict.time,
        )

    def keep(self, noun: Noun) -> str:
        """The digest of a noun whose bytes are in the store, written once: every case has the same scorecard."""
        digest = noun.digest()
        if digest not in self._kept:
            self._kept.add(self._parts.evidence.put_bytes(self._parts.tenant, noun.canonical()))
        return digest


def _status(case: Case, verdict: Verdict, before: Verdict | None, waking: bool) -> CaseStatus:
    """A person's resolution stays until the facts that a verdict rested on change; then a person looks again."""
    if verdict.disposition == "close":
        return "closed" if case.status in ("new", "closed") else case.status
    if not waking and case.status in ("closed", "resolved"):
        return case.status
    return "new" if before is None or case.status in ("closed", "resolved") else case.status


def _entries(
    case: Case, verdict: Verdict, plan: Plan | None, before: Verdict | None, *, draw: Draw, at: int
) -> list[Draft]:
    body = {
        "verdict": verdict.uid,
        "verdict_digest": verdict.digest(),
        "inputs_digest": verdict.inputs_digest,
        "disposition": verdict.disposition,
        "hypothesis": verdict.hypothesis,
        "probability": verdict.probability,
        "status": case.status,
    }
    if verdict.disposition == "close":
        body["draw"] = {
            "class": draw.detection_class,
            "period": draw.period,
            "share": draw.share,
            "drawn": draw.drawn,
        }
    kind = "verdict.decided"
    if before is not None:
        changed = sorted(set(verdict.rests_on) ^ set(before.rests_on))
        kind = "verdict.reopened" if changed else "verdict.renewed"
        body |= {
            "before": before.uid,
            "was": {"disposition": before.disposition, "verdict": before.verdict, "probability": before.probability},
            "changed_evidence": changed,
            "changes": [change.to_dict() for change in changes(before, verdict)] if changed else [],
        }
    entries = [Draft(kind, case.uid, "watchfloor", body, at)]
    if plan:
        proposed = {"plan": plan.uid, "plan_digest": plan.digest(), "playbook": plan.playbook}
        entries.append(Draft("plan.proposed", case.uid, "watchfloor", proposed, at))
    return entries
