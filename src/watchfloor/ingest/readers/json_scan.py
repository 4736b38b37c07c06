"""Finding where JSON records begin and end without parsing them: for documents too large or too damaged to parse."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from watchfloor.ingest.readers.source import RECORD_LIMIT, SAMPLE

# The key under which products put the records of one answer.
ENVELOPES = dict.fromkeys(
    [
        "Records",
        "records",
        "value",
        "events",
        "Events",
        "logs",
        "items",
        "data",
        "results",
        "entries",
        "alerts",
        "hits",
        "Findings",
        "findings",
        "detections",
        "response",
        "objects",
        "resources",
        "result",
        "activity_logs",
        "operation_logs",
    ]
)
_OPENING = re.compile(
    rb'\{\s*(?:"[^"\\]{1,64}"\s*:\s*(?:"[^"\\]*"|[\w.+-]+)\s*,\s*){0,8}"(?:%s)"\s*:\s*\Z'
    % b"|".join(name.encode() for name in ENVELOPES)
)
_MARK = re.compile(rb'["{}\[\]]')
_STRING_MARK = re.compile(rb'["\\]')


class _Scanner:
    """Walks brackets and strings. `base` is the depth at which records stand: inside arrays and envelopes deeper."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.buffer = bytearray()
        self.at = 0
        self.start: int | None = None
        self.depth = 0
        self.base = 0
        self.in_string = False
        self.dropped = 0
        self.sample = b""

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, str]]:
        self.buffer += chunk
        while True:
            if self.in_string:
                if not self._leave_string():
                    break
                continue
            mark = _MARK.search(self.buffer, self.at)
            if mark is None:
                self.at = len(self.buffer)
                break
            self.at = mark.end()
            found = self._mark(self.buffer[mark.start()], mark.start())
            if found is not None:
                yield found
        self._forget()

    def _leave_string(self) -> bool:
        mark = _STRING_MARK.search(self.buffer, self.at)
        if mark is None:
            self.at = len(self.buffer)
            return False
        if self.buffer[mark.start()] == 0x22:
            self.in_string, self.at = False, mark.end()
            return True
        if mark.end() >= len(self.buffer):
            self.at = mark.start()
            return False
        self.at = mark.end() + 1
        return True

    def _mark(self, char: int, where: int) -> tuple[bytes, str] | None:
        if char == 0x22:
            self.in_string = self.start is not None or self.depth > 0
        elif char in (0x7B, 0x5B):
            self._open(char, where)
        else:
            return self._close()
        return None

    def _open(self, char: int, where: int) -> None:
        if self.start is None:
            if char == 0x5B and self.depth == self.base == 0:
                self.base = 1
            else:
                self.start = where
        elif (
            char == 0x5B
            and self.base == 0
            and self.depth == 1
            and not self.dropped
            and where - self.start < 4096
            and _OPENING.match(bytes(self.buffer[self.start : where]))
        ):
            self.base, self.start = 2, None
        self.depth += 1

    def _close(self) -> tuple[bytes, str] | None:
        self.depth = max(0, self.depth - 1)
        if self.depth < self.base:
            # The end of the list that held the records; of its envelope only the rest is to come.
            self.base, self.start = 0, None
            return None
        if self.start is None or self.depth != self.base:
            return None
        raw, self.start = bytes(self.buffer[self.start : self.at]), None
        if self.dropped or len(raw) > self.limit:
            length, sample = self.dropped + len(raw), self.sample if self.dropped else raw[:SAMPLE]
            self.dropped = 0
            return sample, f"a record of {length:,} bytes is longer than a record may be"
        return raw, ""

    def _forget(self) -> None:
        """Lets go of what lies before the record in work, and of a record that is too long."""
        keep = self.at if self.start is None else self.start
        if self.start is not None and self.at - self.start > self.limit:
            if not self.dropped:
                self.sample = bytes(self.buffer[self.start : self.start + SAMPLE])
            self.dropped += self.at - self.start
            keep = self.at
        del self.buffer[:keep]
        self.at -= keep
        if self.start is not None:
            self.start = 0

    def rest(self) -> Iterator[tuple[bytes, str]]:
        """What is left at the end: a record that was cut off, perhaps with whole lines behind the damage."""
        if self.start is None:
            return
        if self.dropped:
            yield self.sample, f"a record of more than {self.dropped:,} bytes is longer than a record may be"
            return
        raw = bytes(self.buffer[self.start :])
        whole = [line for line in raw.split(b"\n")[1:] if line[:1] == b"{" and line.rstrip()[-1:] == b"}"]
        if not whole:
            yield raw, "truncated: the input ends inside a record"
            return
        yield raw.split(b"\n", 1)[0], "no valid JSON: the record is not closed before the next line"
        for line in raw.split(b"\n")[1:]:
            if line.strip():
                yield line.strip(), ""


def scan(chunks: Iterable[bytes], limit: int = RECORD_LIMIT) -> Iterator[tuple[bytes, str]]:
    """Each record's bytes with an empty reason, or what there is of it and why it is none."""
    scanner = _Scanner(limit)
    seen = False
    for chunk in chunks:
        # Fed in pieces, so that the memory for a document is that of one record.
        for start in range(0, len(chunk), 1 << 20):
            for found in scanner.feed(chunk[start : start + (1 << 20)]):
                seen = True
                yield found
    for found in scanner.rest():
        seen = True
        yield found
    if not seen:
        yield b"", "holds no JSON object"
