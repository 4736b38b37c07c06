"""A stream of any length as pieces of whole records, each small enough for the spool; no stream is held as a whole.

Lines are cut at their ends, and a heading is repeated on each piece. Large JSON documents are taken apart into records.
Archives are unpacked on the way, within the limits of `readers.archives`. Where a stream breaks off, what came before
is handed on and a piece for the reader `refused` says why there is no more.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from watchfloor.core.record import Record
from watchfloor.ingest.readers import archives, decoded, json, parquet, refused
from watchfloor.ingest.readers.sniff import live_format
from watchfloor.ingest.readers.source import (
    DOCUMENT_LIMIT,
    HEAD,
    MIB,
    SAMPLE,
    Item,
    Source,
    Unreadable,
    headed,
    upto,
    whole,
)

PIECE = 1 << 20
WHOLE = 4 << 20
"""A JSON document (bytes) that goes in as it is; a longer one as its records."""
LONGEST = 16 << 20
"""A line (bytes); what goes on for longer comes in pieces."""
LARGEST = 4 << 30
"""A file (bytes) that has to be there as a whole before it can be read: a zip, Parquet. It is put aside on the disk."""
_LINES = ("ndjson", "syslog", "csv", "zeek", "w3c")
_UNPACKED = ("gzip", "zip", "tar", "parquet")
_DIRECTIVE = re.compile(rb"^(?:\xef\xbb\xbf)?#([A-Za-z_-]{0,40})[^\n]{0,16384}\n", re.MULTILINE)


class LostError(Exception):
    """The stream cannot be read now; another time it may. Nothing of it may count as read."""


class Piece(NamedTuple):
    """Bytes of whole records and the reader that takes them apart."""

    content: bytes
    form: str


def pieces(name: str, raw: Any, form: str = "") -> Iterator[Piece]:
    """The pieces of a stream that people know as `name`. `form` names its reader; empty where the content tells.

    Raises LostError, and only that.
    """
    try:
        head, stream = headed(raw)
        source = Source("", name, stream, head, 0, live=True)
        for found in _Cutter(form).pieces(source):
            yield _refusal(found) if isinstance(found, Unreadable) else found
    except LostError:
        raise
    except Exception as error:  # whatever hostile bytes make a library throw
        yield refused_piece(name, _said(error), b"")


def refused_piece(name: str, reason: str, content: bytes) -> Piece:
    """What becomes a dead letter with this reason."""
    return Piece(refused.refusal(name, reason, content[:SAMPLE]), "refused")


def _refusal(found: Unreadable) -> Piece:
    return refused_piece(found.where if found.unit != "file" else found.source, found.reason, found.raw)


def _said(error: Exception) -> str:
    return f"reading stopped: {str(error) or type(error).__name__}"[:500]


class _UntilBroken(io.RawIOBase):
    """A stream that ends where it breaks off, and remembers that it did."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.broken: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.broken is not None:
            return 0
        try:
            data = self._stream.read1(len(buffer))
        except LostError:
            raise
        except Exception as error:
            self.broken = error
            return 0
        buffer[: len(data)] = data
        return len(data)


class _Cutter:
    """Cuts streams whose lines are of one form, if any is named."""

    def __init__(self, form: str) -> None:
        self._form = form

    def pieces(self, source: Source) -> Iterator[Piece | Unreadable]:
        if not source.head:
            return  # nothing is in it, and nothing is lost
        if (found := live_format(source.head, source.name)) in _UNPACKED:
            try:
                yield from self._unpacked(source, found)
            except LostError:
                raise
            except Exception as error:
                yield source.unreadable(0, "file", _said(error), source.head)
            return
        source = decoded(source)
        stream = _UntilBroken(source.stream)
        cut = source._replace(stream=io.BufferedReader(stream, MIB))
        form = self._form or live_format(source.head, source.name) or ""
        if form == "json" and not _by_line(source.head):
            yield from _document(cut)
        elif form in _LINES or form == "json":
            yield from _lines(cut, "ndjson" if form == "json" else form)
        else:
            yield from _all_of(cut, form)
        if stream.broken is not None:
            yield source.unreadable(0, "file", _said(stream.broken), source.head)

    def _unpacked(self, source: Source, form: str) -> Iterator[Piece | Unreadable]:
        if form == "gzip":
            yield from archives.read_gzip(source, self.pieces)
        elif form == "tar":
            yield from archives.read_tar(source, self.pieces)
        else:
            with tempfile.NamedTemporaryFile(prefix="watchfloor-") as file:
                if not _put_aside(source, file):
                    yield source.unreadable(0, "file", f"{form} of more than {LARGEST:,} bytes", source.head)
                    return
                aside = source._replace(path=Path(file.name))
                yield from archives.read_zip(aside, self.pieces) if form == "zip" else _as_lines(parquet.read(aside))


def _put_aside(source: Source, file: Any) -> bool:
    """Some formats have at their end what one needs first. False when it is longer than it may be."""
    size = 0
    while data := source.stream.read1(MIB):
        size += len(data)
        if size > LARGEST:
            return False
        try:
            file.write(data)
            file.flush()
        except OSError as error:
            raise LostError(f"there is no room to unpack it: {error.strerror}") from error
    return True


def _all_of(source: Source, form: str) -> Iterator[Piece | Unreadable]:
    if not form:
        yield source.unreadable(0, "file", "holds no records in a known format", source.head)
        return
    content = whole(source, DOCUMENT_LIMIT)
    if content is None:
        reason = f"of the format {form} and longer than {DOCUMENT_LIMIT:,} bytes: it would have to be read as a whole"
        yield source.unreadable(0, "file", reason, source.head)
    else:
        yield Piece(content, form)


def _lines(source: Source, form: str) -> Iterator[Piece]:
    heading = _Heading(form)
    held = b""
    while more := source.stream.read1(PIECE):
        held += more
        if len(held) < PIECE:
            continue
        cut = _end(held, form)
        if not cut and len(held) >= LONGEST:
            cut = len(held)
        if cut:
            yield Piece(heading.on(held[:cut]), form)
            held = held[cut:]
    if held:
        yield Piece(heading.on(held), form)


def _end(held: bytes, form: str) -> int:
    """Where the last whole line ends; 0 where none does. In a table a line may go on inside quotes."""
    cut = held.rfind(b"\n") + 1
    if form == "csv":
        while cut and held.count(b'"', 0, cut) % 2:
            cut = held.rfind(b"\n", 0, held.rfind(b'"', 0, cut)) + 1
    return cut


class _Heading:
    """The lines that say what the others mean: they lead each piece."""

    def __init__(self, form: str) -> None:
        self._named = form in ("zeek", "w3c")
        self._first = form in ("csv", "w3c")
        self._lines: dict[bytes, bytes] = {}
        self._begun = False

    def on(self, content: bytes) -> bytes:
        """A piece with the heading that holds at its beginning."""
        before = b"".join(self._lines.values())
        if self._named and (content.startswith(b"#") or b"\n#" in content or not self._begun):
            for line in _DIRECTIVE.finditer(content):
                if len(self._lines) < 100:
                    self._lines[line[1]] = line[0]
        if self._first and not self._begun and not self._lines:
            end = content.find(b"\n") + 1
            if 0 < end <= HEAD:
                self._lines[b""] = content[:end]
        self._begun = True
        return before + content


def _by_line(head: bytes) -> bool:
    """Whether each line is a JSON object, as far as the first ones tell."""
    first, end, rest = head.partition(b"\n")
    if not end and len(head) >= HEAD:
        return False
    second = rest.lstrip().partition(b"\n")
    lines = [first.strip(), second[0].strip()] if second[1] or len(head) < HEAD else [first.strip()]
    return any(line.startswith(b"{") and _is_object(line) for line in lines)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _document(source: Source) -> Iterator[Piece | Unreadable]:
    text = upto(source.stream, WHOLE + 1)
    if len(text) <= WHOLE:
        yield Piece(text, "json")
        return
    yield from _as_lines(json.read(source._replace(stream=io.BufferedReader(_Joined(text, source.stream), MIB))))


def _as_lines(items: Iterator[Item]) -> Iterator[Piece | Unreadable]:
    """Records one on a line; beside them what is none, and the reader of lines would not say why."""
    packed = _Packed()
    for item in items:
        if isinstance(item, Record):
            yield from packed.add(_whole_raw(item))
        elif item.unit == "file" or item.reason.startswith("truncated") or len(item.raw) >= SAMPLE:
            yield from packed.rest()
            yield item
        else:
            yield from packed.add(item.raw)  # the reader of lines says the same of it
    yield from packed.rest()


def _whole_raw(record: Record) -> bytes:
    """A record's bytes, with the list that it was in where the reader has put that beside it."""
    listed = "eventType" in record.data and b"eventType" not in record.raw
    return orjson.dumps(record.data) if listed else record.raw


class _Joined(io.RawIOBase):
    """What was read already and what is still to come."""

    def __init__(self, begun: bytes, rest: Any) -> None:
        self._begun, self._rest = memoryview(begun), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._begun[: len(buffer)] if self._begun else self._rest.read1(len(buffer))
        self._begun = self._begun[len(data) :] if self._begun else self._begun
        buffer[: len(data)] = data
        return len(data)


class _Packed:
    """JSON records, one on a line, together up to a piece."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def add(self, record: bytes) -> Iterable[Piece]:
        # An end of line in JSON can only be space between its parts.
        self._held.append(record.replace(b"\n", b" ").replace(b"\r", b" "))
        self._size += len(record) + 1
        return self.rest() if self._size >= PIECE else ()

    def rest(self) -> Iterable[Piece]:
        held, self._held, self._size = self._held, [], 0
        return (Piece(b"\n".join(held), "ndjson"),) if held else ()
