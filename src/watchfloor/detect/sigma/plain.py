"""The plain path: Python, on any machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from watchfloor.core.event import Event
from watchfloor.detect.sigma.fields import View
from watchfloor.detect.sigma.logsource import Discriminator, LogSource, LogSources
from watchfloor.detect.sigma.path import Cost, Form, Scanned
from watchfloor.detect.sigma.rules import Rule
from watchfloor.detect.sigma.seen import Seen
from watchfloor.detect.sigma.witness import Prefilter


class Line(msgspec.Struct):
    """One line of JSON as rules see it."""

    original: dict[str, Any]
    ocsf: dict[str, Any]
    logsource: Mapping[str, str]


class _Plan:
    """The rules that apply to events of one kind."""

    def __init__(self, numbers: list[int], rules: Sequence[Rule]) -> None:
        self.numbers = numbers
        self.prefilter = Prefilter([rules[n].node for n in numbers])


class PlainPath:
    """See EnginePath."""

    name = "plain"

    def __init__(self, rules: Sequence[Rule], sources: LogSources) -> None:
        self._rules = rules
        self._by_source: dict[LogSource, list[int]] = {}
        for number, rule in enumerate(rules):
            self._by_source.setdefault(rule.logsource, []).append(number)
        self._alternatives = {source: sources.alternatives(source) for source in self._by_source}
        self._discriminator = Discriminator([a for some in self._alternatives.values() for a in some])
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def matches(self, event: Event) -> list[int]:
        return self._matches(event)

    def _matches(self, event: Seen) -> list[int]:
        plan = self._plan(event)
        view = View(event)
        found = (plan.numbers[n] for n in plan.prefilter.candidates(view))
        return [n for n in found if self._rules[n].test(view)]

    def scan(self, data: bytes, logsource: Mapping[str, str], form: Form = "record") -> list[Scanned]:
        found: list[Scanned] = []
        for number, line in enumerate(data.split(b"\n")):
            if not line or line.isspace():
                continue
            try:
                matched = self._matches(_line(orjson.loads(line), logsource, form))
            except ValueError as error:
                found.append(Scanned(number, (), f"not a JSON object: {error}"))
                continue
            if matched:
                found.append(Scanned(number, tuple(matched)))
        return found

    def costs(self) -> list[Cost]:
        return [Cost()] * len(self._rules)

    def _plan(self, event: Seen) -> _Plan:
        key = self._discriminator.key(event)
        plan = self._plans.get(key)
        if plan is None:
            fits = self._discriminator.fits
            meant = [s for s, rows in self._alternatives.items() if any(fits(key, row) for row in rows)]
            plan = self._plans[key] = _Plan([n for s in meant for n in self._by_source[s]], self._rules)
        return plan


def _line(data: Any, logsource: Mapping[str, str], form: Form) -> Line:
    """What a line says. Raises ValueError for what is no object of this form."""
    if not isinstance(data, dict):
        raise ValueError(f"it is {type(data).__name__}")  # noqa: TRY004 - orjson's errors are ValueErrors, too
    if form == "record":
        return Line(data, {}, logsource)
    if form == "ocsf":
        return Line({}, data, logsource)
    parts = [data.get(part) or {} for part in ("original", "ocsf", "logsource")]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError("original, ocsf and logsource have to be objects")
    return Line(parts[0], parts[1], parts[2] or logsource)
