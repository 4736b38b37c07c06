"""Records come out of the envelopes that shippers and exports put around them, and nothing else does."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from watchfloor.core.event import Event
from watchfloor.ingest import Normalizer, ingest
from watchfloor.ingest.entities import BY_TYPE, RANKED, with_entities
from watchfloor.ingest.envelopes import unwrapped

CALL = {
    "eventTime": "2026-10-13T07:01:02Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "awsRegion": "eu-west-1",
    "userIdentity": {"type": "IAMUser", "userName": "alice"},
}
TEXT = json.dumps(CALL)
AROUND: dict[str, dict[str, Any]] = {
    "Filebeat": {"@timestamp": "2026-10-13T07:01:03Z", "agent": {"type": "filebeat"}, "message": TEXT},
    "Elastic's integration": {"@timestamp": "x", "event": {"dataset": "aws.cloudtrail", "original": TEXT}},
    "a search hit": {"_index": "logs", "_id": "1", "_source": CALL},
    "Splunk's export": {"result": {"_raw": TEXT, "_time": "1", "sourcetype": "aws:cloudtrail"}},
    "CloudWatch Logs": {"id": "1", "timestamp": 1, "message": TEXT},
    "a container's log": {"log": TEXT + "\n", "stream": "stdout", "time": "x"},
    "EventBridge": {"detail-type": "AWS API Call via CloudTrail", "source": "aws.s3", "account": "1", "detail": CALL},
    "lookup-events": {"EventId": "1", "EventName": "GetObject", "CloudTrailEvent": TEXT},
    "an audit search": {"RecordType": "15", "Operations": "x", "AuditData": TEXT},
    "SNS": {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:x", "Message": TEXT},
    "SQS": {"messageId": "1", "receiptHandle": "r", "body": TEXT, "eventSource": "aws:sqs"},
    "SNS in SQS": {"MessageId": "1", "ReceiptHandle": "r", "body": json.dumps({"TopicArn": "a", "Message": TEXT})},
    "Pub/Sub": {"message": {"data": base64.b64encode(TEXT.encode()).decode(), "messageId": "1"}, "subscription": "s"},
    "Kafka Connect": {"schema": None, "payload": CALL},
    "two of them": {"_id": "1", "_source": {"@timestamp": "x", "@version": "1", "message": TEXT}},
}


@pytest.mark.parametrize("shipper", AROUND)
def test_the_record_comes_out(shipper: str) -> None:
    assert unwrapped(AROUND[shipper]) == CALL


LEFT: dict[str, dict[str, Any]] = {
    "text that is no JSON": {"@timestamp": "x", "message": "{not json"},
    "JSON in a record of another kind": {"user": "alice", "message": TEXT},
    "a body that nobody sent": {"user": "alice", "body": TEXT},
    "no base 64": {"message": {"data": "???"}, "subscription": "s"},
    "a list": {"@timestamp": "x", "message": "[1, 2]"},
    "an EventBridge event that says what its detail does not": {
        "detail-type": "EC2 Instance State-change Notification",
        "account": "111122223333",
        "detail": {"instance-id": "i-1", "state": "stopped"},
    },
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_no_envelope_stays(case: str) -> None:
    assert unwrapped(LEFT[case]) is LEFT[case]


def events(folder: Path, text: str) -> list[Event]:
    file = folder / "a.json"
    file.write_text(text)
    found = list(ingest([file], "acme", Normalizer.shipped()))
    assert all(isinstance(event, Event) for event in found)
    return [event for event in found if isinstance(event, Event)]


def test_cloudwatch_subscriptions_and_syslog_hand_out_each_record(tmp_path: Path) -> None:
    batch = {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "trail",
        "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": [{"id": str(n), "timestamp": 1, "message": TEXT} for n in range(2)],
    }
    assert [e.mapping for e in events(tmp_path, json.dumps(batch))] == ["aws_cloudtrail"] * 2
    line = f"<13>1 2026-10-13T07:01:02Z relay forwarder 1 - - {TEXT}\n"
    (event,) = events(tmp_path, line)
    assert (event.mapping, event.get("actor.user.name")) == ("aws_cloudtrail", "alice")
    assert TEXT in event.ocsf["raw_data"]


def test_records_of_an_answer_with_several_lists_say_which(tmp_path: Path) -> None:
    answer = {
        "queryEndTime": "2026-10-13T07:01:02Z",
        "clicksPermitted": [{"GUID": "c"}],
        "messagesDelivered": [{"GUID": "a"}, {"GUID": "b"}],
        "messagesBlocked": [],
    }
    found = [(e.original["GUID"], e.original["eventType"]) for e in events(tmp_path, json.dumps(answer))]
    assert found == [("c", "clicksPermitted"), ("a", "messagesDelivered"), ("b", "messagesDelivered")]


def test_a_bundle_is_one_record_an_object_and_a_list_of_another_record_stays(tmp_path: Path) -> None:
    objects = [{"type": "indicator", "id": "indicator--1"}, {"type": "malware", "id": "malware--1"}]
    assert len(events(tmp_path, json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}))) == 2
    assert len(events(tmp_path, json.dumps({"type": "scan", "name": "weekly", "objects": objects}))) == 1


ENTITIES = [
    {"$id": "1", "Type": "account", "Name": "alice", "UPNSuffix": "corp.example"},
    {"$id": "2", "Type": "process", "ImageFile": {"$ref": "3"}},
    {"$id": "3", "Type": "file", "Name": "a.exe"},
    {"$id": "4", "Type": "account", "Name": "bob"},
    "no entity",
]


@pytest.mark.parametrize(
    "spelled",
    [ENTITIES, json.dumps(ENTITIES), '"' + json.dumps(ENTITIES).replace('"', '""') + '"'],
    ids=["list", "JSON", "JSON quoted again"],
)
def test_entities_by_type_with_what_they_refer_to(spelled: Any) -> None:
    found = with_entities({"SystemAlertId": "a", "Entities": spelled})[BY_TYPE]
    assert (found["account"]["Name"], found["process"]["ImageFile"]["Name"]) == ("alice", "a.exe")


def test_entities_that_cannot_be_read_leave_the_alert() -> None:
    for spelled in ("[broken", 7, {"a": 1}, [], [{"$id": ["x"], "Type": 3}]):
        alert = {"SystemAlertId": "a", "Entities": spelled}
        assert with_entities(alert) is alert


def test_message_tracking_is_read_by_its_columns(tmp_path: Path) -> None:
    log = (
        "#Software: Microsoft Exchange Server\n#Log-type: Message Tracking Log\n"
        "#Fields: date-time,client-ip,source,event-id,message-id,recipient-address,message-subject,sender-address\n"
        '2026-10-13T07:01:02.345Z,203.0.113.5,SMTP,RECEIVE,<m1@x.example>,alice@corp.example,"Hi, you",b@x.example\n'
    )
    (event,) = events(tmp_path, log)
    assert (event.mapping, event.get("email.subject"), event.get("src_endpoint.ip")) == (
        "exchange_trace",
        "Hi, you",
        "203.0.113.5",
    )


def test_the_second_of_each_type_stands_in_the_second_table() -> None:
    """An alert with three processes and two people is about all of them; a process's image is no file of its own."""
    first, second, third = with_entities(
        {
            "SystemAlertId": "a",
            "Entities": [
                {"$id": "2", "Type": "process", "ProcessId": "2", "ImageFile": {"$id": "3", "Type": "file"},
                 "ParentProcess": {"$id": "4", "Type": "process", "ProcessId": "4"}},
                {"$ref": "3"}, {"$ref": "4"}, {"$ref": "none"}, {"$ref": ["2"]},
                {"$id": "6", "Type": "process", "ProcessId": "6", "ParentProcess": {"$ref": "2"}},
                {"$id": "7", "Type": "account", "Name": "alice"}, {"$id": "8", "Type": "account", "Name": "bob"},
            ],
        }
    )[RANKED]  # fmt: skip
    assert [table["process"]["ProcessId"] for table in (first, second, third)] == ["2", "4", "6"]
    assert third["process"]["ParentProcess"]["ProcessId"] == "2"
    assert (first["account"]["Name"], second["account"]["Name"], "file" in first) == ("alice", "bob", False)
    assert len(with_entities({"SystemAlertId": "a", "Entities": [{"Type": "ip"}] * 900})[RANKED]) == 32
