"""Words for people: probability as ICD 203 has it, the verdict's name, and the one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from watchfloor.core.scorecard import Weights
from watchfloor.core.verdict import Claim, CouldNotCheck, Disposition, Hypothesis

# Intelligence Community Directive 203, section 6 e (2) (a): upper end of each band.
_BANDS = (
    (0.05, "almost no chance"),
    (0.20, "very unlikely"),
    (0.45, "unlikely"),
    (0.55, "roughly even chance"),
    (0.80, "likely"),
    (0.95, "very likely"),
)
_TOP = "almost certainly"
_OPENING = {
    "almost no chance": "Almost no chance of an attack",
    "very unlikely": "Very unlikely to be an attack",
    "unlikely": "Unlikely to be an attack",
    "roughly even chance": "A roughly even chance of an attack",
    "likely": "Likely an attack",
    "very likely": "Very likely an attack",
    _TOP: "Almost certainly an attack",
}
HYPOTHESIS_WORDS: dict[Hypothesis, str] = {
    "malicious": "malicious",
    "benign_true_positive": "real but benign",
    "false_positive": "a false positive",
}
DISPOSITION_WORDS: dict[Disposition, str] = {
    "close": "closed",
    "queue": "left to a person in the queue",
    "escalate": "escalated",
}

# From here on "malicious" is said outright; between this and an even chance it is "suspicious".
MALICIOUS_FROM = 0.8
SUSPICIOUS_FROM = 0.45
# A benign verdict is said only where the attack is very unlikely (ICD 203) and one benign hypothesis clearly leads.
BENIGN_BELOW = 0.2
LEADS_FROM = 0.55


def probability_words(probability: float) -> str:
    """The ICD 203 words for a probability."""
    return next((words for upper, words in _BANDS if probability <= upper), _TOP)


def verdict_name(posterior: Weights, hypothesis: Hypothesis, evidence: bool) -> str:
    """`malicious`, `suspicious`, `benign_true_positive`, `false_positive` or `unsure` (keys of VERDICT_ID).

    Without a single counted answer (`evidence` False) it is `unsure`, whatever the base rate says.
    """
    probability = posterior["malicious"]
    if not evidence:
        return "unsure"
    if probability >= MALICIOUS_FROM:
        return "malicious"
    if probability >= SUSPICIOUS_FROM:
        return "suspicious"
    if probability < BENIGN_BELOW and posterior[hypothesis] >= LEADS_FROM:
        return hypothesis
    return "unsure"


def sentence(probability: float, verdict: str, claims: Sequence[Claim], unchecked: Sequence[CouldNotCheck]) -> str:
    """One sentence for a tired analyst: how likely, why, and what is missing."""
    hostile = [c for c in claims if c.grounded and c.supports == "malicious"]
    benign = [c for c in claims if c.grounded and c.supports != "malicious"]
    first, other = (benign, hostile) if probability < BENIGN_BELOW else (hostile, benign)
    reasons = [_plain(c) for c in first[:2]]
    text = f"{_OPENING[probability_words(probability)]} ({_percent(probability)})"
    if verdict in ("benign_true_positive", "false_positive"):
        text += f", {HYPOTHESIS_WORDS[verdict]}"  # type: ignore[index]
    text += ": " + "; ".join(reasons) if reasons else ": no evidence speaks clearly"
    if other and (not reasons or verdict in ("unsure", "suspicious")):
        text += f"; but {_plain(other[0])}"
    if unchecked:
        required = sum(1 for u in unchecked if u.required)
        part = f", {required} of them required" if required else ""
        text += f"; {len(unchecked)} could not be checked{part}"
    return text + "."


def _plain(claim: Claim) -> str:
    return claim.sentence.rstrip(". ")


def _percent(probability: float) -> str:
    if probability < 0.01:
        return "under 1 %"
    return "over 99 %" if probability > 0.99 else f"{probability * 100:.0f} %"
