"""Findings to decided cases: correlate, ask, collect, decide, plan, record.

A case whose inputs did not change keeps its verdict; one whose evidence changed is decided anew and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report
from watchfloor.core.case import Case
from watchfloor.core.evidence import Evidence
from watchfloor.core.facets import facets
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.noun import Digest, Noun, Tenant, canonical, digest_of
from watchfloor.core.plan import Plan
from watchfloor.core.policy import Policy
from watchfloor.core.question import Asked, Question
from watchfloor.core.verdict import Verdict
from watchfloor.enrich import Enricher
from watchfloor.ledger.ledger import Draft
from watchfloor.respond.planner import plan_for
from watchfloor.triage.bound import ClassRecord
from watchfloor.triage.case_facts import case_evidence
from watchfloor.triage.correlation import correlate
from watchfloor.triage.decide import Inputs, decide
from watchfloor.triage.scorecard import Scorecard

CHUNK = 64
Facets = Mapping[str, Mapping[str, Any]]


class DecisionRecord(Noun):
    """What `decide` took, by reference: enough to put its inputs together again, byte for byte."""

    tenant: Tenant
    uid: str
    """The verdict's uid."""
    case_uid: str
    time: int
    case: Case
    findings: tuple[str, ...]
    asked: tuple[Asked, ...]
    evidence: dict[str, int]
    """Uid -> when this decision had it collected (ms): the same answer may be collected again later."""
    catalogue: Digest
    questions: Digest
    scorecard: Digest
    policy: Digest
    labels: ClassRecord


class Decider:
    """Decides a tenant's cases and writes down what each decision rests on."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._kept: set[str] = set()

    def run(self, findings: Sequence[Finding], report: Report) -> list[str]:
        """Correlate and decide. Returns the uids of the cases decided anew."""
        parts = self._parts
        cases = self._settled(correlate(findings, parts.context, parts.policy.correlation))
        by_uid = {finding.uid: finding for finding in findings}
        enricher, labels = parts.enricher(), parts.labels()
        decided: list[str] = []
        for start in range(0, len(cases), CHUNK):
            chunk = cases[start : start + CHUNK]
            mine = {case.uid: [by_uid[uid] for uid in case.findings] for case in chunk}
            inputs = self._inputs(chunk, mine, enricher, labels)
            before = parts.documents.latest_each(parts.tenant, Verdict, [case.uid for case in chunk])
            with parts.together():
                decided += [i.case.uid for i in inputs if self._decide(i, before.get(i.case.uid))]
            report("cases decided", start + len(chunk), len(cases))
        parts.updates.publish(parts.tenant, "queue", "")
        return decided

    def _inputs(
        self, cases: Sequence[Case], mine: Mapping[str, list[Finding]], enricher: Enricher, labels: Sequence[Label]
    ) -> list[Inputs]:
        """Ask about all of these cases at once, so that each collector gets its look-ups in one batch."""
        parts = self._parts
        known = self._facets(finding for group in mine.values() for finding in group)
        asked = {c.uid: parts.catalogue.ask(c, mine[c.uid], known, parts.context) for c in cases}
        lookups = {case_uid: [a.lookup for a in group] for case_uid, group in asked.items()}
        facts: dict[str, Evidence] = {}
        for case in cases:
            facts |= case_evidence(lookups[case.uid], case, mine[case.uid])
        parts.evidence.put(parts.tenant, *facts.values())
        outside = [look for group in lookups.values() for look in group if look.uid not in facts]
        evidence = {**enricher.collect(outside), **facts}
        return [
            Inputs.of(
                case,
                mine[case.uid],
                asked[case.uid],
                [evidence[look.uid] for look in lookups[case.uid]],
                catalogue=parts.catalogue,
                scorecard=parts.scorecard,
                policy=parts.policy,
                labels=labels,
                as_of=case.last_time,
            )
            for case in cases
        ]

    def _facets(self, findings: Iterable[Finding]) -> Facets:
        events = self._parts.lake.events(self._parts.tenant, {f.event_uid for f in findings})
        return {uid: facets(event) for uid, event in events.items()}

    def _settled(self, cases: list[Case]) -> list[Case]:
        """Fresh cases with what people did to them before; cases that others took in say so and are closed."""
        documents, tenant = self._parts.documents, self._parts.tenant
        stored = {case.uid: case for case in documents.find(tenant, Case, limit=None)}
        fresh = [
            case.model_copy(update={"status": old.status, "assignee": old.assignee})
            if (old := stored.get(case.uid))
            else case
            for case in cases
        ]
        holder = {uid: case.uid for case in fresh for uid in case.findings}
        gone = set(stored) - {case.uid for case in fresh}
        merged = [
            stored[uid].model_copy(update={"status": "closed", "related": (holder[stored[uid].findings[0]],)})
            for uid in sorted(gone)
            if stored[uid].findings[0] in holder
        ]
        documents.put(tenant, *fresh, *merged)
        return fresh

    def _decide(self, inputs: Inputs, before: Verdict | None) -> bool:
        """Decide one case, unless the same evidence has decided it already. True when there is a new verdict."""
        parts, case = self._parts, inputs.case
        record = self._record(inputs)
        if before is not None and _same(parts.documents.get(parts.tenant, DecisionRecord, before.uid), record):
            return False
        verdict = decide(inputs)
        plan = plan_for(
            case,
            verdict,
            inputs.findings,
            parts.playbooks,
            actions=parts.actions,
            policy=parts.policy,
            context=parts.context,
            as_of=verdict.time,
        )
        status = _status(case, verdict, before)
        kept = case.model_copy(update={"status": status})
        record = record.model_copy(update={"uid": verdict.uid})
        with parts.together():
            parts.documents.put(parts.tenant, kept, verdict, record, *([plan] if plan else []))
            parts.ledger.append_many(parts.tenant, self._entries(kept, verdict, plan, before))
        parts.updates.publish(parts.tenant, "case", case.uid)
        return True

    def _record(self, inputs: Inputs) -> DecisionRecord:
        questions = canonical([question.to_dict() for question in inputs.questions])
        return DecisionRecord(
            tenant=inputs.tenant,
            uid="",
            case_uid=inputs.case.uid,
            time=inputs.as_of,
            case=inputs.case,
            findings=tuple(f.uid for f in inputs.findings),
            asked=inputs.asked,
            evidence={e.uid: e.collected_at for e in inputs.evidence},
            catalogue=inputs.catalogue,
            questions=self._keep(questions),
            scorecard=self._keep(inputs.scorecard.canonical()),
            policy=self._keep(inputs.policy.canonical()),
            labels=inputs.labels,
        )

    def _keep(self, data: bytes) -> str:
        """The digest of bytes that are in the store, written once a run: every case has the same scorecard."""
        digest = digest_of(data)
        if digest not in self._kept:
            self._kept.add(self._parts.evidence.put_bytes(self._parts.tenant, data))
        return digest

    def _entries(self, case: Case, verdict: Verdict, plan: Plan | None, before: Verdict | None) -> list[Draft]:
        at = self._parts.clock()
        body = {
            "verdict": verdict.uid,
            "verdict_digest": verdict.digest(),
            "inputs_digest": verdict.inputs_digest,
            "disposition": verdict.disposition,
            "hypothesis": verdict.hypothesis,
            "probability": verdict.probability,
            "status": case.status,
        }
        kind = "verdict.decided"
        if before is not None:
            kind = "verdict.reopened"
            body["before"] = before.uid
            body["changed_evidence"] = sorted(set(verdict.rests_on) ^ set(before.rests_on))
        entries = [Draft(kind, case.uid, "watchfloor", body, at)]
        if plan:
            proposed = {"plan": plan.uid, "plan_digest": plan.digest(), "playbook": plan.playbook}
            entries.append(Draft("plan.proposed", case.uid, "watchfloor", proposed, at))
        return entries


def _same(stored: DecisionRecord, fresh: DecisionRecord) -> bool:
    """Whether a decision would rest on the same things. The case's status and assignee decide nothing."""
    if stored.case.findings != fresh.case.findings or set(stored.evidence) != set(fresh.evidence):
        return False
    blank: dict[str, Any] = {"uid": "", "case": stored.case, "evidence": {}}
    return stored.model_copy(update=blank) == fresh.model_copy(update=blank)


def _status(case: Case, verdict: Verdict, before: Verdict | None) -> str:
    """A person's resolution stays until the facts that a verdict rested on change; then a person looks again."""
    if verdict.disposition == "close":
        return "closed" if case.status in ("new", "closed") else case.status
    return "new" if before is None or case.status in ("closed", "resolved") else case.status


def replay(parts: Parts, case_uid: str) -> tuple[Verdict, Verdict]:
    """The stored verdict, and the one that its recorded inputs give when decided again."""
    documents, tenant = parts.documents, parts.tenant
    stored = documents.latest(tenant, Verdict, case_uid) or documents.get(tenant, Verdict, case_uid)
    record = documents.get(tenant, DecisionRecord, stored.uid)
    read = parts.evidence.get_bytes
    inputs = Inputs(
        tenant=tenant,
        case=record.case,
        findings=tuple(documents.get_many(tenant, Finding, record.findings)),
        catalogue=record.catalogue,
        questions=tuple(Question.from_dict(q) for q in orjson.loads(read(tenant, record.questions))),
        asked=record.asked,
        evidence=tuple(_evidence(parts, record)),
        scorecard=Scorecard.from_json(read(tenant, record.scorecard)),
        policy=Policy.from_json(read(tenant, record.policy)),
        labels=record.labels,
        as_of=record.time,
    )
    return stored, decide(inputs)


def _evidence(parts: Parts, record: DecisionRecord) -> Iterable[Evidence]:
    for uid, evidence in parts.evidence.get_many(parts.tenant, record.evidence).items():
        yield evidence.model_copy(update={"collected_at": record.evidence[uid]})
