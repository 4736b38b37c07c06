"""Finding out a source's format from its first bytes; the name only helps where content cannot tell."""

from __future__ import annotations

import re

from watchfloor.ingest.readers import layouts
from watchfloor.ingest.readers.syslog import LOOKS
from watchfloor.ingest.readers.table import header_of

_MAIL_HEADER = re.compile(
    rb"(?:From|To|Received|Return-Path|Message-ID|Subject|Date|MIME-Version|Delivered-To|Reply-To|X-[\w-]+|DKIM-Signature"
    rb"|Authentication-Results|Content-Type|Sender|Replied|Forwarded):\s",
    re.IGNORECASE,
)
_HEADER = re.compile(rb"[!-9;-~]{1,76}:(?:[ \t]|$)")
# W3C's directives, or the line of names that leads AWS flow logs.
_W3C = re.compile(rb"\s*#(?:Software|Version|Fields|Date):|[a-z -]{0,400}\bsrcaddr [a-z0-9 -]{0,400}\r?\n")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_NO_RECORDS = [
    ".md",
    ".rst",
    ".yml",
    ".yaml",
    ".py",
    ".html",
    ".htm",
    ".xml",
    ".graphml",
    ".svg",
    ".css",
    ".js",
    ".toml",
    ".ini",
    ".cfg",
    ".sh",
    ".ps1",
    ".bat",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".pdf",
    ".ipynb",
    ".lock",
]
_LOGS = (".log", ".syslog", ".messages", "auth.log", "/syslog", "/messages", "/secure")


def format_of(head: bytes, name: str) -> str | None:
    """The name of the reader for a source, or None when it holds no records as far as one can see."""
    magic = _by_magic(head)
    if magic:
        return magic
    lowered = name.lower()
    if _is_json(head):
        return "json"
    if head.startswith(b"#separator"):
        return "zeek"
    if _W3C.match(head):
        return "w3c"
    if head.startswith(b"From ") and _MAIL_HEADER.search(head[:4096]):
        return "mbox"
    if _is_mail(head):
        return "mail"
    if any(lowered.endswith(ending) for ending in _NO_RECORDS):
        return None
    return _text_format(head, lowered)


def live_format(head: bytes, name: str) -> str | None:
    """As `format_of`, for what a live source handed in. There text is always records: lines, where nothing else fits.

    One line alone is no table: a heading without rows would be no record at all.
    """
    found = format_of(head, name)
    if (found is None and is_text(head)) or (found == "csv" and head.strip().count(b"\n") == 0):
        return "syslog"
    return found


def is_text(head: bytes) -> bool:
    """Whether first bytes can be text: no control characters but those of text."""
    return not _BINARY.search(head[:4096])


def _by_magic(head: bytes) -> str | None:
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[257:262] == b"ustar":
        return "tar"
    if head[:4] == b"PAR1":
        return "parquet"
    return "evtx" if head[:8] == b"ElfFile\0" else None


def _is_json(head: bytes) -> bool:
    text = head.lstrip(b" \t\r\n")
    if text[:1] == b"{":
        return text[1:].lstrip()[:1] in (b'"', b"}", b"")
    return text[:1] == b"[" and text[1:].lstrip()[:1] in (b"{", b"[", b'"', b"]", b"")


def _is_mail(head: bytes) -> bool:
    """Header lines up to an empty one, two of them well known to mail."""
    known = 0
    for index, line in enumerate(head.split(b"\n")[:200]):
        line = line.rstrip(b"\r")  # noqa: PLW2901 - the same line without its end
        if not line:
            break
        if line[:1] in (b" ", b"\t") and index:
            continue
        if not _HEADER.match(line):
            return False
        known += bool(_MAIL_HEADER.match(line))
    return known >= 2


def _text_format(head: bytes, name: str) -> str | None:
    if not is_text(head) and not name.endswith((*_LOGS, ".csv", ".jsonl", ".json", ".eml")):
        return None
    sample = [line for line in head.split(b"\n")[:12] if line.strip()]
    if not sample:
        return None
    first = sample[0].decode("utf-8", "replace").strip()
    header = header_of(first, prose=not name.endswith((".csv", ".tsv")))
    if header and (len(sample) == 1 or any(header[0].encode() in line for line in sample[1:])):
        return "csv"
    known = layouts.shipped()
    looks = sum(bool(LOOKS.match(line)) or known.fits(line.decode("utf-8", "replace")) for line in sample)
    if looks * 2 >= len(sample) or name.endswith(_LOGS):
        return "syslog"
    if name.endswith((".json", ".jsonl", ".ndjson")):
        return "json"
    return "mail" if name.endswith(".eml") else None
