"""Mail: messages and mboxes, taken apart as far as judging them needs. Single files are read by `reported`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from watchfloor.ingest.readers.mail_parts import taken_apart
from watchfloor.ingest.readers.source import MIB, Item, Source, lines

MAIL_LIMIT = 64 * MIB


def read_mbox(source: Source) -> Iterator[Item]:
    """Each message of an mbox: they are parted by lines that begin with `From ` after an empty line."""
    taken: list[bytes] = []
    size, position, after_empty = 0, 0, True
    for line, length in lines(source.stream, source.longest):
        if line.startswith(b"From ") and after_empty:
            if taken:
                yield _bounded(source, position, taken, size)
                position += 1
            taken, size = [], 0
        else:
            size += length or len(line) + 1
            if size <= MAIL_LIMIT:
                taken.append(line[1:] if line.startswith(b">From ") else line)
        after_empty = not line
    if taken:
        yield _bounded(source, position, taken, size)


def _bounded(source: Source, position: int, taken: list[bytes], size: int) -> Item:
    raw = b"\n".join(taken)
    if size > MAIL_LIMIT:
        return source.unreadable(position, "message", f"a message of {size:,} bytes", raw)
    return message(source, position, raw, taken_apart(raw))


def message(source: Source, position: int, raw: bytes, data: dict[str, Any]) -> Item:
    """The record of a mail that was taken apart; what has no headers is none."""
    if not data.get("from") and not data.get("message_id") and not data.get("received"):
        reason = "a mail without headers: no From, no Message-ID, no Received"
        return source.unreadable(position, "message", reason, raw)
    return source.record("mail", position, "message", raw, data)
