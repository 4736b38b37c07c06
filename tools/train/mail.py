"""What the mail detector learns from: real messages of 2002 (wanted, hard and unwanted), and templates of phishing.

Messages are held out by sender or list, templates one by one. What tells the time and place of the collection is taken
out of every message before it is learned (`detect.learned.mails`); bench/learned.py has figures for the text as it is
beside them. Weights are stored by hash, and only of words that several senders wrote: no address and no sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tools.train.fitting import Sample, Task
from tools.train.slots import templates
from watchfloor.core.event import Event
from watchfloor.core.look_alike import registrable
from watchfloor.detect.learned import mails
from watchfloor.ingest import Normalizer, ingest

_EACH = 10
_KINDS = {"easy-ham-1": "wanted", "hard-ham-1": "wanted, hard", "spam-1": "unwanted"}


class Message(NamedTuple):
    """One real message: its text as it is judged, its links, and who it is held out with."""

    text: str
    links: tuple[str, ...]
    bad: bool
    group: str
    family: str


@cache
def messages(folder: Path) -> tuple[Message, ...]:
    """Every message of the collection."""
    found = []
    normalizer = Normalizer.shipped()
    for name, family in _KINDS.items():
        for event in ingest([folder / name], "default", normalizer):
            if isinstance(event, Event) and (text := mails.text_of(event)):
                beside = event.ocsf.get("unmapped") or {}
                sender = beside.get("list_id") or registrable(str(event.get("email.from") or "").rpartition("@")[2])
                links = tuple(str(url["url_string"]) for url in event.get("email").get("urls") or ())
                found.append(Message(text, links, family == "unwanted", f"{family}: {sender}", family))
    return tuple(found)


def samples(data: Path) -> Iterator[Sample]:
    """Each text once."""
    seen: set[str] = set()
    for message in messages(data / "mail"):
        if message.text not in seen:
            seen.add(message.text)
            yield Sample(message.text, message.bad, message.group, message.family)
    yield from of_templates()


def of_templates() -> Iterator[Sample]:
    """Fillings of the templates of fraud and of office mail: today's, where the messages are of 2002. Each as a mail
    and as a text of which no mail is known, which is judged by its words."""
    for one in templates("mails.yaml", _EACH, lambda text, _: _as_plain_mail(text)):
        yield one
        yield one._replace(value=one.value.partition(mails.MARK)[2], scored=False)


_LINK = re.compile(r"https?://\S+")


def _as_plain_mail(text: str) -> str:
    """A template as one person's plain mail to another: without a form it would be like no mail that there is."""
    subject, _, body = text.partition(" | ")
    people = {"from": "a@b.example", "from_name": "A B", "to": ["c@d.example"]}
    built = {"subject": subject, "body": body, "urls": _LINK.findall(body), **people}
    return mails.formed(mails.plain(f"{subject}\n\n{body}"), built)


_ANY = re.compile(r"\w{2,24}|[!?$]")


def as_it_is(mail: str) -> list[str]:
    """The pieces of a message with all that gives its time and place away, for comparison only."""
    return list(dict.fromkeys(f"word:{word}" for word in _ANY.findall(mail.lower())))


TASK = Task(
    "mail",
    samples,
    mails.pieces,
    least_seen=4,
    least_groups=3,
    strength=0.3,
    hashed=True,
    false_positives=0.02,
    least=0.01,
    groups_alike=True,
)
