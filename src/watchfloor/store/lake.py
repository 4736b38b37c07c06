"""The event lake: Parquet by tenant, class and day, one column a facet, readable by any engine as it lies.

`<folder>/<tenant>/<class_uid>/<day>/<segment>.parquet`. A segment's name is a function of its events' uids, so writing
the same events again writes nothing; an event in two segments counts once when read. DuckDB reads; no other file is
the system of record.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from watchfloor.core.clock import day_of
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.event import Event, Layer
from watchfloor.core.facets import NUMBER_FACETS, TEXT_FACETS, facets
from watchfloor.core.noun import digest_of
from watchfloor.store.lake_reader import LakeReader
from watchfloor.store.tenancy import checked

# Small row groups keep the look-up of one event cheap: only its group is unpacked.
ROWS_A_GROUP = 1_024
SMALL_SEGMENTS, SMALL_BYTES, TOGETHER_BYTES = 64, 8 << 20, 32 << 20
REPLACED_SECONDS = 3_600
_LARGEST = 2**63

SCHEMA = pa.schema(
    [
        ("uid", pa.string()),
        ("time", pa.int64()),
        ("layer", pa.string()),
        ("mapping", pa.string()),
        ("source", pa.string()),
        ("position", pa.int64()),
        ("unit", pa.string()),
        ("logsource", pa.string()),
        *((name, pa.string()) for name in TEXT_FACETS),
        *((name, pa.int64()) for name in NUMBER_FACETS),
        ("ocsf", pa.string()),
        ("original", pa.string()),
    ]
)
_WHOLE = ("uid", "time", "layer", "mapping", "source", "position", "unit", "logsource", "ocsf", "original")


class _Place(NamedTuple):
    """Where an event lies: its file and its row there."""

    file: Path
    row: int


class SourceCount(NamedTuple):
    """Events kept from one source; `last` is the time (ms) of the newest."""

    source: str
    mappings: tuple[str, ...]
    events: int
    last: int


class KindCount(NamedTuple):
    """Events of one kind; `uid` is one of them, `last` the time (ms) of the newest."""

    mapping: str
    layer: Layer
    uid: str
    events: int
    last: int


class Lake:
    """The events of all tenants under one folder. Writers and readers may be different processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[str, dict[str, _Place]] = defaultdict(dict)
        self._seen: dict[str, set[Path]] = defaultdict(set)
        self._replaced: dict[Path, float] = {}
        self._lock = threading.RLock()

    def write(self, tenant: str, events: Sequence[Event]) -> int:
        """Store events durably; returns how many of them the tenant did not have before.

        Raises WatchfloorError when an event is another tenant's or the disk refuses.
        """
        with self._lock:
            return self._write(tenant, events)

    def _write(self, tenant: str, events: Sequence[Event]) -> int:
        known = self._index(tenant)
        fresh: dict[str, Event] = {}
        for event in events:
            if event.tenant != tenant:
                raise WatchfloorError(f"event of tenant {event.tenant!r} for {tenant!r}", where=event.uid)
            if event.uid not in known:
                fresh.setdefault(event.uid, event)
        parts: dict[tuple[int, str], list[Event]] = defaultdict(list)
        for event in fresh.values():
            parts[_class_of(event), day_of(event.time)].append(event)
        for (class_uid, day), part in parts.items():
            self._write_segment(tenant, class_uid, day, sorted(part, key=lambda e: (e.time, e.uid)))
        return len(fresh)

    def _write_segment(self, tenant: str, class_uid: int, day: str, events: list[Event]) -> None:
        folder = self._of(tenant) / str(class_uid) / day
        name = _name([e.uid for e in events])
        self._keep(tenant, folder / f"{name}.parquet", _table(events))

    def _keep(self, tenant: str, file: Path, table: pa.Table) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            _write_atomically(table, file)
        except OSError as error:
            raise WatchfloorError(
                f"cannot write events: {error.strerror or error}", where=str(file), do="Free space or mend rights"
            ) from None
        self._seen[tenant].add(file)
        self._replaced.pop(file, None)
        self._places[tenant].update((uid, _Place(file, row)) for row, uid in enumerate(table["uid"].to_pylist()))

    def compact(self, tenant: str) -> int:
        """Put many small segments of a class and day together; returns how many took the place of others.

        A stream writes a small one every few seconds, and each costs a reader an opening. What was put together is
        read no more, and removed an hour later: who began to read before is done by then. Cut off in between, an event
        is in two segments, and counts once.
        """
        with self._lock:
            now, made = time.monotonic(), 0
            for file in [file for file, since in self._replaced.items() if now > since + REPLACED_SECONDS]:
                file.unlink(missing_ok=True)
                del self._replaced[file]
            for folder in {file.parent for file in self._files(tenant)}:
                small = _small(file for file in folder.glob("*.parquet") if file not in self._replaced)
                if len(small) >= SMALL_SEGMENTS:
                    table = _together(small)
                    name = _name(table["uid"].to_pylist())
                    self._keep(tenant, folder / f"{name}.parquet", table)
                    self._replaced.update((file, now) for file in small if file.stem != name)
                    made += 1
            return made

    def known(self, tenant: str, uids: Iterable[str]) -> set[str]:
        """Those of these uids that the tenant has an event of."""
        with self._lock:
            places = self._index(tenant)
            return {uid for uid in uids if uid in places}

    def event(self, tenant: str, uid: str) -> Event:
        """One event. Raises NotFoundError."""
        found = self.events(tenant, (uid,))
        if uid not in found:
            raise NotFoundError(f"tenant {tenant} has no event {uid}")
        return found[uid]

    def events(self, tenant: str, uids: Iterable[str]) -> dict[str, Event]:
        """The events of these uids by uid; the ones that are not there are left out."""
        wanted = dict.fromkeys(uids)
        with self._lock:
            known = self._places[checked(tenant)]
            if not wanted.keys() <= known.keys():
                known = self._index(tenant)
        groups: dict[tuple[Path, int], list[int]] = defaultdict(list)
        for uid in wanted:
            if (place := known.get(uid)) is not None:
                groups[place.file, place.row // ROWS_A_GROUP].append(place.row % ROWS_A_GROUP)
        found: dict[str, Event] = {}
        for (file, group), rows in groups.items():
            found.update((e.uid, e) for e in _read_rows(tenant, file, group, rows))
        return {uid: found[uid] for uid in wanted if uid in found}

    def reader(self, tenant: str) -> LakeReader:
        """A reader of the tenant's events as they are now; what is written later is not in it."""
        return LakeReader(self._files(tenant))

    def sources(self, tenant: str) -> list[SourceCount]:
        """What is kept from each source."""
        files = [str(file) for file in self._files(tenant)]
        if not files:
            return []
        query = (
            "select source, list(distinct mapping order by mapping), count(distinct uid), max(time) "
            "from read_parquet(?, union_by_name = true) group by source"
        )
        with duckdb.connect(":memory:") as connection:
            rows = connection.execute(query, [files]).fetchall()
        return [SourceCount(source, tuple(mappings), events, last) for source, mappings, events, last in rows]

    def kinds(self, tenant: str, places: Sequence[str]) -> list[KindCount]:
        """The kinds of events that are kept: those of one mapping and layer that agree at `places`.

        A place is a path into the event, `original.EventID` or `ocsf.class_uid`. All of one kind agree in log source.
        """
        files = [str(file) for file in self._files(tenant)]
        if not files:
            return []
        read = [_json_path(place) for place in places if "." in place]
        by = ", ".join(["mapping", "layer", "logsource", *(text for text, _ in read)])
        query = (
            "select mapping, layer, any_value(uid), count(distinct uid), max(time) "  # noqa: S608  paths are bound
            f"from read_parquet(?, union_by_name = true) group by {by} order by mapping, layer, 3"
        )
        given = [path for _, paths in read for path in paths]
        with duckdb.connect(":memory:") as connection:
            return [KindCount(*row) for row in connection.execute(query, [files, *given]).fetchall()]

    def _of(self, tenant: str) -> Path:
        return self.folder / checked(tenant)

    def _files(self, tenant: str) -> list[Path]:
        return sorted(file for file in self._of(tenant).glob("*/*/*.parquet") if file not in self._replaced)

    def _index(self, tenant: str) -> dict[str, _Place]:
        """Every uid's place, brought up to date with segments that other processes wrote.

        It holds about 100 bytes an event: right for millions; beyond that, Parquet bloom filters take its place.
        """
        places, seen = self._places[tenant], self._seen[tenant]
        for file in self._files(tenant):
            if file not in seen:
                uids = pq.read_table(file, columns=["uid"], partitioning=None)["uid"].to_pylist()
                for row, uid in enumerate(uids):
                    places.setdefault(uid, _Place(file, row))
                seen.add(file)
        return places


def _json_path(place: str) -> tuple[str, tuple[str, str]]:
    """An expression for the text at `original.a.b` or `ocsf.a.b`, and its two paths: one key with dots, or a walk."""
    column, _, path = place.partition(".")
    walk = ".".join(f'"{part}"' for part in path.split("."))
    text = f"coalesce(json_extract_string({column}, ?), json_extract_string({column}, ?))"
    return text, (f'$."{path}"', f"$.{walk}")


def _name(uids: Iterable[str]) -> str:
    return digest_of("\n".join(sorted(uids)).encode())[7:39]


def _small(files: Iterable[Path]) -> list[Path]:
    """The small ones among segments, the smallest first, as many as memory should hold at one time."""
    found: list[Path] = []
    total = 0
    for size, file in sorted((file.stat().st_size, file) for file in files):
        total += size
        if size >= SMALL_BYTES or total > TOGETHER_BYTES:
            break
        found.append(file)
    return found


def _together(files: Sequence[Path]) -> pa.Table:
    """The events of segments, each once."""
    tables = [pq.read_table(file, partitioning=None) for file in files]
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    first: dict[str, int] = {}
    for row, uid in enumerate(table["uid"].to_pylist()):
        first.setdefault(uid, row)
    return table.take(list(first.values())).sort_by([("time", "ascending"), ("uid", "ascending")])


def _class_of(event: Event) -> int:
    value = event.ocsf.get("class_uid")
    return value if isinstance(value, int) and value >= 0 else 0


def _table(events: list[Event]) -> pa.Table:
    columns = _columns(events)
    try:
        return pa.Table.from_pydict(columns, schema=SCHEMA)
    except (pa.ArrowInvalid, UnicodeError, OverflowError):
        # Lone surrogates and numbers over 64 bits cannot stand in Parquet; the JSON columns keep the originals.
        storable = {name: [_storable(value) for value in values] for name, values in columns.items()}
        return pa.Table.from_pydict(storable, schema=SCHEMA)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int):
        return int(value) if -_LARGEST <= value < _LARGEST else None
    return value


def _columns(events: list[Event]) -> dict[str, list[Any]]:
    read = [facets(event) for event in events]
    return {
        "uid": [event.uid for event in events],
        "time": [event.time for event in events],
        "layer": [event.layer for event in events],
        "mapping": [event.mapping for event in events],
        "source": [event.source for event in events],
        "position": [event.position for event in events],
        "unit": [event.unit for event in events],
        "logsource": [_json(event.logsource) for event in events],
        **{name: [found[name] for found in read] for name in (*TEXT_FACETS, *NUMBER_FACETS)},
        "ocsf": [_json(event.ocsf) for event in events],
        "original": [_json(event.original) for event in events],
    }


def _json(value: Any) -> str:
    """JSON text. What orjson will not write (numbers over 64 bits, lone surrogates) goes by the slow way, and begins
    with a space so that it is read back by the slow way, too: orjson would round such numbers."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return " " + json.dumps(value, separators=(",", ":"))


def _parsed(text: str) -> Any:
    return json.loads(text) if text.startswith(" ") else orjson.loads(text)


def _write_atomically(table: pa.Table, file: Path) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as out:
            pq.write_table(table, out, compression="zstd", row_group_size=ROWS_A_GROUP, use_dictionary=_FACETS)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


_FACETS = [name for name in SCHEMA.names if name not in ("uid", "time", "position", "ocsf", "original")]


def _read_rows(tenant: str, file: Path, group: int, rows: list[int]) -> Iterator[Event]:
    try:
        with pq.ParquetFile(file) as parquet:
            table = parquet.read_row_group(group, columns=list(_WHOLE)).take(rows)
    except (OSError, pa.ArrowInvalid) as error:
        raise WatchfloorError(f"a segment of the lake cannot be read: {error}", where=str(file)) from None
    for row in table.to_pylist():
        yield Event(
            tenant=tenant,
            **{**row, **{name: _parsed(row[name]) for name in ("logsource", "ocsf", "original")}},
        )
