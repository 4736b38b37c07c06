"""Gathering: what cases are asked, and the evidence that answers it. In rounds, each one batch a collector for many
cases at once: the investigator of each case says what is worth asking next, until every one of them is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from watchfloor.app.parts import Parts
from watchfloor.core.case import Case
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.core.facets import facets
from watchfloor.core.finding import Finding
from watchfloor.core.question import Asked, Question
from watchfloor.core.scorecard import Scorecard
from watchfloor.core.verdict import Answer, Investigation, Step
from watchfloor.enrich import Enricher, Events
from watchfloor.triage.bound import LabelBook
from watchfloor.triage.case_facts import case_evidence
from watchfloor.triage.inputs import Inputs
from watchfloor.triage.investigator import Choice, Key, key_of
from watchfloor.triage.prospects import prospect
from watchfloor.triage.reading import read
from watchfloor.triage.trace import investigator_of, reply_of, step_of, told


class Asking(NamedTuple):
    """What a run asks with."""

    findings: Mapping[str, Finding]
    enricher: Enricher
    book: LabelBook
    events: Events


class Gathered(NamedTuple):
    """A case with all that was asked about it, how that came about, and the answers as they were read."""

    inputs: Inputs
    investigation: Investigation
    answers: Mapping[Key, Answer]


class Gatherer:
    """Puts the catalogue's questions to cases and collects what answers them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def inputs(self, cases: Sequence[Case], asking: Asking) -> list[Gathered]:
        """Ask about all of these cases at once, so that each collector gets its look-ups in one batch a round."""
        inquiries = self._inquiries(cases, asking)
        evidence: dict[str, Evidence] = {}
        while rounds := [(one, chosen) for one in inquiries if (chosen := one.investigator.next())]:
            evidence |= self._collected(rounds, asking.enricher)
            for inquiry, chosen in rounds:
                inquiry.take(chosen, evidence, self._parts.scorecard)
        found = []
        for one in inquiries:
            inputs = self._asked(one.unasked, one.asked, evidence)
            found.append(Gathered(inputs, told(inputs, one.investigator, one.steps), one.answers))
        return found

    def _inquiries(self, cases: Sequence[Case], asking: Asking) -> list[_Inquiry]:
        parts = self._parts
        mine = {case.uid: [asking.findings[uid] for uid in case.findings] for case in cases}
        events = asking.events.many(parts.tenant, {f.event_uid for group in mine.values() for f in group})
        known = {uid: facets(event) for uid, event in events.items()}
        return [
            _Inquiry(
                Inputs.of(
                    case,
                    mine[case.uid],
                    (),
                    (),
                    not_asked=parts.catalogue.ask(case, mine[case.uid], known, parts.context),
                    catalogue=parts.catalogue,
                    scorecard=parts.scorecard,
                    policy=parts.policy,
                    labels=asking.book.record(case),
                    as_of=case.last_time,
                )
            )
            for case in cases
        ]

    def _collected(self, rounds: Iterable[tuple[_Inquiry, list[Choice]]], enricher: Enricher) -> dict[str, Evidence]:
        facts: dict[str, Evidence] = {}
        outside: list[Lookup] = []
        for inquiry, chosen in rounds:
            lookups = [choice.asked.lookup for choice in chosen]
            own = case_evidence(lookups, inquiry.unasked.case, inquiry.unasked.findings)
            outside += [look for look in lookups if look.uid not in own]
            facts |= own
        return {**enricher.collect(outside, facts.values()), **facts}

    @staticmethod
    def _asked(unasked: Inputs, asked: Sequence[Asked], evidence: Mapping[str, Evidence]) -> Inputs:
        done = {(a.question, a.about, a.lookup.uid) for a in asked}
        left = [a for a in unasked.not_asked if (a.question, a.about, a.lookup.uid) not in done]
        found = {evidence[a.lookup.uid].uid: evidence[a.lookup.uid] for a in asked}
        given = {name: getattr(unasked, name) for name in Inputs.model_fields}
        return Inputs(**given | {"asked": tuple(asked), "not_asked": tuple(left), "evidence": tuple(found.values())})


class _Inquiry:
    """One case on its way: its inputs before anything was asked, its investigator, and what was asked so far."""

    def __init__(self, unasked: Inputs) -> None:
        self.unasked = unasked
        self.investigator = investigator_of(unasked)
        self.asked: list[Asked] = []
        self.answers: dict[Key, Answer] = {}
        self.steps: list[Step] = []
        self._rounds = 0
        self._questions: dict[str, Question] = {q.id: q for q in unasked.questions}

    def take(self, chosen: Iterable[Choice], evidence: Mapping[str, Evidence], scorecard: Scorecard) -> None:
        self._rounds += 1
        for choice in chosen:
            asked, question = choice.asked, self._questions[choice.asked.question]
            weights = prospect(question, scorecard).shares
            answer = self.answers[key_of(asked)] = read(question, asked, evidence[asked.lookup.uid], weights)
            self.steps.append(step_of(choice, reply_of(answer), self._rounds, self.investigator))
            self.asked.append(asked)
