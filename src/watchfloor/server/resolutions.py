"""The resolution codes that a person may choose, each with the hypothesis that it confirms."""

from __future__ import annotations

from typing import NamedTuple

from watchfloor.core.errors import RefusedError
from watchfloor.core.verdict import HYPOTHESES, Hypothesis
from watchfloor.triage import resolutions
from watchfloor.triage.resolutions import Resolution


class Group(NamedTuple):
    hypothesis: Hypothesis
    codes: list[Resolution]


def choices() -> list[Group]:
    """The shipped codes by hypothesis. `undetermined.*` is for verdicts; who resolves a case has determined it."""
    every = list(resolutions.shipped().values())
    return [Group(h, [r for r in every if resolutions.hypothesis_of(r.code) == h]) for h in HYPOTHESES]


def confirmed_by(code: str) -> Hypothesis:
    """The hypothesis that a code confirms. Raises RefusedError for a code that nobody may choose."""
    hypothesis = resolutions.hypothesis_of(code) if code in resolutions.shipped() else None
    if hypothesis is None:
        codes = ", ".join(r.code for group in choices() for r in group.codes)
        raise RefusedError(f"a case cannot be resolved as {code!r}", do=f"Use one of: {codes}")
    return hypothesis
