"""What the learned detectors judge, and where in an event it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from watchfloor.core.event import Event, walked
from watchfloor.detect.learned import command_lines, domains, mails, urls

_Place = tuple[str, tuple[str, ...]]


class Kind(NamedTuple):
    """What one detector judges. `read` gives the values of an event, each as it is judged; they stand in the attributes
    `within`. `pieces` takes a value apart and `said` says of them what they look like; `entity` is the type of entity
    that a value is, if it is one.
    """

    name: str
    title: str
    techniques: tuple[str, ...]
    within: frozenset[str]
    read: Callable[[Event], Iterator[str]]
    pieces: Callable[[str], list[str]]
    said: Callable[[list[str]], str]
    entity: str = ""


def _split(*paths: str) -> tuple[_Place, ...]:
    return tuple((first, tuple(rest)) for first, *rest in (path.split(".") for path in paths))


def _within(places: tuple[_Place, ...]) -> frozenset[str]:
    return frozenset(first for first, _ in places) | {"evidences"}


_MOST_QUOTED = 8
_COMMANDS = _split("process.cmd_line", "win_service.cmd_line", "job.cmd_line")
_SCRIPTS = _split("script.script_content.value")
_URLS = _split("http_request.url.url_string", "url.url_string")
_DOMAINS = _split("query.hostname", "tls.sni", "http_request.url.hostname")


def _commands(event: Event) -> Iterator[str]:
    yield from _read(_COMMANDS, command_lines.plain, event)
    yield from _read(_SCRIPTS, command_lines.script, event)


def _urls(event: Event) -> Iterator[str]:
    """URLs that were asked for, and the links of a mail."""
    yield from _read(_URLS, urls.plain, event)
    email = event.ocsf.get("email")
    links = email.get("urls") if isinstance(email, dict) else None
    for link in links if isinstance(links, list) else ():
        value = link.get("url_string") if isinstance(link, dict) else None
        if isinstance(value, str) and (text := urls.plain(value)):
            yield text


def _mails(event: Event) -> Iterator[str]:
    text = mails.text_of(event)
    if text:
        yield text


def _read(places: tuple[_Place, ...], plain: Callable[[str], str], event: Event) -> Iterator[str]:
    """The texts at some places, as they are judged, and what an alert quotes of such. Most events have none of them,
    which costs next to nothing."""
    for data in (event.ocsf, *_quoted(event)):
        for first, rest in places:
            inner: Any = data.get(first)
            if inner is not None:
                value = walked(inner, rest)
                if isinstance(value, str) and (text := plain(value)):
                    yield text


def _quoted(event: Event) -> list[dict[str, Any]]:
    """What a finding rests on."""
    found = event.ocsf.get("evidences")
    return [each for each in found[:_MOST_QUOTED] if isinstance(each, dict)] if isinstance(found, list) else []


def kinds(own: tuple[str, ...] = ()) -> tuple[Kind, ...]:
    """Every kind of value that is judged; `own` are the owner's domains."""
    return (
        Kind(
            "command_line",
            "Command line like an attack's",
            ("T1059",),
            _within(_COMMANDS + _SCRIPTS),
            _commands,
            command_lines.pieces,
            lambda _: "The command line looks like an attack's",
        ),
        Kind(
            "domain",
            "Domain of suspicious form",
            ("T1568.002", "T1583.001"),
            _within(_DOMAINS),
            partial(_read, _DOMAINS, domains.plain),
            partial(domains.pieces, own=own),
            domains.said,
            "domain",
        ),
        Kind(
            "url",
            "URL like an attack's",
            ("T1190", "T1566.002"),
            _within(_URLS) | {"email"},
            _urls,
            partial(urls.pieces, own=own),
            lambda _: "The URL looks like one of an attack",
            "url",
        ),
        Kind(
            "mail",
            "Mail with the words of fraud",
            ("T1566",),
            frozenset({"email"}),
            _mails,
            mails.pieces,
            lambda _: "The words of the mail are those of fraud or unwanted mail",
        ),
    )
