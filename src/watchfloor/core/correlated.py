"""Correlated: what a correlation's finding rests on, so that a person can count again."""

from __future__ import annotations

from watchfloor.core.noun import Noun


class CountedEvent(Noun):
    """One event that was counted, and the title of the rule that it matched."""

    uid: str
    time: int
    source: str
    position: int
    rule: str


class Correlated(Noun):
    """What was counted, over what time, for whom.

    `value` is the figure that the rule's condition is about (events, values, rules seen, or a sum, mean or percentile);
    `span` the rule's time span, `first` and `last` the times of the events (all ms). `events` are the first and the
    last of `total` where there are many.
    """

    sentence: str
    kind: str
    value: float
    group: dict[str, str]
    span: int
    first: int
    last: int
    total: int
    events: tuple[CountedEvent, ...]
