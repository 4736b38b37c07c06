"""Gates: each condition that closing a case without a person needs, with its figure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from watchfloor.core.finding import Severity
from watchfloor.core.scorecard import Weights
from watchfloor.core.verdict import (
    CLASS_BOUND,
    HYPOTHESES,
    Answer,
    Claim,
    ClosingGate,
    Disposition,
    Hypothesis,
    Investigation,
)
from watchfloor.triage.anytime import closing_bound, labels_needed
from watchfloor.triage.inputs import Inputs
from watchfloor.triage.terms import Terms
from watchfloor.triage.weighing import Weighed


class Settled(NamedTuple):
    """What a set of terms comes to."""

    posterior: Weights
    hypothesis: Hypothesis
    disposition: Disposition


class Board:
    """A case with its terms and gates, which can be settled again without some of its questions."""

    def __init__(self, inputs: Inputs, weighed: Weighed, investigation: Investigation, terms: Terms) -> None:
        self.inputs, self.terms = inputs, terms
        self.unchecked = [a for a in weighed.answers if a.required and a.status == "could_not_check"]
        self.struck = [c for c in weighed.claims if not c.grounded]
        self.fixed = (*standing_gates(inputs), _investigated(inputs, investigation), _near(inputs))
        self._may_close = all(gate.holds for gate in self.fixed)

    def settle(self, without: Collection[str] = ()) -> Settled:
        """The outcome, as if the questions `without` had not been asked."""
        return self.outcome(self.terms.posterior(without), without)

    def outcome(self, posterior: Weights, without: Collection[str] = ()) -> Settled:
        """What a posterior comes to under this case's gates."""
        leading: Hypothesis = max(HYPOTHESES, key=lambda name: posterior[name])
        probability, policy = posterior["malicious"], self.inputs.policy.triage
        if probability >= policy.escalate_at:
            return Settled(posterior, leading, "escalate")
        close = (
            self._may_close
            and probability <= policy.close_below
            and _without(self.unchecked, without) == 0
            and _without(self.struck, without) == 0
        )
        return Settled(posterior, leading, "close" if close else "queue")

    def gates(self, probability: float) -> tuple[ClosingGate, ...]:
        """All gates, in the order in which people ask for them."""
        limit = self.inputs.policy.triage.close_below
        autonomy, bound, *rest = self.fixed
        names = sorted({a.title for a in self.unchecked})
        return (
            autonomy,
            bound,
            ClosingGate(
                name="probability",
                holds=probability <= limit,
                sentence=f"The probability of an attack is {probability:.1%}; closing needs {limit:.1%} or less.",
            ),
            ClosingGate(
                name="required_questions",
                holds=not self.unchecked,
                sentence=f"Could not be checked though required: {'; '.join(names)}."
                if names
                else "Every required question has an answer.",
            ),
            ClosingGate(
                name="grounding",
                holds=not self.struck,
                sentence=f"{len(self.struck)} claims were struck: their evidence does not hold."
                if self.struck
                else "Every claim stands in its evidence.",
            ),
            *rest,
        )


def standing_gates(inputs: Inputs) -> tuple[ClosingGate, ...]:
    """The gates that are known before any question is asked, and that no answer changes."""
    return (_autonomy(inputs), _bound(inputs), _severity(inputs), _labels(inputs))


def could_close(inputs: Inputs) -> bool:
    """Whether it would be closed if its class's bound, people and autonomy allowed it, whatever is answered: those may
    allow it later, and then on the labels of cases that were asked about as if they did now."""
    return _severity(inputs).holds


def _investigated(inputs: Inputs, investigation: Investigation) -> ClosingGate:
    left = len(inputs.not_asked)
    holds = investigation.stopped != "budget"
    return ClosingGate(
        name="investigation",
        holds=holds,
        sentence=f"{left} questions were not asked although they could change the decision: the budget was used."
        if not holds
        else f"{left} questions were not asked; none of them could change the decision."
        if left
        else "Every question that fits was asked.",
    )


def _without(items: Iterable[Answer | Claim], questions: Collection[str]) -> int:
    return sum(1 for item in items if item.question not in questions)


def _autonomy(inputs: Inputs) -> ClosingGate:
    return ClosingGate(
        name="autonomy",
        holds=inputs.policy.autonomy == "close",
        sentence=f"Policy {inputs.policy.name!r} sets autonomy {inputs.policy.autonomy!r}; closing needs 'close'.",
    )


def _bound(inputs: Inputs) -> ClosingGate:
    """The class bound: how many attacks may hide among what would be closed, at the owner's confidence."""
    policy, labels = inputs.policy.triage, inputs.labels
    bound = closing_bound(labels.missed, labels.counted, policy.confidence)
    sentence = (
        f"Class {labels.detection_class!r}: {labels.missed} attacks among {labels.counted} labels that count; "
        f"at {policy.confidence:.0%} confidence up to {bound:.1%} may be missed, the limit is "
        f"{policy.max_missed_share:.1%}"
    )
    needed = labels_needed(policy.max_missed_share, policy.confidence, labels.missed)
    if labels.counted < needed:
        sentence += f" ({needed - labels.counted} more labels without an attack are needed)"
    holds = bound <= policy.max_missed_share and not labels.shut
    return ClosingGate(name=CLASS_BOUND, holds=holds, sentence="; ".join((sentence, *labels.shut)) + ".")


def _severity(inputs: Inputs) -> ClosingGate:
    never = inputs.policy.triage.never_close_severity
    return ClosingGate(
        name="severity",
        holds=inputs.case.severity < never,
        sentence=f"Severity is {inputs.case.severity.name}; from {_severity_name(never)} on a person always looks.",
    )


def _severity_name(severity: int) -> str:
    return Severity(severity).name if severity in set(Severity) else f"severity_id {severity}"


def _labels(inputs: Inputs) -> ClosingGate:
    said = inputs.labels.said_malicious
    return ClosingGate(
        name="labels",
        holds=not said,
        sentence=f"A person called this case or a related one malicious ({', '.join(said)})."
        if said
        else "No person has called this case or a related one malicious.",
    )


def _near(inputs: Inputs) -> ClosingGate:
    near = inputs.escalated_near
    return ClosingGate(
        name="neighbours",
        holds=not near,
        sentence=f"Near it, {len(near)} cases need a person now ({', '.join(near[:3])})."
        if near
        else "No case near it needs a person now.",
    )
