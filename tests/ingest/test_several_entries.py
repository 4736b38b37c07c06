"""One record that holds several entries becomes a record for each, with what its parent says of all of them."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.event import Event, get_path
from watchfloor.core.record import Record
from watchfloor.ingest import Normalizer, Unreadable, ingest
from watchfloor.ingest.readers import read_parcel
from watchfloor.ingest.readers.several import MARKS

NORMALIZER = Normalizer.shipped()
TRAIL = {"eventVersion": "1.08", "eventTime": "2026-10-13T07:01:02Z", "eventSource": "iam.amazonaws.com"}
TRAIL |= {"awsRegion": "eu-west-1", "sourceIPAddress": "203.0.113.5", "userIdentity": {"type": "IAMUser"}}
ACTIVITY = {"kind": "admin#reports#activity", "id": {"time": "2026-10-13T07:01:02Z", "applicationName": "admin"}}
ACTIVITY |= {"actor": {"email": "alice@corp.example"}, "ipAddress": "203.0.113.5"}
AZURE = {"time": "2026-10-13T07:01:02Z", "resourceId": "/SUBSCRIPTIONS/S", "category": "Administrative"}
FINDING = {
    "SchemaVersion": "2018-10-08",
    "ProductArn": "arn:aws:securityhub:eu-west-1::product/x/y",
    "GeneratorId": "g",
}
FINDING |= {"AwsAccountId": "111122223333", "Types": ["T"], "UpdatedAt": "2026-10-13T07:01:02Z"}
AUDIT = {"verb": "get", "requestURI": "/api", "user": {"username": "bob"}, "stage": "ResponseComplete"}
HOOKED = {"actor": {"alternateId": "alice@corp.example"}, "published": "2026-10-13T07:01:02Z", "outcome": {}}
EXECUTED = {"name": "pack_process_events", "hostIdentifier": "ws1", "calendarTime": "c", "unixTime": 1791874862}


def trail(name: str) -> dict[str, Any]:
    return TRAIL | {"eventName": name}


def packed(*data: Any) -> str:
    return base64.b64encode(gzip.compress("".join(map(json.dumps, data)).encode())).decode()


def logs(*messages: str) -> dict[str, Any]:
    events = [{"id": str(n), "timestamp": 1791874862000, "message": text} for n, text in enumerate(messages)]
    head = {"messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "trail", "logStream": "s"}
    return head | {"subscriptionFilters": ["f"], "logEvents": events}


def otel(*names: str) -> dict[str, Any]:
    records = [{"timeUnixNano": "1791874862000000000", "body": {"stringValue": json.dumps(trail(n))}} for n in names]
    return {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [{"scope": {}, "logRecords": records}]}]}


NAMES = ["CreateUser", "DeleteUser"]
TRAILS = [trail(name) for name in NAMES]
# name -> the record, where the events differ, what is there, and what all of them say.
CASES: dict[str, tuple[Any, str, list[Any], dict[str, Any]]] = {
    "Google Workspace": (
        ACTIVITY | {"events": [{"name": "CREATE_USER"}, {"name": "DELETE_USER"}]},
        "metadata.event_code",
        ["CREATE_USER", "DELETE_USER"],
        {"actor.user.name": "alice@corp.example", "src_endpoint.ip": "203.0.113.5"},
    ),
    "CloudTrail with a shipper's fields": ({"Records": TRAILS, "host": "a", "tags": ["b"]}, "api.operation", NAMES, {}),
    "CloudTrail in a queue's message": (
        {"messageId": "m", "receiptHandle": "r", "body": json.dumps({"Records": TRAILS})},
        "api.operation",
        NAMES,
        {"src_endpoint.ip": "203.0.113.5"},
    ),
    "notifications to Lambda": (
        {
            "Records": [
                {"EventSource": "aws:sns", "Sns": {"TopicArn": "t", "Message": json.dumps(one)}} for one in TRAILS
            ]
        },
        "api.operation",
        NAMES,
        {},
    ),
    "CloudTrail Lake": (
        {
            "QueryStatus": "FINISHED",
            "QueryResultRows": [[{"eventJson": json.dumps(one)}, {"n": "1"}] for one in TRAILS],
        },
        "api.operation",
        NAMES,
        {},
    ),
    "CloudTrail Lake's columns": (
        {"QueryResultRows": [[{key: value} for key, value in one.items()] for one in TRAILS], "QueryStatistics": {}},
        "api.operation",
        NAMES,
        {},
    ),
    "Azure with a hub's fields": (
        {
            "records": [AZURE | {"operationName": name} for name in ("A/WRITE", "B/DELETE")],
            "EventProcessedUtcTime": "2026-10-13T07:02:02Z",
            "PartitionId": 1,
        },
        "api.operation",
        ["A/WRITE", "B/DELETE"],
        {},
    ),
    "Security Hub by EventBridge": (
        {
            "detail-type": "Security Hub Findings - Custom Action",
            "source": "aws.securityhub",
            "account": "111122223333",
            "detail": {"findings": [FINDING | {"Id": "f1", "Title": "One"}, FINDING | {"Id": "f2", "Title": "Two"}]},
        },
        "finding_info.title",
        ["One", "Two"],
        {"cloud.account.uid": "111122223333", "class_uid": 2004},
    ),
    "CloudWatch Logs to Lambda": (
        {"awslogs": {"data": packed(logs(*map(json.dumps, TRAILS)))}},
        "api.operation",
        NAMES,
        {},
    ),
    "CloudWatch Logs by Firehose": (
        {
            "requestId": "r",
            "timestamp": 1791874862000,
            "records": [{"data": packed(logs(json.dumps(one)))} for one in TRAILS],
        },
        "api.operation",
        NAMES,
        {},
    ),
    "CloudWatch Logs by Kinesis": (
        {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": packed(*map(logs, map(json.dumps, TRAILS)))}}]},
        "api.operation",
        NAMES,
        {},
    ),
    "lines of CloudWatch Logs": (
        logs(
            "2 111122223333 eni-1 203.0.113.5 10.0.0.5 40000 22 6 1 40 1791874860 1791874862 REJECT OK",
            "2 111122223333 eni-1 203.0.113.6 10.0.0.5 40000 22 6 1 40 1791874860 1791874862 ACCEPT OK",
        ),
        "src_endpoint.ip",
        ["203.0.113.5", "203.0.113.6"],
        {"class_uid": 4001},
    ),
    "Okta's hooks": (
        {
            "eventType": "com.okta.event_hook",
            "cloudEventsVersion": "0.1",
            "data": {"events": [HOOKED | {"eventType": name} for name in ("user.session.start", "user.session.end")]},
        },
        "metadata.event_code",
        ["user.session.start", "user.session.end"],
        {},
    ),
    "Kubernetes' list": (
        {
            "kind": "EventList",
            "apiVersion": "audit.k8s.io/v1",
            "metadata": {},
            "items": [AUDIT | {"auditID": "a1"}, AUDIT | {"auditID": "a2"}],
        },
        "metadata.correlation_uid",
        ["a1", "a2"],
        {"actor.user.name": "bob"},
    ),
    "osquery's rows": (
        EXECUTED
        | {
            "diffResults": {
                "added": [{"cmdline": "id", "pid": "4", "path": "/bin/id"}],
                "removed": [{"path": "/bin/b"}],
            }
        },
        "unmapped.action",
        ["added", "removed"],
        {"device.hostname": "ws1"},
    ),
    "OpenTelemetry in a file": (otel(*NAMES), "api.operation", NAMES, {}),
    "Abnormal's threat": (
        {"threatId": "t1", "messages": [{"abxMessageId": n, "fromAddress": f"{n}@pay.example"} for n in (1, 2)]},
        "evidences.0.email.from",
        ["1@pay.example", "2@pay.example"],
        {"class_uid": 2004},
    ),
    "Bitdefender's push": (
        {
            "jsonrpc": "2.0",
            "method": "addEvents",
            "params": {"events": [{"module": "av", "companyId": "k", "malware_name": name} for name in ("A", "B")]},
        },
        "finding_info.title",
        ["A", "B"],
        {"class_uid": 2004},
    ),
    "lines that went to Loki": (
        {
            "streams": [
                {
                    "stream": {"host": "web1"},
                    "values": [
                        [
                            "1791874862000000000",
                            f"Oct 13 07:01:02 web1 sshd[9]: Failed password for {user} from 203.0.113.5 port 4 ssh2",
                        ]
                        for user in ("alice", "bob")
                    ],
                }
            ]
        },
        "user.name",
        ["alice", "bob"],
        {"src_endpoint.ip": "203.0.113.5", "class_uid": 3002},
    ),
}


def items(content: Any, tmp_path: Path) -> list[Event]:
    file = tmp_path / "x.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    found = list(ingest([file], "t", NORMALIZER))
    assert not [item for item in found if isinstance(item, Unreadable)]
    return [item for item in found if isinstance(item, Event)]


@pytest.mark.parametrize("case", CASES)
def test_every_entry_is_an_event(case: str, tmp_path: Path) -> None:
    record, path, expected, common = CASES[case]
    events = items(record, tmp_path)
    assert [event.get(path) for event in events] == expected
    for event in events:
        assert event.mapping != "base"
        assert {name: event.get(name) for name in common} == common
    assert len({event.uid for event in events}) == len(events)
    assert len({event.ocsf["raw_data"] for event in events}) == len(events)


def test_what_an_event_cites_is_its_own_entry(tmp_path: Path) -> None:
    record = ACTIVITY | {"events": [{"name": "CREATE_USER"}, {"name": "DELETE_USER"}]}
    first, second = items(record, tmp_path)
    for event, own, others in ((first, "CREATE_USER", "DELETE_USER"), (second, "DELETE_USER", "CREATE_USER")):
        assert get_path(event.original, "events.0.name") == own
        assert own in event.ocsf["raw_data"]
        assert others not in event.ocsf["raw_data"] + json.dumps(event.original)
    assert (first.position, second.position) == (0, 0)


def test_the_same_entry_twice_is_two_events_and_the_same_file_again_none_more(tmp_path: Path) -> None:
    record = {"Records": [trail("CreateUser")] * 3, "host": "a"}
    once, again = items(record, tmp_path), items(record, tmp_path)
    assert len({event.uid for event in once}) == 3
    assert [event.uid for event in once] == [event.uid for event in again]


def test_lines_that_hold_lists_are_opened_and_keep_their_line(tmp_path: Path) -> None:
    text = "\n".join(
        map(json.dumps, (trail("ListUsers"), TRAILS, {"value": TRAILS, "@odata.count": 2}, trail("GetUser")))
    )
    events = items(text, tmp_path)
    assert [event.get("api.operation") for event in events] == ["ListUsers", *NAMES, *NAMES, "GetUser"]
    assert [event.position for event in events] == [0, 1, 1, 2, 2, 3]
    assert {event.unit for event in events} == {"line"}


@pytest.mark.parametrize("name", ["resources", "result", "entries", "activity_logs", "items"])
def test_answers_of_apis_are_opened(name: str, tmp_path: Path) -> None:
    beside = {"meta": {}, "errors": [], "success": True, "has_more": False, "response_metadata": {"next_cursor": ""}}
    assert [event.get("api.operation") for event in items({name: TRAILS, **beside}, tmp_path)] == NAMES


ONE = [
    {"id": "x", "events": [{"name": "a"}, {"name": "b"}]},
    {"records": ["a", "b"], "host": "h"},
    {"Records": [{"a": 1}, {"a": 2}], "host": "h"},
    {"data": base64.b64encode(b"no json at all, only text").decode()},
    {"awslogs": {"data": "H4sIAAAA"}},
    {"QueryResultRows": [["a"]], "x": 1},
    {"resourceLogs": [{"scopeLogs": 7}]},
    {"message": '{"records": 7', "@timestamp": "t"},
    {"streams": [{"values": 7}]},
    {"detail-type": "x", "detail": {"findings": ["a"]}},
]


@pytest.mark.parametrize("record", ONE, ids=[f"{next(iter(one))} {n}" for n, one in enumerate(ONE)])
def test_what_is_no_list_of_entries_stays_one_record(record: dict[str, Any], tmp_path: Path) -> None:
    assert [event.original for event in items(record, tmp_path)] == [record]


def test_a_small_record_cannot_become_more_than_memory_holds(tmp_path: Path) -> None:
    bomb = base64.b64encode(gzip.compress(b'{"a":"' + b" " * (300 << 20) + b'"}', 1)).decode()
    (event,) = items({"awslogs": {"data": bomb}}, tmp_path)
    assert event.original == {"awslogs": {"data": bomb}}
    wide = ACTIVITY | {"more": "x" * 1_000_000, "events": [{"name": "a"}] * 1_000}
    assert len(items(wide, tmp_path)) == 1


INNER = st.sampled_from(["id", "actor", "name", "events"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(INNER, inner),
    max_leaves=6,
)
KEYS = st.sampled_from(
    sorted(MARKS | {"id", "actor", "detail", "logGroup", "apiVersion", "hostIdentifier", "category"})
)


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=6))
def test_whatever_stands_there_becomes_records_and_nothing_is_lost(data: dict[str, Any]) -> None:
    found = list(read_parcel("t", "s", json.dumps(data).encode(), form="ndjson"))
    assert found
    assert {item.reason for item in found if isinstance(item, Unreadable)} <= {"holds no records"}  # an empty list
    assert len({item.uid for item in found if isinstance(item, Record)}) == sum(
        isinstance(item, Record) for item in found
    )
