"""A mail in which a person reports another: the reported one is the record, with who reported it and what they said.

A report carries the reported mail as a whole (`message/rfc822`, or a file of it, Outlook's too); without one it is
itself what there is to look at; where it quotes the mail that it forwards, that one's sender, subject and text count
(`quoted`: its other headers are not known). `reported` then stands in the data:
{by, name, at, subject, note, message_id, authentication: {spf, dkim, dmarc}, how: attached | inline}.

A mailbox whose mails are reports is named in `sources.yaml`. Of any other mail the recipient tells: what is addressed
to `phishing@`, `abuse@`, ... and brings a mail along, or forwards one, is a report, and a mail like any other as well:
whoever writes such an address into a lure hides nothing by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from email.utils import getaddresses
from itertools import islice
from typing import Any

import msgspec

from watchfloor.ingest.readers import outlook
from watchfloor.ingest.readers.mail import MAIL_LIMIT, message
from watchfloor.ingest.readers.mail_parts import BROKEN, MOST_PARTS, decoded, file_name, parsed, payload, taken_apart
from watchfloor.ingest.readers.source import Item, Source, whole

MOST_REPORTED = 20
_REPORT_MAILBOX = re.compile(
    r"(?:^|[._+-])(?:phish\w*|report\w*|abuse|spam|junk|suspicious\w*|scam\w*|security|infosec|it-?sec\w*|soc|csirt|cert"
    r"|verdacht\w*|sicherheit|hame[cç]onnage)(?:$|[._+-])"
)
_FORWARDED = re.compile(r"\s*(?:fwd?|wg|tr|rv|i|doorst|vs)\s*:", re.I)
_QUOTED_HEADER = re.compile(
    r"^[>\s*]*(from|von|de|van|da|sent|date|gesendet|datum|envoy[eé]|to|an|[aà]|cc|subject|betreff|objet|onderwerp|oggetto|asunto)"
    r"\*?\s*:\*?\s*(.{0,500})$",
    re.I | re.M,
)
_SENDER = frozenset({"from", "von", "de", "van", "da"})
_TITLE = frozenset({"subject", "betreff", "objet", "onderwerp", "oggetto", "asunto"})
_OF_REPORT = frozenset(
    {
        "to",
        "date",
        "received",
        "links",
        "urls",
        "forms",
        "hidden",
        "codes",
        "attachments",
        "has_html",
        "size",
        "campaign",
    }
    | {"problems"}
)
_FAR = 600  # the lines of a quoted head stand close together
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


def read_mail(source: Source) -> Iterator[Item]:
    """The one message of a file; of a report as well each mail that it brings, whoever else it was meant for."""
    raw = whole(source, MAIL_LIMIT)
    if raw is None:
        yield source.unreadable(0, "message", f"a message of more than {MAIL_LIMIT:,} bytes", source.head)
        return
    data = taken_apart(raw)
    if not _is_addressed_as_report(data):
        yield message(source, 0, raw, data)
        return
    yield message(source, 0, raw, data)
    forwards = bool(_FORWARDED.match(str(data.get("subject") or "")))
    mails = (one for one in _reported(raw, data) if forwards or one["reported"]["how"] == "attached")
    for entry, one in enumerate(mails, 1):
        yield msgspec.structs.replace(source.record("mail", 0, "message", raw, one), entry=entry)


def _is_addressed_as_report(data: Data) -> bool:
    return bool(data.get("from")) and any(
        _REPORT_MAILBOX.search(to.partition("@")[0].lower()) for to in data.get("to", [])[:20]
    )


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
    for data in mails or [_quoted(report)]:
        yield {**data, "reported": {**said, "how": "attached" if mails else "inline"}}


def _quoted(report: Data) -> Data:
    """The mail that a report quotes in its text, as far as its text tells; without such a head the report itself."""
    body = report.get("body", "")
    heads = list(_QUOTED_HEADER.finditer(body))
    for at, first in enumerate(heads):
        near = [one for one in heads[at : at + 8] if one.start() - first.start() < _FAR]
        titled = [one for one in near if one[1].lower() in _TITLE]
        found = getaddresses([first[2]]) if first[1].lower() in _SENDER and titled else []
        if found and "@" in found[0][1]:
            kept = _OF_REPORT & report.keys()
            text = body[near[-1].end() :].strip()
            told = {
                "from": found[0][1],
                "from_name": found[0][0] or None,
                "subject": titled[0][2].strip(),
                "body": text,
            }
            named = {key: value for key, value in told.items() if value}
            return {**{key: report[key] for key in sorted(kept)}, **named, "body": text, "quoted": True}
    return report


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
