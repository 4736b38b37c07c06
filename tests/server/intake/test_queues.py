"""Queues in the whole product: added while it is served, killed at the worst moment, and each message counts once."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.ingest.sources.natsd import NATS_SERVER, NatsServer
from tests.server.intake.serving import Served, wait_for
from tests.server.intake.test_sources import health
from watchfloor.cli import app

MESSAGES = 300


def collect(product: Served, kind: str, *options: str) -> None:
    words = ["source", "add", "q", "--kind", kind, *(w for option in options for w in ("--option", option))]
    done = CliRunner().invoke(app, [*words, "--home", str(product.home)])
    assert done.exit_code == 0, done.exception


def docs(numbers: Sequence[int]) -> list[bytes]:
    return [json.dumps({"time": 1_792_000_000_000 + n, "app": "door", "n": n}, indent=1).encode() for n in numbers]


class Between(threading.Thread):
    """Stands between the product and the server, and can keep acknowledgements to itself."""

    def __init__(self, to: int) -> None:
        super().__init__(daemon=True)
        self._to, self.swallows = to, False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    client.close()
                    continue
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=(one, other, one is client), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 20):
                if not (up and self.swallows and b"$JS.ACK" in data):
                    other.sendall(data)
        one.close()
        other.close()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@contextmanager
def nats_behind(tmp_path: Path) -> Iterator[tuple[NatsServer, Between]]:
    server = NatsServer(tmp_path)
    server.start()
    between = Between(server.port)
    between.start()
    try:
        yield server, between
    finally:
        between.close()
        server.kill()


async def publish(server: NatsServer, payloads: Sequence[bytes]) -> None:
    import nats

    client = await nats.connect(server.url)
    context = client.jetstream()
    await context.add_stream(name="logs", subjects=["logs.>"])
    with suppress(nats.js.errors.NotFoundError, nats.js.errors.BadRequestError):
        # As an administrator may have made it: what is not acknowledged comes again soon.
        await context.add_consumer("logs", durable_name="watchfloor-q", ack_policy="explicit", ack_wait=1)
    for payload in payloads:
        await context.publish("logs.door", payload)
    await client.close()


async def unacknowledged(server: NatsServer) -> int:
    import nats

    client = await nats.connect(server.url)
    info = await client.jetstream().consumer_info("logs", "watchfloor-q")
    await client.close()
    return int(info.num_pending) + int(info.num_ack_pending)


@pytest.mark.chaos
@pytest.mark.real
@pytest.mark.skipif(NATS_SERVER is None, reason="no nats-server (Debian: nats-server)")
def test_killed_between_the_spools_commit_and_the_acknowledgement_nothing_is_lost_and_none_counts_twice(
    tmp_path: Path,
) -> None:
    pytest.importorskip("nats", reason="no nats-py (make extras)")
    product = Served(tmp_path / "home")
    (tmp_path / "nats").mkdir()
    with nats_behind(tmp_path / "nats") as (server, between), product.running():
        asyncio.run(publish(server, docs([0])))
        collect(product, "nats", f"servers=nats://127.0.0.1:{between.port}", "stream=logs")
        wait_for(lambda: product.tally("nats/q").events == 1)  # the running server has started it
        between.swallows = True
        asyncio.run(publish(server, docs(range(1, MESSAGES))))
        wait_for(lambda: product.tally("nats/q").events == MESSAGES)
        product.kill()
        assert asyncio.run(unacknowledged(server)) == MESSAGES - 1
        between.swallows = False
        server.kill()  # and the queue goes away and comes back meanwhile
        product.start()
        wait_for(lambda: health(product)["nats/q"][0] == "failing")
        server.start()
        wait_for(lambda: asyncio.run(unacknowledged(server)) == 0)
        tally = wait_for(lambda: (t := product.tally("nats/q")).repeats >= MESSAGES - 1 and t)
        assert (tally.events, tally.dead_letters) == (MESSAGES, 0)
        assert product.stop() == 0


@pytest.mark.chaos
def test_killed_while_it_reads_kafka_each_message_counts_once(tmp_path: Path) -> None:
    confluent = pytest.importorskip("confluent_kafka", reason="no confluent-kafka (pip)")
    pytest.importorskip("aiokafka", reason="no aiokafka (make extras)")
    settings = {"test.mock.num.brokers": 3, "bootstrap.servers": "mock:1", "log_level": 0, "linger.ms": 0}
    producer: Any = confluent.Producer(settings)
    brokers = [f"{one.host}:{one.port}" for one in producer.list_topics(timeout=10).brokers.values()]

    def produce(numbers: Sequence[int]) -> None:
        for value in docs(numbers):
            producer.produce("doors", value)
            producer.poll(0)
            time.sleep(0.001)
        assert producer.flush(30) == 0

    product = Served(tmp_path / "home")
    with product.running():
        produce(range(10))
        collect(product, "kafka", f"brokers=[{', '.join(brokers)}]", "topics=doors")
        wait_for(lambda: product.tally("kafka/q").events == 10)
        produce(range(10, MESSAGES))
        product.kill()
        product.start()
        produce(range(MESSAGES, MESSAGES + 10))
        tally = wait_for(lambda: (t := product.tally("kafka/q")).events >= MESSAGES + 10 and t)
        assert (tally.events, tally.dead_letters) == (MESSAGES + 10, 0)
        assert health(product)["kafka/q"][0] == "working"
        assert product.stop() == 0
