"""Scorecard: the weights, in log-odds, of answers for hypotheses. Always additive; no weight is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp, fsum, log
from typing import Annotated, Protocol

from pydantic import Field

from watchfloor.core.noun import Noun
from watchfloor.core.question import Question
from watchfloor.core.verdict import HYPOTHESES, Hypothesis

PLACES = 6
Weights = dict[Hypothesis, float]

# Before any evidence: of cases that reach a queue about one in twenty is an attack; the others part about evenly
# into activity that is real and allowed, and detections that are wrong.
PRIOR_SHARES: Weights = {"malicious": 0.05, "benign_true_positive": 0.5, "false_positive": 0.45}


class Asks(Protocol):
    """A catalogue, as far as a scorecard needs one."""

    @property
    def questions(self) -> Mapping[str, Question]: ...


class Reliability(Noun):
    """What a class of cases adds by itself, as the owner's labels had it: one level, such as detection or family."""

    level: str
    values: dict[str, Weights]
    """The class -> log-odds. A class that is not here adds nothing."""


class Scorecard(Noun):
    """Question -> value -> hypothesis -> weight, with the priors. Learning writes a new version; this one stays.

    `overlap`: of several answers in one group, the strongest counts in full, the next this share of itself, the one
    after this share squared, and so on, for each hypothesis by itself. `temperature` divides the sums (calibration).
    """

    name: str = "expert"
    version: int = 1
    priors: Weights
    weights: dict[str, dict[str, Weights]]
    reliability: tuple[Reliability, ...] = ()
    """Broad levels first; their terms add up."""
    overlap: Annotated[float, Field(ge=0.0, le=0.5)] = 0.5
    temperature: Annotated[float, Field(gt=0.0)] = 1.0

    @classmethod
    def expert(cls, catalogue: Asks) -> Scorecard:
        """The expert's start: the weights that stand in the catalogue."""
        return cls(
            priors={name: round(log(share), PLACES) for name, share in PRIOR_SHARES.items()},
            weights={
                question.id: {option.value: option.weights for option in question.answers}
                for question in catalogue.questions.values()
            },
        )

    def completed(self, catalogue: Asks) -> Scorecard:
        """With the expert's weights for questions that came to the catalogue after this card was learnt."""
        fresh = {q.id: q for q in catalogue.questions.values() if q.id not in self.weights}
        if not fresh:
            return self
        added = {uid: {option.value: option.weights for option in q.answers} for uid, q in fresh.items()}
        return self.model_copy(update={"weights": {**self.weights, **added}})

    def weighs(self, question: Question, value: str) -> Weights:
        """What a value adds to each hypothesis. A value that the scorecard lacks adds nothing.

        Of a question whose answers an attacker writes, only weight towards malicious counts, whatever a scorecard
        says: the rule of the catalogue's loader, kept here for scorecards that were learnt.
        """
        given = self.weights.get(question.id, {}).get(value, {})
        if question.trusted:
            return {name: given.get(name, 0.0) for name in HYPOTHESES}
        return {name: max(0.0, given.get(name, 0.0)) if name == "malicious" else 0.0 for name in HYPOTHESES}

    def reliable(self, classes: Iterable[tuple[str, str]]) -> dict[str, tuple[str, Weights]]:
        """What the classes of a case add, by level: the class that counts, and its weights.

        Of several classes of one level the most suspicious counts, so that no other detection in a case can make up
        for it; one without labels adds nothing.
        """
        found: dict[str, tuple[str, Weights]] = {}
        for held in self.reliability:
            mine = sorted({value for level, value in classes if level == held.level})
            if mine:
                weighed = [(value, held.values.get(value, {})) for value in mine]
                found[held.level] = max(weighed, key=lambda one: malice(one[1]))
        return found

    def posterior(self, sums: Weights) -> Weights:
        """Softmax of the sums, rounded to PLACES so that bytes agree across machines."""
        scaled = {name: sums[name] / self.temperature for name in HYPOTHESES}
        most = max(scaled.values())
        odds = {name: exp(value - most) for name, value in scaled.items()}
        whole = fsum(odds.values())
        return {name: round(value / whole, PLACES) for name, value in odds.items()}


def malice(weights: Mapping[Hypothesis, float]) -> float:
    """How much weights move malicious against the better of the benign hypotheses (log-odds)."""
    benign = (weights.get(name, 0.0) for name in HYPOTHESES if name != "malicious")
    return weights.get("malicious", 0.0) - max(benign)


def total(weights: list[float]) -> float:
    """The exactly rounded sum, the same in any order."""
    return fsum(weights)


def shrunk(weights: list[float], overlap: float) -> float:
    """What the answers of one group add together: the strongest in full, each further one `overlap` times less.

    With overlap <= 1/2 another answer of weight >= 0 never lowers the sum: all that it pushes back is smaller than
    itself and loses at most half, a quarter, ... of at most its own size. So hostile text cannot use the shrinkage
    to hide what speaks against it.
    """
    ordered = sorted(weights, key=lambda weight: (-abs(weight), weight))
    return fsum(weight * overlap**place for place, weight in enumerate(ordered))
