"""The engine: rules by log source, asked only about events that they mean."""

from __future__ import annotations

from collections.abc import Sequence

from watchfloor.core.event import Event
from watchfloor.detect.sigma.fields import View
from watchfloor.detect.sigma.logsource import Alternative, Discriminator, LogSource, LogSources
from watchfloor.detect.sigma.rules import Rule
from watchfloor.detect.sigma.witness import Prefilter


class _Plan:
    """The rules that apply to events of one kind."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules
        self.prefilter = Prefilter([rule.node for rule in rules])


class Engine:
    """Evaluates rules. `matches` gives the same as asking each rule that means the event, one after the other."""

    def __init__(self, rules: Sequence[Rule], sources: LogSources) -> None:
        self._by_source: dict[LogSource, list[Rule]] = {}
        for rule in rules:
            self._by_source.setdefault(rule.logsource, []).append(rule)
        self._alternatives: dict[LogSource, list[Alternative]] = {
            source: sources.alternatives(source) for source in self._by_source
        }
        self._discriminator = Discriminator([a for some in self._alternatives.values() for a in some])
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._shared: dict[tuple[LogSource, ...], _Plan] = {}

    def matches(self, event: Event) -> list[Rule]:
        """The rules that match this event, in the order in which they were loaded per log source."""
        plan = self._plan(event)
        if not plan.rules:
            return []
        view = View(event)
        rules = plan.rules
        return [rules[n] for n in plan.prefilter.candidates(view) if rules[n].test(view)]

    def rules_for(self, event: Event) -> list[Rule]:
        """The rules whose log source means this event, whether or not they match it."""
        return self._plan(event).rules

    @property
    def places(self) -> tuple[str, ...]:
        """Where in an event log sources look: events that agree at these places are asked the same rules."""
        return self._discriminator.places

    def _plan(self, event: Event) -> _Plan:
        key = self._discriminator.key(event)
        plan = self._plans.get(key)
        if plan is None:
            sources = self._meant_by(key)
            plan = self._shared.get(sources)
            if plan is None:
                plan = _Plan([rule for source in sources for rule in self._by_source[source]])
            self._plans[key] = self._shared[sources] = plan
        return plan

    def _meant_by(self, key: tuple[str, ...]) -> tuple[LogSource, ...]:
        fits = self._discriminator.fits
        return tuple(source for source, rows in self._alternatives.items() if any(fits(key, row) for row in rows))
