"""The engine: rules by log source, asked only about events that they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from watchfloor.core.event import Event
from watchfloor.detect.sigma.logsource import Discriminator, LogSource, LogSources
from watchfloor.detect.sigma.path import Cost, Form, Scanned, path_for
from watchfloor.detect.sigma.rules import Rule

BUDGET = 5_000
"""Nanoseconds of each event looked at that one rule may take on average; a whole engine takes 20,000 to 150,000."""
FEWEST = 1_000
"""Events from which on an average says something."""


class RuleCost(NamedTuple):
    """What a rule has taken of the events that were looked at. One over its budget is named, and counts as before."""

    rule: Rule
    cost: Cost
    an_event: float
    """Nanoseconds, over all events looked at."""
    over_budget: bool


class Engine:
    """Evaluates rules. `matches` gives the same as asking each rule that means the event, one after the other."""

    def __init__(self, rules: Sequence[Rule], sources: LogSources) -> None:
        self._by_source: dict[LogSource, list[Rule]] = {}
        for rule in rules:
            self._by_source.setdefault(rule.logsource, []).append(rule)
        self.rules = tuple(rule for some in self._by_source.values() for rule in some)
        """Rules of one log source together, each in the order of loading: the numbers of `scan`."""
        self._alternatives = {source: sources.alternatives(source) for source in self._by_source}
        self._discriminator = Discriminator([a for some in self._alternatives.values() for a in some])
        self._path = path_for(self.rules, sources)

    @property
    def path_name(self) -> str:
        """Which path is in use: `native` or `plain`."""
        return self._path.name

    def matches(self, event: Event) -> list[Rule]:
        """The rules that match this event, in the order in which they were loaded per log source."""
        return [self.rules[number] for number in self._path.matches(event)]

    def scan(self, data: bytes, logsource: Mapping[str, str], form: Form = "record") -> list[Scanned]:
        """What lines of JSON match, by places in `rules`; see EnginePath.scan."""
        return self._path.scan(data, logsource, form)

    def costs(self) -> list[RuleCost]:
        """What each rule that was ever evaluated has taken so far, the most first."""
        seen = max(1, self._path.looked_at)
        found = [
            RuleCost(rule, cost, cost.nanoseconds / seen, seen >= FEWEST and cost.nanoseconds > BUDGET * seen)
            for rule, cost in zip(self.rules, self._path.costs(), strict=True)
            if cost.evaluated
        ]
        return sorted(found, key=lambda one: -one.cost.nanoseconds)

    def rules_for(self, event: Event) -> list[Rule]:
        """The rules whose log source means this event, whether or not they match it."""
        key, fits = self._discriminator.key(event), self._discriminator.fits
        return [
            rule
            for source, rows in self._alternatives.items()
            if any(fits(key, row) for row in rows)
            for rule in self._by_source[source]
        ]

    @property
    def places(self) -> tuple[str, ...]:
        """Where in an event log sources look: events that agree at these places are asked the same rules."""
        return self._discriminator.places
