"""Elasticsearch's `_bulk`, and as much of the rest as its shippers ask for before they send: Beats, Logstash, Vector,
Fluent Bit, rsyslog, the official clients. Nothing can be searched here; what only prepares an index is said yes to.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from watchfloor.server.intake.door import Door
from watchfloor.server.intake.http import IN_A_THREAD, Answer, Asked, RefusedRequestError, encode

VERSION = "8.19.0"
"""The version of Elasticsearch whose interface this is."""
_PRODUCT = ((b"x-elastic-product", b"Elasticsearch"),)
_INFO = {
    "name": "watchfloor",
    "cluster_name": "watchfloor",
    "cluster_uuid": "watchfloorwatchfloor00",
    "version": {
        "number": VERSION,
        "build_flavor": "default",
        "build_type": "docker",
        "build_hash": "0000000000000000000000000000000000000000",
        "build_date": "2026-01-01T00:00:00.000000000Z",
        "build_snapshot": False,
        "lucene_version": "9.12.1",
        "minimum_wire_compatibility_version": "7.17.0",
        "minimum_index_compatibility_version": "7.0.0",
    },
    "tagline": "You Know, for Search",
}
_LICENSE = {"license": {"uid": "watchfloor", "type": "basic", "mode": "basic", "status": "active"}}
_FEATURES = ("graph", "ilm", "logstash", "ml", "monitoring", "rollup", "security", "watcher")
_XPACK = {
    "build": {"hash": "0", "date": "2026-01-01T00:00:00.000Z"},
    **_LICENSE,
    "features": {name: {"available": True, "enabled": name in ("ilm", "security")} for name in _FEATURES},
    "tagline": "You know, for X",
}
_HEALTH = {"cluster_name": "watchfloor", "status": "green", "number_of_nodes": 1, "number_of_data_nodes": 1}
_FIXED = {"/": _INFO, "/_license": _LICENSE, "/_xpack": _XPACK, "/_cluster/health": _HEALTH}
# What shippers prepare: they may put it, and asked for it they hear that it is not there, so that they do.
_PREPARED = (
    "/_index_template/",
    "/_component_template/",
    "/_template/",
    "/_ilm/policy/",
    "/_ingest/pipeline/",
    "/_data_stream/",
    "/_alias/",
)
_TYPES = {
    "no_token": "security_exception",
    "bad_token": "security_exception",
    "too_large": "content_too_long_exception",
    "full": "es_rejected_execution_exception",
    "broken": "unavailable_shards_exception",
    "no_route": "resource_not_found_exception",
}
_CHALLENGE = ((b"www-authenticate", b'Basic realm="security", charset="UTF-8"'), (b"www-authenticate", b"ApiKey"))


class _Meta(msgspec.Struct):
    index: Any = msgspec.field(name="_index", default=None)
    id: Any = msgspec.field(name="_id", default=None)


_ACTION = msgspec.json.Decoder(dict[str, _Meta | None])
_DOCUMENT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Item(NamedTuple):
    """One action of a bulk request. `document` is None for a deletion; `problem` says why it is no JSON object."""

    action: str
    to: str
    id: str
    document: bytes | None
    problem: str = ""


def refused(error: RefusedRequestError) -> Answer:
    """An error as Elasticsearch says it."""
    cause = {"type": _TYPES.get(error.reason, "illegal_argument_exception"), "reason": error.detail}
    body = encode({"error": {"root_cause": [cause], **cause}, "status": error.status})
    return Answer(error.status, body, headers=_PRODUCT + (_CHALLENGE if error.status == 401 else ()))


def wants(method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request is for here and not for the console.

    Elasticsearch's own paths begin with `_`. The root and an index's name are the console's as well: there only a
    sender counts who signs in as shippers do, and has neither a browser's cookie nor its wish for a page.
    """
    if "/_" in path:
        return True
    if path.count("/") != 1 or method not in (("GET", "HEAD") if path == "/" else ("HEAD", "PUT")):
        return False
    given = dict(headers)
    scheme = given.get(b"authorization", b"").partition(b" ")[0].lower()
    return scheme in (b"basic", b"apikey") and b"cookie" not in given and b"text/html" not in given.get(b"accept", b"")


async def answer(asked: Asked, door: Door) -> Answer:
    """Raises RefusedRequestError."""
    source = door.admit("bulk", asked, "basic", "apikey", "bearer")
    path = asked.path.rstrip("/") or "/"
    if not path.endswith("/_bulk"):
        return _other(asked.method, path)
    if asked.method not in ("POST", "PUT"):
        raise RefusedRequestError("bad_method")
    content = await asked.body()
    index = path.removesuffix("/_bulk").strip("/")
    if len(content) < IN_A_THREAD:
        items = list(parse(content, index))
    else:
        items = await asyncio.to_thread(lambda: list(parse(content, index)))
    if not items:
        raise RefusedRequestError("no_data", "request body is required")
    documents = b"\n".join(item.document for item in items if item.document is not None)
    # What is no JSON object goes along: it becomes a dead letter and is not lost, whatever its sender does now.
    seq = await door.put(source, documents, "ndjson") if documents else 0
    return _told(items, seq, short=bool(asked.query("filter_path")))


def parse(content: bytes, index: str) -> Iterator[Item]:
    """The actions of a body. Raises RefusedRequestError where the lines make no sense any more."""
    lines = enumerate(content.split(b"\n"), 1)
    for number, line in lines:
        if not line.strip():
            continue
        try:
            ((action, meta),) = _ACTION.decode(line).items()
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
            raise RefusedRequestError("bad_data", f"Malformed action/metadata line [{number}]") from None
        if action not in ("index", "create", "update", "delete"):
            raise RefusedRequestError("bad_data", f"Malformed action/metadata line [{number}]: [{action[:40]}]")
        to = str((meta and meta.index) or index)
        id = str((meta and meta.id) or "")
        if action == "delete":
            yield Item(action, to, id, None)
            continue
        document = next(lines, (0, b""))[1].strip(b"\r ")
        if not document:
            raise RefusedRequestError("bad_data", "The bulk request must be terminated by a newline [\\n]")
        yield Item(action, to, id, document, _problem(document))


def _problem(document: bytes) -> str:
    try:
        _DOCUMENT.decode(document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return f"failed to parse: {error}"
    return ""


def _told(items: Sequence[Item], seq: int, *, short: bool) -> Answer:
    told = [{item.action: _result(item, f"{seq}-{n}", short)} for n, item in enumerate(items)]
    errors = any(item.problem for item in items)
    body: dict[str, Any] = {"errors": errors, "items": told}
    return Answer(200, encode(body if short else {"took": 1, **body}), headers=_PRODUCT)


def _result(item: Item, id: str, short: bool) -> dict[str, Any]:
    if item.problem:
        why = {"type": "document_parsing_exception", "reason": item.problem}
        result: dict[str, Any] = {"status": 400, "error": why}
    elif item.document is None:
        result = {"status": 404, "result": "not_found"}
    elif short:
        return {"status": 201}
    else:
        shards = {"total": 1, "successful": 1, "failed": 0}
        result = {"status": 201, "result": "created", "_version": 1, "_shards": shards, "_seq_no": 0}
    return result if short else {"_index": item.to, "_id": item.id or id, **result}


def _other(method: str, path: str) -> Answer:
    """What shippers ask beside sending."""
    if path in _FIXED and method in ("GET", "HEAD"):
        return Answer(200, encode(_FIXED[path]) if method == "GET" else b"", headers=_PRODUCT)
    if path == "/_cat/health" and method in ("GET", "HEAD"):
        return Answer(200, b"watchfloor green 1 1\n" if method == "GET" else b"", b"text/plain", _PRODUCT)
    if path.startswith(_PREPARED) or not path.startswith("/_"):
        if method in ("PUT", "POST"):
            return Answer(200, b'{"acknowledged":true}', headers=_PRODUCT)
        if method == "HEAD" and not path.startswith("/_"):
            return Answer(200, b"", headers=_PRODUCT)  # an index is there as soon as somebody writes to it
        if method in ("GET", "HEAD"):
            answer = refused(RefusedRequestError("no_route"))
            return answer._replace(body=b"" if method == "HEAD" else answer.body)
    raise RefusedRequestError("no_route", f"Watchfloor takes records in and answers no [{method} {path[:100]}]")
