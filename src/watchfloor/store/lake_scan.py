"""Reading the lake from end to end: each event of a time, day by day, with memory for one batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from watchfloor.store.lake import Lake
from watchfloor.store.lake_manifest import Segment
from watchfloor.store.lake_table import batches_of

ROWS = 2_048
"""Of a batch: events can have tens of kilobytes, and several copies of a batch are in memory."""
_TRIES = 3


class Batch(NamedTuple):
    """Some rows of one class and day (`lake_table.SCHEMA`, whole events). `again`: those of this part that came before
    may come once more, since their files were put together with others meanwhile."""

    segment: Segment
    table: pa.Table
    again: bool = False


def segments_between(lake: Lake, tenant: str, since: int, before: int) -> list[Segment]:
    """The segments with events of since <= time < before (ms), by day, class and time."""
    found = (s for s in lake.segments(tenant) if s.last >= since and s.first < before)
    return sorted(found, key=lambda s: (s.day, s.class_uid, s.first, s.file))


def scan(lake: Lake, tenant: str, since: int, before: int) -> Iterator[Batch]:
    """Every event of the tenant with since <= time < before (ms). What is written meanwhile may or may not be in it.

    Raises WatchfloorError for a segment that cannot be read.
    """
    parts: dict[tuple[str, str], list[Segment]] = defaultdict(list)
    for segment in segments_between(lake, tenant, since, before):
        parts[segment.day, segment.class_uid].append(segment)
    for _, segments in sorted(parts.items()):
        yield from _part(lake, tenant, segments, since, before)


def _part(lake: Lake, tenant: str, segments: list[Segment], since: int, before: int) -> Iterator[Batch]:
    """One day of a class. Where a file was put together with others and removed, the part begins again."""
    part = segments[0].part
    for attempt in range(_TRIES):
        try:
            for segment in segments:
                for table in batches_of(lake.folder / tenant / segment.file, since, before, ROWS):
                    yield Batch(segment, table, attempt > 0)
        except FileNotFoundError:
            if attempt == _TRIES - 1:
                raise
            now = segments_between(lake, tenant, since, before)
            segments = [segment for segment in now if segment.part == part]
        else:
            return
