"""Findings to decided cases: correlate, ask, collect, decide, plan, record.

A case whose inputs did not change keeps its verdict; one whose evidence changed is decided anew and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from watchfloor.app.decisions import DecisionRecord
from watchfloor.app.freshness import Freshness, Settled, World
from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report
from watchfloor.app.risks import with_risk
from watchfloor.core.case import Case, CaseStatus
from watchfloor.core.clock import DAY
from watchfloor.core.evidence import Evidence
from watchfloor.core.facets import facets
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.noun import Noun
from watchfloor.core.plan import Plan
from watchfloor.core.verdict import Disposition, Verdict
from watchfloor.enrich import Enricher
from watchfloor.enrich.collectors.history import history_days
from watchfloor.ledger.ledger import Draft
from watchfloor.respond.planner import plan_for
from watchfloor.store.documents import Document
from watchfloor.triage.bound import LabelBook
from watchfloor.triage.case_facts import case_evidence
from watchfloor.triage.correlation import correlate
from watchfloor.triage.decide import Inputs, decide
from watchfloor.triage.neighbours import Neighbours

CHUNK = 64
Facets = Mapping[str, Mapping[str, Any]]


class _Weighed(NamedTuple):
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


class _Asking(NamedTuple):
    """What a run asks with."""

    findings: Mapping[str, Finding]
    enricher: Enricher
    book: LabelBook


class Decider:
    """Decides a tenant's cases and writes down what each decision rests on."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._kept: set[str] = set()
        self._freshness = Freshness()
        self._lake_mark = 0
        self._kept_from: int | None = None

    def run(self, findings: Sequence[Finding], report: Report) -> list[str]:
        """Correlate and decide. Returns the uids of the cases decided anew."""
        parts = self._parts
        correlated = correlate(findings, parts.context, parts.policy.correlation)
        cases = self._settled(with_risk(correlated, findings, parts.context))
        labels = parts.labels()
        self._begin(labels)
        asking = _Asking({finding.uid: finding for finding in findings}, parts.enricher(), LabelBook(labels))
        escalated = Neighbours()
        waiting: list[_Weighed] = []
        resting: list[tuple[Case, tuple[str, ...]]] = []
        decided: list[str] = []
        for start in range(0, len(cases), CHUNK):
            chunk, unsettled = cases[start : start + CHUNK], []
            self._leave(chunk, asking)
            for case in chunk:
                mine = [asking.findings[uid] for uid in case.findings]
                settled = self._freshness.of(case, mine, asking.book.record(case))
                if settled is None:
                    unsettled.append(case)
                    continue
                _take_in(escalated, case, settled.disposition)
                if settled.disposition == "close" or settled.escalated_near:
                    resting.append((case, settled.escalated_near))
            weighed = self._weighed(self._inputs(unsettled, asking))
            for one in weighed:
                _take_in(escalated, one.inputs.case, one.verdict.disposition)
            # What would close waits until it is known which cases near it are escalated.
            waiting += filter(_may_close, weighed)
            decided += self._record(w for w in weighed if w.changed and w.verdict.disposition != "close")
            self._settle(one for one in weighed if not _may_close(one))
            report("cases decided", min(start + CHUNK, len(cases)), len(cases))
        stirred = [case for case, near in resting if escalated.near(case) != near]
        for start in range(0, len(stirred), CHUNK):
            weighed = self._weighed(self._inputs(stirred[start : start + CHUNK], asking))
            decided += self._close(weighed, escalated)
        for start in range(0, len(waiting), CHUNK):
            decided += self._close(waiting[start : start + CHUNK], escalated)
        self._freshness.ended(len(decided))
        parts.updates.publish(parts.tenant, "queue", "")
        return decided

    def _begin(self, labels: Sequence[Label]) -> None:
        parts = self._parts
        parts.intel.refresh()
        self._kept_from = parts.policy.retention.kept_from(parts.clock())
        self._lake_mark, earliest = parts.lake.earliest_since(parts.tenant, self._lake_mark)
        world = World(
            parts.catalogue.digest,
            parts.scorecard.digest(),
            parts.policy.digest(),
            parts.context.digest(),
            parts.intel.mark,
            parts.documents.count(parts.tenant, Verdict),
        )
        self._freshness.begin(world, labels, earliest)

    def _leave(self, cases: Sequence[Case], asking: _Asking) -> None:
        """Decided cases with events that are no longer kept cannot be asked about again: they stay as they are."""
        if self._kept_from is None:
            return
        tenant = self._parts.tenant
        old = [case for case in cases if case.time < self._kept_from]
        events = {uid: asking.findings[uid].event_uid for case in old for uid in case.findings}
        kept = self._parts.lake.known(tenant, events.values())
        gone = [case for case in old if any(events[uid] not in kept for uid in case.findings)]
        for uid, (verdict, record) in self._before([case.uid for case in gone]).items():
            findings = [asking.findings[one] for one in record.findings if one in asking.findings]
            labels, near = asking.book.record(record.case), record.escalated_near
            self._freshness.settle(uid, Settled.of(record.case, findings, labels, verdict, near))

    def _before(self, case_uids: Sequence[str]) -> dict[str, tuple[Verdict, DecisionRecord]]:
        """What was decided last, and what it rests on."""
        documents, tenant = self._parts.documents, self._parts.tenant
        verdicts = documents.latest_each(tenant, Verdict, case_uids)
        records = documents.get_many(tenant, DecisionRecord, [verdict.uid for verdict in verdicts.values()])
        return {record.case_uid: (verdicts[record.case_uid], record) for record in records}

    def _close(self, waiting: Sequence[_Weighed], escalated: Neighbours) -> list[str]:
        """Decide those that would close, or would have, with the escalated cases near them."""
        changed = {one.inputs.case.uid: one for one in self._closing(waiting, escalated)}
        decided = self._record(changed.values())
        self._settle(changed.get(one.inputs.case.uid, one) for one in waiting)
        return decided

    def _settle(self, weighed: Iterable[_Weighed]) -> None:
        """Their verdicts are recorded. What could not be checked is asked again with every run."""
        for one in weighed:
            if all(evidence.status == "ok" for evidence in one.inputs.evidence):
                inputs = one.inputs
                settled = Settled.of(inputs.case, inputs.findings, inputs.labels, one.verdict, inputs.escalated_near)
                self._freshness.settle(inputs.case.uid, settled)

    def _inputs(self, cases: Sequence[Case], asking: _Asking) -> list[Inputs]:
        """Ask about all of these cases at once, so that each collector gets its look-ups in one batch."""
        parts = self._parts
        mine = {case.uid: [asking.findings[uid] for uid in case.findings] for case in cases}
        known = self._facets(finding for group in mine.values() for finding in group)
        asked = {c.uid: parts.catalogue.ask(c, mine[c.uid], known, parts.context) for c in cases}
        lookups = {case_uid: [a.lookup for a in group] for case_uid, group in asked.items()}
        facts: dict[str, Evidence] = {}
        for case in cases:
            facts |= case_evidence(lookups[case.uid], case, mine[case.uid])
        parts.evidence.put(parts.tenant, *facts.values())
        outside = [look for group in lookups.values() for look in group if look.uid not in facts]
        evidence = {**asking.enricher.collect(outside), **facts}
        return [
            Inputs.of(
                case,
                mine[case.uid],
                asked[case.uid],
                [evidence[look.uid] for look in lookups[case.uid]],
                catalogue=parts.catalogue,
                scorecard=parts.scorecard,
                policy=parts.policy,
                labels=asking.book.record(case),
                as_of=case.last_time,
            )
            for case in cases
        ]

    def _facets(self, findings: Iterable[Finding]) -> Facets:
        events = self._parts.lake.events(self._parts.tenant, {f.event_uid for f in findings})
        return {uid: facets(event) for uid, event in events.items()}

    def _settled(self, cases: list[Case]) -> list[Case]:
        """Fresh cases with what people did to them before; cases that others took in say so and are closed."""
        with self._parts.together():  # what a person does to a case meanwhile waits, and is not undone
            return self._merged(cases)

    def _merged(self, cases: list[Case]) -> list[Case]:
        documents, tenant = self._parts.documents, self._parts.tenant
        stored = {case.uid: case for case in documents.find(tenant, Case, limit=None)}
        fresh = [_as_people_left_it(case, stored.get(case.uid)) for case in cases]
        holder = {uid: case.uid for case in fresh for uid in case.findings}
        gone = set(stored) - {case.uid for case in fresh}
        merged = [
            stored[uid].model_copy(update={"status": "closed", "related": (holder[stored[uid].findings[0]],)})
            for uid in sorted(gone)
            if stored[uid].findings[0] in holder
        ]
        documents.put(tenant, *(case for case in (*fresh, *merged) if case != stored.get(case.uid)))
        return fresh

    def _weighed(self, inputs: Sequence[Inputs]) -> list[_Weighed]:
        """Decide each, unless the same evidence has decided it already."""
        known = self._before([one.case.uid for one in inputs])
        found = []
        for one in inputs:
            record = DecisionRecord.of(one, self._keep, self._lake_mark)
            verdict, old = known.get(one.case.uid, (None, None))
            if verdict is None or old is None:
                found.append(_Weighed(one, decide(one), record, None, True, True, ()))
            elif old.rests_on_the_same(record) or self._only_gone(one, old, record):
                same = one.model_copy(update={"escalated_near": old.escalated_near})
                found.append(_Weighed(same, verdict, record, verdict, False, True, old.escalated_near))
            else:
                waking = not _only_closed(one, old, record)
                found.append(_Weighed(one, decide(one), record, verdict, True, waking, old.escalated_near))
        return found

    def _only_gone(self, one: Inputs, old: DecisionRecord, new: DecisionRecord) -> bool:
        """Whether all that differs is history that reaches back to events which are no longer kept: no fact changed."""
        kept_from, same = self._kept_from, new.model_copy(update={"evidence": old.evidence})
        if kept_from is None or not old.rests_on_the_same(same):
            return False
        fresh = [e.lookup for e in one.evidence if e.uid not in old.evidence]
        if any(look.collector != "history" or look.as_of - history_days(look) * DAY >= kept_from for look in fresh):
            return False
        _, earliest = self._parts.lake.earliest_since(self._parts.tenant, old.lake_mark)
        return earliest is None or earliest >= one.as_of

    def _closing(self, waiting: Sequence[_Weighed], escalated: Neighbours) -> Iterable[_Weighed]:
        """Those that would close, or would have, decided with the escalated cases near them."""
        for one in waiting:
            near = escalated.near(one.inputs.case)
            if near == one.near_before and not one.changed:
                continue
            if not near and one.changed:
                yield one
                continue
            inputs = one.inputs.model_copy(update={"escalated_near": near})
            record = one.record.model_copy(update={"escalated_near": near})
            yield one._replace(inputs=inputs, verdict=decide(inputs), record=record)

    def _record(self, weighed: Iterable[_Weighed]) -> list[str]:
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
                case = _as_people_left_it(one.inputs.case, stored.get(one.inputs.case.uid))
                known = {"risk": held.risk} if (held := stored.get(case.uid)) else {}
                case = case.model_copy(update={"status": _status(case, verdict, before, one.waking), **known})
                nouns += [case, verdict, one.record.model_copy(update={"uid": verdict.uid}), *([plan] if plan else [])]
                entries += _entries(case, verdict, plan, before, parts.clock())
            parts.documents.put(parts.tenant, *nouns)
            parts.ledger.append_many(parts.tenant, entries)
        for uid in decided:
            parts.updates.publish(parts.tenant, "case", uid)
        return decided

    def _plan(self, one: _Weighed) -> Plan | None:
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

    def _keep(self, noun: Noun) -> str:
        """The digest of a noun whose bytes are in the store, written once: every case has the same scorecard."""
        digest = noun.digest()
        if digest not in self._kept:
            self._kept.add(self._parts.evidence.put_bytes(self._parts.tenant, noun.canonical()))
        return digest


def _may_close(one: _Weighed) -> bool:
    """Whether it would close, or stood near an escalated case before."""
    return one.verdict.disposition == "close" or bool(one.near_before)


def _take_in(escalated: Neighbours, case: Case, disposition: Disposition) -> None:
    if disposition == "escalate" and case.status not in ("resolved", "closed"):
        escalated.add(case)


def _as_people_left_it(case: Case, stored: Case | None) -> Case:
    """A case as it was correlated now, with what people have done to it."""
    return case.model_copy(update={"status": stored.status, "assignee": stored.assignee}) if stored else case


def _only_closed(one: Inputs, old: DecisionRecord, new: DecisionRecord) -> bool:
    """Whether all that is new is that its product's people closed an alert, too."""
    states = [f for f in one.findings if old.changing.get(f.uid) != new.changing.get(f.uid)]
    told = {f.standing_event for f in states if f.standing != "open"}
    more = [e.lookup.query.get("event") for e in one.evidence if e.uid not in old.evidence]
    same = old.case.findings == new.case.findings and old.evidence.keys() <= new.evidence.keys()
    return same and len(told) == len(states) > 0 and told.issuperset(more)


def _status(case: Case, verdict: Verdict, before: Verdict | None, waking: bool) -> CaseStatus:
    """A person's resolution stays until the facts that a verdict rested on change; then a person looks again."""
    if verdict.disposition == "close":
        return "closed" if case.status in ("new", "closed") else case.status
    if not waking and case.status in ("closed", "resolved"):
        return case.status
    return "new" if before is None or case.status in ("closed", "resolved") else case.status


def _entries(case: Case, verdict: Verdict, plan: Plan | None, before: Verdict | None, at: int) -> list[Draft]:
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
        changed = sorted(set(verdict.rests_on) ^ set(before.rests_on))
        kind = "verdict.reopened" if changed else "verdict.renewed"
        body |= {"before": before.uid, "changed_evidence": changed}
    entries = [Draft(kind, case.uid, "watchfloor", body, at)]
    if plan:
        proposed = {"plan": plan.uid, "plan_digest": plan.digest(), "playbook": plan.playbook}
        entries.append(Draft("plan.proposed", case.uid, "watchfloor", proposed, at))
    return entries
