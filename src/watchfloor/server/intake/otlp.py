"""OpenTelemetry's logs over HTTP (OTLP 1.x): `POST /v1/logs` as protobuf or JSON.

https://opentelemetry.io/docs/specs/otlp/#otlphttp. The token comes as `Authorization: Bearer TOKEN`, or as the
password of Basic.
"""

from __future__ import annotations

import asyncio

from watchfloor.ingest.readers import otlp
from watchfloor.server.intake.door import Door
from watchfloor.server.intake.http import IN_A_THREAD, JSON, Answer, Asked, RefusedRequestError, encode

PATH = "/v1/logs"
PROTOBUF = b"application/x-protobuf"
# google.rpc.Code
_CODES = {401: 16, 404: 5, 413: 11, 429: 8, 503: 14}


def refused(error: RefusedRequestError) -> Answer:
    """An error as google.rpc.Status in JSON; `answer` turns it into protobuf for who speaks that."""
    body = encode({"code": _CODES.get(error.status, 3), "message": error.detail})
    return Answer(error.status, body)


async def answer(asked: Asked, door: Door) -> Answer:
    """Store a request of log records."""
    kind = asked.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    try:
        return await _answer(asked, door, kind)
    except RefusedRequestError as error:
        said = refused(error)
        return said._replace(body=_status(error), kind=PROTOBUF) if kind == PROTOBUF else said


async def _answer(asked: Asked, door: Door, kind: bytes) -> Answer:
    if asked.method != "POST":
        raise RefusedRequestError("bad_method")
    source = door.admit("otlp", asked, "bearer", "basic")
    if kind not in (PROTOBUF, JSON):
        raise RefusedRequestError("bad_encoding", "content-type is application/x-protobuf or application/json")
    content = await asked.body()
    try:
        if len(content) < IN_A_THREAD // 4:
            records = otlp.count(content)
        else:
            records = await asyncio.to_thread(otlp.count, content)
    except ValueError as error:
        raise RefusedRequestError("bad_data", str(error)[:500]) from None
    if records:
        await door.put(source, content, "otlp")
    # An ExportLogsServiceResponse without partial_success: all of it was taken.
    return Answer(200, b"" if kind == PROTOBUF else b"{}", kind)


def _status(error: RefusedRequestError) -> bytes:
    """google.rpc.Status in protobuf: 1 is the code, 2 the message."""
    message = error.detail.encode()[:1_000]
    size = len(message)
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([0x08, _CODES.get(error.status, 3), 0x12]) + length + message
