"""Splunk's HTTP Event Collector: JSON objects one after another, each an envelope around one event.

https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector: `event` is text or any
JSON; beside it stand `time` (seconds), `host`, `source`, `sourcetype`, `index` and `fields`. As in Splunk itself,
what the envelope says is a field of the event too; where both have a name, the event's own counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from watchfloor.ingest.readers.json import parse
from watchfloor.ingest.readers.line import parts
from watchfloor.ingest.readers.source import Item, Source

BESIDE = ("time", "host", "source", "sourcetype", "index")
_SCANNER = json.JSONDecoder()
_SPACE = " \t\r\n"


class Envelope(msgspec.Struct):
    """What matters of one before it is read."""

    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_LINES = msgspec.json.Decoder(Envelope)


class Part(NamedTuple):
    """One envelope's bytes, and what is wrong with it: empty, `no_event`, `blank` or `invalid` (then the last)."""

    raw: bytes
    problem: str


def split(content: bytes) -> list[Part]:
    """The envelopes of a body. What cannot be told apart any more is the last part."""
    found: list[Part] = []
    lines = content.splitlines()
    try:
        for line in lines:
            if raw := line.strip():
                found.append(Part(raw, _problem(_LINES.decode(raw).event)))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return list(_scanned(content))
    return found


def _problem(event: msgspec.Raw | msgspec.UnsetType) -> str:
    if event is msgspec.UNSET:
        return "no_event"
    return "blank" if bytes(event) in (b'""', b"null") else ""


def _scanned(content: bytes) -> Iterator[Part]:
    """Envelopes that share lines or go over several."""
    text, at = content.decode("utf-8", "surrogateescape"), 0
    while True:
        while at < len(text) and text[at] in _SPACE:
            at += 1
        if at == len(text):
            return
        try:
            data, end = _SCANNER.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield Part(_bytes(text[at:]), "invalid")
            return
        raw = _bytes(text[at:end])
        if not isinstance(data, dict):
            yield Part(_bytes(text[at:]), "invalid")
            return
        event = data.get("event", msgspec.UNSET)
        yield Part(raw, "no_event" if event is msgspec.UNSET else "blank" if event in ("", None) else "")
        at = end


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


_PROBLEMS = {
    "invalid": "no valid JSON object where an event should begin",
    "no_event": "an event without the field `event`",
    "blank": "an event whose field `event` is blank",
}


def read(source: Source) -> Iterator[Item]:
    """Each event with what its envelope says of it."""
    for position, (raw, problem) in enumerate(split(source.stream.read())):
        envelope, note = (None, "") if problem else parse(raw)
        if envelope is None:
            yield source.unreadable(position, "record", _PROBLEMS.get(problem, note), raw)
            continue
        form, data = _event(envelope["event"], source.modified)
        beside = {name: envelope[name] for name in BESIDE if name in envelope}
        fields = envelope.get("fields")
        more = {**(fields if isinstance(fields, dict) else {}), **beside}
        yield source.record(f"{form}/{note}" if note else form, position, "record", raw, {**more, **data})


def _event(event: Any, at: int) -> tuple[str, dict[str, Any]]:
    """The shape and the fields of an event: an object, text that holds one, a line of a log, or a bare value."""
    if isinstance(event, dict):
        return "json", event
    if not isinstance(event, str):
        return "json", {"event": event}
    if event.lstrip().startswith("{"):
        inner, _ = parse(event.encode("utf-8", "replace"))
        if inner is not None:
            return "json", inner
    return "syslog", parts(event, at)
