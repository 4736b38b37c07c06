"""Inputs: everything that a decision rests on, in one noun. Its bytes are enough to decide again anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self, TypeVar

from pydantic import model_validator

from watchfloor.core.case import Case
from watchfloor.core.evidence import Evidence
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Digest, Noun, Tenant, canonical_of, digest_of
from watchfloor.core.policy import Policy
from watchfloor.core.question import Asked, Question
from watchfloor.core.scorecard import Scorecard
from watchfloor.triage.bound import ClassRecord
from watchfloor.triage.catalogue import Catalogue

N = TypeVar("N", Case, Finding)


class Inputs(Noun):
    """What `decide` takes. The order in which findings, questions and evidence come in does not matter."""

    tenant: Tenant
    case: Case
    findings: tuple[Finding, ...]
    catalogue: Digest
    """Of the whole catalogue; `questions` are those that fit the case."""
    questions: tuple[Question, ...]
    asked: tuple[Asked, ...]
    not_asked: tuple[Asked, ...] = ()
    """What fits the case too and was left: no answer could change the decision, or policy's budget was used."""
    evidence: tuple[Evidence, ...]
    scorecard: Scorecard
    policy: Policy
    labels: ClassRecord
    escalated_near: tuple[str, ...] = ()
    """Related cases that a person was called to when this was decided: what stands near an attack does not close."""
    as_of: int
    """The time of the decision, ms."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        """One order whatever came in, so that the digest is a function of the set; and without what decides nothing."""
        plain = (
            ("case", _unweighed(self.case)),
            ("findings", tuple(_unweighed(f) for f in sorted(self.findings, key=lambda f: (f.time, f.uid)))),
            ("questions", tuple(sorted(self.questions, key=lambda q: q.id))),
            ("asked", tuple(sorted(self.asked, key=lambda a: (a.question, a.about, a.lookup.uid)))),
            ("not_asked", tuple(sorted(self.not_asked, key=lambda a: (a.question, a.about, a.lookup.uid)))),
            ("evidence", tuple(sorted(self.evidence, key=lambda e: (e.collected_at, e.uid)))),
        )
        for name, value in plain:
            self.__dict__[name] = value
        return self

    @classmethod
    def of(
        cls,
        case: Case,
        findings: Sequence[Finding],
        asked: Sequence[Asked],
        evidence: Iterable[Evidence],
        *,
        catalogue: Catalogue,
        scorecard: Scorecard,
        policy: Policy,
        labels: ClassRecord,
        as_of: int,
        not_asked: Sequence[Asked] = (),
    ) -> Self:
        """Inputs from what the rest of the product has at hand. Evidence of other look-ups is left out."""
        wanted = {a.lookup.uid for a in asked}
        return cls(
            tenant=case.tenant,
            case=case,
            findings=tuple(findings),
            catalogue=catalogue.digest,
            questions=catalogue.used([*asked, *not_asked]),
            asked=tuple(asked),
            not_asked=tuple(not_asked),
            evidence=tuple({e.uid: e for e in evidence if e.lookup.uid in wanted}.values()),
            scorecard=scorecard,
            policy=policy,
            labels=labels,
            as_of=as_of,
        )

    def _reckoned(self) -> str:
        """The digest of everything. What many cases share goes in by its own."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        shared = {
            "questions": [question.digest() for question in self.questions],
            "scorecard": self.scorecard.digest(),
            "policy": self.policy.digest(),
        }
        return digest_of(canonical_of(own | shared))


def _unweighed(noun: N) -> N:
    """A finding or case without its risk: what stands in a risk (severities, how many detections) is asked already, by
    questions with weights of their own, and must not count twice."""
    return noun if noun.risk is None else noun.model_copy(update={"risk": None})
