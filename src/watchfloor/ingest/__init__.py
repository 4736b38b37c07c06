"""Ingest: files to OCSF events. Records read are events made plus what could not be read; nothing is dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from watchfloor.core.event import Event
from watchfloor.core.record import Record
from watchfloor.ingest.normalizer import Explanation, Normalizer
from watchfloor.ingest.readers import Unreadable, read

__all__ = ["Explanation", "Normalizer", "Unreadable", "files_of", "ingest", "read", "records"]


def files_of(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Each file once, in a fixed order, and whether it was named itself (and not found in a folder)."""
    seen: set[Path] = set()
    for path in paths:
        named = not path.is_dir()
        for file in [path] if named else sorted(p for p in path.rglob("*") if p.is_file()):
            if file not in seen:
                seen.add(file)
                yield file, named


def records(
    paths: Sequence[Path],
    tenant: str,
    *,
    passed_over: list[str] | None = None,
    names: Mapping[Path, str] | None = None,
) -> Iterator[Record | Unreadable]:
    """All records in files and folders, in a fixed order, and what could not be read.

    Files in a folder that hold no records (documentation, licences, pictures) are passed over; their names go to
    `passed_over`. A file that was named itself and holds no records is an Unreadable. Records come from `names[file]`
    where there is one, else from the file's path.
    """
    passed: list[str] = [] if passed_over is None else passed_over
    for file, named in files_of(paths):
        name = (names or {}).get(file, str(file))
        yield from read(file, tenant, name=name, passed_over=None if named else passed)


def ingest(
    paths: Sequence[Path],
    tenant: str,
    normalizer: Normalizer,
    *,
    passed_over: list[str] | None = None,
    names: Mapping[Path, str] | None = None,
) -> Iterator[Event | Unreadable]:
    """Events of all records in files and folders, and what could not be read; the rest as in `records`."""
    yield from normalizer.events(records(paths, tenant, passed_over=passed_over, names=names))
