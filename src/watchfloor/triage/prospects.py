"""Prospects: what a question may still come to, in figures: its answers' weights, and how likely each of them is.

How likely an answer is under a hypothesis follows from the weights alone: a softmax over the question's answers, with
"nothing fits" among them. That is what log-odds weights mean: an answer that adds 2 to malicious is e^2 times as likely
there as one that adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import exp, fsum, log2
from typing import NamedTuple

from watchfloor.core.question import COULD_NOT_CHECK, Question
from watchfloor.core.scorecard import Scorecard, Weights, shrunk
from watchfloor.core.verdict import HYPOTHESES, Hypothesis

Vector = tuple[float, float, float]
"""One figure for each of HYPOTHESES, in their order."""

NOTHING: Vector = (0.0, 0.0, 0.0)
_MOST_KNOWN = 10_000


class Chance(NamedTuple):
    """An answer with its weights, and its likelihood under each hypothesis."""

    weights: Vector
    likelihood: Vector


def vector(weights: Mapping[Hypothesis, float]) -> Vector:
    return (
        weights.get("malicious", 0.0),
        weights.get("benign_true_positive", 0.0),
        weights.get("false_positive", 0.0),
    )


def malice(weights: Vector) -> float:
    """How much weights move malicious against the better of the benign hypotheses (log-odds)."""
    return weights[0] - max(weights[1], weights[2])


def joined(weights: Sequence[Vector], overlap: float) -> Vector:
    """What the answers of one group add together: for each hypothesis by itself, `scorecard.shrunk`."""
    a, b, c = ([w[i] for w in weights if w[i]] for i in range(len(HYPOTHESES)))
    return (_joined(a, overlap), _joined(b, overlap), _joined(c, overlap))


def _joined(weights: list[float], overlap: float) -> float:
    # What weighs nothing comes last and changes nothing, and most answers weigh for one hypothesis only.
    return shrunk(weights, overlap) if len(weights) > 1 else weights[0] if weights else 0.0


def entropy(posterior: Vector) -> float:
    """Of a posterior, in bits."""
    return -fsum(p * log2(p) for p in posterior if p > 0.0) + 0.0


def informs(posterior: Vector, chances: tuple[Chance, ...]) -> float:
    """Expected information of an answer about the hypotheses, in bits (Shannon's mutual information)."""
    p0, p1, p2 = posterior
    bits = 0.0
    for _, (l0, l1, l2) in chances:
        a0, a1, a2 = p0 * l0, p1 * l1, p2 * l2
        whole = a0 + a1 + a2
        if whole > 0.0:
            bits += (
                (a0 * log2(l0 / whole) if a0 > 0.0 else 0.0)
                + (a1 * log2(l1 / whole) if a1 > 0.0 else 0.0)
                + (a2 * log2(l2 / whole) if a2 > 0.0 else 0.0)
            )
    return max(bits, 0.0)


class Prospect:
    """One question under one scorecard. Shared by all cases."""

    def __init__(self, question: Question, scorecard: Scorecard) -> None:
        self.overlap = scorecard.overlap
        self.shares: dict[str, Weights] = {
            option.value: scorecard.weighs(question, option.value)
            for option in question.answers
            if option.value != COULD_NOT_CHECK
        }
        """What each value adds, by hypothesis; `weights` has the same as vectors."""
        self.weights: dict[str, Vector] = {value: vector(weights) for value, weights in self.shares.items()}
        self.outcomes: tuple[Vector, ...] = tuple(sorted({*self.weights.values(), NOTHING}))
        """Every weight that the question may add in the end; nothing fits, or could not be checked, adds none."""
        self._discounted: dict[int, tuple[Chance, ...]] = {}

    @cached_property
    def silent(self) -> bool:
        """Whether no answer weighs anything."""
        return self.outcomes == (NOTHING,)

    @cached_property
    def hostile(self) -> tuple[Vector, ...]:
        """The outcomes when a subject is unknown already: what speaks for innocence counts nothing any more."""
        return tuple(sorted({w if malice(w) >= 0 else NOTHING for w in self.outcomes}))

    def chances(self, before: int) -> tuple[Chance, ...]:
        """The answers with their likelihoods, weights shrunk as by `before` counted answers of the group."""
        known = self._discounted.get(before)
        if known is None:
            share = self.overlap**before
            known = self._discounted[before] = _likely([_times(w, share) for w in (NOTHING, *self.weights.values())])
        return known


def _times(weights: Vector, share: float) -> Vector:
    return (weights[0] * share, weights[1] * share, weights[2] * share)


def _likely(weights: list[Vector]) -> tuple[Chance, ...]:
    odds = [(exp(w[0]), exp(w[1]), exp(w[2])) for w in weights]
    s0, s1, s2 = (fsum(one[i] for one in odds) for i in range(len(HYPOTHESES)))
    return tuple(Chance(w, (o[0] / s0, o[1] / s1, o[2] / s2)) for w, o in zip(weights, odds, strict=True))


_known: dict[tuple[str, str], Prospect] = {}


def prospect(question: Question, scorecard: Scorecard) -> Prospect:
    """The prospect of a question under a scorecard, worked out once for all cases."""
    key = (question.digest(), scorecard.digest())
    found = _known.get(key)
    if found is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[key] = Prospect(question, scorecard)
    return found
