"""Archives: gzip, zip, tar. Members are streamed, never written to disk; bombs and deep nesting are refused."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from watchfloor.ingest.readers.source import MEMORY_LIMIT, MIB, Source, Unreadable, whole

DEEPEST = 3
MOST_MEMBERS = 100_000
LARGEST = 64 * 1024 * MIB
# Logs compress 10 to 100 times; deflate can at most 1,032 times. Below the floor any ratio is harmless.
RATIO, RATIO_FLOOR = 400, 64 * MIB

T = TypeVar("T")
Inner = Callable[[Source], Iterator[T]]
"""What is done with each file inside; what cannot be unpacked comes as Unreadable beside what it gives."""


class BombError(ValueError):
    """An archive that unpacks to far more than logs do."""


class _Measured(io.RawIOBase):
    """Counts what comes out and compares it with what went in."""

    def __init__(self, stream: Any, packed: Callable[[], int], spent: list[int]) -> None:
        self._stream, self._packed, self._out, self._spent = stream, packed, 0, spent

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._out += len(data)
        self._spent[0] += len(data)
        if self._out > RATIO_FLOOR and self._out > RATIO * max(1, self._packed()):
            raise BombError(f"unpacks to more than {RATIO} times its size: looks like a bomb, reading stopped")
        if self._spent[0] > LARGEST:
            raise BombError(f"unpacks to more than {LARGEST:,} bytes: reading stopped")
        return len(data)


class _Counted(io.RawIOBase):
    """Counts the packed bytes that a decompressor has taken."""

    def __init__(self, stream: Any) -> None:
        self._stream, self.count = stream, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


def read_gzip(source: Source, inner: Inner[T]) -> Iterator[T | Unreadable]:
    """The one file inside; it has the outer's name, without `.gz`."""
    if source.depth >= DEEPEST:
        yield source.unreadable(0, "file", f"archives nested deeper than {DEEPEST}")
        return
    packed = _Counted(source.stream)
    unpacked = gzip.GzipFile(fileobj=io.BufferedReader(packed, MIB))
    measured = _Measured(unpacked, lambda: packed.count, [0])
    name = source.name.rpartition("!")[2].rpartition("/")[2]
    yield from inner(source.member(name.removesuffix(".gz"), measured))


def read_zip(source: Source, inner: Inner[T]) -> Iterator[T | Unreadable]:
    """Each member in turn; an encrypted or damaged one is reported and the next goes on."""
    if source.depth >= DEEPEST:
        yield source.unreadable(0, "file", f"archives nested deeper than {DEEPEST}")
        return
    if source.path is not None:
        archive = zipfile.ZipFile(source.path)
    else:
        data = whole(source, MEMORY_LIMIT)
        if data is None:
            yield source.unreadable(0, "file", f"a zip of more than {MEMORY_LIMIT:,} bytes inside an archive")
            return
        archive = zipfile.ZipFile(io.BytesIO(data))
    spent = [0]
    with archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        if len(members) > MOST_MEMBERS:
            yield source.unreadable(0, "file", f"holds {len(members):,} files, more than {MOST_MEMBERS:,}")
            return
        for index, member in enumerate(members):
            if member.flag_bits & 1:
                yield source.unreadable(index, "file", f"{member.filename!r} in it is encrypted")
                continue
            try:
                stream = archive.open(member)
                packed = member.compress_size
                child = source.member(member.filename, _Measured(stream, partial(int, packed), spent))
            except (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError, ValueError, EOFError) as error:
                yield source.unreadable(index, "file", f"{member.filename!r} in it cannot be unpacked: {error}")
                continue
            yield from inner(child)


def read_tar(source: Source, inner: Inner[T]) -> Iterator[T | Unreadable]:
    """Each plain file of a tar (packed or not); links and devices are not followed."""
    if source.depth >= DEEPEST:
        yield source.unreadable(0, "file", f"archives nested deeper than {DEEPEST}")
        return
    spent = [0]
    with tarfile.open(fileobj=source.stream, mode="r|") as archive:
        for index, member in enumerate(archive):
            if index >= MOST_MEMBERS:
                yield source.unreadable(index, "file", f"holds more than {MOST_MEMBERS:,} files")
                return
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is not None:
                yield from inner(source.member(member.name, _Measured(stream, partial(max, member.size, 1), spent)))
