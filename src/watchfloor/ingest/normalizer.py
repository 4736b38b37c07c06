"""The normaliser: a record becomes an OCSF event by the first mapping that takes it, and always some event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from watchfloor.content import folder
from watchfloor.core.errors import NotFoundError
from watchfloor.core.event import Event
from watchfloor.core.record import Record
from watchfloor.ingest.mappings.convert import text
from watchfloor.ingest.mappings.kind import Kind
from watchfloor.ingest.mappings.mapping import SHAPES, Mapping, load
from watchfloor.ingest.mappings.select import Selection
from watchfloor.ingest.mappings.values import Data
from watchfloor.ingest.readers.source import Item, Unreadable
from watchfloor.ingest.shapes import shape_of

BASE = "base"
_TOGETHER, _TOGETHER_BYTES = 16, 1 << 20


class Explanation(NamedTuple):
    """Why a record was mapped as it was: its shape, the mapping, which of the conditions of its `when` held, the record
    type, the mappings that were asked before, and what went wrong."""

    shape: str
    mapping: str
    because: Any
    kind: str
    ocsf_class: str
    asked_before: tuple[str, ...]
    problem: str


class Normalizer:
    """Holds the compiled mappings. `event` never raises: what goes wrong is told in the event's `unmapped`."""

    def __init__(self, mappings: Sequence[Mapping], base: Mapping) -> None:
        """`base` is for the records that none of the mappings takes."""
        self.mappings, self.base = tuple(mappings), base
        self._selections = {shape: Selection([m for m in mappings if m.shape == shape]) for shape in SHAPES}

    @classmethod
    def shipped(cls, *more: Path) -> Normalizer:
        """The mappings that come with the product, and those of further files or folders, first at equal rank."""
        own = [m for path in more for m in load(path)]
        shipped = _of_the_product()
        base = next(m for m in shipped if m.name == BASE)
        return cls(sorted([*own, *(m for m in shipped if m is not base)], key=lambda m: m.rank), base)

    def only(self, name: str) -> Normalizer:
        """This normaliser with one mapping alone. Raises NotFoundError that lists the names."""
        mine = [mapping for mapping in self.mappings if mapping.name == name]
        if not mine and name != BASE:
            known = ", ".join(sorted({mapping.name for mapping in self.mappings}))
            raise NotFoundError(f"there is no mapping {name!r}", do=f"Name one of: {known}")
        return Normalizer(mine, self.base)

    def events(self, items: Iterable[Item]) -> Iterator[Event | Unreadable]:
        """The events of records as they are read, and what could not be read.

        Some are read, then as many normalised: the processor is faster when it does the same again.
        """
        event = self.event
        together: list[Item] = []
        size = 0
        for item in items:
            together.append(item)
            size += len(item.raw)
            if len(together) >= _TOGETHER or size > _TOGETHER_BYTES:
                yield from [one if isinstance(one, Unreadable) else event(one) for one in together]
                together, size = [], 0
        yield from [one if isinstance(one, Unreadable) else event(one) for one in together]

    def event(self, record: Record) -> Event:
        """The event of a record; a Base Event where no mapping takes it or mapping it fails."""
        problem = ""
        data = record.data
        try:
            shape, data = shape_of(record)
            mapping, dotted = self._selections[shape].taking(data)
            mapping = mapping or self.base
            data = mapping.parsed(data) if mapping.parsers else data
            seen = data if mapping.names is None else mapping.seen(data)
            return _event(record, data, mapping.name, mapping.kind_of(seen), seen, flat=dotted)
        except Exception as error:  # hostile data may break any step; the record is kept
            problem = f"{type(error).__name__}: {error}"[:500]
        return self._unmapped(record, data, problem)

    def _unmapped(self, record: Record, data: Data, problem: str) -> Event:
        """A Base Event with what usual names say, if even that can be read."""
        kind = self.base.kinds[-1]
        try:
            return _event(record, data, BASE, kind, self.base.seen(data), problem=problem)
        except Exception:
            return _event(record, data, BASE, kind, {}, problem=problem)

    def taking(self, record: Record) -> Mapping:
        """The mapping that takes a record."""
        shape, data = shape_of(record)
        return self._selections[shape].taking(data)[0] or self.base

    def explain(self, record: Record) -> Explanation:
        """Which mapping takes a record and why, and which were asked before it."""
        shape, data = shape_of(record)
        passed: list[str] = []
        taking = self.base
        for mapping in self._selections[shape].candidates(data).of(data):
            if mapping.takes(data):
                taking = mapping
                break
            passed.append(mapping.name)
        kind = taking.kind_of(taking.seen(taking.parsed(data)))
        problem = text((self.event(record).ocsf.get("unmapped") or {}).get("problem")) or ""
        if taking is self.base:
            problem = problem or "no product's mapping takes it: only usual names are read"
        return Explanation(
            shape, taking.name, taking.because(data), kind.name, kind.ocsf_class.caption, tuple(passed), problem
        )


@cache
def _of_the_product() -> tuple[Mapping, ...]:
    """Read once a process: nothing changes them, and what compiling them costs is paid once."""
    return tuple(load(folder("mappings"), check=False))


def _event(
    record: Record, data: Data, mapping: str, kind: Kind, seen: Data, *, flat: bool = True, problem: str = ""
) -> Event:
    """The event that a record type makes of what it sees of a record."""
    uid = record.uid
    ocsf, when = (kind.flat if flat else kind.nested)(seen, uid, record.raw.decode("utf-8", "replace"))
    if problem:
        ocsf.setdefault("unmapped", {})["problem"] = f"mapping failed: {problem}"
    if when is None:
        ocsf.setdefault("unmapped", {})["time_problem"] = "the record holds no time that can be read"
    if "/" in record.format:
        ocsf.setdefault("unmapped", {})["reading_note"] = record.format.partition("/")[2]
    return Event(
        tenant=record.tenant,
        uid=uid,
        time=when or 0,
        layer=kind.layer,
        mapping=mapping,
        ocsf=ocsf,
        original=data,
        source=record.source,
        position=record.position,
        unit=record.unit,
        logsource=kind.logsource,
    )
