"""Which events a rule's log source means: content/sigma/logsources.yaml, else equality with the event's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from watchfloor.content import documents, folder
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import get_path
from watchfloor.detect.sigma.seen import Seen
from watchfloor.detect.sigma.values import text_of

PARTS = ("product", "category", "service")


class LogSource(NamedTuple):
    """A rule's log source; an empty part says nothing."""

    product: str = ""
    category: str = ""
    service: str = ""

    @property
    def named(self) -> dict[str, str]:
        """The parts that say something."""
        return {key: value for key, value in self._asdict().items() if value}

    @property
    def words(self) -> str:
        """`windows / process_creation`, for people."""
        return " / ".join(self.named.values()) or "any record"

    @property
    def family(self) -> str:
        """`sigma/windows/process_creation`: what rules that fail alike have in common."""
        return "/".join(("sigma", self.product or "any", self.category or self.service or "any"))


# One alternative: place -> lower-case texts, one of which must stand there.
Alternative = dict[str, frozenset[str]]


class LogSources:
    """What each log source means in terms of an event."""

    def __init__(self, table: Mapping[LogSource, list[Alternative]]) -> None:
        self._table = [(key.named.items(), some) for key, some in table.items()]
        self._known: dict[LogSource, list[Alternative]] = {}

    @classmethod
    @cache
    def shipped(cls) -> LogSources:
        """The shipped table, read once a process. Raises WatchfloorError that names the place of a mistake."""
        table: dict[LogSource, list[Alternative]] = {}
        for document in documents(folder("sigma") / "logsources.yaml"):
            for row in document.data:
                key = LogSource(**row["for"])
                if key in table:
                    raise WatchfloorError(f"{row['for']} stands there twice", where=document.where)
                table[key] = [_alternative(each) for each in row["events"]]
        return cls(table)

    def alternatives(self, source: LogSource) -> list[Alternative]:
        """The alternatives of a log source: the event says so itself, or the table does.

        A log source also means what every narrower one means: `category: process_creation` that of any product.
        """
        found = self._known.get(source)
        if found is None:
            named = source.named.items()
            own = {part: frozenset({value.lower()}) for part, value in named}
            rows = [row for wider, some in self._table if named <= wider for row in some]
            found = self._known[source] = [own, *rows]
        return found


def _alternative(row: Mapping[str, Any]) -> Alternative:
    return {
        place: frozenset(str(text_of(value)).lower() for value in (wanted if isinstance(wanted, list) else [wanted]))
        for place, wanted in row.items()
    }


class Discriminator:
    """Reads from an event the few values that decide on log sources, as a key with finitely many values."""

    def __init__(self, alternatives: list[Alternative]) -> None:
        known: dict[str, set[str]] = {}
        for alternative in alternatives:
            for place, wanted in alternative.items():
                known.setdefault(place, set()).update(wanted)
        self._known = [(place, frozenset(values)) for place, values in sorted(known.items())]
        self._at = {place: at for at, (place, _) in enumerate(self._known)}

    @property
    def places(self) -> tuple[str, ...]:
        """Every place that decides: `product`, `original.EventID`, `ocsf.class_uid`."""
        return tuple(place for place, _ in self._known)

    @property
    def known(self) -> list[tuple[str, frozenset[str]]]:
        """Each of those places with the texts there that some log source asks for."""
        return self._known

    def key(self, event: Seen) -> tuple[str, ...]:
        """Values that no log source asks for read as "", so that a hostile record cannot fill a table of keys."""
        return tuple(value if (value := read(event, place)) in known else "" for place, known in self._known)

    def fits(self, key: tuple[str, ...], alternative: Alternative) -> bool:
        """Whether an event with this key is what the alternative says."""
        return all(key[self._at[place]] in wanted for place, wanted in alternative.items())


def read(event: Seen, place: str) -> str:
    """The lower-case text at a place: `product`, `original.EventID`, `ocsf.class_uid`; "" when absent."""
    kind, _, path = place.partition(".")
    if not path:
        return event.logsource.get(kind, "").lower()
    data = event.original if kind == "original" else event.ocsf
    value = data[path] if path in data else get_path(data, path)
    return (text_of(value) or "").lower() if value is not None else ""
