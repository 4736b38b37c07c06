"""What readers read from and hand over, and the limits that keep memory and time bounded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from watchfloor.core.record import Record, Unit

MIB = 1 << 20
RECORD_LIMIT = 16 * MIB  # one record; what is longer is reported and the rest of the file goes on
DOCUMENT_LIMIT = 64 * MIB  # a JSON document up to here is split by the parser, beyond by our own scanner
MEMORY_LIMIT = 512 * MIB  # an archive member that has to be held whole (EVTX, an inner zip)
SAMPLE = 64 * 1024  # of what cannot be read, so much is kept
_BLOCK = 256 * 1024  # lines are read in blocks of so much
HEAD = 64 * 1024  # the format is found out from so much


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of input that could not be read: where it stands, why, and its bytes: of a long one in a file the first
    64 KiB, from a live source all, for there is no file to read them from again."""

    tenant: str
    source: str
    position: int
    unit: Unit
    reason: str
    raw: bytes
    live: bool = False
    form: str = ""

    @property
    def where(self) -> str:
        return f"{self.source}, {self.unit} {self.position + 1}"


Item = Record | Unreadable


class Source(NamedTuple):
    """One stream of bytes to read: `name` as people know it, `head` its first bytes (not taken from `stream`).

    `path` is the file itself where it is one (not a member of an archive), `modified` its time of change in
    milliseconds (syslog lines carry no year), `depth` how many archives are around it, `passed_over` collects the
    names of files that hold no records. A live source's bytes were handed in by a sender, with `form` the reader that
    was named for them, if any.
    """

    tenant: str
    name: str
    stream: io.BufferedReader
    head: bytes
    modified: int
    depth: int = 0
    path: Path | None = None
    passed_over: list[str] | None = None
    lossy: bool = False
    live: bool = False
    form: str = ""

    @property
    def longest(self) -> int:
        """The longest record (bytes). What was handed in is in memory as a whole already, and kept as a whole."""
        return DOCUMENT_LIMIT if self.live else RECORD_LIMIT

    def record(
        self, form: str, position: int, unit: Unit, raw: bytes, data: dict[str, Any], *, entry: int = 0
    ) -> Record:
        """A record of this source. `lossy` ones say in their format that bytes had to be replaced."""
        if self.lossy:
            form += "/bytes that are no valid text were replaced"
        return Record(
            tenant=self.tenant,
            source=self.name,
            position=position,
            unit=unit,
            format=form,
            raw=raw,
            data=data,
            live=self.live,
            entry=entry,
        )

    def unreadable(self, position: int, unit: Unit, reason: str, raw: bytes = b"") -> Unreadable:
        return Unreadable(
            tenant=self.tenant,
            source=self.name,
            position=position,
            unit=unit,
            reason=reason,
            raw=raw if self.live else raw[:SAMPLE],
            live=self.live,
            form=self.form,
        )

    def member(self, name: str, raw: io.RawIOBase | io.BufferedIOBase) -> Source:
        """A source inside this one: `outer.zip!inner.json`."""
        head, stream = headed(raw)
        return self._replace(
            name=f"{self.name}!{clean(name)}", stream=stream, head=head, depth=self.depth + 1, path=None, form=""
        )


class _Headed(io.RawIOBase):
    """A stream that gives its already read first bytes again."""

    def __init__(self, head: bytes, rest: Any, broken: Exception | None) -> None:
        self._head, self._rest, self._broken = memoryview(head), rest, broken

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            size = min(len(buffer), len(self._head))
            buffer[:size] = self._head[:size]
            self._head = self._head[size:]
            return size
        if self._broken is not None:
            raise self._broken
        return self._rest.readinto(buffer) or 0


def headed(raw: Any) -> tuple[bytes, io.BufferedReader]:
    """The first bytes of a stream, and the whole stream again; a stream that breaks off gives first what it has."""
    head, broken = b"", None
    while len(head) < HEAD:
        try:
            more = raw.read(HEAD - len(head))
        except Exception as error:  # whatever a decompressor throws is thrown again when it is reached
            if not head:
                raise
            broken = error
            break
        if not more:
            break
        head += more
    return head, io.BufferedReader(_Headed(head, raw, broken), _BLOCK)


def clean(name: str) -> str:
    """A member's name without control characters; it is only shown, nothing is ever written under it."""
    return "".join(c if c.isprintable() else "?" for c in name)[:300]


def lines(stream: io.BufferedReader, limit: int = RECORD_LIMIT) -> Iterator[tuple[bytes, int]]:
    """Each line without its end, and 0; of a line beyond the limit its first bytes, and its whole length."""
    begun, dropped = b"", 0  # of the line that no block has ended yet: its first bytes, how many more there were
    while block := stream.read1(_BLOCK):
        *ended, rest = block.split(b"\n")
        for line in ended:
            if begun or dropped:
                line, begun = begun + line, b""  # noqa: PLW2901 - the same line, whole
            if dropped or len(line) > limit:
                yield line[:SAMPLE], len(line) + dropped + 1
                dropped = 0
            else:
                yield line.rstrip(b"\r"), 0
        begun += rest
        if len(begun) > limit:
            dropped += len(begun) - SAMPLE
            begun = begun[:SAMPLE]
    if dropped or len(begun) > limit:
        yield begun[:SAMPLE], len(begun) + dropped
    elif begun:
        yield begun.rstrip(b"\r"), 0


def upto(stream: io.BufferedReader, most: int) -> bytes:
    """At most so many bytes, without a buffer for as many: most sources are far smaller than they may be."""
    pieces, left = [], most
    while left > 0 and (piece := stream.read1(min(left, MIB))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def whole(source: Source, limit: int) -> bytes | None:
    """All bytes of a source, or None when there are more than the limit."""
    data = upto(source.stream, limit + 1)
    return None if len(data) > limit else data
