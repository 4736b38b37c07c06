"""How a case was investigated, for page and terminal: each question in its order, and where it left things."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import NamedTuple

from watchfloor.core.verdict import HYPOTHESES, Hypothesis, Investigation, Stability, Step, Verdict
from watchfloor.triage.terms import PRIOR

_WIDTH, _HEIGHT = 100.0, 30.0
# A step that moved the probability by less is not worth a line where space is short.
MOVED = 0.01
_FEW = 6


class Row(NamedTuple):
    """One step with its question's words; `moved` is by how much the probability of an attack changed."""

    n: int
    title: str
    step: Step
    moved: float


class Way(NamedTuple):
    """`line` are the points of a polyline of the probability of an attack, in a box of 100 by 30."""

    investigation: Investigation
    rows: tuple[Row, ...]
    rounds: int
    line: str

    @property
    def telling(self) -> tuple[Row, ...]:
        """The steps that moved the probability by a point or more."""
        return tuple(row for row in self.rows if abs(row.moved) >= MOVED)

    @property
    def turning(self) -> list[Row]:
        """The few of them that moved it most, in the order in which they were asked."""
        return sorted(sorted(self.telling, key=lambda row: (-abs(row.moved), row.n))[:_FEW], key=lambda row: row.n)


KINDS = {
    "left_out": "an answer left out",
    "neighbour": "an answer turned to the one next to it",
    "weights": "all weights shaken by up to a quarter",
    "prior": "the odds beforehand halved or doubled",
    "order": "the answers in another order",
}


def way(verdict: Verdict) -> Way | None:
    """The way of a verdict; None for one from before there was any."""
    investigation = verdict.investigation
    if investigation is None:
        return None
    titles = {a.question: a.title for a in verdict.answers}
    before = next((_prior(a.weights) for a in verdict.answers if a.question == PRIOR), 0.0)
    rows: list[Row] = []
    for n, step in enumerate(investigation.steps, start=1):
        rows.append(Row(n, titles.get(step.question, step.question), step, step.probability - before))
        before = step.probability
    rounds = max((step.round for step in investigation.steps), default=0)
    return Way(investigation, tuple(rows), rounds, _line([step.probability for step in investigation.steps]))


def shaken(stability: Stability) -> list[tuple[str, int, int]]:
    """The kinds of perturbation in words, with how many were tried and how many kept the disposition."""
    return [(KINDS[kind], *stability.kinds[kind]) for kind in KINDS if kind in stability.kinds]


def _prior(weights: Mapping[Hypothesis, float]) -> float:
    odds = {name: exp(weights.get(name, 0.0)) for name in HYPOTHESES}
    return odds["malicious"] / sum(odds.values())


def _line(probabilities: list[float]) -> str:
    if len(probabilities) < 2:
        return ""
    step = _WIDTH / (len(probabilities) - 1)
    return " ".join(f"{i * step:.1f},{_HEIGHT * (1 - p):.1f}" for i, p in enumerate(probabilities))
