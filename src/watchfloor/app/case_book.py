"""The case book: what was correlated just now, beside the cases as they stand and what people did to them."""

from __future__ import annotations

from collections.abc import Sequence

from watchfloor.app.parts import Parts
from watchfloor.app.risks import with_risk
from watchfloor.core.case import Case
from watchfloor.core.finding import Finding
from watchfloor.triage.correlation import correlate


class CaseBook:
    """A tenant's cases, drawn anew from its findings."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def drawn(self, findings: Sequence[Finding]) -> list[Case]:
        """The cases that findings make, as people left them, stored."""
        parts = self._parts
        cases = correlate(findings, parts.context, parts.policy.correlation)
        return self._settled(with_risk(cases, findings, parts.context))

    def _settled(self, cases: list[Case]) -> list[Case]:
        """Fresh cases with what people did to them before; cases that others took in say so and are closed."""
        with self._parts.together():  # what a person does to a case meanwhile waits, and is not undone
            return self._merged(cases)

    def _merged(self, cases: list[Case]) -> list[Case]:
        documents, tenant = self._parts.documents, self._parts.tenant
        stored = {case.uid: case for case in documents.find(tenant, Case, limit=None)}
        fresh = [as_people_left_it(case, stored.get(case.uid)) for case in cases]
        holder = {uid: case.uid for case in fresh for uid in case.findings}
        gone = set(stored) - {case.uid for case in fresh}
        merged = [
            stored[uid].model_copy(update={"status": "closed", "related": (holder[stored[uid].findings[0]],)})
            for uid in sorted(gone)
            if stored[uid].findings[0] in holder
        ]
        documents.put(tenant, *(case for case in (*fresh, *merged) if case != stored.get(case.uid)))
        return fresh


def as_people_left_it(case: Case, stored: Case | None) -> Case:
    """A case as it was correlated now, with what people have done to it."""
    return case.model_copy(update={"status": stored.status, "assignee": stored.assignee}) if stored else case
