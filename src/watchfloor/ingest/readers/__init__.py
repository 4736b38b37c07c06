"""Readers: bytes to records. `read` never raises for bad content; what cannot be read comes as `Unreadable`."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from watchfloor.core.record import Record
from watchfloor.ingest.readers import (
    archives,
    evtx,
    framed,
    hec,
    json,
    mail,
    otlp,
    parquet,
    refused,
    reported,
    syslog,
    table,
)
from watchfloor.ingest.readers.several import MARKS, several
from watchfloor.ingest.readers.sniff import format_of, live_format
from watchfloor.ingest.readers.source import Item, Source, Unreadable, headed

__all__ = ["READERS", "Unreadable", "read", "read_parcel"]

Reader = Callable[[Source], Iterator[Item]]
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read(path: Path, tenant: str, *, name: str = "", passed_over: list[str] | None = None) -> Iterator[Item]:
    """Every record of a file, and what could not be read of it. They come from `name`, or from the path without one.

    A file that holds no records is one Unreadable; with `passed_over` its name is put there instead.
    """
    name = name or str(path)
    try:
        modified = int(path.stat().st_mtime * 1000)
        raw = path.open("rb", buffering=0)
    except OSError as error:
        yield _whole_file(tenant, name, f"cannot be opened: {error.strerror or error}")
        return
    with raw:
        try:
            head, stream = headed(raw)
        except OSError as error:
            yield _whole_file(tenant, name, f"cannot be read: {error.strerror or error}")
            return
        source = Source(tenant, name, stream, head, modified, path=path, passed_over=passed_over)
        yield from read_source(source)


def read_source(source: Source) -> Iterator[Item]:
    """Every record of a stream. Whatever goes wrong in it becomes one Unreadable; nothing is raised."""
    count = 0
    try:
        source = decoded(source)
        form = source.form or (live_format if source.live else format_of)(source.head, source.name)
        if form is None:
            if source.passed_over is not None:
                source.passed_over.append(source.name)
            else:
                reason = "is empty" if not source.head else "holds no records in a known format"
                yield source.unreadable(0, "file", reason, source.head)
            return
        for item in READERS[form](source):
            count += 1
            if isinstance(item, Record) and not MARKS.isdisjoint(item.data):
                yield from several(item)
            else:
                yield item
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # also what a native parser throws when it panics
        what = str(error) or type(error).__name__
        yield source.unreadable(count, "file", f"reading stopped after {count:,} records: {what}"[:500], source.head)


def read_parcel(tenant: str, name: str, content: bytes, *, form: str = "", at: int = 0) -> Iterator[Item]:
    """Every record of what a live source handed in at a time (ms), and what could not be read of it: always something.

    `form` names the reader; without one the content tells, and text in no known format is taken line by line.
    """
    head, stream = headed(io.BytesIO(content))
    source = Source(tenant, name, stream, head, at, live=True, form=form)
    empty = True
    for item in read_source(source):
        empty = False
        whole = isinstance(item, Unreadable) and item.unit == "file"
        yield msgspec.structs.replace(item, raw=content) if whole else item
    if empty:
        yield source.unreadable(0, "file", "holds no records", content)


def _whole_file(tenant: str, name: str, reason: str) -> Unreadable:
    return Unreadable(tenant=tenant, source=name, position=0, unit="file", reason=reason, raw=b"")


class _Transcoded(io.RawIOBase):
    """A stream of another encoding as UTF-8; bytes that are no valid text are replaced."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            piece = self._stream.read(65_536)
            self._ended = not piece
            self._ready = self._decoder.decode(piece, final=self._ended).encode("utf-8", "replace")
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def decoded(source: Source) -> Source:
    """A source with a byte order mark, as UTF-8."""
    encoding = next((name for mark, name in _BOMS if source.head.startswith(mark)), None)
    if encoding is None:
        return source
    head, stream = headed(_Transcoded(source.stream, encoding))
    return source._replace(head=head, stream=stream, path=None, lossy="�".encode() in head)


READERS: dict[str, Reader] = {
    "json": json.read,
    "ndjson": json.read_lines,
    "hec": hec.read,
    "otlp": otlp.read,
    "evtx": evtx.read,
    "parquet": parquet.read,
    "csv": table.read,
    "zeek": table.read_zeek,
    "w3c": table.read_w3c,
    "syslog": syslog.read,
    "mail": reported.read_mail,
    "mbox": mail.read_mbox,
    "reported": reported.read,
    "message": partial(framed.read_one, inner=read_source),
    "framed": partial(framed.read, inner=read_source),
    "refused": refused.read,
    "gzip": partial(archives.read_gzip, inner=read_source),
    "zip": partial(archives.read_zip, inner=read_source),
    "tar": partial(archives.read_tar, inner=read_source),
}
