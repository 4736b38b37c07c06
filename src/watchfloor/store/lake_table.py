"""Events as rows of Parquet: one column a facet, whole events as JSON beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.facets import NUMBER_FACETS, TEXT_FACETS, facets

# Small row groups keep the look-up of one event cheap: only its group is unpacked.
ROWS_A_GROUP = 1_024
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
_DICTIONARIES = [name for name in SCHEMA.names if name not in ("uid", "time", "position", "ocsf", "original")]


def table_of(events: Sequence[Event]) -> pa.Table:
    """Events as rows, in their order."""
    columns = _columns(events)
    try:
        return pa.Table.from_pydict(columns, schema=SCHEMA)
    except (pa.ArrowInvalid, UnicodeError, OverflowError):
        # Lone surrogates and numbers over 64 bits cannot stand in Parquet; the JSON columns keep the originals.
        storable = {name: [_storable(value) for value in values] for name, values in columns.items()}
        return pa.Table.from_pydict(storable, schema=SCHEMA)


def write_table(table: pa.Table, file: Path) -> None:
    """Write a segment durably, whole or not at all. Raises WatchfloorError when the disk refuses."""
    write_whole(
        file,
        lambda out: pq.write_table(
            table, out, compression="zstd", row_group_size=ROWS_A_GROUP, use_dictionary=_DICTIONARIES
        ),
    )
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_whole(file: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file, whole or not at all. Raises WatchfloorError when the disk refuses."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as out:
                write(out)
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WatchfloorError(
            f"cannot write events: {error.strerror or error}", where=str(file), do="Free space or mend rights"
        ) from None


def read_table(file: Path, columns: Iterable[str] | None = None) -> pa.Table:
    """A segment's columns; those that it has not are empty. Raises WatchfloorError that names it."""
    wanted = SCHEMA.names if columns is None else [name for name in SCHEMA.names if name in set(columns)]
    try:
        with pq.ParquetFile(file) as parquet:
            table = parquet.read([name for name in wanted if name in parquet.schema_arrow.names])
        arrays = [
            table[name].cast(SCHEMA.field(name).type)
            if name in table.column_names
            else pa.nulls(table.num_rows, SCHEMA.field(name).type)
            for name in wanted
        ]
        return pa.table(arrays, schema=pa.schema([SCHEMA.field(name) for name in wanted]))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(file, error) from None


def read_events(tenant: str, file: Path, group: int, rows: Sequence[int]) -> Iterator[Event]:
    """Events of one row group. Raises WatchfloorError, or FileNotFoundError."""
    try:
        with pq.ParquetFile(file) as parquet:
            table = parquet.read_row_group(group, columns=list(_WHOLE), use_threads=False).take(list(rows))
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, IndexError) as error:
        raise _unreadable(file, error) from None
    yield from events_in(tenant, table)


def events_in(tenant: str, table: pa.Table) -> Iterator[Event]:
    """The events that rows are."""
    for row in table.to_pylist():
        yield Event(
            tenant=tenant,
            **{**row, **{name: _parsed(row[name]) for name in ("logsource", "ocsf", "original")}},
        )


def batches_of(file: Path, since: int, before: int, rows: int) -> Iterator[pa.Table]:
    """Whole events of a segment with since <= time < before (ms), about so many rows at a time.

    Raises WatchfloorError, or FileNotFoundError.
    """
    try:
        with pq.ParquetFile(file) as parquet:
            at = parquet.schema_arrow.get_field_index("time")
            groups: list[int] = []
            for group in range(parquet.num_row_groups):
                span = parquet.metadata.row_group(group).column(at).statistics
                if span is None or not span.has_min_max or (span.max >= since and span.min < before):
                    groups.append(group)
            together = max(rows // ROWS_A_GROUP, 1)
            for start in range(0, len(groups), together):
                table = parquet.read_row_groups(groups[start : start + together], list(_WHOLE), use_threads=False)
                times = table["time"]
                mask = pc.and_(pc.greater_equal(times, since), pc.less(times, before))
                yield table if pc.all(mask).as_py() else table.filter(mask)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(file, error) from None


def uids_at(file: Path, time: int) -> list[tuple[str, int]]:
    """Uids and rows of the events of one moment (ms) in a segment, which is in order of time.

    Raises WatchfloorError, or FileNotFoundError.
    """
    found: list[tuple[str, int]] = []
    try:
        with pq.ParquetFile(file) as parquet:
            at = parquet.schema_arrow.get_field_index("time")
            for group in range(parquet.num_row_groups):
                span = parquet.metadata.row_group(group).column(at).statistics
                if span is not None and span.has_min_max and not span.min <= time <= span.max:
                    continue
                table = parquet.read_row_group(group, columns=["uid", "time"], use_threads=False)
                rows = zip(table["uid"].to_pylist(), table["time"].to_pylist(), strict=True)
                found += [(uid, group * ROWS_A_GROUP + row) for row, (uid, when) in enumerate(rows) if when == time]
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(file, error) from None
    return found


def uids_of(file: Path, rows: Sequence[int]) -> list[str]:
    """The uids of rows. Raises WatchfloorError, or FileNotFoundError."""
    groups: dict[int, list[str]] = {}
    try:
        with pq.ParquetFile(file) as parquet:
            for row in rows:
                if (group := row // ROWS_A_GROUP) not in groups:
                    groups[group] = parquet.read_row_group(group, columns=["uid"], use_threads=False)["uid"].to_pylist()
            return [groups[row // ROWS_A_GROUP][row % ROWS_A_GROUP] for row in rows]
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, IndexError) as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> WatchfloorError:
    return WatchfloorError(
        f"a segment of the lake cannot be read: {error}", where=str(file), do="Restore this file from a backup"
    )


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int):
        return int(value) if -_LARGEST <= value < _LARGEST else None
    return value


def _columns(events: Sequence[Event]) -> dict[str, list[Any]]:
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
