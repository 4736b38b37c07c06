"""The learning page's figures and its reliability plot: what was said against what was."""

from __future__ import annotations

from typing import NamedTuple

from watchfloor.improve.calibration import Calibration
from watchfloor.improve.training import Figures, Training

SIZE, MARGIN = 200.0, 24.0
_LEAST_DOT, _MOST_DOT = 3.0, 9.0
_NAMES = {"start": "Scorecard before", "base rates": "Base rates", "rule look-up": "Rule look-up"}


class Row(NamedTuple):
    """One way to judge, on held-out cases."""

    name: str
    figures: Figures
    ours: bool


class Dot(NamedTuple):
    """A tenth of the probabilities: where it lies in the plot, its radius, and what it says."""

    x: float
    y: float
    r: float
    says: str


class Plot(NamedTuple):
    """A square: x is what was said, y is what was; on the diagonal both agree."""

    whole: float
    low: float
    high: float
    dots: list[Dot]
    path: str


def rows(training: Training) -> tuple[Row, ...]:
    """What was learnt first, then what it is measured against."""
    plain = (Row(_NAMES.get(name, name), one, False) for name, one in training.plain.items())
    return (Row("Learnt", training.learnt, True), *plain)


def plot(found: Calibration) -> Plot:
    """The reliability plot of probabilities of an attack."""
    most = max((one.cases for one in found.bins), default=1)
    dots = [
        Dot(
            x=round(MARGIN + one.probability * SIZE, 1),
            y=round(MARGIN + (1.0 - one.attacks) * SIZE, 1),
            r=round(_LEAST_DOT + (_MOST_DOT - _LEAST_DOT) * (one.cases / most) ** 0.5, 1),
            says=f"said {one.probability:.1%}, was {one.attacks:.1%}, {one.cases:,} cases",
        )
        for one in found.bins
    ]
    path = " ".join(f"{'M' if not at else 'L'}{dot.x} {dot.y}" for at, dot in enumerate(dots))
    return Plot(SIZE + 2 * MARGIN, MARGIN, MARGIN + SIZE, dots, path)
