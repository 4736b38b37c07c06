"""Messages as a queue carries them: each is whole and told from the next by its length, not by an end of line.

A message is JSON, a document, an archive, or text; text is one record, however many lines it has. What a queue hands in
is joined as netstrings without their comma: `5:hello3:you`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator

import msgspec

from watchfloor.ingest.readers.json import OPENABLE, json_format, parse
from watchfloor.ingest.readers.line import parts
from watchfloor.ingest.readers.sniff import live_format
from watchfloor.ingest.readers.source import HEAD, RECORD_LIMIT, Item, Source, Unreadable, headed

MOST_BYTES = 4 << 20
"""So much goes into one parcel (bytes), or one message."""
_DIGITS = 12


def join(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Parcels for the reader `framed`. A message longer than a record may be comes in pieces: a parcel has to be
    bounded, and nothing is thrown away."""
    held: list[bytes] = []
    size = 0
    for message in messages:
        for start in range(0, len(message), RECORD_LIMIT):
            piece = message[start : start + RECORD_LIMIT]
            if held and size + len(piece) > MOST_BYTES:
                yield b"".join(held)
                held, size = [], 0
            held += b"%d:" % len(piece), piece
            size += len(piece)
    if held:
        yield b"".join(held)


def split(content: bytes) -> Iterator[bytes]:
    """The messages that `join` joined. Raises ValueError where there are no such."""
    at = 0
    while at < len(content):
        colon = content.index(b":", at, at + _DIGITS)
        end = colon + 1 + int(content[at:colon])
        if end > len(content):
            raise ValueError("the last message is cut off")
        yield content[colon + 1 : end]
        at = end


def read(source: Source, inner: Callable[[Source], Iterator[Item]]) -> Iterator[Item]:
    """The records of each message; `inner` reads what is no single record."""
    for position, message in enumerate(split(source.stream.read())):
        yield from _message(source, position, message, inner)


def read_one(source: Source, inner: Callable[[Source], Iterator[Item]]) -> Iterator[Item]:
    """The records of one message that is not framed."""
    yield from _message(source, 0, source.stream.read(), inner)


def _message(
    source: Source, position: int, message: bytes, inner: Callable[[Source], Iterator[Item]]
) -> Iterator[Item]:
    if message[:1] == b"{":
        data, note = parse(message)
        if data is not None and OPENABLE.isdisjoint(data):
            yield source.record(json_format(note), position, "message", message, data)
            return
    form = live_format(message[:HEAD], source.name)
    if form == "syslog":
        text = message.decode("utf-8", "replace").strip()
        note = "syslog/bytes that are no UTF-8 were replaced" if "�" in text else "syslog"
        yield source.record(note, position, "message", message, parts(text, source.modified))
        return
    head, stream = headed(io.BytesIO(message))
    for item in inner(source._replace(head=head, stream=stream, form=form or "")):
        if isinstance(item, Unreadable) and item.unit == "file":
            # Its bytes are this message's, and it is to be read as one again.
            changes = {"position": position, "unit": "message", "raw": message, "form": "message"}
            yield msgspec.structs.replace(item, **changes)
        else:
            yield item
