"""The engine: rules by log source, asked only about events that they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watchfloor.core.event import Event
from watchfloor.detect.sigma.logsource import Discriminator, LogSource, LogSources
from watchfloor.detect.sigma.path import Cost, Form, Scanned, path_for
from watchfloor.detect.sigma.rules import Rule


class Engine:
    """Evaluates rules. `matches` gives the same as asking each rule that means the event, one after the other."""

    def __init__(self, rules: Sequence[Rule], sources: LogSources) -> None:
        self._by_source: dict[LogSource, list[Rule]] = {}
        for rule in rules:
            self._by_source.setdefault(rule.logsource, []).append(rule)
        self.rules = tuple(rule for some in self._by_source.values() for rule in some)
        """Rules of one log source together, each in the order of loading: the numbers of `scan` and `costs`."""
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
        """What lines of JSON match, by numbers of `rules`; see EnginePath.scan."""
        return self._path.scan(data, logsource, form)

    def costs(self) -> list[Cost]:
        """What each of `rules` has taken so far."""
        return self._path.costs()

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
