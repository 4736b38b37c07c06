"""Syslog messages out of a stream of bytes (RFC 6587, RFC 5425): counted octets, or one to a line; each may follow on
the other, as senders mix them up."""

from __future__ import annotations

import re

LONGEST = 1 << 20
"""A message (bytes). What goes on for longer without an end is cut here and comes as several."""
# A count is told from text that begins with digits by what must follow: the priority of a message.
_COUNT = re.compile(rb"([1-9]\d{0,6}) <")
_MAYBE_COUNT = re.compile(rb"[1-9]\d{0,6} ?")
_END = re.compile(rb"[\n\0]")


class Frames:
    """Takes pieces of a stream, gives its messages."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._looked = 0  # so far no end of a line was found

    def feed(self, piece: bytes) -> list[bytes]:
        """The messages that are complete with this piece."""
        held = self._held
        held += piece
        found: list[bytes] = []
        start = 0
        while start < len(held):
            message, after = self._next(start)
            if after == start:
                break
            if message:
                found.append(message)
            start, self._looked = after, 0
        del held[:start]
        return found

    def rest(self) -> bytes:
        """What stands there unfinished when the stream ends."""
        rest = bytes(self._held).rstrip(b"\r\n\0")
        self._held.clear()
        return rest

    def _next(self, start: int) -> tuple[bytes, int]:
        """A message and where it ends; the start again where more bytes are needed."""
        held = self._held
        count = _COUNT.match(held, start)
        if count is not None and int(count[1]) <= LONGEST:
            begin = count.end() - 1
            end = begin + int(count[1])
            return (bytes(held[begin:end]).rstrip(b"\r\n\0"), end) if end <= len(held) else (b"", start)
        if count is None and (maybe := _MAYBE_COUNT.match(held, start)) and maybe.end() == len(held):
            return b"", start
        found = _END.search(held, start + self._looked)
        if found is not None and found.start() - start <= LONGEST:
            return bytes(held[start : found.start()]).rstrip(b"\r"), found.end()
        if len(held) - start > LONGEST:
            return bytes(held[start : start + LONGEST]), start + LONGEST
        self._looked = len(held) - start
        return b"", start


def as_lines(messages: list[bytes]) -> bytes:
    """Messages for the reader of lines. An end of line inside one is written as syslog daemons write it: `#012`."""
    return b"\n".join(message.replace(b"\n", b"#012") for message in messages)
