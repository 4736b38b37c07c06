"""A mail in which a person reports another: the reported one is the record, with who reported it and what they said.

A report carries the reported mail as a whole (`message/rfc822`, or a file of it, Outlook's too); without one it is
itself what there is to look at, as when it was forwarded in the text. `reported` then stands in the data:
{by, name, at, subject, note, message_id, authentication: {spf, dkim, dmarc}, how: attached | inline}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from itertools import islice
from typing import Any

import msgspec

from watchfloor.ingest.readers import outlook
from watchfloor.ingest.readers.mail import MAIL_LIMIT
from watchfloor.ingest.readers.mail_parts import BROKEN, MOST_PARTS, decoded, file_name, parsed, payload, taken_apart
from watchfloor.ingest.readers.source import Item, Source, whole

MOST_REPORTED = 20
NOTE_LIMIT = 4_000
_HEADERS = 256 * 1024
Data = dict[str, Any]


def read(source: Source) -> Iterator[Item]:
    """A record for each mail that is reported; each has the bytes of the report, in which it stands."""
    raw = whole(source, MAIL_LIMIT)
    if raw is None:
        yield source.unreadable(0, "message", f"a message of more than {MAIL_LIMIT:,} bytes", source.head)
        return
    report = taken_apart(raw)
    if not report.get("from"):
        yield source.unreadable(0, "message", "a report without a sender", raw)
        return
    for entry, data in enumerate(_reported(raw, report)):
        yield msgspec.structs.replace(source.record("mail", 0, "message", raw, data), entry=entry)


def sender(raw: bytes) -> str:
    """Who a mail says that it is from, in lower case; empty where it does not."""
    head = re.split(rb"\r?\n\r?\n", raw[:_HEADERS], maxsplit=1)[0]
    return str(taken_apart(head + b"\n\n").get("from") or "").lower()


def _reported(raw: bytes, report: Data) -> Iterator[Data]:
    try:
        message = parsed(raw)
        note = _note(message)
        inside = [taken_apart(content) for content in islice(_attached(message), MOST_REPORTED)]
    except (RecursionError, *BROKEN) as error:
        note, inside = "", []
        problem = f"what is attached could not be taken apart: {type(error).__name__}"
        report["problems"] = [*report.get("problems", []), problem]
    verdicts = report.get("authentication", {})
    said = {
        "by": report["from"].lower(),
        "name": report.get("from_name"),
        "at": report.get("date"),
        "subject": report.get("subject"),
        "note": note,
        "message_id": report.get("message_id"),
        "authentication": {method: verdicts.get(method) for method in ("spf", "dkim", "dmarc")},
    }
    mails = [data for data in inside if data.get("from") or data.get("message_id") or data.get("received")]
    for data in mails or [report]:
        yield {**data, "reported": {**said, "how": "attached" if mails else "inline"}}


def _attached(message: Message) -> Iterator[bytes]:
    """The mails that are attached; not those that are attached to them."""
    for part in _parts(message):
        kind = part.get_content_type()
        if kind == "message/rfc822":
            inner = part.get_payload()
            first = inner[0] if isinstance(inner, list) and inner else None
            if not isinstance(first, Message):
                continue
            packed = str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64"
            # Not allowed, and done: then the parser took the code for the mail.
            yield _unpacked(first) if packed and not first.keys() else first.as_bytes()
        elif (file_name(part) or "").lower().endswith(".eml"):
            yield payload(part)
        elif (content := payload(part)).startswith(outlook.MAGIC) and (file_name(part) or "").lower().endswith(".msg"):
            yield outlook.as_mail(content)


def _unpacked(message: Message) -> bytes:
    message["Content-Transfer-Encoding"] = "base64"
    return payload(message)


def _note(message: Message) -> str:
    texts = [
        decoded(part, payload(part))
        for part in _parts(message)
        if part.get_content_type() == "text/plain" and not file_name(part)
    ]
    return "\n".join(texts).strip()[:NOTE_LIMIT]


def _parts(message: Message) -> Iterator[Message]:
    """Its parts, and those of its parts, but nothing inside an attached message."""
    waiting, count = [message], 0
    while waiting and count < MOST_PARTS:
        part = waiting.pop(0)
        count += 1
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            waiting = [*(one for one in inner[:MOST_PARTS] if isinstance(one, Message)), *waiting]
        else:
            yield part
