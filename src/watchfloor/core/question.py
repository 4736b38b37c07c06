"""Question: one thing to check for a kind of finding, with how its answer is read and what it weighs."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from watchfloor.core.event import Layer
from watchfloor.core.evidence import Lookup
from watchfloor.core.finding import Standing
from watchfloor.core.noun import Noun
from watchfloor.core.verdict import Hypothesis

QuestionId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
Weight = Annotated[float, Field(ge=-6.0, le=6.0)]

# Collectors whose answers the owner or a third party writes. What every other collector reads (events, mails, command
# lines, and what follows from them) is text in an attacker's hand: it may raise suspicion and never lower it.
TRUSTED_COLLECTORS = frozenset({"context", "history", "intel", "labels"})


class Selector(Noun):
    """Which findings a question is asked for. All that is given must hold; an empty part does not limit."""

    layers: tuple[Layer, ...] = ()
    kinds: tuple[Literal["rule", "vendor", "indicator", "anomaly", "learned"], ...] = ()
    standings: tuple[Standing, ...] = ()
    tactics: tuple[str, ...] = ()
    detections: tuple[str, ...] = ()
    """Globs, tried on the detection's uid, family and title in any letter case."""
    facets: tuple[str, ...] = ()
    """Facets that the finding's event must have."""
    where: dict[str, tuple[str, ...]] = {}
    """Facet -> globs, one of which its value must match, in any letter case."""


COULD_NOT_CHECK = "could_not_check"


class Option(Noun):
    """One answer that evidence can give. The value `could_not_check` is for answers that say that they do not know."""

    value: str
    when: dict[str, Any]
    """Path into the answer's JSON -> a literal (equal), a list (one of), or {op: literal}; all must hold."""
    weights: dict[Hypothesis, Weight] = {}
    """Log-odds (natural logarithm) added to each hypothesis."""
    why: str
    claim: str
    """A sentence with placeholders: `{entity}`, `{facet.user}`, `{finding.title}`, `{evidence.count}`, `{hit.name}`."""
    resolution: str = ""
    """The resolution code that this answer speaks for when its hypothesis leads."""

    @cached_property
    def conditions(self) -> tuple[tuple[str, Any], ...]:
        """The parts of `when` in order of path."""
        return tuple(sorted(self.when.items()))


class Question(Noun):
    """One thing to check. `about` is what it is asked of: the case, a finding, or each entity `type[:role]`."""

    id: QuestionId
    title: str
    asks: Selector = Selector()
    about: str
    collector: str
    query: dict[str, Any]
    """Sent to the collector, with placeholders filled; `{name?}` may be absent, others must be there. `{first}` and
    `{last}` span the findings with one query; `{person}` is `{facet.user}` unless that stands for nobody; `{cve}` is
    the first vulnerability that the finding or its event names."""
    derive: tuple[str, ...] = ()
    """Figures reckoned from the answer, under `derived.<name>` (triage/derive.py)."""
    as_of: Literal["case", "finding", "end", "now"] = "finding"
    """The latest time the answer may know: the case's beginning, the finding's time, just after the case's end, the
    time of deciding."""
    required: bool = False
    cost: Annotated[float, Field(gt=0)] = 1.0
    group: str = ""
    """Questions of one group restate one fact; within it only the strongest weight counts in full."""
    most: Annotated[int, Field(ge=1, le=50)] = 3
    """Subjects that it is asked of in one case, the most telling first."""
    answers: tuple[Option, ...]

    @property
    def trusted(self) -> bool:
        """Whether its answers come from where no attacker writes, so that they may lower suspicion."""
        return self.collector in TRUSTED_COLLECTORS


class Asked(Noun):
    """A question put to one subject, with the look-up that answers it."""

    question: QuestionId
    about: str
    lookup: Lookup
    values: dict[str, str] = {}
    """What the placeholders of its claims stand for."""
    left_out: int = 0
    """Subjects that it was not asked of because of the question's bound; then no answer of it may lower suspicion."""
