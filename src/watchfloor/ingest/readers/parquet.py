"""Parquet (Security Lake, VPC flow logs, data lakes): each row as the JSON record that it stands for.

What a row does not have is left out; times are RFC 3339, bytes that are no text hexadecimal.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import orjson

from watchfloor.ingest.readers.source import MEMORY_LIMIT, MIB, Item, Source, whole

MOST_ROWS = 100_000_000
LARGEST_GROUP = 2_048 * MIB
"""A row group (bytes, unpacked): of one a few columns' pages are in memory at a time."""
_BATCH = 1_000
_OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def read(source: Source) -> Iterator[Item]:
    """The rows, in their order. Raises what pyarrow raises where the file is none, or damaged."""
    from pyarrow import parquet

    content: Any = source.path
    if content is None:
        data = whole(source, MEMORY_LIMIT)
        if data is None:
            yield source.unreadable(0, "file", f"Parquet of more than {MEMORY_LIMIT:,} bytes inside an archive")
            return
        content = io.BytesIO(data)
    with parquet.ParquetFile(content, coerce_int96_timestamp_unit="us", pre_buffer=False) as file:
        about = file.metadata
        largest = max((about.row_group(index).total_byte_size for index in range(about.num_row_groups)), default=0)
        if about.num_rows > MOST_ROWS or largest > LARGEST_GROUP:
            reason = f"Parquet of {about.num_rows:,} rows, up to {largest:,} bytes a group: looks like a bomb"
            yield source.unreadable(0, "file", reason, source.head)
            return
        position = 0
        for batch in file.iter_batches(_BATCH, use_threads=False):
            for row in _coarser(batch).to_pylist(maps_as_pydicts="lossy"):
                raw = orjson.dumps(_present(row), default=_text, option=_OPTIONS)
                yield source.record("json", position, "row", raw, orjson.loads(raw))
                position += 1


def _coarser(batch: Any) -> Any:
    """Nanoseconds as microseconds: Python's times are no finer."""
    from pyarrow import schema, timestamp, types

    fields = [
        field.with_type(timestamp("us", field.type.tz))
        if types.is_timestamp(field.type) and field.type.unit == "ns"
        else field
        for field in batch.schema
    ]
    wanted = schema(fields)
    return batch if wanted == batch.schema else batch.cast(wanted, safe=False)


def _present(value: Any) -> Any:
    """A value without what is null in it."""
    if isinstance(value, dict):
        return {key: _present(each) for key, each in value.items() if each is not None}
    return [_present(each) for each in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return str(value)
