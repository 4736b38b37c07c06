"""Reach: where the sums may still go, whatever the open questions answer, and whether the decision can still change.

Sound, not exact: the range is never too narrow, so what is called settled is settled. Of questions without a group the
extremes of each pair of hypotheses add up; a group with few open ends is tried in every combination; one with many is
bounded for each hypothesis by itself, which may be done because its sum never falls when a weight in it rises.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import product
from math import exp, prod
from typing import NamedTuple

from watchfloor.core.policy import TriagePolicy
from watchfloor.core.scorecard import shrunk
from watchfloor.core.verdict import HYPOTHESES, Disposition, Hypothesis
from watchfloor.triage.prospects import Vector, joined
from watchfloor.triage.wording import BENIGN_BELOW, LEADS_FROM, MALICIOUS_FROM, SUSPICIOUS_FROM

# Probabilities are rounded to six places before they are compared, and overlaps too: a hair's breadth is not settled.
_HAIR = 1e-4
_COMBINATIONS = 64

# malicious - benign true positive, malicious - false positive, benign true positive - false positive
PAIRS = ((0, 1), (0, 2), (1, 2))


class Range(NamedTuple):
    """The least and greatest difference of the sums of each of PAIRS."""

    low: Vector
    high: Vector


_MANY = 16_384  # many cases are asked the same, and most answers are alike


@lru_cache(maxsize=_MANY)
def range_of(outcomes: tuple[Vector, ...]) -> Range:
    """The range of one question, or of one combination."""
    differences = [(w[0] - w[1], w[0] - w[2], w[1] - w[2]) for w in outcomes]
    a, b, c = zip(*differences, strict=True)
    return Range((min(a), min(b), min(c)), (max(a), max(b), max(c)))


@lru_cache(maxsize=_MANY)
def range_of_group(members: tuple[tuple[Vector, ...], ...], overlap: float) -> Range:
    """The range of a group, each member with its outcomes."""
    if prod(map(len, members)) <= _COMBINATIONS:
        return range_of(tuple(joined(one, overlap) for one in product(*members)))
    least = [shrunk([min(w[i] for w in outcomes) for outcomes in members], overlap) for i in range(len(HYPOTHESES))]
    most = [shrunk([max(w[i] for w in outcomes) for outcomes in members], overlap) for i in range(len(HYPOTHESES))]
    low, high = ([a[i] - b[j] for i, j in PAIRS] for a, b in ((least, most), (most, least)))
    return Range((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def added(ranges: Iterable[Range]) -> Range:
    """Ranges of what is independent, together."""
    l0 = l1 = l2 = h0 = h1 = h2 = 0.0
    for low, high in ranges:
        l0, l1, l2 = l0 + low[0], l1 + low[1], l2 + low[2]
        h0, h1, h2 = h0 + high[0], h1 + high[1], h2 + high[2]
    return Range((l0, l1, l2), (h0, h1, h2))


class Shares(NamedTuple):
    """The least and greatest probability of each hypothesis within a range."""

    low: Vector
    high: Vector


def shares(reach: Range, temperature: float) -> Shares:
    """The probabilities that a range of differences allows, each by itself."""
    low = tuple((value - _HAIR) / temperature for value in reach.low)
    high = tuple((value + _HAIR) / temperature for value in reach.high)
    return Shares(
        (_share(low[0], low[1]), _share(-high[0], low[2]), _share(-high[1], -high[2])),
        (_share(high[0], high[1]), _share(-low[0], high[2]), _share(-low[1], -low[2])),
    )


def _share(one: float, other: float) -> float:
    """The probability of the hypothesis whose sum lies so far above each of the two others."""
    return 1.0 / (1.0 + exp(min(-one, 700.0)) + exp(min(-other, 700.0)))


class Decisions(NamedTuple):
    """All that a decision may still come to."""

    dispositions: frozenset[Disposition]
    hypotheses: frozenset[Hypothesis]
    verdicts: frozenset[str]

    @property
    def one(self) -> bool:
        return len(self.dispositions) == len(self.hypotheses) == len(self.verdicts) == 1


def decisions(
    reach: Range, temperature: float, policy: TriagePolicy, *, may_close: bool, evidence: frozenset[bool]
) -> Decisions:
    """What the decision may be anywhere in a range.

    `may_close` when every gate holds that no answer can change; `evidence`: whether an answer counts, or may. A verdict
    is named here as if nothing closed: closing depends on the cases near by, which are known last.
    """
    bounds = shares(reach, temperature)
    leading = frozenset(_leading(reach, temperature))
    return Decisions(
        frozenset(_dispositions(bounds, policy, may_close)), leading, frozenset(_verdicts(bounds, leading, evidence))
    )


def _dispositions(bounds: Shares, policy: TriagePolicy, may_close: bool) -> Iterable[Disposition]:
    low, high = bounds.low[0], bounds.high[0]
    if high >= policy.escalate_at:
        yield "escalate"
    if low < policy.escalate_at:
        if may_close and low <= policy.close_below:
            yield "close"
        if not may_close or high > policy.close_below:
            yield "queue"


def _leading(reach: Range, temperature: float) -> Iterable[Hypothesis]:
    (mb, mf, bf), (most_mb, most_mf, most_bf) = reach
    hair = _HAIR * max(1.0, temperature)
    if most_mb >= -hair and most_mf >= -hair:
        yield "malicious"
    if mb <= hair and most_bf >= -hair:
        yield "benign_true_positive"
    if mf <= hair and bf <= hair:
        yield "false_positive"


def _verdicts(bounds: Shares, leading: frozenset[Hypothesis], evidence: frozenset[bool]) -> Iterable[str]:
    low, high = bounds.low[0], bounds.high[0]
    if False in evidence:
        yield "unsure"
    if True not in evidence:
        return
    if high >= MALICIOUS_FROM:
        yield "malicious"
    if high >= SUSPICIOUS_FROM and low < MALICIOUS_FROM:
        yield "suspicious"
    if low >= SUSPICIOUS_FROM:
        return
    share = {name: (bounds.low[i], bounds.high[i]) for i, name in enumerate(HYPOTHESES)}
    if low < BENIGN_BELOW:
        yield from (name for name in leading if name != "malicious" and share[name][1] >= LEADS_FROM)
    if high >= BENIGN_BELOW or any(share[name][0] < LEADS_FROM for name in leading):
        yield "unsure"
