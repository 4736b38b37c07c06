"""One mail message as plain data: addresses, authentication results, links with their text, attachments by hash.

Fields: from, from_name, sender, reply_to, return_path, to, to_names, cc, subject, message_id, in_reply_to, references,
date, received (newest first), origin_ip (the first hop's address), mailer, authentication {spf, dkim, dmarc, raw},
links [{text, href, target, by, hidden}] (`target`: where it leads with the wrappers of `by` taken off), urls (where
links and codes lead), forms [{action, password}], hidden (text that does not show), codes [{where, text}] (QR codes in
pictures), attachments [{name, mime, size, sha256, md5} and what `mail_files.looked_into` says], body (text that shows,
bounded), plain (where a mail is text and HTML both: the text, bounded), has_html, campaign (`core.campaign`), problems.
"""

from __future__ import annotations

import base64
import binascii
import re
from email import policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any, NamedTuple

from watchfloor.core.campaign import Mail, campaign_ids
from watchfloor.core.clock import iso, to_ms
from watchfloor.core.look_alike import registrable
from watchfloor.ingest.mappings.convert import address
from watchfloor.ingest.readers import mail_files
from watchfloor.ingest.readers.mail_files import Budget, codes_in, digests, looked_into
from watchfloor.ingest.readers.mail_links import followed, host_of, is_web, targets
from watchfloor.ingest.readers.mail_page import MOST_LINKS, Page

BODY_LIMIT = 64 * 1024
HTML_LIMIT = 2 << 20
MOST_PARTS, MOST_ADDRESSES, MOST_CODES = 500, 200, 20
_PLAIN_LIMIT = 16 * 1024
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
    data["campaign"] = _campaign(data)
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
        "to_names": [name for name, _ in _addresses(message, "To") if name][:20],
        "to": [a for _, a in _addresses(message, "To") + _addresses(message, "Delivered-To")],
        "cc": [a for _, a in _addresses(message, "Cc")],
        "subject": _text(message.get("Subject")),
        "message_id": (_text(message.get("Message-ID")) or "").strip().strip("<>") or None,
        "in_reply_to": next(iter(_ids(message, "In-Reply-To")), None),
        "references": _ids(message, "References")[-10:],
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


def _ids(message: Message, name: str) -> list[str]:
    return re.findall(r"<([^<>\s]{3,300})>", (_text(message.get(name)) or ""))[:50]


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


class _Found(NamedTuple):
    """What the parts of a message hold."""

    plain: list[str]
    shown: list[str]
    links: list[dict[str, Any]]
    forms: list[dict[str, Any]]
    hidden: list[str]
    attachments: list[dict[str, Any]]
    codes: list[dict[str, str]]
    inside: list[str]
    """Links in documents that are attached."""


def _content(message: Message, problems: list[str]) -> dict[str, Any]:
    found, budget, has_html = _Found([], [], [], [], [], [], [], []), Budget(), False
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
            _attached(found, name, kind, content, budget)
        elif kind == "text/html":
            has_html = True
            _html(found, decoded(part, content)[:HTML_LIMIT], budget, problems)
        else:
            found.plain.append(decoded(part, content))
    codes = found.codes[:MOST_CODES]
    coded = [{"text": "<code>", "href": code["text"]} for code in codes if is_web(code["text"])]
    links = followed([*coded, *found.links][:MOST_LINKS])
    body = "\n".join([*found.plain, *found.shown])[:BODY_LIMIT]
    hrefs = [link["href"] for link in links if is_web(link["href"])]
    return {
        "body": body,
        "plain": "\n".join(found.plain)[:_PLAIN_LIMIT] if found.plain and found.shown else "",
        "links": links,
        "urls": targets([*hrefs, *_URL.findall(body), *found.inside], MOST_LINKS),
        "forms": found.forms,
        "hidden": " ".join(" ".join(found.hidden).split()),
        "codes": codes,
        "attachments": found.attachments[:MOST_PARTS],
        "has_html": has_html,
    }


def _html(found: _Found, html: str, budget: Budget, problems: list[str]) -> None:
    page = _page(html, problems)
    found.links.extend(page.links)
    found.forms.extend(page.forms)
    found.hidden.extend(page.hidden)
    found.shown.append(" ".join(" ".join(page.text).split()))
    for number, picture in enumerate(page.pictures, 1):
        try:
            codes = codes_in(base64.b64decode(picture), budget)
        except (ValueError, binascii.Error) as error:
            problems.append(f"a picture in the text was not looked at for codes: {error}"[:200])
            continue
        found.codes.extend({"where": f"picture {number} in the text", "text": code} for code in codes)


def _page(html: str, problems: list[str]) -> Page:
    page = Page()
    try:
        page.feed(html)
        page.close()
    except (AssertionError, RecursionError, *BROKEN) as error:
        problems.append(f"the HTML could not be read to its end: {type(error).__name__}")
    return page


def _attached(found: _Found, name: str | None, kind: str, content: bytes, budget: Budget) -> None:
    if mail_files.is_tnef(content):
        inside, problem = mail_files.tnef(content)
        for inner, data in inside:
            _file(found, inner, "application/octet-stream", data, budget)
        if problem:
            found.attachments.append(
                {"name": name or "winmail.dat", "mime": kind, "unread": [problem]} | digests(content)
            )
    else:
        _file(found, name or "unnamed", kind, content, budget)


def _file(found: _Found, shown: str, kind: str, content: bytes, budget: Budget) -> None:
    looked = looked_into(shown, content, budget) if content else {}
    found.codes.extend({"where": shown, "text": code} for code in looked.get("codes", []))
    found.inside.extend(url for url in looked.pop("links", []) if is_web(url))
    by_content = {"content": looked.pop("kind")} if looked.get("kind") else {}
    found.attachments.append({"name": shown, "mime": kind, **digests(content), **by_content, **looked})


def _campaign(data: dict[str, Any]) -> list[str]:
    names = [*data["to_names"], *(to.partition("@")[0] for to in data["to"])]
    hosts = dict.fromkeys(registrable(host) for url in data["urls"] if (host := host_of(url)))
    return campaign_ids(
        Mail(
            subject=data["subject"] or "",
            body=data["body"],
            sender=registrable((data["from"] or "").rpartition("@")[2]),
            hosts=tuple(hosts),
            files=tuple(one["sha256"] for one in data["attachments"] if one["size"] > 2_000),
            names=tuple(names),
        )
    )


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
