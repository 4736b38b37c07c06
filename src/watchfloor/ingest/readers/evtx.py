"""Windows event logs. The parser goes on behind a broken chunk or record; each of them is reported."""

from __future__ import annotations

import io
from collections.abc import Iterator

import orjson
from evtx import PyEvtxParser

from watchfloor.ingest.readers.source import MEMORY_LIMIT, Item, Source, whole

_MOST_ERRORS = 1000


def read(source: Source) -> Iterator[Item]:
    """Records of an EVTX file; `raw` is the JSON that the parser makes of a record's binary XML."""
    if source.path is not None:
        parser = PyEvtxParser(str(source.path))
    else:
        data = whole(source, MEMORY_LIMIT)
        if data is None:
            yield source.unreadable(0, "file", f"an EVTX file of more than {MEMORY_LIMIT:,} bytes in an archive")
            return
        parser = PyEvtxParser(io.BytesIO(data))
    records = parser.records_json()
    position, errors = 0, 0
    while errors < _MOST_ERRORS:
        try:
            record = next(records)
        except StopIteration:
            break
        except (RuntimeError, OSError, ValueError) as error:
            errors += 1
            yield source.unreadable(position, "record", f"damaged event log: {error}"[:500])
            position += 1
            continue
        if record is None:
            continue
        raw = record["data"].encode("utf-8", "replace")
        try:
            yield source.record("evtx", position, "record", raw, orjson.loads(raw))
        except orjson.JSONDecodeError as error:
            yield source.unreadable(position, "record", f"no valid JSON from the event log: {error}", raw)
        position += 1
    # A log without events has an empty chunk; a file without any chunk is damaged.
    if position == 0 and source.head[4096:4103] != b"ElfChnk":
        yield source.unreadable(0, "file", "damaged event log: it holds no chunk of events", source.head)
