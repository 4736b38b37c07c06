"""The pieces of a mail's text: its words, and its form. No header but the subject is looked at.

What gives a collection's time and place away is left out: quoted lines, footers of lists, lines of headers, dates,
figures, addresses, tags. What remains is what the sender wrote.
"""

from __future__ import annotations

import re

from watchfloor.core.event import Event
from watchfloor.core.text import both_ends, whole

LONGEST = 16_384
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
    return plain("\n\n".join(part if isinstance(part, str) else "" for part in parts))


def plain(value: str) -> str:
    """A mail's text as it is judged: LONGEST characters of it at most; empty where there is too little to judge."""
    text = whole(both_ends(value, LONGEST)).strip()
    return text if len(text) >= 40 else ""


def pieces(mail: str) -> list[str]:
    """The pieces of a plain mail: subject, empty line, body."""
    subject, _, body = mail.partition("\n\n")
    body = _FOOTER.sub("", _QUOTED.sub("", body))
    text = _TAG.sub(" ", f"{subject}\n{body}")
    for pattern, name in ((_LINK, " \x01link "), (_ADDRESS, " \x01address "), (_MONEY, " \x01money ")):
        text = pattern.sub(name, text)
    words = (token for token in _TOKEN.findall(text.lower())[:_MOST_WORDS] if token not in _TIMES)
    return [*_form(subject, text), *dict.fromkeys(f"word:{_NAMES.get(token, token)}" for token in words)]


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
