"""Decision records: what each verdict was decided from, by reference, and how it is decided again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from watchfloor.app.parts import Parts
from watchfloor.core.case import Case
from watchfloor.core.errors import NotFoundError
from watchfloor.core.evidence import Evidence
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Digest, Noun, Tenant
from watchfloor.core.policy import Policy
from watchfloor.core.question import Asked, Question
from watchfloor.core.scorecard import Scorecard
from watchfloor.core.verdict import Verdict
from watchfloor.triage.bound import ClassRecord
from watchfloor.triage.decide import Inputs, decide


class DecisionRecord(Noun):
    """What `decide` took: enough to put its inputs together again, byte for byte."""

    tenant: Tenant
    uid: str
    """The verdict's uid."""
    case_uid: str
    time: int
    case: Case
    findings: tuple[str, ...]
    changing: dict[str, Digest] = {}
    """Findings that may change, as they were, by their uid."""
    asked: tuple[Asked, ...]
    not_asked: tuple[Asked, ...] = ()
    evidence: dict[str, int]
    """Uid -> when this decision had it collected (ms): the same answer may be collected again later."""
    catalogue: Digest
    questions: tuple[Digest, ...]
    scorecard: Digest
    policy: Digest
    labels: ClassRecord
    escalated_near: tuple[str, ...]
    lake_mark: int = 0
    """How far the lake went when it was asked (`Lake.earliest_since`)."""

    @classmethod
    def of(cls, inputs: Inputs, keep: Callable[[Noun], str], lake_mark: int = 0) -> DecisionRecord:
        """The record of inputs; `keep` stores a noun and gives its digest. The verdict's uid is not in it yet."""
        return cls(
            tenant=inputs.tenant,
            uid="",
            case_uid=inputs.case.uid,
            time=inputs.as_of,
            case=inputs.case,
            findings=tuple(f.uid for f in inputs.findings),
            changing={f.uid: keep(f) for f in inputs.findings if f.changes},
            asked=inputs.asked,
            not_asked=inputs.not_asked,
            evidence={e.uid: e.collected_at for e in inputs.evidence},
            catalogue=inputs.catalogue,
            questions=tuple(map(keep, inputs.questions)),
            scorecard=keep(inputs.scorecard),
            policy=keep(inputs.policy),
            labels=inputs.labels,
            escalated_near=inputs.escalated_near,
            lake_mark=lake_mark,
        )

    def rests_on_the_same(self, other: DecisionRecord) -> bool:
        """Whether the `other`, later decision is about the same things. A case's status and assignee decide nothing.

        Escalated cases near by are compared by whoever knows them all.
        """
        if self.case.findings != other.case.findings or set(self.evidence) != set(other.evidence):
            return False
        if not other.labels.still(self.labels):
            return False
        blank: dict[str, Any] = {"uid": "", "case": self.case, "evidence": {}, "escalated_near": (), "lake_mark": 0}
        blank["labels"] = self.labels
        return self.model_copy(update=blank) == other.model_copy(update=blank)


# Many decisions rest on the same bytes, and nouns do not change.
_question = lru_cache(maxsize=2_000)(Question.from_json)
_scorecard = lru_cache(maxsize=20)(Scorecard.from_json)
_policy = lru_cache(maxsize=20)(Policy.from_json)


def replay(parts: Parts, case_uid: str) -> tuple[Verdict, Verdict]:
    """The stored verdict, and the one that its recorded inputs give when decided again. Raises NotFoundError."""
    documents, tenant = parts.documents, parts.tenant
    documents.get(tenant, Case, case_uid)
    stored = documents.latest(tenant, Verdict, case_uid)
    if stored is None:
        raise NotFoundError("this case is not decided yet", where=case_uid)
    return stored, decide(recorded(parts, documents.get(tenant, DecisionRecord, stored.uid)))


def recorded(parts: Parts, record: DecisionRecord) -> Inputs:
    """The inputs of a decision, byte for byte. Raises NotFoundError or DamagedError where they are not kept so."""
    tenant, read = parts.tenant, parts.evidence.get_all_bytes
    scorecard, policy, *questions = read(tenant, (record.scorecard, record.policy, *record.questions))
    return Inputs(
        tenant=tenant,
        case=record.case,
        findings=tuple(_findings(parts, record)),
        catalogue=record.catalogue,
        questions=tuple(map(_question, questions)),
        asked=record.asked,
        not_asked=record.not_asked,
        evidence=tuple(_evidence(parts, record)),
        scorecard=_scorecard(scorecard),
        policy=_policy(policy),
        labels=record.labels,
        escalated_near=record.escalated_near,
        as_of=record.time,
    )


def _findings(parts: Parts, record: DecisionRecord) -> Iterator[Finding]:
    fixed = [uid for uid in record.findings if uid not in record.changing]
    yield from parts.documents.get_many(parts.tenant, Finding, fixed)
    yield from map(Finding.from_json, parts.evidence.get_all_bytes(parts.tenant, record.changing.values()))


def _evidence(parts: Parts, record: DecisionRecord) -> Iterator[Evidence]:
    for uid, evidence in parts.evidence.get_many(parts.tenant, record.evidence).items():
        yield evidence.model_copy(update={"collected_at": record.evidence[uid]})
