"""Hypotheses, answers, claims and the verdict on a case."""

from __future__ import annotations

from typing import Literal

from watchfloor.core.evidence import Citation
from watchfloor.core.noun import Digest, Noun, Tenant

Hypothesis = Literal["malicious", "benign_true_positive", "false_positive"]
HYPOTHESES: tuple[Hypothesis, ...] = ("malicious", "benign_true_positive", "false_positive")

Disposition = Literal["close", "queue", "escalate"]

CLASS_BOUND = "class_bound"
"""The closing gate that rests on the owner's labels."""

# OCSF verdict_id of Incident Finding.
VERDICT_ID: dict[str, int] = {
    "false_positive": 1,
    "malicious": 2,
    "suspicious": 4,
    "benign_true_positive": 5,
    "unsure": 7,
}


class Answer(Noun):
    """What a question reads from evidence: a value with its weights, or "could not check" with the reason."""

    question: str
    title: str
    about: str
    """The entity key, finding uid or case uid it was asked about."""
    status: Literal["answered", "could_not_check", "not_applicable"]
    value: str = ""
    reason: str = ""
    required: bool = False
    weights: dict[Hypothesis, float] = {}
    """Log-odds (natural logarithm) that this answer adds to each hypothesis."""
    why: str = ""
    claim: str = ""
    citations: tuple[Citation, ...] = ()
    lookups: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    counted: bool = True
    """False when another answer to the same question is the telling one; shown, adds nothing."""


class Claim(Noun):
    """One sentence with citations into evidence, as the grounding check left it."""

    uid: str
    sentence: str
    question: str
    about: str
    supports: Hypothesis
    strength: float
    citations: tuple[Citation, ...]
    grounded: bool
    problem: str = ""


class CouldNotCheck(Noun):
    """What was asked and could not be answered."""

    question: str
    title: str
    about: str
    reason: str
    required: bool


class Counterfactual(Noun):
    """A smallest set of answers without which the disposition or the leading hypothesis would differ."""

    without: tuple[str, ...]
    """`question` ids with their subject, `question|about`."""
    disposition: Disposition
    hypothesis: Hypothesis
    sentence: str


class ClosingGate(Noun):
    """Why a case may or may not be closed by itself: each condition with whether it holds and its figure."""

    name: str
    holds: bool
    sentence: str


class Verdict(Noun):
    """The decision on a case and all that it rests on. Two runs on the same inputs give the same bytes."""

    tenant: Tenant
    uid: str
    case_uid: str
    time: int
    """The `as_of` of the decision, from its inputs; no clock is read."""
    hypothesis: Hypothesis
    verdict_id: int
    verdict: str
    posterior: dict[Hypothesis, float]
    probability: float
    """Of malicious, rounded to 6 places so that bytes agree across machines."""
    probability_words: str
    """ICD 203 wording."""
    disposition: Disposition
    resolution_code: str
    sentence: str
    answers: tuple[Answer, ...]
    claims: tuple[Claim, ...]
    could_not_check: tuple[CouldNotCheck, ...]
    counterfactual: Counterfactual | None
    gates: tuple[ClosingGate, ...]
    rests_on: tuple[str, ...]
    """Evidence uids."""
    inputs_digest: Digest
    scorecard_digest: Digest
    policy_digest: Digest

    @property
    def wants_to_close(self) -> bool:
        """Whether nothing but the class's bound stands between this case and closing by itself."""
        others = (gate.holds for gate in self.gates if gate.name != CLASS_BOUND)
        return self.disposition == "close" or (self.disposition == "queue" and all(others))
