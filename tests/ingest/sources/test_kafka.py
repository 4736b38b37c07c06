"""Kafka: the consumer group against librdkafka's own mock cluster, with the other client as producer."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from tests.ingest.sources.hands import HandInMemory, running, until
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.kafka import Kafka

confluent = pytest.importorskip("confluent_kafka", reason="no confluent-kafka (pip)")
kafka_group = pytest.importorskip("watchfloor.ingest.sources.kafka_group", reason="no aiokafka (make extras)")


class Cluster:
    """Three brokers inside this process."""

    def __init__(self, more: dict[str, Any] | None = None) -> None:
        settings = {"test.mock.num.brokers": 3, "bootstrap.servers": "mock:1", "log_level": 0, "linger.ms": 0}
        settings |= more or {}
        self._producer: Any = confluent.Producer(settings)
        found = self._producer.list_topics(timeout=10).brokers.values()
        self.brokers = [f"{broker.host}:{broker.port}" for broker in found]

    def produce(self, topic: str, values: Sequence[bytes | None], **more: Any) -> None:
        for value in values:
            self._producer.produce(topic, value, **more)
        assert self._producer.flush(30) == 0

    def gone(self) -> None:
        del self._producer


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock's group waits for members that have left for as long as their session lasts."""
    monkeypatch.setattr(kafka_group, "SESSION_SECONDS", 3.5)


def config(cluster: Cluster, name: str, **more: Any) -> Kafka:
    where = {} if "pattern" in more else {"topics": [name]}
    return Kafka.from_dict({"name": name, "kind": "kafka", "brokers": cluster.brokers, **where, **more})


def numbers(hand: HandInMemory) -> list[int]:
    return sorted(json.loads(record)["n"] for record in hand.records())


def docs(numbers: Sequence[int]) -> list[bytes | None]:
    return [json.dumps({"n": number}).encode() for number in numbers]


def committed(cluster: Cluster, group: str, topic: str) -> int:
    """The sum of a group's offsets, as the other client sees them."""
    consumer = confluent.Consumer({"bootstrap.servers": ",".join(cluster.brokers), "group.id": group})
    found = consumer.committed([confluent.TopicPartition(topic, number) for number in range(4)], timeout=10)
    consumer.close()
    return sum(max(0, one.offset) for one in found)


def test_each_message_comes_in_its_own_bytes_and_offsets_follow_the_put(cluster: Cluster) -> None:
    values = [b'{\n "n": 1\n}', b"two\nlines", b"\x00\x01", None, b" \n", b'{"n": 2}']
    cluster.produce("mixed", values, partition=0)

    async def main() -> HandInMemory:
        hand = HandInMemory()
        async with running(config(cluster, "mixed"), hand):
            await until(lambda: len(hand.records()) == 4)
            await until(lambda: hand.note == "2 empty values")
        return hand

    hand = asyncio.run(main())
    assert hand.records() == [values[0], values[1], values[2], values[5]]
    assert committed(cluster, "watchfloor-mixed", "mixed") == 6


def test_stopped_before_its_put_returned_nothing_is_committed_and_all_comes_again(cluster: Cluster) -> None:
    cluster.produce("again", docs(range(50)))

    class Never(HandInMemory):
        async def put(self, content: bytes, form: str = "") -> None:
            await super().put(content, form)
            await asyncio.Event().wait()  # it is on the disk, and nobody hears of it

    async def main(hand: HandInMemory, offsets: int) -> HandInMemory:
        task = asyncio.create_task(config(cluster, "again").run(hand))
        await until(lambda: hand.parcels)
        while committed(cluster, "watchfloor-again", "again") < offsets:
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return hand

    first = asyncio.run(main(Never(), 0))
    assert committed(cluster, "watchfloor-again", "again") == 0
    second = asyncio.run(main(HandInMemory(), 50))
    assert numbers(second) == list(range(50))
    assert set(first.records()) <= set(second.records())
    cluster.produce("again", docs([50]))
    third = asyncio.run(main(HandInMemory(), 51))
    assert numbers(third) == [50]


def test_while_the_group_changes_nothing_is_lost(cluster: Cluster) -> None:
    """Of two members the mock refuses one, after the group has shared the partitions out: it joins, and is gone."""
    cluster.produce("shared", docs([0]))

    async def main() -> set[int]:
        hand, produced = HandInMemory(), 1
        async with running(config(cluster, "shared"), hand):
            await until(lambda: hand.parcels)
            joins = asyncio.create_task(config(cluster, "shared").run(HandInMemory()))
            while not joins.done():
                cluster.produce("shared", docs([produced]), partition=produced % 4)
                produced += 1
                await asyncio.sleep(0.01)
            assert isinstance(joins.exception(), WatchfloorError)
            cluster.produce("shared", docs(range(produced, produced + 50)))
            await until(lambda: set(range(produced + 50)) <= set(numbers(hand)))
        return set(numbers(hand)) ^ set(range(produced + 50))

    assert asyncio.run(main()) == set()


def test_latest_begins_at_the_end_once_and_a_stop_before_the_first_message_loses_nothing(cluster: Cluster) -> None:
    cluster.produce("late", docs(range(5)))

    async def main(kept: dict[str, Any], enough: int) -> HandInMemory:
        hand = HandInMemory(kept)
        async with running(config(cluster, "late", start="latest"), hand):
            await until(lambda: hand.kept and len(hand.parcels) >= enough)
        return hand

    first = asyncio.run(main({}, 0))
    assert first.parcels == []
    cluster.produce("late", docs([5, 6]), partition=1)  # while nothing runs
    second = asyncio.run(main(first.kept, 1))
    assert numbers(second) == [5, 6]
    third = asyncio.run(main(dict(Kafka.AFRESH), 1))
    assert set(numbers(third)) <= set(range(7))
    assert third.kept == {"begun": True}


def test_a_pattern_finds_its_topics(cluster: Cluster) -> None:
    cluster.produce("logs-a", docs([1]))
    cluster.produce("logs-b", docs([2]))

    async def main() -> HandInMemory:
        hand = HandInMemory()
        async with running(config(cluster, "pattern", pattern="^logs-"), hand):
            await until(lambda: len(hand.parcels) == 2)
        return hand

    assert numbers(asyncio.run(main())) == [1, 2]


def problem_of(source: Kafka) -> str:
    with pytest.raises(WatchfloorError) as found:
        asyncio.run(source.run(HandInMemory()))
    return str(found.value)


@pytest.mark.parametrize("codec", ["gzip", "lz4"])
def test_compressed_messages_are_read_or_it_is_said_what_is_missing(codec: str) -> None:
    from aiokafka import codec as codecs

    packed = Cluster({"compression.type": codec})
    packed.produce("packed", [b'{"n": 1, "text": "' + b"again and " * 200 + b'"}'])

    async def main() -> HandInMemory:
        hand = HandInMemory()
        async with running(config(packed, "packed"), hand):
            await until(lambda: hand.parcels)
        return hand

    if codec == "gzip" or codecs.has_lz4():
        assert numbers(asyncio.run(main())) == [1]
    else:
        assert "compressed" in problem_of(config(packed, "packed"))


def test_a_topic_that_is_not_there_and_a_broker_that_is_not_are_said(cluster: Cluster) -> None:
    assert "no topic nowhere" in problem_of(config(cluster, "nowhere"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    alone = Kafka.from_dict({"name": "k", "kind": "kafka", "brokers": [f"127.0.0.1:{port}"], "topics": ["t"]})
    assert "Connect call failed" in problem_of(alone)


async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As much of a broker as it takes to say that a password is wrong."""
    answers = {
        18: struct.pack(">hi", 0, 3)
        + b"".join(struct.pack(">hhh", *one) for one in ((18, 0, 0), (17, 0, 1), (36, 0, 0))),
        17: struct.pack(">hih", 0, 1, 5) + b"PLAIN",
        36: struct.pack(">hh", 58, 14) + b"wrong password" + struct.pack(">i", 0),
    }
    while head := await reader.read(4):
        request = await reader.readexactly(struct.unpack(">i", head)[0])
        key, _, correlation = struct.unpack(">hhi", request[:8])
        body = struct.pack(">i", correlation) + answers[key]
        writer.write(struct.pack(">i", len(body)) + body)


def test_a_wrong_password_is_said_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret")
    sasl = {"mechanism": "PLAIN", "user": "u", "password": "env:KAFKA_PASSWORD"}

    async def main() -> str:
        server = await asyncio.start_server(refusing, "127.0.0.1", 0)
        broker = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        fields = {"name": "k", "kind": "kafka", "brokers": [broker], "topics": ["t"], "sasl": sasl}
        with pytest.raises(WatchfloorError) as found:
            await Kafka.from_dict(fields).run(HandInMemory())
        server.close()
        return str(found.value)

    problem = asyncio.run(main())
    assert "wrong password" in problem
    assert "s3cret" not in problem


def test_a_cluster_that_went_away_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_group, "SILENT", 1.0)
    short = Cluster()
    short.produce("t", docs([1]))

    async def main() -> None:
        hand = HandInMemory()
        task = asyncio.create_task(config(short, "t").run(hand))
        await until(lambda: hand.parcels)
        short.gone()
        await task

    with pytest.raises(WatchfloorError, match=r"nothing has been heard of t/|no broker has answered|Unable"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"topics": []}, "topics or pattern"),
        ({"pattern": "a"}, "topics or pattern"),
        ({"topics": [], "pattern": "("}, "no regular expression"),
        ({"brokers": []}, "brokers"),
        ({"brokers": ["a b"]}, "brokers"),
        ({"topics": ["a b"]}, "topics"),
        ({"start": "now"}, "start"),
        ({"sasl": {"mechanism": "PLAIN", "user": "u", "password": "s3cret"}}, "password"),
        ({"tls": {"certificate": "/x"}}, "go together"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(WatchfloorError, match=says):
        Kafka.from_dict({"name": "k", "kind": "kafka", "brokers": ["a:9092"], "topics": ["t"], **wrong})
