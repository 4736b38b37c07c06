"""Similar cases: the nearest earlier ones, by what they are made of. For people to read; no verdict weighs it.

A case's signature is a bag of weighted features: detections, families, tactics and techniques, which kinds of entities
play which part, and the answers that counted. Likeness is weighted Jaccard: the sum of the smaller weights over the
sum of the greater ones, 1 for the same and 0 for nothing in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from watchfloor.core.case import Case
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Noun, Tenant
from watchfloor.core.verdict import Answer, Verdict

# What sets one kind of case apart from another weighs more than what all cases of a company share.
_DETECTION, _FAMILY, _TACTIC, _TECHNIQUE, _ENTITY = 3.0, 1.0, 1.5, 1.0, 0.3
_ANSWER_LEAST, _ANSWER_MOST = 0.3, 3.0
NEAREST, LEAST = 5, 0.3
_TOLD = 3


class Signature(Noun):
    """What a case is made of, as its newest verdict had it. `uid` is that of the case."""

    tenant: Tenant
    uid: str
    time: int
    title: str
    detection_class: str
    features: dict[str, float]
    """`detection:<uid>`, `family:`, `tactic:`, `technique:`, `entity:<type> as <role>`, `answer:<question>=<value>`."""
    words: dict[str, str]
    """How those features read that are not words themselves."""

    @property
    def case_uid(self) -> str:
        return self.uid

    @property
    def status(self) -> str:
        """What signatures are looked up by: cases of one class are likely alike."""
        return self.detection_class


class Near(NamedTuple):
    """A similar case: how alike (0 to 1), and what both have that weighs most, in words."""

    signature: Signature
    likeness: float
    shared: tuple[str, ...]


def signature_of(case: Case, findings: Iterable[Finding], verdict: Verdict) -> Signature:
    """The signature of a case."""
    features: dict[str, float] = {}
    words: dict[str, str] = {}
    for finding in findings:
        detection = finding.detection
        features[f"detection:{detection.uid}"] = _DETECTION
        words[f"detection:{detection.uid}"] = f"detection “{detection.title}”"
        features[f"family:{detection.family}"] = _FAMILY
    features |= {f"tactic:{tactic}": _TACTIC for tactic in case.tactics}
    features |= {f"technique:{technique}": _TECHNIQUE for technique in case.techniques}
    features |= {f"entity:{i.entity.type} as {i.role}": _ENTITY for i in case.involved}
    for answer in verdict.answers:
        if answer.lookups and answer.counted and any(answer.weights.values()):
            key = f"answer:{answer.question}={answer.value}"
            features[key] = min(max(_strength(answer), _ANSWER_LEAST), _ANSWER_MOST)
            words[key] = f"{answer.title} {answer.value.replace('_', ' ')}"
    return Signature(
        tenant=case.tenant,
        uid=case.uid,
        time=case.time,
        title=case.title,
        detection_class=case.detection_class,
        features={name: round(weight, 3) for name, weight in sorted(features.items())},
        words=dict(sorted(words.items())),
    )


def likeness(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Weighted Jaccard, 0 to 1. Of two empty bags: 0."""
    both = sum(min(weight, other[name]) for name, weight in one.items() if name in other)
    whole = sum(one.values()) + sum(other.values()) - both
    return both / whole if whole > 0 else 0.0


def nearest(of: Signature, others: Iterable[Signature], most: int = NEAREST, least: float = LEAST) -> list[Near]:
    """The nearest of `others`, the most alike first; then the newest. A case is not similar to itself."""
    ranked = [
        (-round(likeness(of.features, other.features), 6), -other.time, other.uid, other)
        for other in {other.uid: other for other in others if other.uid != of.uid}.values()
    ]
    ranked.sort(key=lambda one: one[:3])
    return [Near(other, -alike, _shared(of, other)) for alike, _, _, other in ranked[:most] if -alike >= least]


def _shared(one: Signature, other: Signature) -> tuple[str, ...]:
    both: Sequence[str] = sorted(
        one.features.keys() & other.features.keys(), key=lambda name: (-one.features[name], name)
    )
    told = [one.words.get(name) or name.partition(":")[2] for name in both]
    return tuple(told[:_TOLD])


def _strength(answer: Answer) -> float:
    benign = max(answer.weights.get("benign_true_positive", 0.0), answer.weights.get("false_positive", 0.0))
    return abs(answer.weights.get("malicious", 0.0) - benign)
