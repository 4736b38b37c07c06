"""Rarity: the probability, under what was usual, that a day brings something at least as odd.

All detectors speak in this unit, so that their strengths can be compared: strength = 1 - p, where p is the chance that
one more usual day of the same entity holds something at least as rare. Of a hundred days that say 0.99, one is usual.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly.series import Series

LEAST = 1e-9
"""No detector has seen enough to say less."""


def rate(times: float, of: float, prior: float, weight: float) -> float:
    """How often something happens: the mean of a beta-binomial that begins with `weight` observations at `prior`."""
    return (times + prior * weight) / (of + weight)


def binomial_tail(k: int, n: int, q: float) -> float:
    """P(X >= k) of n tries with chance q each."""
    if k <= 0:
        return 1.0
    if q <= 0.0:
        return 0.0
    if q >= 1.0:
        return 1.0
    return min(1.0, sum(math.comb(n, i) * q**i * (1 - q) ** (n - i) for i in range(k, n + 1)))


def count_tail(x: float, mean: float, variance: float) -> float:
    """A bound from above of P(X >= x) for a negative binomial with this mean and variance (Chernoff's, in closed form);
    of a Poisson where the variance is no greater than the mean. Never less than the truth."""
    if x <= mean or mean <= 0:
        return 1.0
    spread = variance - mean
    if spread <= 1e-9 * mean:
        return math.exp(min(0.0, x - mean - x * math.log(x / mean)))
    r = mean * mean / spread
    return math.exp(min(0.0, -x * math.log(x * (r + mean) / (mean * (r + x))) + r * math.log((r + x) / (r + mean))))


def signal(member: str, series: Series, entity: str, said: str, factors: Iterable[tuple[str, float]]) -> Signal:
    """What a detector says of an entity, of the factors that make its p: each with what it is and its probability."""
    known = [(text, max(p, LEAST)) for text, p in factors]
    p = max(LEAST, math.prod(p for _, p in known))
    parts = sorted(((text, round(-math.log(p), 3)) for text, p in known), key=lambda part: -part[1])
    return Signal(
        member=f"anomaly/{member}",
        strength=round(1.0 - p, 9),
        said=said,
        parts=tuple(parts),
        subject=f"{series.subject}:{entity}",
        title=series.title,
        techniques=series.techniques,
    )
