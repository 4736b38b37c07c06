"""Risk: how likely it is that something critical stands behind what was found, and which member says how much of it.

Additive: its log-odds are `base` and the contributions of its parts, no more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Self

from watchfloor.core.noun import Noun

_DIGITS = 6


class RiskPart(Noun):
    """What one member of the ensemble adds (log-odds), and why, in one sentence."""

    member: str
    sentence: str
    contribution: float


class Risk(Noun):
    """`p_critical` is the calibrated probability, `score` the same from 0 to 100; `parts` come with the greatest first.

    `base` are the log-odds when no member says anything; `model` is the version of the weights.
    """

    p_critical: float
    score: int
    base: float
    parts: tuple[RiskPart, ...] = ()
    model: str

    @classmethod
    def of(cls, base: float, parts: Iterable[RiskPart], model: str) -> Self:
        """The risk that these parts come to."""
        ordered = tuple(sorted(parts, key=lambda part: (-part.contribution, part.member, part.sentence)))
        p = round(logistic(added(base, ordered)), _DIGITS)
        return cls(p_critical=p, score=round(100 * p), base=base, parts=ordered, model=model)

    @property
    def log_odds(self) -> float:
        return added(self.base, self.parts)


def added(base: float, parts: Iterable[RiskPart]) -> float:
    """Base and contributions, summed without loss, so that their order does not matter."""
    return math.fsum((base, *(part.contribution for part in parts)))


def logistic(log_odds: float) -> float:
    """The probability of log-odds, without overflow."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    power = math.exp(log_odds)
    return power / (1 + power)
