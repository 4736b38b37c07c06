"""JSON: lines, documents, arrays, envelopes (`{"Records": [...]}`), several values one after another, damaged files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec
import orjson

from watchfloor.core.record import Unit
from watchfloor.ingest.readers.json_scan import ENVELOPES, scan
from watchfloor.ingest.readers.source import DOCUMENT_LIMIT, HEAD, MIB, Item, Source, lines, upto

# What stands beside the records in an envelope.
_BESIDE = frozenset(
    [
        "@odata.context",
        "@odata.nextLink",
        "@odata.count",
        "nextLink",
        "next",
        "next_token",
        "nextToken",
        "NextToken",
        "nextPageToken",
        "count",
        "total",
        "took",
        "timed_out",
        "_shards",
        "status",
        "cursor",
        "meta",
        "metadata",
        "paging",
        "links",
        "ResponseMetadata",
        "kind",
        "etag",
        # Other APIs' words for pages, and for how the question went.
        "pagination",
        "page",
        "pages",
        "page_size",
        "pageSize",
        "pageNumber",
        "nextPageNumber",
        "next_page_token",
        "next_page",
        "next_cursor",
        "nextCursor",
        "next_stream_position",
        "previous",
        "limit",
        "offset",
        "has_more",
        "hasMore",
        "chunk_size",
        "total_count",
        "totalCount",
        "total_records",
        "page_count",
        "continuationToken",
        "response_metadata",
        "result_info",
        "wait_time",
        "ok",
        "stat",
        "success",
        "errors",
        "messages",
        "fail",
        "from",
        "to",
    ]
)
# The same for envelopes whose other parts would elsewhere be a record's own: STIX bundles, osquery, Bitwarden.
_BESIDE_OF = {
    "objects": frozenset({"type", "id", "spec_version", "more", "next"}),
    "data": frozenset({"node_key", "log_type", "object"}),
}
# Answers with several lists, whose records do not say which they were in: they get it as `eventType` (Proofpoint TAP).
_LISTS = frozenset({"messagesDelivered", "messagesBlocked", "clicksPermitted", "clicksBlocked"})
OPENABLE = _LISTS.union(ENVELOPES)
# An envelope whose records come first: it is opened without being parsed as a whole.
_ENVELOPE = re.compile(rb'\s*\{\s*"(?:%s)"\s*:\s*\[\s*\{' % b"|".join(name.encode() for name in ENVELOPES))
# The bytes of a record and the list that it was in.
Opened = tuple[bytes, str]
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DEEPEST = 200


def read(source: Source) -> Iterator[Item]:
    """Records of a JSON source, whichever way it holds them."""
    first, end, rest = source.head.partition(b"\n")
    first, rest = first.strip(), rest.strip()
    whole = bool(end) or len(source.head) < HEAD
    if whole and not rest and _opened_if_whole(first) is not None:
        yield from _document(source)  # an envelope that stands alone: its records are counted, not its one line
        return
    by_line = (whole and _is_object(first)) or (rest.startswith(b"{") and _is_object(rest.partition(b"\n")[0].strip()))
    yield from read_lines(source) if by_line else _document(source)


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def read_lines(source: Source) -> Iterator[Item]:
    """Records of JSON lines."""
    for index, (line, length) in enumerate(lines(source.stream, source.longest)):
        if length:
            yield source.unreadable(index, "line", f"a line of {length:,} bytes is longer than a record may be", line)
        elif line and not line.isspace():
            if _ENVELOPE.match(line) and (inner := _opened_if_whole(line)) is not None:
                yield from _entries(source, index, inner)
                continue
            data, reason = parse(line)
            if data is None:
                inner = _split(line) if line.lstrip()[:2] in (b"[{", b"[ ") else None
                if inner is None or not all(raw.lstrip()[:1] == b"{" for raw, _ in inner):
                    yield source.unreadable(index, "line", reason, line)
                else:
                    yield from _entries(source, index, inner)
            elif not OPENABLE.isdisjoint(data) and (inner := _opened_if_whole(line)) is not None:
                yield from _entries(source, index, inner)
            else:
                yield source.record(json_format(reason), index, "line", line, data)


def _entries(source: Source, index: int, opened: list[Opened]) -> Iterator[Item]:
    """The records of one line."""
    for number, (raw, kind) in enumerate(opened):
        yield _item(source, index, raw, kind, unit="line", entry=number)


def _document(source: Source) -> Iterator[Item]:
    text = upto(source.stream, DOCUMENT_LIMIT + 1)
    if len(text) <= DOCUMENT_LIMIT:
        items = _split(text)
        if items is not None:
            yield from _all(source, items)
            return
    more = iter(lambda: source.stream.read(MIB), b"")
    for position, (raw, reason) in enumerate(scan(chain([text], more), source.longest)):
        yield source.unreadable(position, "record", reason, raw) if reason else _item(source, position, raw)


def _all(source: Source, items: list[Opened]) -> Iterator[Item]:
    if len(items) > 20 and not any(raw.lstrip().startswith(b"{") for raw, _ in items[:20]):
        reason = f"a JSON list of {len(items):,} values that are no objects: no records"
        yield source.unreadable(0, "file", reason, source.head)
        return
    for position, (raw, kind) in enumerate(items):
        yield _item(source, position, raw, kind)


def _split(text: bytes) -> list[Opened] | None:
    """The records of one JSON document, or None when it is not exactly one."""
    try:
        if text.lstrip().startswith(b"["):
            return [(bytes(raw), "") for raw in _LIST.decode(text)]
        opened = _opened(text)
        return [(text.strip(), "")] if opened is None else opened
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _opened_if_whole(text: bytes) -> list[Opened] | None:
    """The same; None also where the text is not all valid JSON."""
    try:
        return _opened(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _opened(text: bytes) -> list[Opened] | None:
    """The records inside an envelope; None when the object is itself the record. Raises what msgspec raises."""
    fields = _OBJECT.decode(text)
    if lists := _LISTS & fields.keys():
        if not fields.keys() - lists <= {"queryEndTime"}:
            return None
        return [(bytes(raw), name) for name in sorted(lists) for raw in _LIST.decode(fields[name])]
    name = next((n for n in ENVELOPES if n in fields), None)
    if name is None or not (set(fields) - {name} <= _BESIDE | _BESIDE_OF.get(name, frozenset())):
        return None
    inner = bytes(fields[name]).lstrip()
    if name == "hits" and inner.startswith(b"{"):
        inner = bytes(_OBJECT.decode(inner).get("hits", msgspec.Raw(b"null"))).lstrip()
    if not inner.startswith(b"["):
        return None
    items = [bytes(raw) for raw in _LIST.decode(inner)]
    return [(raw, "") for raw in items] if all(raw[:1] == b"{" or raw.lstrip()[:1] == b"{" for raw in items) else None


def _item(source: Source, position: int, raw: bytes, kind: str = "", *, unit: Unit = "record", entry: int = 0) -> Item:
    data, reason = parse(raw)
    if data is None:
        return source.unreadable(position, unit, reason, raw)
    data = {**data, "eventType": kind} if kind else data
    return source.record(json_format(reason), position, unit, raw, data, entry=entry)


def json_format(note: str) -> str:
    return f"json/{note}" if note else "json"


def parse(text: bytes) -> tuple[dict[str, Any] | None, str]:
    """A JSON object and a note, or None and why it is none. Takes what strict parsers refuse, saying so in the note."""
    try:
        data: Any = orjson.loads(text)
        note = ""
    except orjson.JSONDecodeError as error:
        data, note = _lenient(text)
        if data is None:
            return None, f"no valid JSON: {error}"
    if not isinstance(data, dict):
        return None, f"no JSON object but a {type(data).__name__}"
    if len(text) >= _SHORTEST_DEEP and text.count(b"{") + text.count(b"[") > _DEEPEST and _too_deep(data):
        return None, f"JSON nested deeper than {_DEEPEST} levels"
    return data, note


_SHORTEST_DEEP = 2 * _DEEPEST  # `[` and `]` of each level


def _lenient(text: bytes) -> tuple[Any, str]:
    """NaN, Infinity, huge numbers and bytes that are no UTF-8, each as text; (None, "") when it is no JSON at all."""
    decoded = text.decode("utf-8", "replace")
    try:
        data = json.loads(decoded, parse_constant=str, parse_float=_finite, parse_int=_bounded, strict=False)
        orjson.dumps(data)
    except (ValueError, RecursionError, TypeError):
        return None, ""
    lossy = "�" in decoded
    return data, "bytes that are no UTF-8 were replaced" if lossy else "values that JSON has not were kept as text"


def _finite(text: str) -> float | str:
    number = float(text)
    return number if abs(number) < 1e308 else text


def _bounded(text: str) -> int | str:
    return int(text) if len(text) < 19 else text


def _too_deep(data: Any) -> bool:
    level, depth = [data], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            return True
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(v for v in value.values() if isinstance(v, (dict, list)))
            elif isinstance(value, list):
                inner.extend(v for v in value if isinstance(v, (dict, list)))
        level = inner
    return False
