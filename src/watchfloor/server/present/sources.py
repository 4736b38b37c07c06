"""Sources by what they hold: hundreds of files of one product are one line, which opens."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from watchfloor.app.views import SourceRow

MOST_LISTED = 100


class Product(NamedTuple):
    """The sources whose records the same mappings took. `mappings` is empty where nothing could be read; `more` are
    sources that are not listed."""

    mappings: tuple[str, ...]
    events: int
    dead_letters: int
    last_time: int | None
    sources: list[SourceRow]
    more: int


def products(sources: Sequence[SourceRow]) -> list[Product]:
    """Those with dead letters first, then the newest; each one's sources in the same order."""
    groups: dict[tuple[str, ...], list[SourceRow]] = defaultdict(list)
    for source in sorted(sources, key=_pressing):
        groups[source.mappings].append(source)
    return sorted((_product(mappings, rows) for mappings, rows in groups.items()), key=_pressing)


def shared_folder(sources: Sequence[SourceRow]) -> str:
    """The folder that all files among the sources stand in, with its last slash; empty for none worth naming."""
    folders = [posixpath.dirname(row.source) for row in sources if row.source.startswith("/")]
    shared = posixpath.commonpath(folders) if folders else ""
    return f"{shared}/" if shared.strip("/") else ""


def _product(mappings: tuple[str, ...], rows: list[SourceRow]) -> Product:
    times = [row.last_time for row in rows if row.last_time is not None]
    return Product(
        mappings,
        sum(row.events for row in rows),
        sum(row.dead_letters for row in rows),
        max(times, default=None),
        rows[:MOST_LISTED],
        max(len(rows) - MOST_LISTED, 0),
    )


def _pressing(row: SourceRow | Product) -> tuple[bool, int]:
    return not row.dead_letters, -(row.last_time or 0)
