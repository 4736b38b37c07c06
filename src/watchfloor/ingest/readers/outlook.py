"""Outlook's `.msg` files as the mail that they hold: its headers as they came, its texts, its attachments.

A `.msg` is a compound file [MS-CFB] of streams, each a property [MS-OXMSG]. No chain in it is followed further than the
file is long.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage, Message
from email.parser import HeaderParser
from typing import NamedTuple

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MOST_ENTRIES, _MOST_ATTACHMENTS = 10_000, 200
_END = 0xFFFFFFF0  # numbers from here on are no sectors
_NONE = 0xFFFFFFFF
# [MS-OXPROPS]: the properties that make a mail.
_HEADERS, _SUBJECT, _BODY, _HTML, _MESSAGE_ID = "007D", "0037", "1000", "1013", "1035"
_FROM_NAME, _FROM_SMTP, _FROM, _TO = "0C1A", "5D01", "0C1F", "0E04"
_FILE, _LONG_FILE, _MIME, _DATA = "3704", "3707", "370E", "3701"


class _Entry(NamedTuple):
    """A stream or storage of the directory."""

    name: str
    kind: int
    left: int
    right: int
    child: int
    start: int
    size: int


# The parts are made anew, and so is what says how they are written.
_OF_PARTS = re.compile(r"content-|mime-version", re.IGNORECASE)
Properties = dict[str, bytes | str]


def as_mail(raw: bytes) -> bytes:
    """The mail of a `.msg` as RFC 5322 has it. Raises ValueError for what is none."""
    try:
        file = _Compound(raw)
        top = file.properties(0)
        attached = [file.properties(number) for number in file.attachments()]
    except (struct.error, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"a damaged .msg: {type(error).__name__}") from None
    mail = EmailMessage()
    body, html = top.get(_BODY, ""), top.get(_HTML, "")
    mail.set_content(body if isinstance(body, str) else body.decode("utf-8", "replace"))
    if html:
        mail.add_alternative(html if isinstance(html, str) else html.decode("utf-8", "replace"), subtype="html")
    for one in attached:
        content = one.get(_DATA, b"")
        name = str(one.get(_LONG_FILE) or one.get(_FILE) or "unnamed")
        main, _, sub = str(one.get(_MIME, "")).partition("/")
        known = main.isalpha() and sub.replace("-", "").replace(".", "").replace("+", "").isalnum()
        kind = (main, sub) if known and main not in ("multipart", "message") else ("application", "octet-stream")
        data = content if isinstance(content, bytes) else content.encode()
        mail.add_attachment(data, maintype=kind[0], subtype=kind[1], filename=_one_line(name))
    return _headers(top) + mail.as_bytes()


def _headers(top: Properties) -> bytes:
    """As they were received; of a mail that never went over the wire, what Outlook knows of it."""
    received: Message = HeaderParser(policy=policy.compat32).parsestr(str(top.get(_HEADERS, "")).lstrip())
    address = str(top.get(_FROM_SMTP) or top.get(_FROM) or "")
    known = {"From": f"{top.get(_FROM_NAME, '')!s} <{address}>", "To": top.get(_TO), "Subject": top.get(_SUBJECT)}
    known["Message-ID"] = top.get(_MESSAGE_ID)
    found = [(name, str(value)) for name, value in received.items() if not _OF_PARTS.match(name)]
    found += [(name, str(value)) for name, value in known.items() if value and name not in received]
    return b"".join(f"{name}: {_one_line(value)}\n".encode("utf-8", "replace") for name, value in found)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:8_000]


class _Compound:
    """A compound file, read as far as it goes."""

    def __init__(self, raw: bytes) -> None:
        if raw[:8] != MAGIC:
            raise ValueError("no compound file")
        self._raw, self._left = raw, 2 * len(raw)
        shift, mini_shift = struct.unpack_from("<HH", raw, 30)
        if shift not in (9, 12) or mini_shift != 6:
            raise ValueError("a compound file with odd sectors")
        self._size = 1 << shift
        _, self._first, _, self._cutoff, mini, _, more, _ = struct.unpack_from("<8I", raw, 44)
        self._fat = self._table(self._fat_sectors(more))
        self._mini_fat = self._table(self._chain(mini))
        self._entries = list(self._directory())
        self._mini = self._joined(self._entries[0].start)

    def properties(self, number: int) -> Properties:
        """The properties of a storage, by their id; texts as text."""
        found: Properties = {}
        for _, entry in self._children(number):
            prefix, _, tag = entry.name.partition("__substg1.0_")
            if prefix or entry.kind != 2 or len(tag) != 8:
                continue
            data = self._content(entry)
            if tag[4:] == "001F":
                found[tag[:4]] = data.decode("utf-16-le", "replace").rstrip("\0")
            elif tag[4:] == "001E":
                found.setdefault(tag[:4], data.decode("cp1252", "replace").rstrip("\0"))
            elif tag[4:] == "0102":
                found.setdefault(tag[:4], data)
        return found

    def attachments(self) -> list[int]:
        """The numbers of the storages that are attachments."""
        found = [at for at, entry in self._children(0) if entry.name.startswith("__attach_version1.0_")]
        return found[:_MOST_ATTACHMENTS]

    def _children(self, number: int) -> Iterator[tuple[int, _Entry]]:
        """Those of one storage: a tree, walked once."""
        waiting, seen = [self._entries[number].child], set[int]()
        while waiting:
            at = waiting.pop()
            if at == _NONE or at in seen or at >= len(self._entries):
                continue
            seen.add(at)
            entry = self._entries[at]
            yield at, entry
            waiting += [entry.left, entry.right]

    def _content(self, entry: _Entry) -> bytes:
        self._left -= entry.size
        if self._left < 0:
            raise ValueError("streams longer than their file")
        if entry.size >= self._cutoff:
            return self._joined(entry.start)[: entry.size]
        at, pieces = entry.start, []
        for _ in range(entry.size // 64 + 1):
            if at >= _END:
                break
            pieces.append(self._mini[at * 64 : at * 64 + 64])
            at = self._mini_fat[at]
        return b"".join(pieces)[: entry.size]

    def _directory(self) -> Iterator[_Entry]:
        data = self._joined(self._first)
        for start in range(0, min(len(data), _MOST_ENTRIES * 128) - 127, 128):
            length, kind, _, left, right, child = struct.unpack_from("<HBBIII", data, start + 64)
            first, size = struct.unpack_from("<IQ", data, start + 116)
            name = data[start : start + max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
            # In files of small sectors the upper half of a size may hold anything.
            yield _Entry(name, kind, left, right, child, first, size & _NONE if self._size == 512 else size)

    def _fat_sectors(self, more: int) -> list[int]:
        found = list(struct.unpack_from("<109I", self._raw, 76))
        for _ in range(len(self._raw) // self._size):
            if more >= _END:
                break
            *numbers, more = struct.unpack(f"<{self._size // 4}I", self._sector(more))
            found += numbers
        return [number for number in found if number < _END]

    def _table(self, sectors: list[int]) -> list[int]:
        data = b"".join(self._sector(number) for number in sectors[: len(self._raw) // self._size + 1])
        return list(struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]))

    def _chain(self, at: int) -> list[int]:
        found: list[int] = []
        while at < _END:
            found.append(at)
            if len(found) > len(self._raw) // self._size + 1:
                raise ValueError("a chain of sectors without an end")
            at = self._fat[at]
        return found

    def _joined(self, at: int) -> bytes:
        return b"".join(self._sector(number) for number in self._chain(at))

    def _sector(self, number: int) -> bytes:
        start = (number + 1) * self._size
        if start >= len(self._raw):
            raise ValueError("a sector beyond the end of the file")
        return self._raw[start : start + self._size].ljust(self._size, b"\0")
