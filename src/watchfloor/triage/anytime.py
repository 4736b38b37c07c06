"""The exact upper bound on what would be missed, from the owner's own labels. No scipy: sums and bisection.

A Clopper-Pearson bound holds at one look that was fixed beforehand. Who looks after every label and begins to close
when the bound happens to be low is wrong far more often (`bench/bound.py` shows it). So the bound is Clopper-Pearson's,
raised to one that holds at all looks together: a test martingale (Ville 1939; Robbins 1970; as confidence sequences:
Howard, Ramdas, McAuliffe & Sekhon 2021), which bets for each share p that the true share is only u*p, for a fixed set
of u, one of them zero. Under any true share of p or more, whether it drifts or not, what was staked grows
`1 / (1 - confidence)`-fold at any time with a chance of at most 1 - confidence.

Taken instead of spending alpha over a grid of looks: with the limit at 2 % and 95 % confidence, 175 labels without a
miss are enough, 355 with one, 721 with five, at whatever moment (one look: 149, 236, 523); Clopper-Pearson at looks 1.5
times as far apart each, with halved alpha, needs 183, 411 and 926 (`bench/bound.py`).
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, fsum, lgamma, log

STAKES: tuple[tuple[float, float], ...] = ((0.0, 0.4), *((u, 0.12) for u in (0.1, 0.25, 0.4, 0.55, 0.7)))
"""(u, weight): the shares below p on which is bet, as parts of p. Much stands on none: most classes have no miss."""
_STEPS = 60


@lru_cache(maxsize=65_536)
def closing_bound(missed: int, trials: int, confidence: float) -> float:
    """The share of attacks among what is closed that holds with `confidence`, however often one looks.

    Rounded up at 9 places, so that the figure agrees across machines and never errs towards closing. It grows with each
    miss and with nothing else. With no trials nothing is known: 1.0. Raises ValueError for impossible counts.
    """
    return max(clopper_pearson(missed, trials, confidence), _anytime(missed, trials, confidence))


def clopper_pearson(missed: int, trials: int, confidence: float) -> float:
    """The largest share at which `missed` or fewer of `trials` still has chance 1 - confidence: at one look.

    One-sided and exact (Clopper & Pearson 1934); rounded up at 9 places.
    """
    _check(missed, trials)
    if trials == missed:
        return 1.0
    alpha = 1.0 - confidence
    low, high = missed / trials, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if at_most(missed, trials, middle) > alpha:
            low = middle
        else:
            high = middle
    return _up(high)


def _anytime(missed: int, trials: int, confidence: float) -> float:
    """The least share against which the stake has grown enough: `_stake` rises with the share."""
    _check(missed, trials)
    if trials == missed:
        return 1.0
    target = -log(1.0 - confidence)
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle < 1.0 and _stake(missed, trials, middle) < target:
            low = middle
        else:
            high = middle
    return _up(high)


def _stake(missed: int, trials: int, share: float) -> float:
    """The logarithm of what was staked against `share`, begun with 1."""
    clean, gone = trials - missed, log(1.0 - share)
    terms = [
        log(weight) + (missed * log(u) if missed else 0.0) + clean * (log(1.0 - u * share) - gone)
        for u, weight in STAKES
        if u or not missed
    ]
    most = max(terms)
    return most + log(fsum(exp(term - most) for term in terms))


def at_most(successes: int, trials: int, share: float) -> float:
    """The chance of at most so many successes: the lower tail of the binomial distribution."""
    if share <= 0.0:
        return 1.0
    if share >= 1.0:
        return 1.0 if successes >= trials else 0.0
    whole = lgamma(trials + 1)
    return fsum(
        exp(whole - lgamma(k + 1) - lgamma(trials - k + 1) + k * log(share) + (trials - k) * log(1.0 - share))
        for k in range(successes + 1)
    )


@lru_cache(maxsize=4_096)
def labels_needed(limit: float, confidence: float, missed: int = 0) -> int:
    """How many labels, with so many misses among them, bring the bound to the limit: for the sentence that people read.

    0 where none is needed, because the limit is 100 %; a limit of nothing can never be had, which is -1.
    """
    if limit >= 1.0:
        return 0
    if limit <= 0.0:
        return -1
    high = missed + 1
    while closing_bound(missed, high, confidence) > limit:
        high *= 2
    low = missed
    while high - low > 1:
        middle = (low + high) // 2
        if closing_bound(missed, middle, confidence) > limit:
            low = middle
        else:
            high = middle
    return high


def _check(missed: int, trials: int) -> None:
    if not 0 <= missed <= trials:
        raise ValueError(f"{missed} missed of {trials} is impossible")


def _up(share: float) -> float:
    return min(1.0, round(share + 5e-10, 9))
