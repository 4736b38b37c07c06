"""The native path: what the core is asked, and what it asks."""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from watchfloor.core.event import Event, get_path
from watchfloor.detect.sigma.derived import DERIVED
from watchfloor.detect.sigma.fields import View, find
from watchfloor.detect.sigma.logsource import Discriminator, LogSource, LogSources
from watchfloor.detect.sigma.matchers import Test, compile_node
from watchfloor.detect.sigma.native import _core
from watchfloor.detect.sigma.native.lowering import KINDS, Lowering
from watchfloor.detect.sigma.path import CannotTakeError, Cost, Form, Scanned
from watchfloor.detect.sigma.plain import PlainPath, line_of
from watchfloor.detect.sigma.rules import Rule
from watchfloor.detect.sigma.values import flat, leaves, text_of

PART = KINDS["derived"]
"""Among the places that decide: a part of the log source itself."""
_FORMS: tuple[Form, ...] = ("record", "ocsf", "event")
_MOST_PLACES = 63
_SOURCES = 1_000
"""Log sources of events whose ids are remembered."""
_PLANNED = 10_000
"""Combinations of what decides on log sources whose groups are remembered."""


class NativePath:
    """See EnginePath. Events come one after the other, whichever thread brings them."""

    name = "native"

    def __init__(self, rules: Sequence[Rule], sources: LogSources) -> None:
        self._plain = PlainPath(rules, sources)
        self._lock = threading.Lock()
        self._asked = asked = _Asked(rules, sources)
        if len(asked.places) > _MOST_PLACES:
            raise CannotTakeError(f"log sources look at {len(asked.places)} places, more than {_MOST_PLACES}")
        self._core = _core.Core(asked, len(rules), asked.places, asked.known, os.urandom(24))
        asked.lowering = Lowering(self._core, rules)
        self._constants: dict[tuple[str, ...], bytes] = {}

    def matches(self, event: Event) -> list[int]:
        constants = self._constants_of(event.logsource)
        try:
            with self._lock:
                return list(self._core.matches(event, event.original, event.ocsf, constants) or ())
        except UnicodeEncodeError:  # half a surrogate pair in a text
            return self._plain.matches(event)

    def scan(self, data: bytes, logsource: Mapping[str, str], form: Form = "record") -> list[Scanned]:
        with self._lock:
            self._asked.logsource = logsource
            found = self._core.scan(data, self._constants_of(logsource), _FORMS.index(form))
        scanned: list[Scanned] = []
        for line, matched in found:
            if isinstance(matched, tuple):
                scanned.append(Scanned(line, matched))
            else:  # a line that the core leaves to the plain path
                scanned += [each._replace(line=line) for each in self._plain.scan(matched, logsource, form)]
        return scanned

    @property
    def looked_at(self) -> int:
        return self._core.looked_at

    def costs(self) -> list[Cost]:
        return [Cost(*cost) for cost in self._core.costs()]

    def _constants_of(self, logsource: Mapping[str, str]) -> bytes:
        parts = tuple(logsource.get(path, "") for kind, path in self._asked.places if kind == PART)
        found = self._constants.get(parts)
        if found is None:
            ids = [
                known.get(logsource.get(path, "").lower(), 0) if kind == PART else 0
                for (kind, path), known in zip(self._asked.places, self._asked.known, strict=True)
            ]
            if len(self._constants) >= _SOURCES:
                self._constants.clear()
            found = self._constants[parts] = array("I", ids).tobytes()
        return found


def _place(place: str) -> tuple[int, str]:
    kind, _, path = place.partition(".")
    return (KINDS[kind], path) if path else (PART, kind)


class _Asked:
    """What the core asks Python."""

    logsource: Mapping[str, str]
    """Of the lines that are scanned."""
    lowering: Lowering

    def __init__(self, rules: Sequence[Rule], sources: LogSources) -> None:
        self._rules = rules
        self._by_source: dict[LogSource, list[int]] = {}
        for number, rule in enumerate(rules):
            self._by_source.setdefault(rule.logsource, []).append(number)
        self._alternatives = {source: sources.alternatives(source) for source in self._by_source}
        self._discriminator = Discriminator([a for some in self._alternatives.values() for a in some])
        known = self._discriminator.known
        self.places = tuple(_place(place) for place, _ in known)
        self.known = tuple({text: n for n, text in enumerate(sorted(texts - {""}), 1)} for _, texts in known)
        """The number of each text at each place; 0 for every other, and for none."""
        self._texts = [["", *texts] for texts in self.known]
        self._groups: dict[tuple[LogSource, ...], int | None] = {(): None}
        self._planned: dict[tuple[int, ...], int | None] = {}
        self._tests: dict[int, Test] = {}
        self._last: tuple[bytes, Any] = (b"", None)
        self.logsource = {}

    def plan(self, ids: tuple[int, ...]) -> int | None:
        """The group of the rules that mean events with these texts at the decisive places."""
        if ids in self._planned:
            return self._planned[ids]
        key = tuple(texts[n] for texts, n in zip(self._texts, ids, strict=True))
        fits = self._discriminator.fits
        meant = tuple(s for s, rows in self._alternatives.items() if any(fits(key, row) for row in rows))
        if meant not in self._groups:
            self._groups[meant] = self.lowering.group(n for s in meant for n in self._by_source[s])
        if len(self._planned) >= _PLANNED:
            self._planned.clear()
        self._planned[ids] = self._groups[meant]
        return self._groups[meant]

    def rule(self, number: int) -> None:
        """A rule is worth asking for the first time; most never are."""
        self.lowering.rule(number)

    @staticmethod
    def text(raw: bytes) -> str | None:
        """How a fraction, an object or a list in JSON reads."""
        return text_of(orjson.loads(raw))

    @staticmethod
    def text_of(value: Any) -> str | None:
        return text_of(value)

    @staticmethod
    def found(data: dict[str, Any], path: str) -> list[Any]:
        return list(flat(data[path] if path in data else list(find(data, path))))

    @staticmethod
    def scalars(data: dict[str, Any]) -> list[Any]:
        return list(leaves(data))

    @staticmethod
    def walked(data: dict[str, Any], path: str) -> Any:
        return get_path(data, path)

    def derived(self, name: str, about: Event | bytes, form: int) -> Any:
        return DERIVED[name](self._event(about, form))

    def confirm(self, number: int, about: Event | bytes, form: int) -> bool:
        test = self._tests.get(number)
        if test is None:
            test = self._tests[number] = compile_node(self._rules[number].node)
        return test(View(self._event(about, form)))

    def _event(self, about: Event | bytes, form: int) -> Any:
        if not isinstance(about, bytes):
            return about
        if self._last[0] is not about:
            self._last = about, line_of(orjson.loads(about), self.logsource, _FORMS[form])
        return self._last[1]
