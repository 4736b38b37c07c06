"""Each protocol on the wire: its paths, bodies, codes and errors as its senders know them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ingest.test_live_readers import REQUEST, protobuf
from tests.server.intake.conftest import Desk
from watchfloor.core.policy import Policy
from watchfloor.core.record import Record
from watchfloor.ingest.readers import read_parcel

ROOT = Path(__file__).resolve().parents[3]
CHANNEL = "fe0ecfad-13d5-401b-847d-77833bd77131"


def records(desk: Desk) -> list[Any]:
    """What the worker will read."""
    return [
        item
        for p in desk.kept()
        for item in read_parcel(desk.tenant, p.source, p.content, form=p.form, at=p.received_at)
    ]


# Splunk HEC


def collector(desk: Desk, path: str, content: bytes | str, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return desk.client.post(f"/services/collector{path}", content=content, headers=given)


def test_hec_takes_concatenated_events_at_each_of_its_addresses(desk: Desk) -> None:
    splunk = f"Splunk {desk.token('hec')}"
    for path in ("", "/event", "/event/1.0"):
        answer = collector(desk, path, '{"event":"one"}{"event":{"two":2}}\n{"event":"three"}', authorization=splunk)
        assert (answer.status_code, answer.json()) == (200, {"text": "Success", "code": 0})
    assert len(records(desk)) == 9
    assert all(isinstance(record, Record) for record in records(desk))


def test_hec_basic_authentication_is_the_token_as_password(desk: Desk) -> None:
    pair = base64.b64encode(f"x:{desk.token('hec')}".encode()).decode()
    assert collector(desk, "", '{"event":"x"}', authorization=f"Basic {pair}").json()["code"] == 0


@pytest.mark.parametrize(
    ("headers", "content", "status", "body"),
    [
        ({}, "{}", 401, {"text": "Token is required", "code": 2}),
        ({"authorization": "Digest x"}, "{}", 401, {"text": "Invalid authorization", "code": 3}),
        ({"authorization": "Splunk x"}, "{}", 403, {"text": "Invalid token", "code": 4}),
        ({"authorization": "TOKEN"}, " ", 400, {"text": "No data", "code": 5}),
        (
            {"authorization": "TOKEN"},
            '{"event":"a"} nonsense',
            400,
            {"text": "Invalid data format", "code": 6, "invalid-event-number": 1},
        ),
        (
            {"authorization": "TOKEN", "x_splunk_request_channel": "no-uuid"},
            '{"event":"a"}',
            400,
            {"text": "Invalid data channel", "code": 11},
        ),
        (
            {"authorization": "TOKEN"},
            '{"event":"a"}{"evnt":1}',
            400,
            {"text": "Event field is required", "code": 12, "invalid-event-number": 1},
        ),
        (
            {"authorization": "TOKEN"},
            '{"event":""}',
            400,
            {"text": "Event field cannot be blank", "code": 13, "invalid-event-number": 0},
        ),
    ],
)
def test_hec_says_what_is_wrong_as_splunk_does(
    desk: Desk, headers: dict[str, str], content: str, status: int, body: dict[str, Any]
) -> None:
    token = f"Splunk {desk.token('hec')}"
    answer = collector(desk, "/event", content, **{k: token if v == "TOKEN" else v for k, v in headers.items()})
    assert (answer.status_code, answer.json()) == (status, body)


def test_hec_keeps_what_it_calls_invalid_so_that_nothing_is_lost(desk: Desk) -> None:
    token = f"Splunk {desk.token('hec')}"
    assert collector(desk, "", '{"event":"a"}{"evnt":1}{"event":"b"} nonsense', authorization=token).status_code == 400
    assert [isinstance(item, Record) for item in records(desk)] == [True, False, True, False]


def test_hec_raw_text_is_a_record_a_line_and_keeps_what_the_address_says(desk: Desk) -> None:
    token = f"Splunk {desk.token('hec')}"
    assert collector(desk, "/raw", "one line\nanother\n", authorization=token).json()["code"] == 0
    path = "/raw?host=db1&sourcetype=audit&channel=" + CHANNEL
    assert collector(desk, path, "a third\n\nthe last", authorization=token).json()["ackId"] == 2
    one, two, three, four = records(desk)
    assert (one.data["message"], two.raw) == ("one line", b"another")
    assert (three.data["message"], three.data["host"], three.data["sourcetype"]) == ("a third", "db1", "audit")
    assert four.data["message"] == "the last"


def test_hec_acknowledges_what_it_gave_a_number_for(desk: Desk) -> None:
    token = f"Splunk {desk.token('hec')}"
    channel = {"authorization": token, "x_splunk_request_channel": CHANNEL}
    ids = [collector(desk, "", f'{{"event":"{n}"}}', **channel).json()["ackId"] for n in range(3)]
    asked = json.dumps({"acks": [*ids, 99, -1]})
    answer = collector(desk, "/ack", asked, **channel)
    assert answer.json() == {"acks": {**{str(i): True for i in ids}, "99": False, "-1": False}}
    assert collector(desk, f"/ack?channel={CHANNEL}", asked, authorization=token).status_code == 200
    assert collector(desk, "/ack", asked, authorization=token).json() == {"text": "Data channel is missing", "code": 10}
    assert collector(desk, "/ack", '{"acks":"x"}', **channel).json()["code"] == 6


def test_hec_health_needs_no_token(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = desk.client.get("/services/collector/health")
    assert (answer.status_code, answer.json()) == (200, {"text": "HEC is healthy", "code": 17})
    with monkeypatch.context() as patch:
        patch.setattr(desk.spool, "_most_parcels", 0)
        answer = desk.client.get("/services/collector/health")
        assert (answer.status_code, answer.json()["code"]) == (503, 18)
    assert desk.client.get("/services/collector/health/1.0").status_code == 200
    assert desk.client.get("/services/collector/event").status_code == 405
    assert desk.client.post("/services/collector/other").status_code == 404


# Elasticsearch


def test_bulk_answers_each_action_and_stores_each_document(desk: Desk) -> None:
    auth = ("elastic", desk.token("bulk"))
    content = "\n".join(
        [
            '{"index":{"_index":"a","_id":"7"}}',
            '{"n":1}',
            '{"create":{"_index":"b"}}',
            '{"n":2}',
            '{"update":{"_id":3}}',
            '{"doc":{"n":3}}',
            '{"delete":{"_index":"a","_id":"7"}}',
            '{"index":{}}',
            '{"n":4}',
            "",
        ]
    )
    answer = desk.client.post("/mine/_bulk", content=content, auth=auth)
    assert answer.status_code == 200
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    body = answer.json()
    assert body["errors"] is False
    told = [(*item, *((one["_index"], one["status"]) for one in item.values())) for item in body["items"]]
    assert told == [
        ("index", ("a", 201)),
        ("create", ("b", 201)),
        ("update", ("mine", 201)),
        ("delete", ("a", 404)),
        ("index", ("mine", 201)),
    ]
    assert body["items"][0]["index"]["_id"] == "7"
    assert [record.data for record in records(desk)] == [{"n": 1}, {"n": 2}, {"doc": {"n": 3}}, {"n": 4}]


def test_bulk_tells_a_broken_document_alone_and_keeps_it_as_a_dead_letter(desk: Desk) -> None:
    auth = ("elastic", desk.token("bulk"))
    content = '{"index":{}}\n{"n":1}\n{"index":{}}\n{"n":\n{"index":{}}\n[1]\n{"index":{}}\n{"n":4}\n'
    body = desk.client.post("/_bulk?filter_path=errors,items.*.status,items.*.error", content=content, auth=auth).json()
    assert body["errors"] is True
    assert [item["index"]["status"] for item in body["items"]] == [201, 400, 400, 201]
    assert body["items"][1]["index"]["error"]["type"] == "document_parsing_exception"
    assert "took" not in body
    assert [isinstance(item, Record) for item in records(desk)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"n":1}\n{"n":2}\n', r"Malformed action/metadata line \[1\]"),
        ('{"index":{}}\n{"n":1}\n{"drop":{}}\n{}\n', r"Malformed action/metadata line \[3\]"),
        ('{"index":{}}\n', "must be terminated by a newline"),
        ("[]\n", r"Malformed action/metadata line \[1\]"),
        ("", "request body is required"),
    ],
)
def test_bulk_refuses_a_body_whose_lines_make_no_sense(desk: Desk, content: str, reason: str) -> None:
    answer = desk.client.post("/_bulk", content=content, auth=("x", desk.token("bulk")))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "illegal_argument_exception"
    assert re.search(reason, error["reason"])
    assert desk.kept() == []


def test_bulk_takes_an_api_key_as_shippers_write_it(desk: Desk) -> None:
    key = base64.b64encode(f"s:{desk.token('bulk')}".encode()).decode()
    headers = {"authorization": f"ApiKey {key}"}
    assert desk.client.get("/", headers=headers).json()["tagline"] == "You Know, for Search"
    assert desk.client.post("/_bulk", content='{"index":{}}\n{"n":1}\n', headers=headers).status_code == 200


def test_elasticsearchs_shippers_hear_what_they_ask_first(desk: Desk) -> None:
    client, auth = desk.client, ("x", desk.token("bulk"))
    info = client.get("/", auth=auth)
    assert info.json()["version"]["number"] >= "8"
    assert client.head("/", auth=auth).status_code == 200
    assert client.get("/_license", auth=auth).json()["license"]["status"] == "active"
    assert client.get("/_xpack", auth=auth).json()["license"]["type"] == "basic"
    assert client.get("/_cluster/health", auth=auth).json()["status"] == "green"
    assert client.head("/_cat/health", auth=auth).status_code == 200
    for path in ("/_index_template/x", "/_template/x", "/_ilm/policy/x", "/_ingest/pipeline/x", "/_data_stream/x"):
        assert client.head(path, auth=auth).status_code == 404
        assert client.get(path, auth=auth).status_code == 404
        assert client.put(path, json={}, auth=auth).json() == {"acknowledged": True}
    assert client.head("/filebeat-8.19", auth=auth).status_code == 200
    assert client.put("/filebeat-8.19", auth=auth).json() == {"acknowledged": True}
    for path in ("/_search", "/logs/_search", "/_security/user"):
        answer = client.get(path, auth=auth)
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "resource_not_found_exception"
    assert desk.kept() == []


def test_elasticsearchs_errors_ask_for_a_login(desk: Desk) -> None:
    answer = desk.client.get("/", auth=("x", "y"))
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "security_exception"
    assert "Basic" in answer.headers["www-authenticate"]


# OpenTelemetry


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_otlp_speaks_json_and_protobuf(desk: Desk, scheme: str) -> None:
    token = desk.token("otlp")
    shown = token if scheme == "Bearer" else base64.b64encode(f"x:{token}".encode()).decode()
    headers = {"authorization": f"{scheme} {shown}", "content-type": "application/json; charset=utf-8"}
    answer = desk.client.post("/v1/logs", content=json.dumps(REQUEST), headers=headers)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "{}", "application/json")
    headers["content-type"] = "application/x-protobuf"
    answer = desk.client.post("/v1/logs", content=protobuf(REQUEST), headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    found = records(desk)
    assert len(found) == 6
    assert found[0].data == found[3].data


def test_otlp_errors_are_a_status_in_the_senders_language(desk: Desk) -> None:
    token = f"Bearer {desk.token('otlp')}"
    send = lambda kind, content, auth=token: desk.client.post(  # noqa: E731
        "/v1/logs", content=content, headers={"authorization": auth, "content-type": kind}
    )
    answer = send("application/json", '{"resourceLogs": 1}')
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    answer = send("application/x-protobuf", b"\xff\xff")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert answer.content[:2] == b"\x08\x03", "field 1, INVALID_ARGUMENT"
    assert answer.content[4:].decode().startswith("no valid protobuf") or answer.content[5:].decode()
    assert send("application/x-protobuf", b"", "Bearer x").content[:2] == b"\x08\x10", "UNAUTHENTICATED"
    assert send("text/plain", b"x").status_code == 415
    assert desk.client.get("/v1/logs", headers={"authorization": token}).status_code == 405


def test_otlp_without_a_log_record_is_fine_and_stores_nothing(desk: Desk) -> None:
    headers = {"authorization": f"Bearer {desk.token('otlp')}", "content-type": "application/x-protobuf"}
    assert desk.client.post("/v1/logs", content=b"", headers=headers).status_code == 200
    assert desk.kept() == []


# Webhooks


@pytest.mark.parametrize(
    ("content", "count"),
    [(b'{"action": "opened"}', 1), (b'[{"a":1},{"a":2}]', 2), (b'{"a":1}\n{"a":2}\n{"a":3}', 3), (b"plain text", 1)],
)
def test_a_webhook_takes_anything_and_says_that_it_is_stored(desk: Desk, content: bytes, count: int) -> None:
    headers = {"authorization": f"Bearer {desk.token('webhook', 'git')}"}
    answer = desk.client.post("/intake/webhook/git", content=content, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"status": "stored"})
    assert len(records(desk)) == count


@pytest.mark.parametrize("header", ["x-hub-signature-256", "x-signature-256", "x-signature"])
def test_a_signed_webhook_needs_no_token(desk: Desk, header: str) -> None:
    secret = desk.sources.add("git", "webhook").signing_secret
    body = b'{"action": "opened"}'
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    send = lambda content, signature: desk.client.post(  # noqa: E731
        "/intake/webhook/git", content=content, headers={header: signature.encode()}
    )
    assert send(body, f"sha256={made}").status_code == 202
    assert send(body, made).status_code == 202
    for wrong in (made[:-1], "sha256=", made.replace(made[0], "g"), "sha1=" + made, "é"):
        assert send(body, wrong).status_code == 401
    assert send(body + b" ", f"sha256={made}").status_code == 401
    assert len(desk.kept()) == 2


def test_one_webhooks_secrets_open_no_other(desk: Desk) -> None:
    one, two = desk.sources.add("one", "webhook"), desk.sources.add("two", "webhook")
    body = b"{}"
    signature = hmac.new(one.signing_secret.encode(), body, hashlib.sha256).hexdigest()
    post = lambda name, **headers: desk.client.post(f"/intake/webhook/{name}", content=body, headers=headers)  # noqa: E731
    assert post("two", authorization=f"Bearer {one.token}").status_code == 401
    assert post("two", **{"x-signature": signature}).status_code == 401
    assert post("none", authorization=f"Bearer {two.token}").status_code == 401
    assert post("none", **{"x-signature": signature}).status_code == 401
    assert desk.kept() == []
    assert post("two", authorization=f"Bearer {two.token}").status_code == 202


def test_an_empty_webhook_is_refused(desk: Desk) -> None:
    headers = {"authorization": f"Bearer {desk.token('webhook')}"}
    answer = desk.client.post("/intake/webhook/s", content=b" \n", headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert desk.client.get("/intake/webhook/s", headers=headers).status_code == 405


def test_the_examples_of_the_documentation_are_taken(desk: Desk) -> None:
    page = (ROOT / "docs" / "how-to" / "send-records-to-it.md").read_text()
    (event,) = re.findall(r"services/collector/event -H .* \\\n  -d '(.*)'", page)
    assert collector(desk, "/event", event, authorization=f"Splunk {desk.token('hec')}").json()["code"] == 0
    (policy,) = re.findall(r"```yaml\n(intake:.*?)```", page, re.DOTALL)
    assert Policy.from_dict(yaml.safe_load(policy)) == Policy()
