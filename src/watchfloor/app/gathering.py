"""Gathering: what cases are asked, and the evidence that answers it. One batch a collector for many cases at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from watchfloor.app.parts import Parts
from watchfloor.core.case import Case
from watchfloor.core.evidence import Evidence
from watchfloor.core.facets import facets
from watchfloor.core.finding import Finding
from watchfloor.enrich import Enricher
from watchfloor.triage.bound import LabelBook
from watchfloor.triage.case_facts import case_evidence
from watchfloor.triage.inputs import Inputs

Facets = Mapping[str, Mapping[str, Any]]


class Asking(NamedTuple):
    """What a run asks with."""

    findings: Mapping[str, Finding]
    enricher: Enricher
    book: LabelBook


class Gatherer:
    """Puts the catalogue's questions to cases and collects what answers them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def inputs(self, cases: Sequence[Case], asking: Asking) -> list[Inputs]:
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
