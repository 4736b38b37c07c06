"""Envelopes: what shippers and exports put around a record. What later steps see is the record inside.

An envelope goes only where the record inside says itself what it is; one that carries facts of its own stays.
"""

from __future__ import annotations

import base64
from typing import Any

from watchfloor.ingest.readers.json import parse

Data = dict[str, Any]

# The key of the record -> what may stand beside it (None: anything, as long as one of the second set is there).
_OBJECTS: dict[str, tuple[frozenset[str] | None, frozenset[str]]] = {
    "_source": (None, frozenset({"_index", "_id"})),
    "result": (frozenset({"preview", "offset", "lastrow"}), frozenset()),
    "full_alert": (frozenset({"features", "metadata"}), frozenset()),
    "alert": (frozenset({"incident"}), frozenset()),
    "event": (None, frozenset({"expected_alert"})),
    "udm": (frozenset({"name", "uid"}), frozenset()),
    "payload": (frozenset({"schema"}), frozenset()),
    "Sns": (frozenset({"EventSource", "EventVersion", "EventSubscriptionArn"}), frozenset()),
}
# What stands beside a record that is there as JSON text: Beats, Logstash, syslog, Splunk, container logs, queues,
# exports of CloudTrail and of Microsoft 365's audit log.
_TEXTS: dict[str, frozenset[str]] = {
    "message": frozenset({"@timestamp", "@version", "agent", "logStream", "program", "facility"}),
    "_raw": frozenset({"_time", "sourcetype", "_indextime", "source"}),
    "log": frozenset({"stream"}),
    "Message": frozenset({"TopicArn"}),
    "body": frozenset({"receiptHandle", "eventSourceARN", "ReceiptHandle"}),
    "CloudTrailEvent": frozenset({"EventId"}),
    "AuditData": frozenset({"RecordType", "Operations"}),
}
_SYSLOG = frozenset({"program", "facility"})
_HEADER = ("timestamp", "host", "program", "pid")
_CLOUDWATCH = frozenset({"id", "timestamp", "message", "ingestionTime", "extractedFields", "eventId"})
# EventBridge's `detail` goes out of its envelope when it names its account itself.
_OWN_ACCOUNT = frozenset({"accountId", "awsAccountId", "userIdentity", "recipientAccountId"})


def unwrapped(data: Data) -> Data:
    """The record inside envelopes: a search engine's hit, a queue's message, an alert or test case of a collection."""
    for key, (beside, marks) in _OBJECTS.items():
        if key in data:
            others = data.keys() - {key}
            if (marks & others) if beside is None else (others <= beside):
                inner = data[key]
                if isinstance(inner, dict) and inner:
                    return unwrapped(inner)
    if "detail-type" in data:
        detail = data.get("detail")
        if isinstance(detail, dict) and (
            _OWN_ACCOUNT & detail.keys() or str(data.get("source")).startswith("aws.partner/")
        ):
            return detail
        # Security Hub's findings: the readers make one of each.
        findings = detail.get("findings") if isinstance(detail, dict) else None
        if isinstance(findings, list) and len(findings) == 1 and isinstance(findings[0], dict):
            return findings[0]
    if "category" in data and "properties" in data:
        row = data["properties"]
        if str(data["category"]).startswith("AdvancedHunting-") and isinstance(row, dict):
            # Defender's streaming API: a row as a query gives it, and its table.
            return {**row, "category": data["category"], "tenantId": data.get("tenantId")}
    if "rule" in data and "priority" in data and isinstance(named := data.get("output_fields"), dict):
        # Falco's names have dots in them; a path reaches those of the record only.
        return {**data, **{f"output_fields.{name}": value for name, value in named.items()}}
    return _from_text(data)


def _from_text(data: Data) -> Data:
    for key, marks in _TEXTS.items():
        if key in data and (marks & data.keys() or data.keys() <= _CLOUDWATCH) and (inner := _object(data[key])):
            return _with_header(unwrapped(inner), data)
    # Elastic's integrations keep the record as it came; AKS puts Kubernetes' audit into a diagnostic log.
    for key, name in (("event", "original"), ("properties", "log")):
        holder = data.get(key)
        if isinstance(holder, dict) and (inner := _object(holder.get(name))):
            return unwrapped(inner)
    # Pub/Sub pushes what was published in base 64.
    if "message" in data and "subscription" in data:
        pushed = data["message"]
        if isinstance(pushed, dict) and (inner := _object(_decoded(pushed.get("data")))):
            return unwrapped(inner)
    return data


def _decoded(found: Any) -> str:
    try:
        return base64.b64decode(found, validate=True).decode() if isinstance(found, str) else ""
    except ValueError:
        return ""


def _with_header(data: Data, line: Data) -> Data:
    """With the syslog header that it came behind as `syslog`: some products' JSON says neither when nor where."""
    if line.keys().isdisjoint(_SYSLOG) or "syslog" in data:
        return data
    return {**data, "syslog": {name: line[name] for name in _HEADER if name in line}}


def _object(found: Any) -> Data | None:
    if not isinstance(found, str) or not found.lstrip().startswith("{"):
        return None
    return parse(found.encode("utf-8", "replace"))[0]
