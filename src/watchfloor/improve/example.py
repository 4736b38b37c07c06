"""Example: one case whose outcome a person confirmed, as learning takes it: what was answered, and what it was."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Annotated

from pydantic import Field

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import Noun
from watchfloor.core.verdict import Hypothesis


class Example(Noun):
    """A labelled case. The order in which examples come in never matters."""

    uid: str
    group: str
    """Company or organisation: what is held out together."""
    time: int
    """ms; of the case, not of the label."""
    truth: Hypothesis
    answers: dict[str, str] = {}
    """Question -> the value that counted."""
    classes: tuple[tuple[str, str], ...] = ()
    """(level, class), narrow levels first: `("detection", "sigma/x"), ("family", "sigma"), ("source", "sysmon")`. A
    level may come several times where a case holds several detections, or not at all."""
    weight: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0


def in_order(examples: Iterable[Example]) -> list[Example]:
    """One order whatever came in; what is given twice counts once."""
    return [one for _, one in sorted({(one.uid, one.canonical()): one for one in examples}.items())]


def levels_of(examples: Iterable[Example]) -> tuple[str, ...]:
    """The levels, broad first, as all examples order them. Raises WatchfloorError where two disagree."""
    wider: dict[str, set[str]] = {}
    for narrow_first in sorted({tuple(dict.fromkeys(level for level, _ in one.classes)) for one in examples}):
        for narrow, broad in zip(narrow_first, (*narrow_first[1:], ""), strict=True):
            wider.setdefault(narrow, set()).update([broad] if broad else [])
    try:
        order = TopologicalSorter({level: sorted(broad) for level, broad in sorted(wider.items())})
        return tuple(order.static_order())
    except CycleError as error:
        raise WatchfloorError(f"examples order their levels in different ways: {error.args[1]}") from None
