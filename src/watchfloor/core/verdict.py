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
ALLOWANCES = (CLASS_BOUND, "autonomy", "labels")
"""Gates that tell what people allow; the others tell of the case."""

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


class Change(Noun):
    """An answer that is another one than when the case was decided before, with the evidence of both."""

    question: str
    title: str
    about: str
    before: str
    """The value in words, or why there was none."""
    after: str
    evidence_before: tuple[str, ...]
    evidence_after: tuple[str, ...]
    moved: float
    """By how much its weight for malicious, against the better benign hypothesis, is another one (log-odds)."""

    @property
    def sentence(self) -> str:
        if self.before == self.after:
            return f"“{self.title}” rests on other evidence and still says {self.after}"
        return f"“{self.title}” changed from {self.before} to {self.after}"


class Step(Noun):
    """One question put to one subject: why it was chosen, what it answered, and where the decision stood after it."""

    question: str
    about: str
    round: int
    information: float
    """By how much the answer was expected to lower the entropy of the posterior, in bits."""
    turns: float
    """The chance, before it was asked, that this answer alone would turn the decision."""
    cost: float
    """0 where another question's look-up answers it as well."""
    purpose: Literal["decision", "plan"] = "decision"
    """`plan`: nothing it says could change the decision, but a plan acts on what it names."""
    answer: str
    """The answer's value, or its status."""
    probability: float
    """Of malicious, with this answer and all before it."""
    entropy: float
    """Of the posterior, in bits: 0 is sure, 1.58 knows nothing."""


class NotNeeded(Noun):
    """A question that was not asked because no answer to it could change the decision: neither clean nor unknown."""

    question: str
    title: str
    about: str
    most: float
    """The furthest that an answer of it could move malicious up, in log-odds; ..."""
    least: float
    """... and down (a negative figure)."""


class Investigation(Noun):
    """How the investigator went about a case: the reasoning that people read."""

    stopped: Literal["settled", "all_asked", "budget"]
    """`settled`: nothing left could change the decision; `budget`: policy's budget was used before that."""
    sentence: str
    low: float
    """The least probability of malicious, whatever the questions left open would answer; ..."""
    high: float
    """... and the greatest."""
    cost: float
    saved: float
    """What the questions that were not asked would have cost."""
    steps: tuple[Step, ...]
    not_needed: tuple[NotNeeded, ...]


class Fragile(Noun):
    """The answer on which a decision hangs most."""

    question: str
    title: str
    about: str
    sentence: str


class Stability(Noun):
    """Whether the disposition holds when what it rests on is shaken a little (see `triage.stability`)."""

    tried: int
    kept: int
    """Of the decisions that were tried, those with the same disposition."""
    kinds: dict[str, tuple[int, int]]
    """The kind of perturbation -> how many were tried, and how many kept the disposition."""
    low: float
    """The least probability of malicious among them; ..."""
    high: float
    """... and the greatest."""
    fragile: Fragile | None = None
    """The answer whose change turns the disposition, or, where none does, that moves the probability most."""

    @property
    def share(self) -> float:
        """Of perturbations that keep the disposition, 0 to 1."""
        return self.kept / self.tried if self.tried else 1.0


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
    investigation: Investigation | None = None
    counterfactual: Counterfactual | None
    stability: Stability | None = None
    gates: tuple[ClosingGate, ...]
    rests_on: tuple[str, ...]
    """Evidence uids."""
    inputs_digest: Digest
    scorecard_digest: Digest
    policy_digest: Digest

    @property
    def wants_to_close(self) -> bool:
        """Whether nothing but its class's bound, people's word and autonomy stand between this case and closing by
        itself: what would be closed if they allowed it."""
        others = (gate.holds for gate in self.gates if gate.name not in ALLOWANCES)
        return self.disposition == "close" or (self.disposition == "queue" and all(others))
