"""Records that hold several entries, each of which its product means as one: every entry becomes a record of its own.

An entry stands alone where it says all by itself; with what its parent says of all of them where it does not. `raw` is
then the JSON of the one entry's record. A JSON document that is nothing but a list of records never comes here.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from watchfloor.core.record import Record
from watchfloor.ingest.mappings.convert import text
from watchfloor.ingest.readers import otlp
from watchfloor.ingest.readers.flow_tuples import flows
from watchfloor.ingest.readers.json import parse
from watchfloor.ingest.readers.json_scan import scan
from watchfloor.ingest.readers.source import DOCUMENT_LIMIT

Data = dict[str, Any]
_DEEPEST = 4
_MOST = 4 * DOCUMENT_LIMIT


class List(NamedTuple):
    """Where a product's entries are: `holder` at a path, in records that have all of `beside`; each entry has one of
    `has`. With `around` the parent stays, its list holding the one entry; else the entry stands alone, with the
    parent's `keeps` and `adds`."""

    holder: str
    beside: frozenset[str]
    has: frozenset[str] = frozenset()
    around: bool = False
    keeps: tuple[str, ...] = ()
    adds: Data = {}

    @property
    def mark(self) -> str:
        """The key by which such records are told from most others."""
        return "detail-type" if "detail-type" in self.beside else self.holder.partition(".")[0]


def _list(holder: str, beside: str = "", has: str = "", **more: Any) -> List:
    return List(holder, frozenset([*beside.split(), holder.partition(".")[0]]), frozenset(has.split()), **more)


_LISTS = (
    # Google Workspace: an activity with the several things that it did.
    _list("events", "id actor", "name", around=True),
    # What AWS puts under `Records` (CloudTrail, notifications of S3, SNS, SQS and Kinesis), with things beside it.
    _list("Records", has="eventSource EventSource eventName kinesis"),
    # Azure's diagnostic settings; Stream Analytics and shippers put their own fields beside them.
    _list("records", has="category operationName resourceId ResourceId"),
    # Firehose to an HTTP endpoint: each record in base 64.
    _list("records", "requestId timestamp", "data"),
    # EventBridge with several findings of Security Hub.
    _list("detail.findings", "detail-type", around=True),
    # A subscription of CloudWatch Logs.
    _list("logEvents", "logGroup", "message", keeps=("owner", "logGroup", "logStream")),
    # Okta's event hooks.
    _list("data.events", "eventType cloudEventsVersion", "eventType"),
    # Kubernetes: items of a list do not say again what they are.
    _list("items", "apiVersion", "auditID", keeps=("apiVersion",), adds={"kind": "Event"}),
    # Abnormal: the messages of a threat. Bitdefender's push: events.
    _list("messages", "threatId", "abxMessageId", keeps=("threatId",)),
    _list("params.events", "jsonrpc", "module"),
    # AWS Config's snapshots and histories.
    _list("configurationItems", "fileVersion", "resourceType"),
)
# Text in which queues and shippers carry records; what has none of these names in it is one record at most.
_TEXTS = ("message", "body", "Message", "log", "_raw")
_SEVERAL = tuple(f'"{name}"' for name in ("logEvents", "Records", "records", "resourceLogs", "QueryResultRows"))
# What may stand beside `data` in base 64: Firehose's records, to Lambda and by HTTP.
_FIREHOSE = frozenset({"recordId", "approximateArrivalTimestamp", "kinesisRecordMetadata"})


def several(record: Record) -> Iterator[Record]:
    """The records that a record holds; it itself where it is one."""
    if _STRUCTURES.isdisjoint(record.data) and not _texts(record.data):
        yield record
        return
    found = 0
    for data in _Opened().entries(record.data):
        raw = (text(data) or "").encode("utf-8", "replace")
        yield msgspec.structs.replace(record, data=data, raw=raw, entry=found)
        found += 1
    if not found:
        yield record


class _Opened:
    """One record in work. `left`: how many bytes may still be unpacked or repeated for it."""

    def __init__(self) -> None:
        self.left = _MOST

    def entries(self, data: Data, depth: int = 0) -> Iterator[Data]:
        """The entries of a record, and theirs; nothing where it is one record."""
        if depth > _DEEPEST:
            return
        for mark in MARKS.intersection(data):
            for way in _WAYS[mark]:
                one = False
                for entry in way(self, data):
                    inner = False
                    for inmost in self.entries(entry, depth + 1):
                        yield inmost
                        inner = True
                    if not inner:
                        yield entry
                    one = True
                if one:
                    return

    def _shared(self, common: Data, times: int) -> bool:
        """Whether what entries share may stand with each of them: nobody shall fill the memory with it."""
        size = len(text(common) or "") * times
        self.left -= min(size, self.left)
        return self.left > 0

    def listed(self, data: Data) -> Iterable[Data]:
        """Lists of entries as `_LISTS` has them."""
        for rule in _LISTS:
            if rule.beside <= data.keys():
                holder, _, inner = rule.holder.partition(".")
                above = data[holder]
                items: Any = above.get(inner) if inner and isinstance(above, dict) else above
                if _objects(items, rule.has) and (len(items) > 1 or not rule.around):
                    return self._made(data, rule, items)
        return ()

    def _made(self, data: Data, rule: List, items: list[Data]) -> Iterable[Data]:
        if not rule.around:
            kept = {name: data[name] for name in rule.keeps if name in data} | rule.adds
            return ({**kept, **item} for item in items) if not kept or self._shared(kept, len(items)) else ()
        holder, _, inner = rule.holder.partition(".")
        if inner:
            above = {name: value for name, value in data[holder].items() if name != inner}
            around = {**data, holder: above}
            whole = ({**data, holder: {**above, inner: [item]}} for item in items)
        else:
            around = {name: value for name, value in data.items() if name != holder}
            whole = ({**data, holder: [item]} for item in items)
        return whole if self._shared(around, len(items)) else ()

    def rows(self, data: Data) -> Iterable[Data]:
        """The rows of a query's answer from CloudTrail Lake: each a list of cells, each cell a name with its value."""
        rows = data["QueryResultRows"]
        if not isinstance(rows, list) or not all(_objects(row) for row in rows):
            return
        for row in rows:
            cells: Data = {}
            for cell in row:
                cells.update(cell)
            whole = cells.get("eventJson")
            yield (_object(whole) if isinstance(whole, str) else None) or cells

    def logs(self, data: Data) -> Iterable[Data]:
        """The log records of an OpenTelemetry export that is in a file or a queue."""
        try:
            found = [otlp.plain(whole) for whole in otlp.logs(data)]
        except (AttributeError, TypeError, ValueError, ArithmeticError, OSError, RecursionError):
            return ()
        return ({**more, **(body if isinstance(body, dict) else {"message": body})} for body, more in found)

    def batch(self, data: Data) -> Iterable[Data]:
        """osquery's rows of one query: of a snapshot, or those that came and went."""
        if "hostIdentifier" not in data:
            return ()
        changes = data.get("diffResults")
        groups: Iterable[tuple[str, Any]] = [("snapshot", data.get("snapshot"))]
        if isinstance(changes, dict):
            groups = changes.items()
        rows = [(action, row) for action, group in groups if _objects(group) for row in group]
        common = {name: value for name, value in data.items() if name not in ("diffResults", "snapshot")}
        if not self._shared(common, len(rows)):
            return ()
        return ({**common, "action": action, "columns": row} for action, row in rows)

    def streams(self, data: Data) -> Iterable[Data]:
        """Lines as Promtail and Grafana's agent push them to Loki: labels, and times (nanoseconds) with texts."""
        streams = data["streams"]
        if not _objects(streams, frozenset({"values"})):
            return ()
        found = []
        for stream in streams:
            labels, values = stream.get("stream"), stream["values"]
            if not isinstance(labels, dict) or not isinstance(values, list) or not self._shared(labels, len(values)):
                return ()
            for value in values:
                if not isinstance(value, list) or len(value) < 2 or not isinstance(value[1], str):
                    return ()
                found.append({**labels, "timestamp": value[0], "message": value[1]})
        return found

    def carried(self, data: Data) -> Iterable[Data]:
        """What a queue's message holds as text, where that is several records."""
        for held in _texts(data):
            whole = _object(held)
            if whole is not None:
                return self.entries(whole, 1)
        return ()

    def decoded(self, data: Data) -> Iterator[Data]:
        """What is there in base 64, mostly as gzip: CloudWatch Logs by Lambda, Kinesis and Firehose."""
        for name in ("awslogs", "kinesis"):
            if isinstance(holder := data.get(name), dict) and isinstance(held := holder.get("data"), str):
                yield from self._unpacked(held)
        if isinstance(held := data.get("data"), str) and data.keys() - {"data"} <= _FIREHOSE:
            yield from self._unpacked(held)

    def _unpacked(self, held: str) -> Iterator[Data]:
        for raw, bad in scan([content]) if (content := self._bytes(held)) else ():
            if not bad and (data := parse(raw)[0]) is not None:
                yield data

    def _bytes(self, held: str) -> bytes:
        """The bytes of base 64, out of gzip where they are in it; nothing where they are no JSON."""
        try:
            content = base64.b64decode(held, validate=True)
            if content[:2] == b"\x1f\x8b":
                reader = zlib.decompressobj(wbits=31)
                content = reader.decompress(content, self.left)
                self.left -= len(content)
                if reader.unconsumed_tail or not self.left:
                    return b""
        except (ValueError, zlib.error):
            return b""
        return content if content.lstrip()[:1] == b"{" else b""

    def flows(self, data: Data) -> Iterable[Data]:
        """Azure's flow logs."""
        return flows(data)


def _texts(data: Data) -> list[str]:
    """The texts of a record that may be several records."""
    event = data.get("event")
    held = [data[name] for name in _TEXTS if name in data]
    if type(event) is dict:
        held.append(event.get("original"))
    objects = [one for one in held if type(one) is str and one[:1] == "{"]
    return [one for one in objects if any(mark in one for mark in _SEVERAL)] if objects else []


def _objects(items: Any, has: frozenset[str] = frozenset()) -> bool:
    if not isinstance(items, list) or not items:
        return False
    return all(isinstance(i, dict) and (not has or not has.isdisjoint(i)) for i in items)


def _object(held: str) -> Data | None:
    return parse(held.encode("utf-8", "replace"))[0]


_Way = Callable[[_Opened, Data], Iterable[Data]]
# What to try for records that have a key. Records without any of them are one record.
_WAYS: dict[str, tuple[_Way, ...]] = {
    **{rule.mark: (_Opened.listed,) for rule in _LISTS},
    "QueryResultRows": (_Opened.rows,),
    "resourceLogs": (_Opened.logs,),
    "snapshot": (_Opened.batch,),
    "diffResults": (_Opened.batch,),
    "streams": (_Opened.streams,),
    "awslogs": (_Opened.decoded,),
    "kinesis": (_Opened.decoded,),
    "data": (_Opened.listed, _Opened.decoded),
    "properties": (_Opened.flows,),
    "flowRecords": (_Opened.flows,),
    **dict.fromkeys((*_TEXTS, "event"), (_Opened.carried,)),
}
MARKS = frozenset(_WAYS)
_STRUCTURES = frozenset(mark for mark, ways in _WAYS.items() if ways != (_Opened.carried,))
