"""The case book: what was correlated just now, beside the cases as they stand and what people did to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from watchfloor.app.parts import Parts
from watchfloor.app.risks import with_risk
from watchfloor.core.case import Case
from watchfloor.core.finding import Finding
from watchfloor.core.regrouping import Regrouping
from watchfloor.ledger.ledger import Draft
from watchfloor.triage.correlation import Correlation


class CaseBook:
    """A tenant's cases, drawn from its findings and from what people said on which of them belong together."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._live: Correlation | None = None
        self._under: tuple[str, str] = ("", "")

    def drawn(self, findings: Sequence[Finding]) -> list[Case]:
        """The cases that findings make, as people left them, stored."""
        parts = self._parts
        said = parts.documents.find(parts.tenant, Regrouping, limit=None)
        cases = self._correlation().cases(findings, said)
        return self._settled(with_risk(cases, findings, parts.context))

    def _correlation(self) -> Correlation:
        """What was reckoned before, unless the context or the policy is another now."""
        parts = self._parts
        under = (parts.context_digest, parts.policy.correlation.digest())
        if self._live is None or self._under != under:
            self._live, self._under = Correlation(parts.context, parts.policy.correlation), under
        return self._live

    def _settled(self, cases: list[Case]) -> list[Case]:
        """Fresh cases with what people did to them before; cases that others took in say so and are closed."""
        with self._parts.together():  # what a person does to a case meanwhile waits, and is not undone
            return self._merged(cases)

    def _merged(self, cases: list[Case]) -> list[Case]:
        parts = self._parts
        stored = {case.uid: case for case in parts.documents.find(parts.tenant, Case, limit=None)}
        fresh = [as_people_left_it(case, stored.get(case.uid)) for case in cases]
        holder = {uid: case.uid for case in fresh for uid in case.findings}
        gone = sorted(stored.keys() - {case.uid for case in fresh})
        taken = [taken_in(stored[uid], holder[first]) for uid in gone if (first := stored[uid].findings[0]) in holder]
        parts.documents.put(parts.tenant, *(case for case in (*fresh, *taken) if case != stored.get(case.uid)))
        at = parts.clock()
        parts.ledger.append_many(parts.tenant, [*_taken(taken, stored, at), *_parted(fresh, stored, at)])
        return fresh


def as_people_left_it(case: Case, stored: Case | None) -> Case:
    """A case as it was correlated now, with what people have done to it."""
    if stored is None:
        return case
    status = stored.was if stored.merged_into else stored.status
    return case.model_copy(update={"status": status, "assignee": stored.assignee})


def taken_in(case: Case, holder: str) -> Case:
    """A case that another one took in: it says where its findings are, and keeps all that was said and decided."""
    was = case.was if case.merged_into else case.status
    return case.model_copy(
        update={"status": "closed", "was": was, "related": (holder,), "relations": (), "merged_into": holder}
    )


def _taken(taken: Sequence[Case], stored: Mapping[str, Case], at: int) -> Iterator[Draft]:
    """Which case took in which, where it was not so before."""
    for case in taken:
        if stored[case.uid].merged_into != case.merged_into:
            yield Draft("case.taken_in", case.uid, "watchfloor", {"into": case.merged_into}, at)
            yield Draft("case.took_in", case.merged_into, "watchfloor", {"case": case.uid}, at)


def _parted(fresh: Sequence[Case], stored: Mapping[str, Case], at: int) -> Iterator[Draft]:
    """Which case came out of which."""
    home = {uid: case.uid for case in stored.values() if not case.merged_into for uid in case.findings}
    for case in fresh:
        held = stored.get(case.uid)
        before = home.get(case.findings[0], case.uid)
        if before != case.uid and (held is None or held.merged_into):
            yield Draft("case.came_out_of", case.uid, "watchfloor", {"case": before}, at)
            yield Draft("case.parted", before, "watchfloor", {"into": case.uid}, at)
