"""What is known of log sources and their fields: content, the rules at hand, and events where a lake has them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from watchfloor.content import documents, folder, heads
from watchfloor.core.event import Event
from watchfloor.detect.engineering.documents import RuleDocument
from watchfloor.detect.sigma.fields import FieldNames, find
from watchfloor.detect.sigma.logsource import LogSource, LogSources

_OFTEN = 20
"""So many rules of a log source name a field before another that is spelled nearly like it is taken for a mistake."""
_ENOUGH = 50
"""Events of a log source that have to be there before a field in none of them is doubted."""


class Knowledge:
    """Answers what a rule's log source and fields are to us. `events` are some of each log source, from the lake."""

    def __init__(self, rules: Iterable[RuleDocument], events: Mapping[LogSource, tuple[int, list[Event]]]) -> None:
        self._events = events
        self._sources = LogSources.shipped()
        self._names = FieldNames.shipped()
        self._of_mappings = _sources_of_mappings()
        self._sections = _sections()
        used: dict[LogSource, Counter[str]] = defaultdict(Counter)
        for rule in rules:
            used[rule.logsource].update({item.field for item in rule.items if item.field})
        self._used = used
        self._folded: dict[LogSource, dict[str, str]] = {}
        self._content: dict[LogSource, frozenset[str]] = {}
        self._reached: dict[LogSource, bool] = {}

    def reached(self, source: LogSource) -> bool:
        """Whether events of a known product are what the log source means."""
        if source not in self._reached:
            own = source.named.items()
            several = len(self._sources.alternatives(source)) > 1
            self._reached[source] = several or any(own <= other.items() for other in self._of_mappings)
        return self._reached[source]

    def doubt(self, source: LogSource, field: str) -> tuple[str, str] | None:
        """What speaks against a field of a log source, and what to do; None when nothing does."""
        count, events = self._events.get(source, (0, []))
        if count >= _ENOUGH and events and not self._there(source, field, events):
            what = f"`{field}` is in none of the {len(events):,} events of {source.words} that were looked at"
            return what, _did_you_mean(self._near(source, field)) or "Look at an event: watchfloor normalize FILE"
        near = self._near(source, field)
        if near and near != field and self._used[source][field] < _OFTEN // 4:
            return f"no event of {source.words} is known to have `{field}`", f"Did you mean `{near}`? Case counts"
        return None

    def _there(self, source: LogSource, name: str, events: list[Event]) -> bool:
        field = self._names.field(name, source.named)
        for event in events:
            for kind, path in field.places:
                if kind == "derived" or any(
                    True for _ in find(event.original if kind == "original" else event.ocsf, path)
                ):
                    return True
        return False

    def _near(self, source: LogSource, field: str) -> str:
        """A known field that is the same but for case and signs between words; the field itself when it is known."""
        if source not in self._folded:
            known: dict[str, str] = {}
            often = [name for name, count in self._used[source].most_common() if count >= _OFTEN]
            for name in (*sorted(self._of_content(source)), *often):
                known.setdefault(_folded(name), name)
            self._folded[source] = known
        names = self._folded[source]
        if field in self._of_content(source) or self._used[source][field] >= _OFTEN:
            return field
        return names.get(_folded(field), "")

    def _of_content(self, source: LogSource) -> frozenset[str]:
        if source not in self._content:
            named = source.named
            mine = [s for s in self._sections if all(named.get(key) == wanted for key, wanted in s["for"].items())]
            self._content[source] = frozenset(name for section in mine for name in section["fields"])
        return self._content[source]


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").removesuffix("s")


def _did_you_mean(near: str) -> str:
    return f"Did you mean `{near}`? Case counts" if near else ""


@cache
def _sections() -> list[Any]:
    return [section for document in documents(folder("sigma") / "fields.yaml") for section in document.data]


@cache
def _sources_of_mappings() -> list[dict[str, str]]:
    """The log sources that mappings give to events; read once a process, as all that comes with the product."""
    found: list[dict[str, str]] = []
    for document, _ in heads(folder("mappings"), frozenset({"logsource", "types"})):
        base: dict[str, Any] = document.data.get("logsource") or {}
        kinds = [kind.get("logsource") or {} for kind in document.data.get("types") or () if isinstance(kind, dict)]
        found += [{key: str(value) for key, value in {**base, **own}.items()} for own in ({}, *kinds)]
    return found
