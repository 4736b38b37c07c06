"""The pieces of a mail: its words, and its form (how it is built, how it is addressed).

What gives a collection's time and place away is left out: who took it in and when, lists, programs, quoted lines,
footers, lines of headers, dates, figures, addresses, tags. What remains is what the sender made, in any year. A mail is
judged as one text: its form, a MARK, its subject, an empty line, its body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from watchfloor.core.event import Event
from watchfloor.core.look_alike import registrable
from watchfloor.core.text import both_ends, whole

LONGEST = 16_384
MARK = "\x1e"
_MOST_WORDS = 1_500
_QUOTED = re.compile(
    r"^[ \t]*(?:>|\||(?:from|to|cc|sent|date|subject|reply-to|message-id|organization):).*$", re.I | re.M
)
_FOOTER = re.compile(r"^(?:-- ?|_{5,}|-{20,}|={20,}|\*{20,})$.*", re.M | re.S)
_TAG = re.compile(r"<[^<>]{1,300}>|&[a-z]{2,8};|&#\d{1,6};")
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.I)
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,253}")
_MONEY = re.compile(r"[$€£]\s?\d[\d,.]{0,15}|\b\d[\d,.]{0,15}\s?(?:usd|eur|gbp|dollars?|euros?|million)\b", re.I)
_TOKEN = re.compile(r"[a-z]{2,24}(?:'[a-z]{1,3})?|[!?]|\x01\w+")
_DAYS_AND_MONTHS = """
    january february march april may june july august september october november december jan feb mar apr jun jul aug
    sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun am pm gmt
    est edt pst pdt wrote writes
"""
_TIMES = frozenset(_DAYS_AND_MONTHS.split())
_NAMES = {"\x01link": "a link", "\x01address": "an address", "\x01money": "a sum of money"}


def text_of(event: Event) -> str:
    """The subject and the body of a message, with an empty line between; empty for what is none."""
    email, beside = event.ocsf.get("email"), event.ocsf.get("unmapped")
    if not isinstance(email, dict):
        return ""
    parts = (email.get("subject"), beside.get("body") if isinstance(beside, dict) else None)
    text = plain("\n\n".join(part if isinstance(part, str) else "" for part in parts))
    return formed(text, event.original) if "body" in event.original else text


def formed(text: str, mail: dict[str, Any]) -> str:
    """A plain text with the form of its mail before it."""
    return f"{'; '.join(form_of(mail))}{MARK}{text}" if text else ""


def plain(value: str) -> str:
    """A mail's text as it is judged: LONGEST characters of it at most; empty where there is too little to judge."""
    text = whole(both_ends(value, LONGEST)).replace(MARK, " ").strip()
    return text if len(text) >= 40 else ""


def pieces(mail: str) -> list[str]:
    """The pieces of a mail: its form where that is known, subject, empty line, body."""
    built, marked, mail = mail.partition(MARK) if MARK in mail else ("", "", mail)
    subject, _, body = mail.partition("\n\n")
    body = _FOOTER.sub("", _QUOTED.sub("", body))
    text = _TAG.sub(" ", f"{subject}\n{body}")
    for pattern, name in ((_LINK, " \x01link "), (_ADDRESS, " \x01address "), (_MONEY, " \x01money ")):
        text = pattern.sub(name, text)
    words = (token for token in _TOKEN.findall(text.lower())[:_MOST_WORDS] if token not in _TIMES)
    formed = (f"is:{one}" for one in built.split("; ")) if marked else ()
    return [*formed, *_form(subject, text), *dict.fromkeys(f"word:{_NAMES.get(token, token)}" for token in words)]


def _form(subject: str, text: str) -> list[str]:
    letters = [sign for sign in text if sign.isalpha()]
    loud = sum(map(str.isupper, letters)) / len(letters) if letters else 0
    told = [f"is:{'many' if loud > 0.3 else 'some' if loud > 0.1 else 'few'} capitals"]
    if subject.isupper() and len(subject) > 6:
        told.append("is:a subject in capitals")
    told.append(f"is:{min(text.count('!'), 5)} exclamation marks")
    if sum(not sign.isascii() for sign in text) > 0.2 * len(text):
        told.append("is:letters of other alphabets")
    return told


_FREE = re.compile(
    r"@(?:gmail|googlemail|yahoo|ymail|hotmail|outlook|live|msn|aol|gmx|web|mail|lycos|proton|protonmail|icloud|yandex"
    r"|zoho|qq|163|126|excite|netscape)\.",
    re.I,
)
_BARE = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|\d{6,10}|0x[0-9a-f]{8}", re.I)
_ANSWER = re.compile(r"\s*(?:re|aw|sv|antw|fwd?|wg)\s*:", re.I)
_LETTERS = re.compile(r"[A-Za-z]{3,}")
_MOST_URLS = 100


def form_of(mail: dict[str, Any]) -> list[str]:
    """How a mail is built and addressed, as the mail reader took it apart. No mark has text of the mail."""
    return list(dict.fromkeys([*_built(mail), *_addressed(mail), *_titled(_text(mail, "subject"))]))


def _built(mail: dict[str, Any]) -> Iterator[str]:
    body, urls = _text(mail, "body"), [url for url in _list(mail, "urls") if isinstance(url, str)][:_MOST_URLS]
    hosts = {_host(url) for url in urls}
    has_html = bool(mail.get("has_html"))
    yield "HTML and text" if has_html and mail.get("plain") else "HTML alone" if has_html else "text alone"
    yield f"{_up_to(len(urls), (0, 1, 3, 8, 20))} links"
    yield f"{_up_to(len(hosts), (0, 1, 3, 8))} hosts"
    yield f"{_up_to(len(body.split()), (20, 60, 150, 400, 1000))} words"
    yield f"{_up_to(sum(line.lstrip().startswith('>') for line in body.split(chr(10))), (0, 3, 15))} quoted lines"
    yield f"{_up_to(sum(map(str.isupper, _LETTERS.findall(body))), (0, 2, 8, 25))} words in capitals"
    marks = {
        "a link to a bare address": any(_BARE.fullmatch(host.partition(":")[0]) for host in hosts),
        "a link with a port": any(":" in host for host in hosts),
        "a form": bool(mail.get("forms")),
        "hidden text": bool(mail.get("hidden")),
        "a code to scan": bool(mail.get("codes")),
        "a link that writes a mail": any(
            str(link.get("href", "")).lower().startswith("mailto:")
            for link in _list(mail, "links")
            if isinstance(link, dict)
        ),
    }
    yield from (mark for mark, held in marks.items() if held)
    kinds = {_text(one, "mime").partition("/")[0] for one in _list(mail, "attachments") if isinstance(one, dict)}
    yield from (f"{kind} attached" for kind in sorted(kinds & {"application", "image", "text", "audio", "video"}))


def _addressed(mail: dict[str, Any]) -> Iterator[str]:
    name, sender = _text(mail, "from_name"), _text(mail, "from").lower()
    local, _, domain = sender.partition("@")
    to = [one.lower() for one in _list(mail, "to") if isinstance(one, str)]
    answers = _text(mail, "reply_to").rpartition("@")[2].lower()
    yield f"{_up_to(sum(map(str.isdigit, local)), (0, 1, 3))} digits in the sender"
    marks = {
        "a sender without a name": not name,
        "a sender in capitals": name.isupper(),
        "an address for a name": "@" in name,
        "a sender at free mail": bool(_FREE.search(sender)),
        "answers that go elsewhere": bool(answers) and registrable(answers) != registrable(domain),
        "no recipient": not to,
        "sent to its sender": sender in to,
        "many in copy": len(_list(mail, "cc")) > 3,
    }
    yield from (mark for mark, held in marks.items() if held)


def _titled(subject: str) -> Iterator[str]:
    if _ANSWER.match(subject):
        yield "an answer by its subject"
    if subject.lstrip().startswith("["):
        yield "a subject with a tag"
    yield from (f"{sign} in the subject" for sign in "!?$%" if sign in subject)


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _list(data: dict[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower().rpartition("@")[2]
    except ValueError:
        return ""


def _up_to(count: int, steps: tuple[int, ...]) -> str:
    for step in steps:
        if count <= step:
            return f"up to {step}"
    return f"more than {steps[-1]}"
