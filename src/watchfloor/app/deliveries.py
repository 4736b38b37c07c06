"""What was handed in, read: records become events, intelligence becomes its objects, whoever brings it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from watchfloor.app.parts import Parts
from watchfloor.core.event import Event
from watchfloor.core.intel_object import IntelObject
from watchfloor.ingest import files_of
from watchfloor.ingest.intel.objects import HEAD, Piece, form_of, read_objects
from watchfloor.ingest.readers import read, read_parcel
from watchfloor.ingest.readers.source import MEMORY_LIMIT

Item = Event | Piece


class Deliveries:
    """Reads for one tenant, a batch of deliveries: what one says of who is who, the next ones know."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._names: dict[str, dict[str, str]] = {}

    def parcel(self, source: str, content: bytes, *, form: str, at: int) -> Iterator[Item]:
        """All that a live source handed in at a time (ms)."""
        tenant, events = self._parts.tenant, self._parts.normalizer.events
        pieces = self._objects(source, content, form, at)
        if pieces is not None:
            yield from pieces
            return
        yield from events(read_parcel(tenant, source, content, form=form, at=at))

    def files(
        self, paths: Sequence[Path], passed_over: list[str], names: Mapping[Path, str] | None = None
    ) -> Iterator[Item]:
        """All that files and folders hold, in a fixed order; `passed_over` and `names` as in `ingest.records`."""
        tenant, events = self._parts.tenant, self._parts.normalizer.events
        for file, named in files_of(paths):
            name = (names or {}).get(file, str(file))
            pieces = self._objects(name, _intel_in(file), "", self._parts.clock())
            if pieces is not None:
                yield from pieces
                continue
            yield from events(read(file, tenant, name=name, passed_over=None if named else passed_over))

    def _objects(self, source: str, content: bytes, form: str, at: int) -> list[Piece] | None:
        parts = self._parts

        def names() -> Mapping[str, str]:
            if source not in self._names:
                self._names[source] = parts.intel_store.names(parts.tenant, source)
            return self._names[source]

        pieces = read_objects(content, form, names, tenant=parts.tenant, source=source, at=at)
        known = self._names.get(source)
        if known is not None:
            known.update((p.uid, p.name) for p in pieces or () if isinstance(p, IntelObject) and p.name)
        return pieces


def _intel_in(file: Path) -> bytes:
    """A file's bytes where it begins as a document of intelligence does; else nothing."""
    try:
        with file.open("rb") as stream:
            if not form_of(stream.read(HEAD)) or file.stat().st_size > MEMORY_LIMIT:
                return b""
        return file.read_bytes()
    except OSError:
        return b""  # the reader of records says why
