"""Fields of a record under the names that Sigma rules use: the vendor's own first, then content/sigma/fields.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from watchfloor.content import documents, folder
from watchfloor.core.errors import WatchfloorError
from watchfloor.detect.sigma.derived import DERIVED
from watchfloor.detect.sigma.seen import Seen
from watchfloor.detect.sigma.values import flat, leaves, text_of

_ABSENT: tuple[Any, ...] = ()


class Field:
    """A field name and the places where it is looked for, in order: (`original`, `ocsf` or `derived`, path).

    Interned by FieldNames, so that a record's view can key its caches by identity.
    """

    __slots__ = ("name", "places")

    def __init__(self, name: str, places: tuple[tuple[str, str], ...]) -> None:
        self.name, self.places = name, places


class FieldNames:
    """Sigma field names for each log source, compiled from fields.yaml."""

    def __init__(self, sections: list[Mapping[str, Any]]) -> None:
        self._sections = sections
        self._interned: dict[tuple[tuple[str, str], ...], Field] = {}
        self._known: dict[tuple[str, tuple[tuple[str, str], ...], str], Field] = {}

    @classmethod
    @cache
    def shipped(cls) -> FieldNames:
        """The shipped field names, read once a process. Raises WatchfloorError that names the place of a mistake."""
        sections = []
        for document in documents(folder("sigma") / "fields.yaml"):
            for section in document.data:
                for name, places in section["fields"].items():
                    if not all(p.startswith(("original.", "ocsf.")) for p in places):
                        raise WatchfloorError(f"{name}: a place starts with original. or ocsf.", where=document.where)
                sections.append(section)
        return cls(sections)

    def field(self, name: str, logsource: Mapping[str, str], taxonomy: str = "sigma") -> Field:
        """The field of this name for rules of a log source (`product`, `category`, `service`)."""
        key = (name, tuple(logsource.items()), taxonomy)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._field(name, logsource, taxonomy)
        return found

    def _field(self, name: str, logsource: Mapping[str, str], taxonomy: str) -> Field:
        own = [("ocsf", name), ("original", name)] if taxonomy == "ocsf" else [("original", name)]
        kind, _, rest = name.partition(".")
        if kind == "derived" and rest in DERIVED:
            own = [("derived", rest)]
        mapped = [
            (kind, path)
            for section in self._sections
            if all(logsource.get(key) == wanted for key, wanted in section["for"].items())
            for kind, _, path in (place.partition(".") for place in section["fields"].get(name, ()))
        ]
        places = tuple(dict.fromkeys(own + mapped))
        return self._interned.setdefault(places, Field(name, places))


def find(data: Any, path: str) -> Iterator[Any]:
    """Every value at a dotted path. A key that has dots itself wins over nesting; lists are entered at each item."""
    if isinstance(data, list):
        for item in data:
            yield from find(item, path)
        return
    if not isinstance(data, dict):
        return
    if path in data:
        yield data[path]
        return
    dot = path.find(".")
    while dot != -1:
        if (inner := data.get(path[:dot])) is not None:
            found = list(find(inner, path[dot + 1 :]))
            if found:
                yield from found
                return
        dot = path.find(".", dot + 1)


class View:
    """One event as rules see it; every reading is made once."""

    __slots__ = ("_blob", "_lower", "_texts", "_values", "event")

    def __init__(self, event: Seen) -> None:
        self.event = event
        self._values: dict[Field | None, tuple[Any, ...]] = {}
        self._texts: dict[Field | None, tuple[str, ...]] = {}
        self._lower: dict[Field | None, tuple[str, ...]] = {}
        self._blob: str | None = None

    def values(self, field: Field | None) -> tuple[Any, ...]:
        """The values of a field, lists flattened; empty when the record has no such field. None: every scalar."""
        found = self._values.get(field)
        if found is None:
            found = self._values[field] = self._read(field)
        return found

    def texts(self, field: Field | None) -> tuple[str, ...]:
        """The values that are not null, as text."""
        found = self._texts.get(field)
        if found is None:
            found = self.values(field)
            if len(found) != 1 or found[0].__class__ is not str:  # nearly always it is one text
                found = tuple(text for text in map(text_of, found) if text is not None)
            self._texts[field] = found
        return found

    def lower(self, field: Field | None) -> tuple[str, ...]:
        """The texts in lower case."""
        found = self._lower.get(field)
        if found is None:
            found = self._lower[field] = tuple(map(str.lower, self.texts(field)))
        return found

    def blob(self) -> str:
        """All lower texts of the record, parted by NUL: a text without NUL is in one of them if it is in this."""
        if self._blob is None:
            data = self.event.original or self.event.ocsf
            texts = [value for value in data.values() if value.__class__ is str]
            if len(texts) < len(data):
                others = (leaf for value in data.values() if value.__class__ is not str for leaf in leaves(value))
                texts += [text for other in others if (text := text_of(other)) is not None]
            self._blob = "\0".join(texts).lower()
        return self._blob

    def _read(self, field: Field | None) -> tuple[Any, ...]:
        event = self.event
        if field is None:
            return tuple(leaves(event.original or event.ocsf))
        for kind, path in field.places:
            if kind == "derived":
                value = DERIVED[path](event)
                return _ABSENT if value is None else (value,)
            data = event.original if kind == "original" else event.ocsf
            if path in data:  # the common case, without a generator
                value = data[path]
                return tuple(flat(value)) if isinstance(value, list) else (value,)
            if "." in path and (found := tuple(flat(list(find(data, path))))):
                return found
        return _ABSENT
