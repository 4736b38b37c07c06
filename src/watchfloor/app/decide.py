"""Findings to decided cases: correlate, ask, collect, decide, plan, record.

A case whose inputs did not change keeps its verdict; one whose evidence changed is decided anew and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watchfloor.app.case_book import CaseBook
from watchfloor.app.closing import Closing
from watchfloor.app.decisions import DecisionRecord
from watchfloor.app.freshness import Freshness, Settled, World
from watchfloor.app.gathering import Asking, Gathered, Gatherer
from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report
from watchfloor.app.recording import Recorder, Weighed
from watchfloor.core.case import Case
from watchfloor.core.clock import DAY
from watchfloor.core.evidence import Lookup
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.question import Asked
from watchfloor.core.verdict import Disposition, Verdict
from watchfloor.enrich import Events
from watchfloor.enrich.collectors.history import history_days
from watchfloor.triage.decide import Inputs, decide, prepare
from watchfloor.triage.neighbours import Neighbours

CHUNK = 64
_FINDING_CLASS = 2004


class Decider:
    """Decides a tenant's cases and writes down what each decision rests on."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._book, self._gatherer, self._closing = CaseBook(parts), Gatherer(parts), Closing(parts)
        self._recorder = Recorder(parts, self._closing)
        self._freshness = Freshness()
        self._lake_mark, self._fact_mark = 0, 0
        self._kept_from: int | None = None
        self._found: set[str] = set()

    def run(self, findings: Sequence[Finding], report: Report) -> list[str]:
        """Correlate and decide. Returns the uids of the cases decided anew."""
        parts = self._parts
        parts.refresh_context()
        cases = self._book.drawn(findings)
        labels = parts.labels()
        self._begin(labels, findings)
        book = self._closing.begin({case.uid for case in cases}, labels)
        events = Events(parts.lake)
        known = {finding.uid: finding for finding in findings}
        asking = Asking(known, parts.enricher(findings, events), book, events)
        escalated = Neighbours()
        waiting: list[Weighed] = []
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
                if settled.would_close or settled.escalated_near:
                    resting.append((case, settled.escalated_near))
            weighed = self._weighed(self._gatherer.inputs(unsettled, asking))
            self._closing.watch([(one.inputs, one.verdict) for one in weighed if one.changed])
            for one in weighed:
                _take_in(escalated, one.inputs.case, one.verdict.disposition)
            # What would close waits until it is known which cases near it are escalated.
            waiting += filter(_may_close, weighed)
            decided += self._recorder.record(w for w in weighed if w.changed and not w.verdict.wants_to_close)
            self._settle(one for one in weighed if not _may_close(one))
            report("cases decided", min(start + CHUNK, len(cases)), len(cases))
        stirred = [case for case, near in resting if escalated.near(case) != near]
        for start in range(0, len(stirred), CHUNK):
            weighed = self._weighed(self._gatherer.inputs(stirred[start : start + CHUNK], asking))
            decided += self._close(weighed, escalated)
        for start in range(0, len(waiting), CHUNK):
            decided += self._close(waiting[start : start + CHUNK], escalated)
        self._freshness.ended(len(decided))
        parts.updates.publish(parts.tenant, "queue", "")
        return decided

    def _begin(self, labels: Sequence[Label], findings: Sequence[Finding]) -> None:
        parts = self._parts
        parts.intel.refresh()
        parts.scorecards.renew()
        self._kept_from = parts.policy.retention.kept_from(parts.clock())
        self._lake_mark, event = parts.lake.earliest_since(parts.tenant, self._lake_mark)
        self._fact_mark, fact = parts.context_book.earliest_since(self._fact_mark)
        # Looking back finds in old events what later cases are asked about.
        found = min((f.time for f in findings if f.uid not in self._found), default=None)
        self._found = {f.uid for f in findings}
        # Context is asked as of the newest finding, and as of the moment after it.
        times = [time for time in (event, found, None if fact is None else fact - 2) if time is not None]
        world = World(
            parts.catalogue.digest,
            parts.scorecard.digest(),
            parts.policy.digest(),
            parts.context.digest(),
            parts.intel.mark,
            parts.documents.count(parts.tenant, Verdict),
        )
        self._freshness.begin(world, labels, min(times, default=None))

    def _leave(self, cases: Sequence[Case], asking: Asking) -> None:
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

    def _close(self, waiting: Sequence[Weighed], escalated: Neighbours) -> list[str]:
        """Decide those that would close, or would have, with the escalated cases near them."""
        changed = {one.inputs.case.uid: self._heeded(one) for one in self._near(waiting, escalated)}
        decided = self._recorder.record(changed.values())
        self._settle(changed.get(one.inputs.case.uid, one) for one in waiting)
        return decided

    def _settle(self, weighed: Iterable[Weighed]) -> None:
        """Their verdicts are recorded. What could not be checked is asked again with every run."""
        for one in weighed:
            if all(evidence.status == "ok" for evidence in one.inputs.evidence):
                inputs = one.inputs
                settled = Settled.of(inputs.case, inputs.findings, inputs.labels, one.verdict, inputs.escalated_near)
                self._freshness.settle(inputs.case.uid, settled)

    def _weighed(self, gathered: Sequence[Gathered]) -> list[Weighed]:
        """Decide each, unless the same evidence has decided it already."""
        known = self._before([one.inputs.case.uid for one in gathered])
        found = []
        for one, investigation, answers in gathered:
            record = DecisionRecord.of(one, self._recorder.keep, self._lake_mark)
            verdict, old = known.get(one.case.uid, (None, None))
            if verdict is None or old is None:
                prepared = prepare(one, investigation, answers)
                found.append(Weighed(one, decide(one, prepared), record, None, True, True, (), prepared))
            elif old.rests_on_the_same(record) or self._only_gone(one, old, record):
                same = one.model_copy(update={"escalated_near": old.escalated_near})
                found.append(Weighed(same, verdict, record, verdict, False, True, old.escalated_near))
            else:
                waking = not _only_closed(one, old, record)
                prepared = prepare(one, investigation, answers)
                now = decide(one, prepared)
                found.append(Weighed(one, now, record, verdict, True, waking, old.escalated_near, prepared))
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

    def _heeded(self, one: Weighed) -> Weighed:
        """Decided again where its class was shut within this run."""
        inputs = self._closing.heeded(one.inputs)
        if inputs is one.inputs:
            return one
        record = one.record.model_copy(update={"labels": inputs.labels})
        return one._replace(inputs=inputs, verdict=decide(inputs, one.prepared), record=record)

    def _near(self, waiting: Sequence[Weighed], escalated: Neighbours) -> Iterable[Weighed]:
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
            yield one._replace(inputs=inputs, verdict=decide(inputs, one.prepared), record=record)


def _may_close(one: Weighed) -> bool:
    """Whether it would close if people allowed it, or stood near an escalated case before."""
    return one.verdict.wants_to_close or bool(one.near_before)


def _take_in(escalated: Neighbours, case: Case, disposition: Disposition) -> None:
    if disposition == "escalate" and case.status not in ("resolved", "closed"):
        escalated.add(case)


def _only_closed(one: Inputs, old: DecisionRecord, new: DecisionRecord) -> bool:
    """Whether all that is new is that its product's people closed an alert, too."""
    states = [f for f in one.findings if old.changing.get(f.uid) != new.changing.get(f.uid)]
    told = {f.standing_event for f in states if f.standing != "open"}
    # What a product tells of its alert is an alert's event, too: a history of alerts counts it, and that is no news.
    fresh = [e.lookup for e in one.evidence if e.uid not in old.evidence and not _history_of_alerts(e.lookup)]
    # Another answer may lead to other questions: what was offered and left then is no new fact, nor what is left now.
    asked, left = _lookups(old.asked), _lookups(old.not_asked)
    changed = any(look.uid in asked for look in fresh)
    more = [look.query.get("event") for look in fresh if look.uid not in left]
    gone = asked - _lookups(new.asked) - _lookups(new.not_asked)
    same = old.case.findings == new.case.findings and not changed and not gone
    return same and len(told) == len(states) > 0 and told.issuperset(more)


def _history_of_alerts(lookup: Lookup) -> bool:
    return lookup.collector == "history" and lookup.query.get("match", {}).get("class_uid") == _FINDING_CLASS


def _lookups(asked: Iterable[Asked]) -> set[str]:
    return {one.lookup.uid for one in asked}
