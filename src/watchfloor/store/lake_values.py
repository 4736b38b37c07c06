"""What values events of the lake have, and which events have some of them: read from the segments as they lie.

For questions that no index answers, such as "which domains below this one were seen": every value of a facet is given
once, and whoever asks tells which it means. What it costs grows with the events of that time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import duckdb

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.facets import TEXT_FACETS
from watchfloor.store.lake import Lake
from watchfloor.store.tenancy import checked

_AT_ONCE = 10_000
_CHUNK = 500


class LakeValues:
    """The values of all tenants' events in a lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def of(self, tenant: str, facet: str, *, since: int) -> Iterator[str]:
        """Each value that a text facet has in events from a time (ms) on, once, in no order."""
        # A value between quotes is a column: it has to be one of ours.
        column = _known(facet)
        query = f'select distinct "{column}" from read_parquet(?, union_by_name = true) where time >= ?'  # noqa: S608
        files = self._files(tenant, since)
        if not files:
            return
        try:
            with duckdb.connect(":memory:", config={"threads": 2}) as connection:
                rows = connection.execute(query, [files, since])
                while some := rows.fetchmany(_AT_ONCE):
                    yield from (value for (value,) in some if value is not None)
        except duckdb.Error as error:
            raise _unreadable(error, self._lake.folder) from None

    def events(self, tenant: str, facet: str, values: Collection[str], *, since: int, most: int) -> list[str]:
        """Uids of events from a time (ms) on in which a text facet has one of these values: of each value the newest,
        no more than `most`."""
        column, files, wanted = _known(facet), self._files(tenant, since), sorted(values)
        query = (
            "select distinct uid from (select uid, row_number() over "  # noqa: S608  the column is one of ours
            f'(partition by "{column}" order by time desc, uid) as number from read_parquet(?, union_by_name = true) '
            f'where time >= ? and "{column}" in (select unnest(?))) where number <= ?'
        )
        found: dict[str, None] = {}
        try:
            with duckdb.connect(":memory:", config={"threads": 2}) as connection:
                for start in range(0, len(wanted) if files else 0, _CHUNK):
                    given = [files, since, wanted[start : start + _CHUNK], most]
                    found.update((uid, None) for (uid,) in connection.execute(query, given).fetchall())
        except duckdb.Error as error:
            raise _unreadable(error, self._lake.folder) from None
        return list(found)

    def _files(self, tenant: str, since: int) -> list[str]:
        """Those that hold the events since a time, each event once."""
        folder, segments = self._lake.folder / checked(tenant), self._lake.segments(tenant)
        return [str(folder / segment.file) for segment in segments if segment.last >= since]


def _known(facet: str) -> str:
    if facet not in TEXT_FACETS:
        raise WatchfloorError(f"the lake has no text facet {facet!r}")
    return facet


def _unreadable(error: Exception, folder: Path) -> WatchfloorError:
    return WatchfloorError(f"events cannot be looked through now: {str(error)[:300]}", where=str(folder))
