"""Splunk's HTTP Event Collector, with its bodies and codes.

https://docs.splunk.com/Documentation/Splunk/latest/Data/TroubleshootHTTPEventCollector has the table of codes. An
acknowledgement (`ackId`) is true as soon as it is given: the answer comes after the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from watchfloor.core.intake import LiveSource
from watchfloor.ingest.readers import hec
from watchfloor.server.intake.door import Door
from watchfloor.server.intake.http import IN_A_THREAD, Answer, Asked, RefusedRequestError, encode

PREFIX = "/services/collector"
_EVENT = frozenset({"", "/event", "/event/1.0"})
_RAW = frozenset({"/raw", "/raw/1.0"})
_HEALTH = frozenset({"/health", "/health/1.0"})
_SUCCESS = encode({"text": "Success", "code": 0})
_HEALTHY = Answer(200, encode({"text": "HEC is healthy", "code": 17}))
_UNHEALTHY = Answer(503, encode({"text": "HEC is unhealthy, queues are full", "code": 18}))
# Splunk's text, code and status for each reason to refuse.
_REFUSALS: Mapping[str, tuple[str, int, int]] = {
    "no_token": ("Token is required", 2, 401),
    "bad_token": ("Invalid token", 4, 403),
    "no_data": ("No data", 5, 400),
    "bad_data": ("Invalid data format", 6, 400),
    "bad_packing": ("Invalid data format", 6, 400),
    "full": ("Server is busy", 9, 429),
    "broken": ("Server is busy", 9, 503),
    "no_route": ("The requested URL was not found on this server.", 404, 404),
    "bad_method": ("The requested URL was not found on this server.", 404, 405),
}
_PROBLEMS = {"no_event": ("Event field is required", 12), "blank": ("Event field cannot be blank", 13)}


class _Acks(msgspec.Struct):
    acks: list[int]


def refused(error: RefusedRequestError) -> Answer:
    """An error as Splunk says it."""
    text, code, status = _REFUSALS.get(error.reason, (error.detail, error.status, error.status))
    return _said(status, text, code)


def _said(status: int, text: str, code: int, **more: Any) -> Answer:
    return Answer(status, encode({"text": text, "code": code, **more}))


async def answer(asked: Asked, door: Door) -> Answer:
    """Events, raw text, health, acknowledgements. Raises RefusedRequestError."""
    path = asked.path.removeprefix(PREFIX).rstrip("/")
    if path in _HEALTH:
        return _UNHEALTHY if door.full else _HEALTHY
    if path != "/ack" and path not in _EVENT | _RAW:
        raise RefusedRequestError("no_route")
    if asked.method != "POST":
        raise RefusedRequestError("bad_method")
    scheme = asked.header(b"authorization").partition(" ")[0].lower()
    if scheme and scheme not in ("splunk", "basic"):
        return _said(401, "Invalid authorization", 3)
    source = door.admit("hec", asked, "splunk", "basic")
    channel = asked.header(b"x-splunk-request-channel") or asked.query("channel")
    if channel and not _is_uuid(channel):
        return _said(400, "Invalid data channel", 11)
    if path == "/ack":
        return await _acks(asked, door) if channel else _said(400, "Data channel is missing", 10)
    content = await asked.body()
    if not content.strip():
        raise RefusedRequestError("no_data")
    if path in _RAW:
        seq = await door.put(source, _enveloped(asked, content), "hec" if _beside(asked) else "")
        return _success(seq, channel)
    return await _events(content, channel, source, door)


async def _events(content: bytes, channel: str, source: LiveSource, door: Door) -> Answer:
    """Store a body of events. One that is wrong is told as Splunk tells it, and kept as a dead letter all the same."""
    if len(content) < IN_A_THREAD:
        parts = hec.split(content)
    else:
        parts = await asyncio.to_thread(hec.split, content)
    seq = await door.put(source, content, "hec")
    number, wrong = _first_wrong(parts)
    if wrong:
        text, code = _PROBLEMS.get(wrong, ("Invalid data format", 6))
        return _said(400, text, code, **{"invalid-event-number": number})
    return _success(seq, channel)


def _first_wrong(parts: Sequence[hec.Part]) -> tuple[int, str]:
    return next(((number, part.problem) for number, part in enumerate(parts) if part.problem), (0, ""))


def _success(seq: int, channel: str) -> Answer:
    return Answer(200, encode({"text": "Success", "code": 0, "ackId": seq}) if channel else _SUCCESS)


async def _acks(asked: Asked, door: Door) -> Answer:
    try:
        wanted = msgspec.json.decode(await asked.body(), type=_Acks).acks
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise RefusedRequestError("bad_data") from None
    return Answer(200, encode({"acks": {str(seq): door.committed(seq) for seq in wanted}}))


def _beside(asked: Asked) -> dict[str, str]:
    return {name: value for name in hec.BESIDE if (value := asked.query(name))}


def _enveloped(asked: Asked, content: bytes) -> bytes:
    """Raw text whose sender said in the address where it comes from: each line in an envelope that says so."""
    beside = _beside(asked)
    if not beside:
        return content
    lines = (line.decode("utf-8", "replace") for line in content.splitlines() if line.strip())
    return b"\n".join(encode({"event": line, **beside}) for line in lines)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
