"""The learned detectors of an event: where each one looks, and what it says when it has something to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from watchfloor.content import folder
from watchfloor.core.event import Event, get_path
from watchfloor.core.signal import Signal
from watchfloor.core.text import clipped
from watchfloor.detect.learned import command_lines, domains, mails, urls
from watchfloor.detect.learned.model import Model

_REMEMBERED, _LONGEST_REMEMBERED = 8_192, 1_000
_MOST_VALUES = 20  # of one event: a mail may have hundreds of links
_MOST_PARTS, _LONGEST_PART = 8, 80


class Kind(NamedTuple):
    """What one detector judges. `read` gives the values of an event, each as it is judged; `pieces` takes one apart.
    `said` says of pieces what they look like; `entity` is the type of entity that a value is, if it is one."""

    name: str
    title: str
    techniques: tuple[str, ...]
    read: Callable[[Event], Iterator[str]]
    pieces: Callable[[str], list[str]]
    said: Callable[[list[str]], str]
    entity: str = ""


class Judge:
    """One detector: a kind of values and the model of it, which is loaded when it is first needed."""

    def __init__(self, kind: Kind, file: Path) -> None:
        self.kind, self._file = kind, file
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self.judge)

    @cached_property
    def model(self) -> Model:
        """Raises WatchfloorError when the file is missing or no model."""
        return Model.load(self._file)

    def signals(self, event: Event) -> Iterator[Signal]:
        """What is notable of an event's values, each once."""
        values = dict.fromkeys(value for value, _ in zip(self.kind.read(event), range(_MOST_VALUES), strict=False))
        for value in values:
            found = self._remembered(value) if len(value) <= _LONGEST_REMEMBERED else self.judge(value)
            if found is not None:
                yield found

    def judge(self, value: str) -> Signal | None:
        """What to say of one value; None of what is under the threshold."""
        kind, model = self.kind, self.model
        pieces = kind.pieces(value)
        if model.log_odds(pieces) < model.threshold:
            return None
        weighed = model.weigh(pieces)
        parts = tuple((clipped(text, _LONGEST_PART), weight) for text, weight in weighed.parts[:_MOST_PARTS])
        most = [f"“{text}”" for text, weight in parts if weight > 0][:3]
        why = f"; what counted most: {', '.join(most)}" if most else ""
        return Signal(
            member=f"learned/{kind.name}",
            strength=round(weighed.probability, 4),
            said=f"{kind.said(pieces)} ({min(weighed.probability, 0.99):.0%} at even odds, by learned weights){why}.",
            parts=parts,
            subject=f"{kind.entity}:{value}" if kind.entity else "",
            title=kind.title,
            techniques=kind.techniques,
        )


class Learned:
    """Says what is notable of an event's command lines, domains, URLs and mail. It keeps no state but caches."""

    def __init__(self, judges: Iterable[Judge]) -> None:
        self.judges = tuple(judges)

    @classmethod
    @cache
    def shipped(cls, own: tuple[str, ...] = ()) -> Learned:
        """The detectors of `content/learned`; `own` are the owner's domains, which others may imitate."""
        return cls(Judge(kind, folder("learned") / f"{kind.name}.json") for kind in kinds(own))

    def signals(self, event: Event) -> list[Signal]:
        """What the detectors say of an event; nothing of what is ordinary."""
        return [signal for judge in self.judges for signal in judge.signals(event)]


def kinds(own: tuple[str, ...] = ()) -> tuple[Kind, ...]:
    """Every kind of value that is judged; `own` are the owner's domains."""
    return (
        Kind(
            "command_line",
            "Command line like an attack's",
            ("T1059",),
            partial(_read, _COMMANDS, command_lines.plain),
            command_lines.pieces,
            lambda _: "The command line looks like an attack's",
        ),
        Kind(
            "domain",
            "Domain of suspicious form",
            ("T1568.002", "T1583.001"),
            partial(_read, _DOMAINS, domains.plain),
            partial(domains.pieces, own=own),
            domains.said,
            "domain",
        ),
        Kind(
            "url",
            "URL like an attack's",
            ("T1190", "T1566.002"),
            _urls,
            partial(urls.pieces, own=own),
            lambda _: "The URL looks like one of an attack",
            "url",
        ),
        Kind(
            "mail",
            "Mail with the words of fraud",
            ("T1566",),
            _mails,
            mails.pieces,
            lambda _: "The words of the mail are those of fraud or unwanted mail",
        ),
    )


_COMMANDS = ("process.cmd_line", "script.script_content.value", "win_service.cmd_line", "job.cmd_line")
_URLS = ("http_request.url.url_string", "url.url_string")
_DOMAINS = ("query.hostname", "tls.sni", "http_request.url.hostname")


def _urls(event: Event) -> Iterator[str]:
    """URLs that were asked for, and the links of a mail."""
    yield from _read(_URLS, urls.plain, event)
    links = get_path(event.ocsf, "email.urls")  # a path enters a list at its first item, so not "email.urls.url_string"
    for link in links if isinstance(links, list) else ():
        value = link.get("url_string") if isinstance(link, dict) else None
        if isinstance(value, str) and (text := urls.plain(value)):
            yield text


def _mails(event: Event) -> Iterator[str]:
    text = mails.text_of(event)
    if text:
        yield text


def _read(places: tuple[str, ...], plain: Callable[[str], str], event: Event) -> Iterator[str]:
    for place in places:
        value: Any = get_path(event.ocsf, place)
        if isinstance(value, str) and (text := plain(value)):
            yield text
