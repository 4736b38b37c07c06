"""Objects of S3, against moto's server: notified through SQS in all their wrappings, and listed."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.ingest.sources.hands import HandInMemory, running, until
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources import aws
from watchfloor.ingest.sources import s3 as module
from watchfloor.ingest.sources.aws import OneError, RefusedByAws
from watchfloor.ingest.sources.notices import Place, places_of
from watchfloor.ingest.sources.pieces import LostError
from watchfloor.ingest.sources.s3 import S3

boto3 = pytest.importorskip("boto3")
server = pytest.importorskip("moto.server")

LINES = b"".join(b'{"eventVersion": "1.08", "n": %d}\n' % n for n in range(5))


class Cloud:
    """A bucket `logs` that notifies a queue, in an account of moto's."""

    def __init__(self, endpoint: str, number: int) -> None:
        self.endpoint = endpoint
        login = {"region_name": "eu-central-1", "aws_access_key_id": "a", "aws_secret_access_key": "s"}
        self.s3 = boto3.client("s3", endpoint_url=endpoint, **login)
        self.sqs = boto3.client("sqs", endpoint_url=endpoint, **login)
        self.bucket, place = f"logs-{number}", {"LocationConstraint": "eu-central-1"}
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration=place)
        dead = self.sqs.create_queue(QueueName=f"dead-{number}")["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": "50"})
        self.queue = self.sqs.create_queue(QueueName=f"queue-{number}", Attributes={"RedrivePolicy": redrive})[
            "QueueUrl"
        ]

    def arn(self, queue: str) -> str:
        return str(self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    def notify(self) -> None:
        """Has the bucket tell the queue; it begins with a test message."""
        events = [{"QueueArn": self.arn(self.queue), "Events": ["s3:ObjectCreated:*"]}]
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"QueueConfigurations": events}
        )

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def send(self, message: Any) -> None:
        self.sqs.send_message(
            QueueUrl=self.queue, MessageBody=message if isinstance(message, str) else json.dumps(message)
        )

    def messages(self) -> int:
        """In the queue, also those that somebody has just now."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def source(self, **more: Any) -> S3:
        config = {"name": "logs", "kind": "s3", "buckets": [self.bucket], "queue": self.queue}
        config |= {"region": "eu-central-1", "endpoint": self.endpoint}
        config |= {"access_key": "env:WF_KEY", "secret_key": "env:WF_SECRET", **more}
        return S3.from_dict(config)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def cloud(endpoint: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setenv("WF_KEY", "a")
    monkeypatch.setenv("WF_SECRET", "s")
    monkeypatch.setattr(module, "_WAIT", 1)
    return Cloud(endpoint, next(NUMBERS))


NUMBERS = iter(range(1_000))


def notification(bucket: str, key: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {"Records": [{"eventName": event, "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}]}


def wrapped(message: Any) -> dict[str, Any]:
    """By SNS."""
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": json.dumps(message)}


def run(source: S3, hand: HandInMemory, true: Callable[[], Any]) -> HandInMemory:
    """The source at work until something is true."""

    async def main() -> None:
        task = asyncio.create_task(source.run(hand))
        try:
            await until(lambda: task.done() or true())
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    return hand


def test_what_a_bucket_tells_its_queue_is_read_and_then_deleted(cloud: Cloud) -> None:
    cloud.notify()
    cloud.put("AWSLogs/1/tr ail+ä.json.gz", gzip.compress(json.dumps({"Records": [{"n": 1}, {"n": 2}]}).encode()))
    cloud.put("lines.jsonl", LINES)
    cloud.put("empty", b"")
    assert cloud.messages() == 4  # with S3's test message
    hand = HandInMemory()
    run(cloud.source(), hand, lambda: cloud.messages() == 0)
    assert sorted(hand.records()) == sorted([b'{"n": 1}', b'{"n": 2}', *LINES.splitlines()])


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (notification("b", "a+b%2Bc"), "a b+c"),
        (notification("b", "k", "s3:ObjectCreated:CompleteMultipartUpload"), "k"),
        (wrapped(notification("b", "a%3Db")), "a=b"),
        (
            {
                "source": "aws.s3",
                "detail-type": "Object Created",
                "detail": {"bucket": {"name": "b"}, "object": {"key": "a+b"}},
            },
            "a+b",
        ),
        ({"s3Bucket": "b", "s3ObjectKey": ["k"]}, "k"),
        (
            {"cid": "c", "bucket": "b", "pathPrefix": "data/1", "files": [{"path": "data/1/p.gz", "size": 1}]},
            "data/1/p.gz",
        ),
    ],
)
def test_a_notification_is_understood_in_each_wrapping(message: dict[str, Any], key: str) -> None:
    assert places_of(json.dumps(message)) == [Place("b", key)]


@pytest.mark.parametrize(
    "message",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"},
        notification("b", "k", "ObjectRemoved:Delete"),
        {
            "source": "aws.s3",
            "detail-type": "Object Deleted",
            "detail": {"bucket": {"name": "b"}, "object": {"key": "k"}},
        },
    ],
)
def test_what_tells_of_no_new_object_names_none(message: dict[str, Any]) -> None:
    assert places_of(json.dumps(message)) == []


@pytest.mark.parametrize(
    "message",
    [
        "",
        "hello",
        "[]",
        "{}",
        '{"Records": 3}',
        '{"Records": [{}]}',
        '{"TopicArn": 1, "Message": "x"}',
        '{"TopicArn": 1}',
        '{"bucket": 1, "files": [{"path": "p"}]}',
        json.dumps(notification("b", "%ff")),
        json.dumps(notification("b", "")),
        json.dumps(wrapped(wrapped(wrapped(wrapped(notification("b", "k")))))),
    ],
)
def test_what_is_no_notification_is_said_to_be_none(message: str) -> None:
    with pytest.raises(OneError):
        places_of(message)


def test_what_cannot_be_read_stays_in_the_queue_and_stops_nothing(cloud: Cloud) -> None:
    hand = HandInMemory()
    cloud.send("no notification")
    cloud.send(notification(cloud.bucket, "gone"))
    cloud.send(notification("another-bucket", "k"))
    cloud.put("there", LINES)
    cloud.send(notification(cloud.bucket, "there"))
    run(
        cloud.source(visibility=3),
        hand,
        lambda: len(hand.records()) == 5 and cloud.messages() == 3 and "and 2 more" in hand.problem,
    )
    cloud.put("gone", b'{"came": "late"}\n')
    run(cloud.source(visibility=3), hand, lambda: b'{"came": "late"}' in hand.records() and cloud.messages() == 2)


def test_a_message_is_deleted_only_after_all_of_it_is_on_the_disk_and_is_kept_from_others_meanwhile(
    cloud: Cloud,
) -> None:
    cloud.put("k", LINES)
    cloud.send(notification(cloud.bucket, "k"))

    class Slow(HandInMemory):
        async def put(self, content: bytes, form: str = "") -> None:
            """As long as it takes until the message would have come again, were it not held."""
            asks = {"QueueUrl": cloud.queue, "WaitTimeSeconds": 4}
            seen = (await asyncio.to_thread(cloud.sqs.receive_message, **asks)).get("Messages", [])
            assert not seen
            assert cloud.messages() == 1
            await super().put(content, form)

    hand = run(cloud.source(visibility=3), Slow(), lambda: cloud.messages() == 0)
    assert hand.order == ["put"]


def test_keys_that_are_not_wanted_are_not_read(cloud: Cloud) -> None:
    hand = HandInMemory()
    for key in ("AWSLogs/CloudTrail/1", "AWSLogs/CloudTrail-Digest/1", "other"):
        cloud.put(key, b'{"key": "%s"}\n' % key.encode())
        cloud.send(notification(cloud.bucket, key))
    run(cloud.source(prefix="AWSLogs/", skip=["*/CloudTrail-Digest/*"]), hand, lambda: cloud.messages() == 0)
    assert hand.records() == [b'{"key": "AWSLogs/CloudTrail/1"}']


def listed(cloud: Cloud, **more: Any) -> S3:
    return cloud.source(queue="", prefix="p/", every=0.02, parallel=2, **more)


def test_what_a_bucket_holds_is_read_in_order_once_and_then_what_is_new(cloud: Cloud) -> None:
    keys = [f"p/{number:03}" for number in range(7)]
    for key in [*keys, "elsewhere"]:
        cloud.put(key, b'{"key": "%s"}\n' % key.encode())
    hand = HandInMemory()

    async def main() -> None:
        async with running(listed(cloud), hand):
            cloud.put("p/001a", b'{"key": "new"}\n')
            await until(lambda: len(hand.records()) == 8)

    asyncio.run(main())
    assert sorted(json.loads(one)["key"] for one in hand.records()) == ["new", *keys]


def test_listing_goes_on_where_it_was_killed(cloud: Cloud) -> None:
    for number in range(7):
        cloud.put(f"p/{number}", b'{"n": %d}\n' % number)

    class Killed(HandInMemory):
        async def put(self, content: bytes, form: str = "") -> None:
            if len(self.parcels) == 4:
                raise RuntimeError("killed")
            await super().put(content, form)

    killed = Killed()
    with pytest.raises(RuntimeError):
        run(listed(cloud), killed, lambda: False)
    assert killed.kept[cloud.bucket]["after"] == "p/3"
    hand = HandInMemory(killed.kept)
    run(listed(cloud), hand, hand.reached.is_set)
    assert sorted(hand.records()) == [b'{"n": %d}' % number for number in (4, 5, 6)]


def test_what_came_behind_a_round_that_a_restart_cut_in_two_is_found_in_the_next(cloud: Cloud) -> None:
    for key in ("p/1", "p/3"):
        cloud.put(key, b'{"key": "%s"}\n' % key.encode())
    hours = 3_600_000
    long_ago = cloud.s3.head_object(Bucket=cloud.bucket, Key="p/3")["LastModified"].timestamp() * 1_000 - 5 * hours
    hand = HandInMemory({cloud.bucket: {"after": "p/2", "began": round(long_ago), "newest": round(long_ago)}})
    run(listed(cloud), hand, lambda: len(hand.records()) == 2)
    assert hand.records() == [b'{"key": "p/3"}', b'{"key": "p/1"}']


def test_a_listed_object_that_cannot_be_read_is_tried_again_and_stops_nothing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse = ["p/1"]
    get = module._Body._get

    def _get(body: Any, **more: Any) -> Any:
        if body._place.key in refuse:
            raise RefusedByAws("AccessDenied", "AccessDenied: no", str(body._place))
        return get(body, **more)

    monkeypatch.setattr(module._Body, "_get", _get)
    for number in range(3):
        cloud.put(f"p/{number}", b'{"n": %d}\n' % number)
    hand = HandInMemory()
    run(listed(cloud), hand, lambda: "AccessDenied" in hand.problem)
    assert sorted(hand.records()) == [b'{"n": 0}', b'{"n": 2}']
    refuse.clear()
    later = HandInMemory(hand.kept)
    run(listed(cloud), later, lambda: b'{"n": 1}' in later.records() and not later.problem)


def test_a_connection_that_breaks_is_made_anew_where_it_broke(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"".join(b'{"n": %d}\n' % number for number in range(200_000))
    cloud.put("p/large", content)
    asked_for: list[Any] = []

    class Breaking:
        def __init__(self, body: Any) -> None:
            self.body, self.left = body, 700_000

        def read(self, size: int) -> bytes:
            if self.left <= 0:
                raise ConnectionResetError("reset by peer")
            data: bytes = self.body.read(min(size, self.left))
            self.left -= len(data)
            return data

        def close(self) -> None:
            self.body.close()

    get = module._Body._get

    def _get(body: Any, **more: Any) -> Any:
        asked_for.append(more.get("Range"))
        answer = get(body, **more)
        return {**answer, "Body": Breaking(answer["Body"])}

    monkeypatch.setattr(module._Body, "_get", _get)
    hand = HandInMemory()
    run(listed(cloud), hand, hand.reached.is_set)
    assert b"\n".join(hand.records()) + b"\n" == content
    assert asked_for[:2] == [None, "bytes=700000-"]


def test_an_object_that_changes_while_it_is_read_is_read_again_later(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put("p/k", LINES)
    body = module._Body(cloud.s3, Place(cloud.bucket, "p/k"))
    cloud.put("p/k", LINES * 2)
    monkeypatch.setattr(body, "_body", None)
    with pytest.raises(LostError, match="PreconditionFailed"):
        body.read(10)


def test_a_role_is_assumed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", cloud.endpoint)
    cloud.put("p/k", LINES)
    used: list[str] = []
    session = aws._session

    def _session(login: Any) -> Any:
        found = session(login)
        used.append(found.get_credentials().method)
        return found

    monkeypatch.setattr(aws, "_session", _session)
    hand = HandInMemory()
    run(listed(cloud, role="arn:aws:iam::123456789012:role/reader", external_id="xyz"), hand, hand.reached.is_set)
    assert len(hand.records()) == 5
    assert used == ["assume-role"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"buckets": []},
        {"buckets": ["arn:aws:s3:::b"]},
        {"buckets": ["a/../b"]},
        {"queue": "http://169.254.169.254/latest"},
        {"queue": "file:///etc/passwd"},
        {"endpoint": "http://minio.example:9000"},
        {"secret_key": None},
        {"role": "reader"},
        {"parallel": 0},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    config = {"name": "s", "kind": "s3", "buckets": ["logs"], "access_key": "env:A", "secret_key": "env:B"}
    assert S3.from_dict(config).buckets == ("logs",)
    with pytest.raises(WatchfloorError):
        S3.from_dict(config | wrong)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(WatchfloorError, match=r"make extras.*watchfloor\[aws\]"):
        S3.from_dict({"name": "s", "kind": "s3", "buckets": ["logs"]}).check()


def test_wrong_keys_are_the_source_s_trouble_not_an_object_s(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"Error": {"Code": "InvalidAccessKeyId", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    error = aws.boto("botocore.exceptions").ClientError(said, "GetObject")

    def refuse() -> None:
        raise error

    with pytest.raises(WatchfloorError, match="InvalidAccessKeyId") as raised:
        aws.asked("s3://b/k", refuse)
    assert not isinstance(raised.value, OneError)
