"""What live sources hand in becomes records: every form, always something, known by its bytes and not by its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.record import Record
from watchfloor.ingest import Unreadable
from watchfloor.ingest.readers import READERS, hec, otlp, read_parcel

AT = 1_792_000_000_000


def read(content: bytes, form: str = "", at: int = AT) -> list[Any]:
    return list(read_parcel("acme", "hec/a", content, form=form, at=at))


def records(content: bytes, form: str = "") -> list[Record]:
    items = read(content, form)
    assert all(isinstance(item, Record) for item in items), items
    return items


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b'{"a": 1}', [{"a": 1}]),
        (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        (b'{\n "a": 1\n}', [{"a": 1}]),
        (b"just words", [{"message": "just words"}]),
        (b"a,b,c", [{"message": "a,b,c"}]),
        (b"user,address,result\nbob,10.0.0.1,ok\n", [{"user": "bob", "address": "10.0.0.1", "result": "ok"}]),
    ],
)
def test_the_content_tells_the_form_and_text_is_taken_line_by_line(content: bytes, wanted: list[Any]) -> None:
    assert [record.data for record in records(content)] == wanted


@given(st.binary(max_size=300), st.sampled_from(["", *READERS]))
def test_whatever_comes_gives_something_and_bytes_that_cannot_be_read_are_all_kept(content: bytes, form: str) -> None:
    items = read(content, form)
    assert items
    if all(isinstance(item, Unreadable) and item.unit == "file" for item in items):
        assert items[0].raw == content


def test_the_same_bytes_are_the_same_record_wherever_they_stand() -> None:
    (alone,) = records(b'{"a":1}')
    first, second = records(b'{"b":2}\n{"a":1}\n')
    assert second.uid == alone.uid != first.uid
    assert len(alone.uid) == 34, "128 bits: nobody makes two records alike on purpose"
    (elsewhere,) = read_parcel("acme", "hec/b", b'{"a":1}', at=AT)
    assert isinstance(elsewhere, Record)
    assert elsewhere.uid != alone.uid


def test_a_long_line_that_is_no_record_is_kept_whole() -> None:
    line = b'{"a": "' + b"x" * 300_000
    (item,) = read(line + b"\n", "ndjson")
    assert isinstance(item, Unreadable)
    assert item.raw == line


def test_hec_events_have_the_fields_of_their_envelope() -> None:
    body = {"time": 1792000000.5, "host": "fw1", "sourcetype": "x", "index": "main", "fields": {"zone": "dmz"}}
    one, two, three, four, five = records(
        b"".join(
            json.dumps({**body, "event": event}).encode()
            for event in ({"host": "own", "a": 1}, '{"b": 2}', "<34>Oct 11 22:14:15 db1 su: failed for root", 7, ["x"])
        ),
        "hec",
    )
    beside = {"time": 1792000000.5, "host": "fw1", "sourcetype": "x", "index": "main", "zone": "dmz"}
    assert one.data == {**beside, "host": "own", "a": 1}
    assert two.data == {**beside, "b": 2}
    assert (three.format, three.data["host"], three.data["program"]) == ("syslog", "db1", "su")
    assert four.data == {**beside, "event": 7}
    assert five.data == {**beside, "event": ["x"]}
    assert json.loads(one.raw) == {**body, "event": {"host": "own", "a": 1}}


def test_hec_says_which_event_is_wrong_and_reads_the_others() -> None:
    content = b'{"event":"a"} {"event":""}\n{"time":1}{"event":null}{"event":"b"} {"event":'
    assert [part.problem for part in hec.split(content)] == ["", "blank", "no_event", "blank", "", "invalid"]
    items = read(content, "hec")
    assert [isinstance(item, Record) for item in items] == [True, False, False, False, True, False]
    assert items[-1].raw == b'{"event":'


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text() | st.integers()), max_size=5),
    st.sampled_from(["", "\n", " \r\n"]),
)
def test_hec_tells_envelopes_apart_however_they_stand(events: list[dict[str, Any]], between: str) -> None:
    parts = [json.dumps({"event": event}) for event in events]
    found = hec.split(between.join(parts).encode())
    assert [part.raw.decode() for part in found] == parts
    assert not any(part.problem for part in found)


REQUEST = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "host.name", "value": {"stringValue": "web1"}}]},
            "scopeLogs": [
                {
                    "scope": {"name": "filelog"},
                    "logRecords": [
                        {
                            "timeUnixNano": "1792000000123000000",
                            "severityText": "WARN",
                            "body": {"stringValue": '{"eventName": "StopLogging"}'},
                            "attributes": [{"key": "tries", "value": {"intValue": "3"}}],
                        },
                        {
                            "observedTimeUnixNano": "1792000001000000000",
                            "body": {
                                "kvlistValue": {
                                    "values": [
                                        {"key": "EventID", "value": {"intValue": "4625"}},
                                        {
                                            "key": "tags",
                                            "value": {
                                                "arrayValue": {"values": [{"stringValue": "a"}, {"boolValue": True}]}
                                            },
                                        },
                                    ]
                                }
                            },
                        },
                        {"body": {"stringValue": "su: failed for root"}},
                    ],
                }
            ],
        }
    ]
}


def protobuf(request: dict[str, Any]) -> bytes:
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    return bytes(ParseDict(request, ExportLogsServiceRequest()).SerializeToString())


def test_otlp_is_the_same_as_json_and_as_protobuf() -> None:
    content = json.dumps(REQUEST).encode()
    assert otlp.count(content) == otlp.count(protobuf(REQUEST)) == 3
    for items in (records(content, "otlp"), records(protobuf(REQUEST), "otlp")):
        one, two, three = (item.data for item in items)
        assert one["eventName"] == "StopLogging"
        assert one["time"] == "2026-10-14T17:46:40.123Z"
        assert one["host"] == "web1"
        assert one["otel"]["attributes"] == {"tries": 3}
        assert one["otel"]["severityText"] == "WARN"
        assert (two["EventID"], two["tags"]) == (4625, ["a", True])
        assert three["message"] == "su: failed for root"


@pytest.mark.parametrize(
    "content", [b'{"resourceLogs": 7}', b"\xff\xff\xff", b'{"resourceLogs": [', b'{"resourceLogs": [3]}']
)
def test_what_is_no_otlp_is_told_and_kept(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        otlp.count(content)
    (item,) = read(content, "otlp")
    assert isinstance(item, Unreadable)
    assert item.raw == content
