"""Files that grow, and the folders they stand in: each line once, through rotation by rename, by copy and truncation,
and by packing.

A file is known by device and inode, and by a digest of the bytes just before the place up to which it was read: where
those have changed it is another file, and is read from its beginning. A copy that rotation made is read again as a
whole; its records are known already and count once.
"""

from __future__ import annotations

import asyncio
import glob
import gzip
import hashlib
import os
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.source import Hand, Source

MOST_FILES = 10_000
PIECE = 1 << 20
LONGEST = 16 << 20
"""A line (bytes); what goes on for longer comes in pieces."""
_MARK = 256
_HEADER = 64 * 1024
_TURN = 64  # pieces of one file before the others have their turn
_KEPT_OPEN = 3_600
_MOST_OPEN = 256
_ABSENT_ROUNDS = 60


class Tail(Source):
    """Follows what `paths` match (`**` reaches into folders; a folder stands for the files in it).

    Rotated files should match, too: what a file got while nothing was running is then found under its new name.
    """

    kind: Literal["tail"]
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    """Absolute paths, with `*`, `?` and `**`; a folder stands for the files in it."""
    form: Literal["", "syslog", "ndjson", "csv", "zeek", "w3c"] = ""
    """The reader of the lines; empty where the content tells."""
    header_lines: Annotated[int, Field(ge=0, le=100)] = 0
    """So many lines at the beginning of a file name its columns. Those that begin with # are found out."""
    every: Annotated[float, Field(gt=0, le=3_600)] = 1.0
    """Seconds between two looks."""
    quiet: Annotated[float, Field(gt=0)] = 60.0
    """A last line without an end is handed in when its file has not changed for so many seconds."""
    follow_links: bool = False
    """Whether links are followed; container logs need it."""

    @field_validator("paths")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not path.startswith("/"):
                raise ValueError(f"{path} is no absolute path")
        return paths

    async def run(self, hand: Hand) -> None:
        files = Files(self, hand.checkpoint())
        try:
            while True:
                await asyncio.to_thread(files.look)
                await hand.working()
                for file in files.grown():
                    for _ in range(_TURN):
                        if (piece := await asyncio.to_thread(files.read, file)) is None:
                            break
                        if piece.content:
                            await hand.put(piece.content, piece.form or self.form)
                        file.state = piece.then
                        await hand.keep(files.checkpoint())
                await asyncio.sleep(self.every)
        finally:
            files.close()


class State(NamedTuple):
    """How far a file was read, and the digest of the bytes before. Of a packed one only whether (0 or its size)."""

    offset: int = 0
    mark: str = ""


class Piece(NamedTuple):
    """What was read, and where its file stands after it."""

    content: bytes
    then: State
    form: str = ""
    """The reader of just this one."""


class File:
    """One file that is followed."""

    def __init__(self, path: str, state: State) -> None:
        self.path, self.state = path, state
        self.descriptor = -1
        self.size = 0
        self.modified = 0.0
        self.checked = 0.0
        """Its time of change when it was read last and nothing was left; 0 where that is not sure."""
        self.absent = 0
        """Looks since its name, or its inode, was seen last."""
        self.unpacking: Iterator[Piece] | None = None

    @property
    def packed(self) -> bool:
        return self.path.endswith(".gz")


class Files:
    """All files of one source. Used from one thread at a time."""

    def __init__(self, config: Tail, checkpoint: dict[str, Any]) -> None:
        self._config = config
        self._files: dict[str, File] = {}
        for inode, (path, offset, mark) in checkpoint.get("files", {}).items():
            self._files[inode] = File(path, State(offset, mark))

    def checkpoint(self) -> dict[str, Any]:
        return {"files": {inode: [file.path, *file.state] for inode, file in self._files.items()}}

    def look(self) -> None:
        """Find what is there now. Raises WatchfloorError where it is more than may be."""
        for file in self._files.values():
            file.absent += 1
        for path in self._matching():
            with suppress(FileNotFoundError):
                self._see(path)
        for inode, file in list(self._files.items()):
            if file.descriptor >= 0:
                self._fresh(file)
            read_out = file.descriptor < 0 or (file.size <= file.state.offset and file.absent > 5)
            if file.absent > _ABSENT_ROUNDS and read_out:
                self._shut(file)
                del self._files[inode]
            elif file.descriptor >= 0 and time.time() - file.modified > _KEPT_OPEN and not file.absent:
                self._shut(file)

    def grown(self) -> list[File]:
        """Files with something to read, as far as one can see."""
        return [file for file in self._files.values() if self._has_more(file)]

    def read(self, file: File) -> Piece | None:
        """The next whole lines of a file; None when there are none just now."""
        if file.packed:
            return self._unpacked(file)
        if not self._open(file):
            return None
        # Within a second more may be written at the same time of change, as far as file systems tell.
        file.checked = file.modified if time.time() - file.modified > 1 else 0.0
        state = file.state
        data = self._next(file, state)
        before = _before(file, state)
        if state.offset and digest(before) != state.mark:
            state, before = State(), b""  # truncated, or another file in its place; looked at after the reading
            data = self._next(file, state)
        cut = data.rfind(b"\n") + 1
        if not cut and (len(data) >= LONGEST or self._over(file)):
            cut = len(data)
        if not cut:
            file.state = state
            return None
        content = data[:cut] if data[:cut].strip() else b""
        if content and state.offset:
            content = self._header(os.pread(file.descriptor, _HEADER, 0)) + content
        return Piece(content, State(state.offset + cut, digest((before + data[:cut])[-_MARK:])))

    def _next(self, file: File, state: State) -> bytes:
        """What comes next, up to a whole line where there is one."""
        data = os.pread(file.descriptor, PIECE, state.offset)
        while b"\n" not in data and len(data) < LONGEST:
            more = os.pread(file.descriptor, PIECE, state.offset + len(data))
            if not more:
                break
            data += more
        return data

    def close(self) -> None:
        for file in self._files.values():
            self._shut(file)

    def _matching(self) -> list[str]:
        found: dict[str, None] = {}
        for pattern in self._config.paths:
            inside = os.path.join(glob.escape(pattern), "*") if os.path.isdir(pattern) else pattern
            found |= dict.fromkeys(sorted(glob.iglob(inside, recursive=True, include_hidden=False)))
            if len(found) > MOST_FILES:
                raise WatchfloorError(
                    f"more than {MOST_FILES:,} files match", where=self._config.source, do="Name fewer"
                )
        return list(found)

    def _see(self, path: str) -> None:
        seen = os.stat(path, follow_symlinks=self._config.follow_links)
        if not stat.S_ISREG(seen.st_mode):
            return
        inode = f"{seen.st_dev}:{seen.st_ino}"
        file = self._files.get(inode)
        if file is None:
            file = self._files[inode] = File(path, State())
        elif file.path != path and file.packed != path.endswith(".gz"):
            self._shut(file)
            file = self._files[inode] = File(path, State())  # its inode was given away
        file.path, file.size, file.modified, file.absent = path, seen.st_size, seen.st_mtime, 0

    def _has_more(self, file: File) -> bool:
        if file.packed:
            return not file.absent and file.size != file.state.offset and time.time() - file.modified > 2
        # A file that was truncated and has grown to the same length has another time of change.
        changed = file.size != file.state.offset or file.modified != file.checked
        return changed and (file.descriptor >= 0 or not file.absent)

    def _over(self, file: File) -> bool:
        return file.absent > 5 or time.time() - file.modified > self._config.quiet

    def _open(self, file: File) -> bool:
        """Open it and see how long it is; False when it is gone, or no regular file any more."""
        if file.descriptor < 0:
            if sum(each.descriptor >= 0 for each in self._files.values()) >= _MOST_OPEN:
                oldest = min((f for f in self._files.values() if f.descriptor >= 0), key=lambda f: f.modified)
                self._shut(oldest)
            links = 0 if self._config.follow_links else os.O_NOFOLLOW
            try:
                file.descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | links)
            except FileNotFoundError:
                return False
            seen = os.fstat(file.descriptor)
            if not stat.S_ISREG(seen.st_mode) or self._files.get(f"{seen.st_dev}:{seen.st_ino}") is not file:
                self._shut(file)  # another took its name since: the next look finds it
                return False
        self._fresh(file)
        return True

    def _fresh(self, file: File) -> None:
        seen = os.fstat(file.descriptor)
        file.size, file.modified = seen.st_size, seen.st_mtime

    def _shut(self, file: File) -> None:
        if file.descriptor >= 0:
            os.close(file.descriptor)
            file.descriptor = -1
        file.unpacking = None

    def _header(self, head: bytes) -> bytes:
        """The lines at the beginning of a file that say what the others mean."""
        lines = head[:_HEADER].split(b"\n")[:-1]
        count = self._config.header_lines
        if not count:
            count = next((index for index, line in enumerate(lines) if not line.startswith(b"#")), len(lines))
        return b"".join(line + b"\n" for line in lines[:count])

    def _unpacked(self, file: File) -> Piece | None:
        """A piece of a packed file. That it was read is kept when all of it was handed in."""
        if file.unpacking is None:
            if not self._has_more(file):
                return None
            file.unpacking = self._pieces_of_packed(Path(file.path))
        piece = next(file.unpacking, None)
        if piece is None:
            file.unpacking = None
            return Piece(b"", State(file.size))
        return piece

    def _pieces_of_packed(self, path: Path) -> Iterator[Piece]:
        header = held = b""
        try:
            with path.open("rb") as raw, gzip.open(raw) as stream:
                while more := stream.read1(PIECE):  # with `read`, damage would cost what stands before it
                    held += more
                    cut = held.rfind(b"\n") + 1 if len(held) < LONGEST else len(held)
                    if cut:
                        yield Piece(header + held[:cut], State())
                        header, held = header or self._header(held), held[cut:]
        except FileNotFoundError:
            return
        except (EOFError, OSError, zlib.error):
            # The reader of packed bytes says what is wrong with them: they become a dead letter with the reason.
            with path.open("rb") as raw:
                yield Piece(raw.read(_HEADER), State(), "gzip")
        if held:
            yield Piece(header + held, State())


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _before(file: File, state: State) -> bytes:
    start = max(0, state.offset - _MARK)
    return os.pread(file.descriptor, state.offset - start, start)
