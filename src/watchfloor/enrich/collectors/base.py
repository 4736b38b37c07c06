"""What every collector is, and how the ones that answer from memory turn look-ups into evidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Evidence, Lookup, Reliability


class Collector(Protocol):
    """Answers look-ups of one kind: one evidence a look-up, in the same order, failed ones among them."""

    name: str

    def collect(self, lookups: Sequence[Lookup]) -> list[Evidence]: ...


class Found(NamedTuple):
    """An answer: plain data that fits canonical JSON, and what it came from."""

    content: Any
    source: str
    reliability: Reliability


class LocalCollector(ABC):
    """A collector that answers each look-up by itself.

    `answer` raises WatchfloorError, with words for people, for what cannot be checked. Evidence bears the look-up's
    `as_of` as its time until the enricher stamps it: a collector reads no clock.
    """

    name: str

    @abstractmethod
    def answer(self, lookup: Lookup) -> Found: ...

    def collect(self, lookups: Sequence[Lookup]) -> list[Evidence]:
        return [self._evidence(lookup) for lookup in lookups]

    def _evidence(self, lookup: Lookup) -> Evidence:
        try:
            found = self.answer(lookup)
            return Evidence.of(
                lookup, found.content, at=lookup.as_of, source=found.source, reliability=found.reliability
            )
        except WatchfloorError as error:
            reason = str(error)
        except Exception as error:  # whatever odd data does to one answer, the other look-ups get theirs
            reason = f"{self.name} failed: {type(error).__name__}: {error}"[:300]
        reason = reason.encode("utf-8", "backslashreplace").decode()
        return Evidence.failed(lookup, reason, at=lookup.as_of, source=self.name)


def text_of(query: dict[str, Any], key: str) -> str:
    """A text that a query must have. Raises WatchfloorError."""
    value = query.get(key)
    if not isinstance(value, str) or not value:
        raise WatchfloorError(f"the query has no {key}")
    return value
