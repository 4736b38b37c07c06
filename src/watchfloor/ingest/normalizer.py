"""The normaliser: a record becomes an OCSF event by the first mapping that takes it, and always some event."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from watchfloor.content import folder
from watchfloor.core.errors import NotFoundError
from watchfloor.core.event import Event
from watchfloor.core.record import Record
from watchfloor.ingest.mappings.convert import text, time_ms
from watchfloor.ingest.mappings.kind import Kind
from watchfloor.ingest.mappings.mapping import SHAPES, Mapping, load
from watchfloor.ingest.mappings.values import getter
from watchfloor.ingest.shapes import shape_of

BASE = "base"


class Explanation(NamedTuple):
    """Why a record was mapped as it was: its shape, the mapping and record type, and what did not take it."""

    shape: str
    mapping: str
    kind: str
    ocsf_class: str
    not_taken_by: tuple[str, ...]
    problem: str


class Normalizer:
    """Holds the compiled mappings. `event` never raises: what goes wrong is told in the event's `unmapped`."""

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self.mappings = tuple(mappings)
        self._by_shape = {shape: [m for m in mappings if m.shape == shape] for shape in SHAPES}
        self._base = Kind({"name": BASE, "layer": "endpoint", "fields": _BASE_FIELDS}, {}, "the Base Event")
        self._times = [getter(name) for name in _TIME_NAMES]

    @classmethod
    def shipped(cls, *more: Path) -> Normalizer:
        """The mappings that come with the product, and those of further files or folders, first at equal rank."""
        own = [m for path in more for m in load(path)]
        return cls(sorted([*own, *load(folder("mappings"))], key=lambda m: m.rank))

    def only(self, name: str) -> Normalizer:
        """This normaliser with one mapping alone. Raises NotFoundError that lists the names."""
        mine = [mapping for mapping in self.mappings if mapping.name == name]
        if not mine:
            known = ", ".join(sorted({mapping.name for mapping in self.mappings}))
            raise NotFoundError(f"there is no mapping {name!r}", do=f"Name one of: {known}")
        return Normalizer(mine)

    def event(self, record: Record) -> Event:
        """The event of a record; a Base Event where no mapping takes it or mapping it fails."""
        problem = ""
        data = record.data
        try:
            shape, data = shape_of(record)
            for mapping in self._by_shape[shape]:
                if mapping.when(data):
                    return self._mapped(record, mapping, data)
        except Exception as error:  # hostile data may break any step; the record is kept
            problem = f"{type(error).__name__}: {error}"[:500]
        return self._based(record, data, problem)

    def explain(self, record: Record) -> Explanation:
        """Which mapping takes a record, and which were asked before it."""
        shape, data = shape_of(record)
        passed: list[str] = []
        for mapping in self._by_shape[shape]:
            if mapping.when(data):
                kind = mapping.kind_of(mapping.parsed(data))
                problem = text((self.event(record).ocsf.get("unmapped") or {}).get("problem")) or ""
                return Explanation(shape, mapping.name, kind.name, kind.ocsf_class.caption, tuple(passed), problem)
            passed.append(mapping.name)
        return Explanation(shape, BASE, BASE, "Base Event", tuple(passed), "no mapping takes it")

    def _mapped(self, record: Record, mapping: Mapping, data: dict[str, Any]) -> Event:
        data = mapping.parsed(data)
        kind = mapping.kind_of(data)
        return _finished(record, data, _Made(mapping.name, kind, kind.make(data), mapping.time_of(data)))

    def _based(self, record: Record, data: dict[str, Any], problem: str) -> Event:
        ocsf = self._base.make({})
        if problem:
            ocsf["unmapped"] = {"problem": f"mapping failed: {problem}"}
        times = (time_ms(value) for get in self._times if (value := get(data)) is not None)
        when = next((t for t in times if t is not None), None)
        return _finished(record, data, _Made(BASE, self._base, ocsf, when))


class _Made(NamedTuple):
    """What a mapping made of a record."""

    mapping: str
    kind: Kind
    ocsf: dict[str, Any]
    when: int | None


def _finished(record: Record, original: dict[str, Any], made: _Made) -> Event:
    mapping, kind, ocsf, when = made
    uid = record.uid
    if when is None:
        ocsf.setdefault("unmapped", {})["time_problem"] = "the record holds no time that can be read"
    if "/" in record.format:
        ocsf.setdefault("unmapped", {})["reading_note"] = record.format.partition("/")[2]
    ocsf["time"] = when or 0
    ocsf["metadata"]["uid"] = uid
    ocsf["raw_data"] = record.raw.decode("utf-8", "replace")
    return Event(
        tenant=record.tenant,
        uid=uid,
        time=when or 0,
        layer=kind.layer,
        mapping=mapping,
        ocsf=ocsf,
        original=original,
        source=record.source,
        position=record.position,
        unit=record.unit,
        logsource=kind.logsource,
    )


_BASE_FIELDS: dict[str, Any] = {
    "metadata.product.name": "=unknown",
    "metadata.product.vendor_name": "=unknown",
}
_TIME_NAMES = [
    "@timestamp",
    "time",
    "timestamp",
    "ts",
    "eventTime",
    "event_time",
    "EventTime",
    "TimeGenerated",
    "TimeCreated",
    "created_at",
    "createdDateTime",
    "CreationTime",
    "Timestamp",
    "date",
    "datetime",
    "published",
    "id.time",
    "p_event_time",
]
