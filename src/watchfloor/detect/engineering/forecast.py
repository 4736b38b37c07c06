"""How many findings a day a rule will raise, from how many it would have raised: an interval for one day, and for the
mean. Counts that scatter no more than chance has them are Poisson's; those that scatter more, negative binomial's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

COVERAGE = 0.9
_MOST = 10_000_000


class Forecast(NamedTuple):
    """Findings of one coming day: with a probability of 90 % from `low` to `high`.

    `mean` a day has the interval `mean_low` to `mean_high` (90 %, exact for Poisson). `dispersion` is variance over
    mean."""

    days: int
    total: int
    mean: float
    mean_low: float
    mean_high: float
    low: int
    high: int
    dispersion: float
    kind: Literal["poisson", "negative binomial"]


def forecast(counts: Sequence[int], coverage: float = COVERAGE) -> Forecast:
    """The forecast from the counts of days, one each, zeros too. Raises ValueError for none.

    The mean's interval is Garwood's (1936) where counts are Poisson's, else it is widened by their dispersion. The
    day's predictive distribution is negative binomial: with Jeffreys' prior Gamma(1/2, 0) on the mean of a Poisson it
    is exactly so; where counts scatter more (index of dispersion over its 95 % quantile under Poisson), its size is
    that of the moments.
    """
    if not counts:
        raise ValueError("no day to learn from")
    n, total = len(counts), sum(counts)
    mean = total / n
    variance = sum((count - mean) ** 2 for count in counts) / (n - 1) if n > 1 else 0.0
    dispersion = variance / mean if mean else 0.0
    spread = n > 1 and mean > 0 and (n - 1) * dispersion > chi2_quantile(0.95, n - 1)
    tail = (1 - coverage) / 2
    if spread:
        size = mean * mean / max(variance - mean, 1e-12)
        half = _z(1 - tail) * math.sqrt(variance / n)
        low, high = _negative_binomial(mean, size, tail)
        return Forecast(n, total, mean, max(mean - half, 0.0), mean + half, low, high, dispersion, "negative binomial")
    mean_low = chi2_quantile(tail, 2 * total) / 2 / n if total else 0.0
    mean_high = chi2_quantile(1 - tail, 2 * total + 2) / 2 / n
    size = total + 0.5
    low, high = _negative_binomial(size / n, size, tail)
    return Forecast(n, total, mean, mean_low, mean_high, low, high, dispersion, "poisson")


def _negative_binomial(mean: float, size: float, tail: float) -> tuple[int, int]:
    """The quantiles `tail` and `1 - tail` of a negative binomial with this mean and size."""

    def cdf(count: int) -> float:
        return regularized_beta(size / (size + mean), size, count + 1)

    return _first(cdf, tail), _first(cdf, 1 - tail)


def _first(cdf: Callable[[int], float], wanted: float) -> int:
    """The least count whose cumulative probability is no less than wanted."""
    high = 1
    while high < _MOST and cdf(high) < wanted:
        high *= 2
    low = 0
    while low < high:
        middle = (low + high) // 2
        if cdf(middle) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def _z(probability: float) -> float:
    return NormalDist().inv_cdf(probability)


def chi2_quantile(probability: float, freedom: int) -> float:
    """The quantile of chi square, by halving."""
    low, high = 0.0, max(freedom, 1) + 10 * math.sqrt(2 * max(freedom, 1)) + 40
    for _ in range(80):
        middle = (low + high) / 2
        if regularized_gamma(freedom / 2, middle / 2) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def regularized_gamma(shape: float, x: float) -> float:
    """P(shape, x): the lower incomplete gamma function over the whole, by its series or its continued fraction."""
    if x <= 0:
        return 0.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1:
        term = total = 1 / shape
        n = shape
        while abs(term) > abs(total) * 1e-15:
            n += 1
            term *= x / n
            total += term
        return front * total
    tiny = 1e-300
    b = x + 1 - shape
    c, d = 1 / tiny, 1 / b
    h = d
    for i in range(1, 100_000):
        an = -i * (i - shape)
        b += 2
        d = 1 / (an * d + b or tiny)
        c = b + an / c or tiny
        h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return 1 - front * h


def regularized_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b), by Lentz' continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x > (a + 1) / (a + b + 2):
        return 1 - regularized_beta(1 - x, b, a)
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1) or tiny
    d = 1 / d
    h = d
    for m in range(1, 100_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + numerator * d or tiny)
            c = 1 + numerator / c or tiny
            h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * h / a
