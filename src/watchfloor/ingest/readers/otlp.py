"""OpenTelemetry's logs (OTLP 1.x, `ExportLogsServiceRequest`) as protobuf or JSON: each log record with its resource.

https://opentelemetry.io/docs/specs/otel/logs/data-model/. A body that is an object or holds one is the record, a text
is a line of a log; what OpenTelemetry says beside it stands under `otel`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from watchfloor.core.clock import iso
from watchfloor.core.noun import portable
from watchfloor.ingest.readers.json import parse
from watchfloor.ingest.readers.line import parts
from watchfloor.ingest.readers.source import Item, Source

Data = dict[str, Any]
_DEEPEST = 32


def requests(content: bytes) -> Data:
    """The request as plain data in OTLP's JSON names. Raises ValueError when it is none."""
    if content.lstrip()[:1] == b"{":
        try:
            data = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"no valid JSON: {error}") from None
        if not isinstance(data.get("resourceLogs", []), list):
            raise ValueError("resourceLogs is no list")
        return dict(data)
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    try:
        return _plain(ExportLogsServiceRequest.FromString(content))
    except (DecodeError, RecursionError) as error:
        raise ValueError(f"no valid protobuf: {error}") from None


def count(content: bytes) -> int:
    """How many log records a request has. Raises ValueError when it is none."""
    try:
        return sum(1 for _ in logs(requests(content)))
    except (AttributeError, TypeError) as error:
        raise ValueError(f"no ExportLogsServiceRequest: {error}") from None


def _plain(request: Any) -> Data:
    """A protobuf request in the form of its JSON, as far as records need it."""
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": _pairs_of(group.resource.attributes)},
                "scopeLogs": [
                    {
                        "scope": {"name": scope.scope.name, "version": scope.scope.version},
                        "logRecords": [_log_of(log) for log in scope.log_records],
                    }
                    for scope in group.scope_logs
                ],
            }
            for group in request.resource_logs
        ]
    }


def _log_of(log: Any) -> Data:
    data: Data = {
        "timeUnixNano": str(log.time_unix_nano),
        "observedTimeUnixNano": str(log.observed_time_unix_nano),
        "severityNumber": log.severity_number,
        "severityText": log.severity_text,
        "eventName": log.event_name,
        "body": _value_of(log.body),
        "attributes": _pairs_of(log.attributes),
        "traceId": log.trace_id.hex(),
        "spanId": log.span_id.hex(),
    }
    return {name: value for name, value in data.items() if value not in ("", "0", 0, [], None)}


def _pairs_of(pairs: Iterable[Any]) -> list[Data]:
    return [{"key": pair.key, "value": _value_of(pair.value)} for pair in pairs]


def _value_of(value: Any) -> Data | None:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return {"arrayValue": {"values": [_value_of(one) for one in held.values]}}
    if kind == "kvlist_value":
        return {"kvlistValue": {"values": _pairs_of(held.values)}}
    if kind == "bytes_value":
        return {"bytesValue": base64.b64encode(held).decode()}
    head, _, tail = kind.partition("_")
    return {head + tail.capitalize(): str(held) if kind == "int_value" else held}


def read(source: Source) -> Iterator[Item]:
    """Each log record. The record's bytes are canonical JSON of it with its resource and scope."""
    content = source.stream.read()
    try:
        request = requests(content)
    except ValueError as error:
        yield source.unreadable(0, "file", str(error)[:500], content)
        return
    for position, whole in enumerate(logs(request)):
        raw = orjson.dumps(portable(whole), option=orjson.OPT_SORT_KEYS)
        try:
            yield source.record(*_record(whole, position, raw, source.modified))
        except (AttributeError, TypeError, ValueError, ArithmeticError, OSError, RecursionError) as error:
            yield source.unreadable(position, "record", f"no valid log record: {error}"[:500], raw)


def logs(request: Data) -> Iterator[Data]:
    for group in request.get("resourceLogs") or []:
        for scope in group.get("scopeLogs") or []:
            for log in scope.get("logRecords") or []:
                yield {"resource": group.get("resource") or {}, "scope": scope.get("scope") or {}, "log": log}


def plain(whole: Data) -> tuple[Any, Data]:
    """The body of a log record, an object where it is one or holds it as text, and what stands beside it as a record
    has it. Raises what wrong kinds of values raise."""
    log, resource = whole["log"], _fields(whole["resource"].get("attributes"))
    beside = {
        "resource": resource,
        "scope": whole["scope"].get("name") or None,
        "attributes": _fields(log.get("attributes")),
        **{name: log.get(name) for name in ("severityText", "severityNumber", "eventName", "traceId", "spanId")},
    }
    body = _value(log.get("body"))
    if isinstance(body, str) and body.lstrip().startswith("{") and (inner := parse(body.encode())[0]) is not None:
        body = inner
    nanoseconds = int(log.get("timeUnixNano") or 0) or int(log.get("observedTimeUnixNano") or 0)
    more: Data = {"otel": {name: value for name, value in beside.items() if value}}
    if nanoseconds:
        more["time"] = iso(nanoseconds // 1_000_000)
    if host := resource.get("host.name"):
        more["host"] = host
    return body, more


def _record(whole: Data, position: int, raw: bytes, at: int) -> tuple[str, int, Any, bytes, Data]:
    body, more = plain(whole)
    form, data = "json", {}
    if isinstance(body, dict):
        data = body
    elif isinstance(body, str):
        form, data = "syslog", parts(body, at)
    elif body is not None:
        data = {"body": body}
    return form, position, "record", raw, {**more, **data}


def _fields(pairs: Any) -> Data:
    return {str(pair["key"]): _value(pair.get("value")) for pair in pairs or []}


def _value(value: Any, depth: int = 0) -> Any:
    """An AnyValue as plain data."""
    if not isinstance(value, dict) or depth > _DEEPEST:
        return None
    for kind, held in value.items():
        if kind == "intValue":
            return int(held)
        if kind == "arrayValue":
            return [_value(one, depth + 1) for one in held.get("values") or []]
        if kind == "kvlistValue":
            return {str(pair["key"]): _value(pair.get("value"), depth + 1) for pair in held.get("values") or []}
        if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return held
    return None
