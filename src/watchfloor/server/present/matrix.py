"""The hypotheses matrix: each answer's weight for each hypothesis, their sums and what comes of them."""

from __future__ import annotations

import math
from typing import NamedTuple

from watchfloor.core.verdict import HYPOTHESES, Answer, Verdict
from watchfloor.triage.terms import PRIOR


class Cell(NamedTuple):
    """`share` is the bar's length, 0 to 1 of the longest in the matrix."""

    value: float
    share: float


class Row(NamedTuple):
    answer: Answer
    cells: tuple[Cell, ...]


class Matrix(NamedTuple):
    """Rows by how much they tell apart, the most telling first, after the prior. `end` are shares of 1."""

    rows: list[Row]
    silent: list[Answer]
    """Answers that add nothing: another one to the same question tells more, or their weights are all zero."""
    sums: tuple[Cell, ...]
    end: tuple[float, ...]


def matrix(verdict: Verdict) -> Matrix:
    """The matrix of a verdict."""
    answered = [a for a in verdict.answers if a.status == "answered"]
    telling = [a for a in answered if a.counted and any(a.weights.values())]
    sums = {h: math.fsum(a.weights.get(h, 0.0) for a in telling) for h in HYPOTHESES}
    longest = max((abs(w) for a in telling for w in a.weights.values()), default=1.0)
    furthest = max(*(abs(s) for s in sums.values()), longest)
    rows = [
        Row(a, tuple(Cell(w := a.weights.get(h, 0.0), abs(w) / longest) for h in HYPOTHESES))
        for a in sorted(telling, key=_telling)
    ]
    return Matrix(
        rows=rows,
        silent=[a for a in answered if a not in telling],
        sums=tuple(Cell(sums[h], abs(sums[h]) / furthest) for h in HYPOTHESES),
        end=tuple(verdict.posterior.get(h, 0.0) for h in HYPOTHESES),
    )


def _telling(answer: Answer) -> tuple[bool, float, str, str]:
    """The prior first, then by how far the weights lie apart."""
    weights = [answer.weights.get(h, 0.0) for h in HYPOTHESES]
    return (answer.question != PRIOR, min(weights) - max(weights), answer.question, answer.about)
