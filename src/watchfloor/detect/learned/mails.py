"""The pieces of a mail: its words, and its form (how it is built, how it is addressed).

What gives a collection's time and place away is left out: who took it in and when, lists, programs, quoted lines,
footers, lines of headers, dates, figures, addresses, tags. What remains is what the sender made, in any year. A mail is
judged as one text: its form, a MARK, its subject, an empty line, its body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
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
    marks = _form(subject, text)
    if marked:  # a text whose mail is not known may be laid out by whoever passed it on
        marks = [*(f"is:{one}" for one in (*built.split("; "), *_laid_out(subject, body))), *marks]
        marks += _crossed(marks)
    return [*marks, *dict.fromkeys(f"word:{_NAMES.get(token, token)}" for token in words)]


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


# What these say depends on the others: links in HTML alone are not links in one person's answer.
_CROSSED = re.compile(
    r"is:(?:HTML|text alone|(?:up to|more than) \d+ (?:links|hosts|words$|quoted)|(?:all|some|no) links to|an answer"
    r"|no recipient|answers that|sent to|(?:many|some|few) capitals|a sender|an address for|[\w ]+ digits in|a link"
    r"|! in|lines of|[\w.]+ [\w. ]+% of (?:lines|words new))"
)
_MOST_CROSSED = 30


def _crossed(marks: list[str]) -> Iterator[str]:
    """Each two marks of how a mail is built and how it is addressed, as one."""
    crossed = [mark.removeprefix("is:") for mark in marks if _CROSSED.match(mark)][:_MOST_CROSSED]
    return (f"is:{one} & {other}" for one, other in combinations(crossed, 2))


_LONG_WORD, _OTHER_SIGN = re.compile(r"[^\W\d_]{3,24}"), re.compile(r"[^\w\s]")
_MOST_LINES = 2_000


def _laid_out(subject: str, body: str) -> Iterator[str]:
    """How a text is laid out and spelt: lines, figures, signs, capitals, words that come again."""
    lines = body.split("\n")[:_MOST_LINES]
    full = [line for line in lines if line.strip()]
    indented = sum(line[0] in " \t" for line in full)
    yield f"lines of {_up_to(max(map(len, full), default=0), (40, 66, 72, 80, 120, 400))} letters"
    yield f"{_part(len(lines) - len(full), len(lines), (0, 10, 20, 35, 50))} of lines empty"
    yield f"{_part(indented, len(full), (0, 5, 20, 50))} of lines indented"
    words = _LONG_WORD.findall(body)
    small = list(map(str.lower, words))
    loud = sum(len(word) > 3 and word.isupper() for word in words)
    letters, capitals = sum(map(str.isalpha, body)), sum(map(str.isupper, body))
    yield f"{_part(loud, len(words), (0, 1, 3, 8, 20))} of words in capitals"
    yield f"{_part(capitals, letters, (2, 4, 6, 10, 20, 40))} of letters capital"
    yield f"{_part(sum(map(str.isdigit, body)), len(body), (0, 0.5, 1.5, 3, 6))} figures"
    yield f"{_part(len(_OTHER_SIGN.findall(body)), len(body), (2, 3, 4.5, 7, 12))} signs"
    yield f"{_part(len(set(small)), len(small), (20, 35, 50, 65, 80))} of words new"
    yield f"words of {_up_to(sum(map(len, small)) / max(len(small), 1), (4.5, 5, 5.5, 6, 7))} letters"
    for sign, steps in (("$", (0, 1, 3, 8)), ("%", (0, 1, 3, 8)), ("?", (0, 1, 3, 8)), ("!!", (0, 1, 4))):
        yield f"{_up_to(body.count(sign), steps)} times {sign}"
    yield f"a subject of {_up_to(len(subject), (0, 10, 20, 35, 50, 70))} letters"
    titled = subject.split()
    if len(titled) > 2 and sum(word[0].isupper() for word in titled) > 0.7 * len(titled):
        yield "a subject with each word capital"
    if subject[:1].islower():
        yield "a subject that begins small"


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
    marks = (*_built(mail), *_linked(mail), *_addressed(mail), *_titled(_text(mail, "subject")))
    return list(dict.fromkeys(marks))


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


_PROGRAM = re.compile(r"\.(?:cgi|pl|php|aspx?|jsp|exe)\b|/cgi-bin/", re.I)
_SIGN_OFF = re.compile(r"remove|unsub|opt-?out", re.I)
_CLICK = re.compile(r"\b(?:click|here)\b", re.I)


def _linked(mail: dict[str, Any]) -> Iterator[str]:
    """Where links lead and how they are written, beside the sender's own domain; no name of a host is told."""
    urls = [url for url in _list(mail, "urls") if isinstance(url, str)][:_MOST_URLS]
    hosts = [host.partition(":")[0] for host in map(_host, urls)]
    if urls:
        own, domains = registrable(_text(mail, "from").rpartition("@")[2]), {registrable(host) for host in hosts}
        to_own = "all" if domains == {own} else "some" if own in domains else "no"
        yield f"{to_own} links to the sender's domain"
        yield f"{_part(sum('?' in url for url in urls), len(urls), (0, 20, 50, 80))} of links with a query"
        yield f"links of {_up_to(max(map(len, urls)), (25, 40, 60, 90, 150))} letters"
        steps = sum(len([step for step in url.split("/")[3:] if step]) for url in urls)
        yield f"links of {_up_to(steps / len(urls), (0, 0.5, 1, 2, 3))} steps"
    marks = {
        "a link with @": any("@" in url for url in urls),
        "a link with %": any("%" in url for url in urls),
        "a link to a name with figures": any(any(map(str.isdigit, registrable(host))) for host in set(hosts)),
        "a link to a name with a hyphen": any("-" in host for host in hosts),
        "an encrypted link": any(url[:6].lower() == "https:" for url in urls),
        "a link to sign off": any(map(_SIGN_OFF.search, urls)),
        "a link to a program": any(map(_PROGRAM.search, urls)),
    }
    yield from (mark for mark, held in marks.items() if held)
    texts = [_text(link, "text").strip() for link in _list(mail, "links") if isinstance(link, dict)]
    if texts:
        yield f"{_part(texts.count(''), len(texts), (0, 30, 70, 99))} of links without a text"
    if any(map(_CLICK.search, texts)):
        yield "a link that says click here"


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


def _part(count: float, of: int, steps: tuple[float, ...]) -> str:
    """A share in percent, by steps."""
    return f"{_up_to(100 * count / of if of else 0, steps)} %"


def _up_to(count: float, steps: tuple[float, ...]) -> str:
    for step in steps:
        if count <= step:
            return f"up to {step}"
    return f"more than {steps[-1]}"
