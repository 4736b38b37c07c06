"""One mail message as plain data: addresses, authentication results, links with their text, attachments by hash.

Fields: from, from_name, sender, reply_to, return_path, to, cc, subject, message_id, date, received (newest first),
origin_ip (the first hop's address), mailer, authentication {spf, dkim, dmarc, raw}, links [{text, href}], urls,
attachments [{name, mime, size, sha256, md5}], body (text, bounded), has_html, problems.
"""

from __future__ import annotations

import hashlib
import re
from email import policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.utils import getaddresses, parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any

from watchfloor.core.clock import iso, to_ms
from watchfloor.ingest.mappings.convert import address

BODY_LIMIT = 64 * 1024
HTML_LIMIT = 2 << 20
MOST_PARTS, MOST_LINKS, MOST_ADDRESSES = 500, 300, 200
# Each part costs a parser far more than its bytes, and parts within parts more than that: 7 MB can take 13 seconds.
_MOST_DELIMITERS, _MOST_BOUNDARIES = 10_000, 300
_BOUNDARY = re.compile(rb"boundary\s*\*?0?=", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"'\])}]{1,2000}", re.IGNORECASE)
_ADDRESS = re.compile(r"[\[(]([0-9A-Fa-f:.]{3,45}|IPv6:[0-9A-Fa-f:.]{3,45})[\])]")
_VERDICT = re.compile(r"\b(spf|dkim|dmarc|arc|compauth)\s*=\s*(\w+)", re.IGNORECASE)
BROKEN = (MessageError, LookupError, ValueError, TypeError, AttributeError, IndexError)


def taken_apart(raw: bytes) -> dict[str, Any]:
    """The message's data; what cannot be taken apart is named under `problems`."""
    problems: list[str] = []
    try:
        message = parsed(raw)
    except (RecursionError, *BROKEN) as error:
        problems.append(f"only the headers could be read: {type(error).__name__}: {error}"[:200])
        message = BytesHeaderParser(policy=policy.compat32).parsebytes(raw[:BODY_LIMIT])
    data = _headers(message)
    data["size"] = len(raw)
    data.update(_content(message, problems))
    if problems:
        data["problems"] = problems
    return {k: v for k, v in data.items() if v not in (None, "", [], {})}


def parsed(raw: bytes) -> Message:
    """A message with its parts. Raises one of BROKEN, or RecursionError."""
    if raw.count(b"\n--") > _MOST_DELIMITERS or len(_BOUNDARY.findall(raw)) > _MOST_BOUNDARIES:
        raise ValueError("too many parts")
    return BytesParser(policy=policy.compat32).parsebytes(raw)


def _headers(message: Message) -> dict[str, Any]:
    senders = _addresses(message, "From")
    received = [_text(v) or "" for v in (message.get_all("Received") or [])[:50]]
    return {
        "from": senders[0][1] if senders else None,
        "from_name": senders[0][0] if senders else None,
        "sender": _first(message, "Sender"),
        "reply_to": _first(message, "Reply-To"),
        "return_path": _first(message, "Return-Path"),
        "to": [a for _, a in _addresses(message, "To") + _addresses(message, "Delivered-To")],
        "cc": [a for _, a in _addresses(message, "Cc")],
        "subject": _text(message.get("Subject")),
        "message_id": (_text(message.get("Message-ID")) or "").strip().strip("<>") or None,
        "date": _date(message),
        "received": received[:20],
        "origin_ip": _origin(message, received),
        "mailer": _text(message.get("X-Mailer") or message.get("User-Agent")),
        "list_id": _text(message.get("List-Id")),
        "authentication": _authentication(message),
    }


def _text(value: Any) -> str | None:
    """A header's text, decoded; broken encodings are replaced."""
    if value is None:
        return None
    try:
        found = str(make_header(decode_header(str(value))))
    except (*BROKEN, UnicodeError):
        found = str(value)
    return " ".join(found.encode("utf-8", "replace").decode().split())[:4000]


def _addresses(message: Message, name: str) -> list[tuple[str, str]]:
    values = [_text(v) or "" for v in (message.get_all(name) or [])[:20]]
    try:
        pairs = getaddresses(values)[:MOST_ADDRESSES]
    except (RecursionError, *BROKEN):
        return []
    found = [(shown, mail) for shown, mail in pairs if "@" in mail]
    if not found and values:
        # Strict parsing refuses odd spellings; a plain look for an address still finds the sender.
        found = [("", m) for v in values for m in re.findall(r"[\w.+=-]{1,64}@[\w.-]{1,255}", v)[:5]]
    return found


def _first(message: Message, name: str) -> str | None:
    found = _addresses(message, name)
    return found[0][1] if found else None


def _date(message: Message) -> str | None:
    """The time of arrival (newest Received) before what the sender wrote into Date."""
    received = message.get("Received")
    for value in (str(received).rpartition(";")[2] if received else None, message.get("Date")):
        if not value:
            continue
        try:
            return iso(to_ms(parsedate_to_datetime(str(value))))
        except (*BROKEN, OverflowError, OSError):
            continue
    return None


def _origin(message: Message, received: list[str]) -> str | None:
    stated = _text(message.get("X-Originating-IP"))
    if stated and (found := address(stated.strip("[] "))):
        return found
    for hop in reversed(received):
        for candidate in _ADDRESS.findall(hop.partition(" by ")[0]):
            found = address(candidate.removeprefix("IPv6:"))
            if found and not found.startswith(("127.", "10.", "192.168.", "::1")):
                return found
    return None


def _authentication(message: Message) -> dict[str, Any]:
    """Results as the receiving server stated them: the topmost headers, which a sender cannot put above."""
    raw = [_text(v) or "" for v in (message.get_all("Authentication-Results") or [])[:3]]
    results: dict[str, Any] = {}
    for value in raw:
        for method, verdict in _VERDICT.findall(value):
            results.setdefault(method.lower(), verdict.lower())
    spf = _text(message.get("Received-SPF"))
    if spf and "spf" not in results:
        results["spf"] = spf.split()[0].lower() if spf.split() else None
    if raw:
        results["raw"] = raw
    return results


class _Links(HTMLParser):
    """Collects links with the text that a reader sees, forms' targets, and the text of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[dict[str, str]] = []
        self.text: list[str] = []
        self._open: dict[str, str] | None = None
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {k: v or "" for k, v in attrs}
        if tag in ("script", "style"):
            self._hidden += 1
        target = values.get("href") if tag in ("a", "area") else values.get("action") if tag == "form" else None
        if target and len(self.links) < MOST_LINKS:
            self._open = {"text": "" if tag == "a" else f"<{tag}>", "href": target.strip()[:4000]}
            self.links.append(self._open)
            if tag != "a":
                self._open = None

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None
        elif tag in ("script", "style"):
            self._hidden = max(0, self._hidden - 1)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self.text.append(data)
        if self._open is not None:
            self._open["text"] = (self._open["text"] + data).strip()[:500]


def _content(message: Message, problems: list[str]) -> dict[str, Any]:
    plain: list[str] = []
    links: list[dict[str, str]] = []
    attachments: list[dict[str, Any]] = []
    has_html = False
    for index, part in enumerate(message.walk()):
        if index >= MOST_PARTS:
            problems.append(f"more than {MOST_PARTS} parts")
            break
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        content = payload(part)
        name = _text(file_name(part))
        if name or part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
            attachments.append(_attachment(name, kind, content))
        elif kind == "text/html":
            has_html = True
            page = _page(decoded(part, content)[:HTML_LIMIT], problems)
            links.extend(page.links)
            plain.append(" ".join(" ".join(page.text).split()))
        else:
            plain.append(decoded(part, content))
    body = "\n".join(plain)[:BODY_LIMIT]
    hrefs = [link["href"] for link in links if link["href"].lower().startswith(("http:", "https:"))]
    urls = list(dict.fromkeys([*hrefs, *_URL.findall(body)]))[:MOST_LINKS]
    return {
        "body": body,
        "links": links[:MOST_LINKS],
        "urls": urls,
        "attachments": attachments[:MOST_PARTS],
        "has_html": has_html,
    }


def _page(html: str, problems: list[str]) -> _Links:
    page = _Links()
    try:
        page.feed(html)
        page.close()
    except (AssertionError, RecursionError, *BROKEN) as error:
        problems.append(f"the HTML could not be read to its end: {type(error).__name__}")
    return page


def payload(part: Message) -> bytes:
    try:
        found = part.get_payload(decode=True)
    except (*BROKEN, UnicodeError):
        found = None
    return found if isinstance(found, bytes) else b""


def decoded(part: Message, payload: bytes) -> str:
    try:
        charset = part.get_content_charset() or "utf-8"
        return payload.decode(charset, "replace")
    except (*BROKEN, UnicodeError):
        return payload.decode("utf-8", "replace")


def file_name(part: Message) -> str | None:
    try:
        return part.get_filename()
    except (*BROKEN, UnicodeError):
        return None


def _attachment(name: str | None, kind: str, payload: bytes) -> dict[str, Any]:
    return {
        "name": name or "unnamed",
        "mime": kind,
        "size": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
        "md5": hashlib.md5(payload, usedforsecurity=False).hexdigest(),
    }
