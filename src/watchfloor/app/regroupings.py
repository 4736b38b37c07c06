"""Regroupings: what people say on which findings belong together. Each is kept, entered in the ledger, can be undone.

Cases are drawn anew at once. The case that keeps the first finding keeps its name, and all that was said and decided
there; another says where it went.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from watchfloor.app.parts import Parts
from watchfloor.app.pipeline import Pipeline
from watchfloor.core.case import Case
from watchfloor.core.entry import Entry
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.noun import short_id
from watchfloor.core.regrouping import Regrouping, Regroups, standing
from watchfloor.ledger.ledger import Draft

_KINDS: dict[Regroups, str] = {
    "together": "case.merged",
    "moved": "case.split",
    "apart": "link.undone",
    "undone": "regrouping.undone",
}
MOST_FINDINGS = 10_000
# How the product's own entries read, that tell of findings which moved between cases.
_TOLD = {
    "case.taken_in": "its findings stand in {into} now",
    "case.took_in": "took in {case}",
    "case.came_out_of": "came out of {case}",
    "case.parted": "a part of it is {into} now",
}


def history(entries: Iterable[Entry]) -> list[tuple[int, str, str]]:
    """How a case came to be what it is: when (ms), who, and what, for each entry that moved findings."""
    found = []
    for entry in entries:
        if entry.kind in _TOLD or entry.kind in _KINDS.values():
            body = json.loads(entry.body)
            sentence = _TOLD[entry.kind].format(**body) if entry.kind in _TOLD else body["sentence"]
            found.append((entry.time, entry.actor, sentence))
    return found


class Regroupings:
    """One tenant's regroupings, for console, API and command line."""

    def __init__(self, parts: Parts, pipeline: Pipeline) -> None:
        self._parts, self._pipeline = parts, pipeline

    def of_case(self, case_uid: str) -> list[Regrouping]:
        """Those that hold and speak of a finding of the case, oldest first. Raises NotFoundError."""
        mine = set(self._case(case_uid).findings)
        return [r for r in standing(self._all()) if r.kind != "undone" and not mine.isdisjoint((*r.one, *r.other))]

    def merge(self, case_uid: str, other_uid: str, user: str) -> Regrouping:
        """Two cases become one. What held them apart is taken back, and comes back when the merging is undone."""
        case, other = self._open(case_uid), self._open(other_uid)
        if case.uid == other.uid:
            raise RefusedError("a case cannot be merged with itself", where=case_uid, do="Name another case")
        one, two = set(case.findings), set(other.findings)
        return self._say(
            "together",
            case,
            user,
            f"{user} merged {case.uid} and {other.uid}",
            one=case.findings,
            other=other.findings,
            other_case=other.uid,
            takes_back=tuple(r.uid for r in standing(self._all()) if _parts(r, one, two) or _parts(r, two, one)),
        )

    def split(self, case_uid: str, finding_uids: Sequence[str], user: str) -> Regrouping:
        """Findings of a case become a case of their own. Raises RefusedError unless they are some of its findings."""
        case, wanted = self._open(case_uid), set(finding_uids)
        if unknown := sorted(wanted - set(case.findings)):
            raise RefusedError(f"{unknown[0]} is no finding of this case", where=case.uid, do="Name its own findings")
        rest, moved = _cut(case, wanted)
        if not moved or not rest:
            raise RefusedError(
                "a case is split by naming some of its findings, and not all", where=case.uid, do="Name fewer or more"
            )
        made = self._name(moved)
        words = f"{user} moved {len(moved)} finding{'' if len(moved) == 1 else 's'} of {case.uid} into {made}"
        return self._say("moved", case, user, words, one=rest, other=moved, other_case=made)

    def unlink(self, case_uid: str, link_uid: str, user: str) -> Regrouping:
        """The case becomes two where this link held it together; a person's own link is taken back."""
        case = self._open(case_uid)
        link = next((link for link in case.links if link.uid == link_uid), None)
        if link is None:
            raise NotFoundError(f"there is no link {link_uid} in this case", where=case.uid, do="Open the case again")
        if link.because == "person":
            return self.take_back(link.shared, user)
        kept, parted = _sides(case, link_uid)
        made = self._name(parted)
        words = f"{user} undid the link of {case.uid} that says: {link.sentence}"
        return self._say("apart", case, user, words, one=kept, other=parted, other_case=made)

    def take_back(self, uid: str, user: str, *, case_uid: str = "") -> Regrouping:
        """Undo a regrouping, which speaks of the case where one is named: cases are as they would be without it."""
        held = self.of_case(case_uid) if case_uid else [r for r in standing(self._all()) if r.kind != "undone"]
        said = next((r for r in held if r.uid == uid), None)
        if said is None:
            raise NotFoundError("nothing that holds was said under this name", where=uid, do="Open the case again")
        words = f"{user} took back: {said.sentence}"
        case = self._case(said.case_uid)
        return self._say("undone", case, user, words, other_case=said.other_case, takes_back=(uid,))

    def _say(
        self,
        kind: Regroups,
        case: Case,
        user: str,
        sentence: str,
        *,
        one: Sequence[str] = (),
        other: Sequence[str] = (),
        other_case: str = "",
        takes_back: tuple[str, ...] = (),
    ) -> Regrouping:
        parts, tenant = self._parts, self._parts.tenant
        if len(one) + len(other) > MOST_FINDINGS:
            raise RefusedError(
                f"more than {MOST_FINDINGS:,} findings cannot be regrouped at once",
                where=case.uid,
                do="Hold back the detection that raises so many, or split off fewer",
            )
        with parts.together():
            # Later than all that was said before, whatever the clock says.
            at = max([parts.clock(), *(r.time + 1 for r in self._all())])
            said = Regrouping(
                tenant=tenant,
                uid=short_id("regrouping", tenant, case.uid, kind, user, str(at)),
                time=at,
                kind=kind,
                by=user,
                case_uid=case.uid,
                other_case=other_case,
                one=tuple(one),
                other=tuple(other),
                takes_back=takes_back,
                sentence=sentence,
            )
            parts.documents.put(tenant, said)
            subjects = dict.fromkeys(uid for uid in (case.uid, other_case) if uid)
            body = said.to_dict()
            parts.ledger.append_many(tenant, [Draft(_KINDS[kind], uid, user, body, at) for uid in subjects])
        self._pipeline.triage()
        for uid in subjects:
            parts.updates.publish(tenant, "case", uid)
        return said

    def _all(self) -> list[Regrouping]:
        return self._parts.documents.find(self._parts.tenant, Regrouping, limit=None)

    def _case(self, uid: str) -> Case:
        return self._parts.documents.get(self._parts.tenant, Case, uid)

    def _open(self, uid: str) -> Case:
        case = self._case(uid)
        if case.merged_into:
            raise RefusedError("another case took this one in", where=uid, do=f"Open {case.merged_into}")
        return case

    def _name(self, findings: Sequence[str]) -> str:
        """What a case is called of which this is the first finding."""
        return short_id("case", self._parts.tenant, findings[0])


def _parts(said: Regrouping, one: set[str], other: set[str]) -> bool:
    """Whether it keeps something of the one from something of the other."""
    if said.kind not in ("apart", "moved"):
        return False
    return not one.isdisjoint(said.one) and not other.isdisjoint(said.other)


def _cut(case: Case, wanted: set[str]) -> tuple[list[str], list[str]]:
    """The findings of a case that are not wanted, and those that are, in order of time."""
    return [uid for uid in case.findings if uid not in wanted], [uid for uid in case.findings if uid in wanted]


def _sides(case: Case, link_uid: str) -> tuple[list[str], list[str]]:
    """The two halves of a case without one of its links, that with the first finding first. Links are a tree."""
    beside: dict[str, list[str]] = {uid: [] for uid in case.findings}
    for link in case.links:
        if link.uid != link_uid:
            beside[link.finding].append(link.other)
            beside[link.other].append(link.finding)
    reached, waiting = {case.findings[0]}, [case.findings[0]]
    while waiting:
        fresh = [uid for uid in beside[waiting.pop()] if uid not in reached]
        reached.update(fresh)
        waiting += fresh
    parted, kept = _cut(case, reached)
    return kept, parted
