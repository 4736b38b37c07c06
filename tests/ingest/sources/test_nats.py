"""NATS JetStream: the durable consumer against a real server, which is killed and comes back."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.sources.hands import HandInMemory, running, until
from tests.ingest.sources.natsd import NATS_SERVER, NatsServer
from tests.ingest.sources.test_syslog import authority
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.nats import Nats

nats = pytest.importorskip("nats", reason="no nats-py (make extras)")
from watchfloor.ingest.sources import nats_consumer  # noqa: E402 - after the skip

real = [pytest.mark.real, pytest.mark.skipif(NATS_SERVER is None, reason="no nats-server (Debian: nats-server)")]


def marked(test: Any) -> Any:
    for mark in real:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    found = NatsServer(tmp_path_factory.mktemp("nats"))
    found.start()
    yield found
    found.kill()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty stream is waited for for seconds, and one that is stopped meanwhile too."""
    monkeypatch.setattr(nats_consumer, "WAIT_SECONDS", 0.2)


def config(server: NatsServer, stream: str, **more: Any) -> Nats:
    return Nats.from_dict({"name": "n", "kind": "nats", "servers": [server.url], "stream": stream, **more})


async def publish(server: NatsServer, stream: str, payloads: Sequence[bytes], subject: str = "x") -> None:
    client = await nats.connect(server.url)
    context = client.jetstream()
    await context.add_stream(name=stream, subjects=[f"{stream}.>"])
    for payload in payloads:
        await context.publish(f"{stream}.{subject}", payload)
    await client.close()


async def unacknowledged(server: NatsServer, stream: str, durable: str = "watchfloor-n") -> int:
    """What the consumer has still to get, or to acknowledge."""
    client = await nats.connect(server.url)
    info = await client.jetstream().consumer_info(stream, durable)
    await client.close()
    return int(info.num_pending) + int(info.num_ack_pending)


def docs(numbers: Sequence[int]) -> list[bytes]:
    return [json.dumps({"n": number}).encode() for number in numbers]


def numbers(hand: HandInMemory) -> list[int]:
    return sorted(json.loads(record)["n"] for record in hand.records())


@marked
def test_each_message_comes_in_its_own_bytes_and_is_acknowledged_after_the_put(server: NatsServer) -> None:
    payloads = [b'{\n "n": 1\n}', b"two\nlines", b"\x00\x01", b"", b'{"n": 2}']

    async def main() -> HandInMemory:
        await publish(server, "mixed", payloads)
        await publish(server, "mixed", [b"not this one"], subject="other")
        hand = HandInMemory()
        async with running(config(server, "mixed", subject="mixed.x"), hand):
            await until(lambda: hand.note == "1 empty payloads")
            assert await unacknowledged(server, "mixed") == 0
        return hand

    assert asyncio.run(main()).records() == [payloads[0], payloads[1], payloads[2], payloads[4]]


@marked
def test_what_was_not_acknowledged_comes_again_to_the_next(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_consumer, "ACK_SECONDS", 1.0)

    class Never(HandInMemory):
        async def put(self, content: bytes, form: str = "") -> None:
            await super().put(content, form)
            await asyncio.Event().wait()  # it is on the disk, and nobody hears of it

    async def main() -> None:
        await publish(server, "again", docs(range(700)))
        first, second = Never(), HandInMemory()
        task = asyncio.create_task(config(server, "again").run(first))
        await until(lambda: first.parcels)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await unacknowledged(server, "again") == 700
        async with running(config(server, "again"), second):
            await until(lambda: set(numbers(second)) == set(range(700)))
            while await unacknowledged(server, "again"):
                await asyncio.sleep(0.05)

    asyncio.run(main())


@marked
def test_a_cancellation_that_the_client_swallows_ends_it_all_the_same(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledge = nats.aio.msg.Msg.ack

    async def cancelled_meanwhile(message: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        if not task.cancelling():
            task.cancel()
        await acknowledge(message)

    monkeypatch.setattr(nats.aio.msg.Msg, "ack", cancelled_meanwhile)

    async def main() -> None:
        await publish(server, "swallowed", docs(range(500)))
        hand = HandInMemory()
        task = asyncio.create_task(config(server, "swallowed").run(hand))
        await until(task.done)
        assert hand.parcels

    asyncio.run(main())


@marked
def test_latest_begins_at_the_end_and_afresh_reads_all_again(server: NatsServer) -> None:
    async def main() -> None:
        await publish(server, "late", docs(range(3)))
        first, second, third = HandInMemory(), HandInMemory(), HandInMemory(dict(Nats.AFRESH))
        async with running(config(server, "late", start="latest"), first):
            pass
        await publish(server, "late", docs([3]))  # while nothing runs
        async with running(config(server, "late", start="latest"), second):
            await until(lambda: numbers(second) == [3])
        async with running(config(server, "late", start="latest"), third):
            await until(lambda: numbers(third) == [0, 1, 2, 3])
            assert third.kept == {}

    asyncio.run(main())


@marked
def test_a_server_that_is_killed_is_said_and_read_on_from_when_it_is_back(tmp_path: Path) -> None:
    own = NatsServer(tmp_path)
    own.start()

    async def main() -> None:
        await publish(own, "s", docs(range(10)))
        hand = HandInMemory()
        task = asyncio.create_task(config(own, "s").run(hand))
        await until(lambda: len(hand.records()) == 10)
        own.kill()
        with pytest.raises(WatchfloorError, match=own.url):
            await task
        with pytest.raises(WatchfloorError, match="Connect call failed"):
            await config(own, "s").run(hand)
        own.start()
        await publish(own, "s", docs(range(10, 20)))
        async with running(config(own, "s"), hand):
            await until(lambda: set(numbers(hand)) == set(range(20)))

    try:
        asyncio.run(main())
    finally:
        own.kill()


def problem_of(source: Nats) -> str:
    with pytest.raises(WatchfloorError) as found:
        asyncio.run(source.run(HandInMemory()))
    return str(found.value)


@marked
def test_no_stream_and_a_consumer_of_another_kind_are_said(server: NatsServer) -> None:
    assert "there is no stream nowhere" in problem_of(config(server, "nowhere"))

    async def other() -> None:
        await publish(server, "taken", docs([1]))
        client = await nats.connect(server.url)
        await client.jetstream().add_consumer("taken", durable_name="d", ack_policy="none")
        await client.close()

    asyncio.run(other())
    assert "the consumer d is not one" in problem_of(config(server, "taken", durable="d"))


@marked
@pytest.mark.parametrize("way", ["password", "token", "nkey"])
def test_it_says_who_it_is_and_a_wrong_secret_is_said(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong, public = secrets.token_hex(8), secrets.token_hex(8), ""
    if way == "nkey":
        (right, public), (wrong, _) = nkey(), nkey()
    users = f'{{nkey: "{public}"}}' if way == "nkey" else f'{{user: u, password: "{right}"}}'
    own = NatsServer(
        tmp_path, f'authorization: {{token: "{right}"}}' if way == "token" else f"authorization: {{users: [{users}]}}"
    )
    own.start()
    more = {way: "env:NATS_SECRET", **({"user": "u"} if way == "password" else {})}
    try:
        monkeypatch.setenv("NATS_SECRET", wrong)
        problem = problem_of(config(own, "s", **more))
        assert "uthorization" in problem
        assert wrong not in problem
        monkeypatch.setenv("NATS_SECRET", right)
        assert "there is no stream s" in problem_of(config(own, "s", **more))
    finally:
        own.kill()


@marked
def test_tls_verifies_the_server_by_its_authority_and_name(tmp_path: Path) -> None:
    (certificate, key), (other, _) = authority(tmp_path, "server"), authority(tmp_path, "other")
    own = NatsServer(tmp_path, f'tls: {{cert_file: "{certificate}", key_file: "{key}"}}')
    own.start()
    try:
        by_name = {"servers": [f"nats://localhost:{own.port}"]}
        assert "there is no stream s" in problem_of(config(own, "s", tls={"ca": str(certificate)}, **by_name))
        assert "certificate" in problem_of(config(own, "s", tls={"ca": str(other)}, **by_name))
        assert "certificate" in problem_of(config(own, "s", tls={}, **by_name))
        assert "cannot be used" in problem_of(config(own, "s", tls={"ca": str(tmp_path / "none")}))
    finally:
        own.kill()


@marked
def test_a_creds_file_signs_in_and_others_may_not_read_it(tmp_path: Path) -> None:
    (operator, operator_public), (account, account_public), (_, system) = (
        nkey(k) for k in ("OPERATOR", "ACCOUNT", "ACCOUNT")
    )
    user, user_public = nkey()
    accounts = {
        account_public: token(operator, operator_public, account_public, type="account", version=2, limits=LIMITS),
        system: token(operator, operator_public, system, type="account", version=2, limits={"conn": -1, "subs": -1}),
    }
    preload = ", ".join(f"{name}: {jwt}" for name, jwt in accounts.items())
    own = NatsServer(
        tmp_path,
        f"operator: {token(operator, operator_public, operator_public, type='operator', version=2)}\n"
        f"system_account: {system}\nresolver: MEMORY\nresolver_preload: {{{preload}}}\n",
    )
    jwt = token(account, account_public, user_public, type="user", version=2, subs=-1, data=-1, payload=-1)
    creds = tmp_path / "n.creds"
    creds.write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user}\n------END USER NKEY SEED------\n"
    )
    own.start()
    try:
        source = config(own, "s", credentials=f"file:{creds}")
        creds.chmod(0o644)
        assert "chmod 600" in problem_of(source)
        creds.chmod(0o600)
        assert "there is no stream s" in problem_of(source)
        assert "uthorization" in problem_of(config(own, "s"))
    finally:
        own.kill()


LIMITS = dict.fromkeys(
    [
        "subs",
        "data",
        "payload",
        "imports",
        "exports",
        "conn",
        "leaf",
        "mem_storage",
        "disk_storage",
        "streams",
        "consumer",
    ],
    -1,
)


def token(seed: str, issuer: str, subject: str, **claims: Any) -> str:
    """A JWT as NATS signs them: by an nkey."""
    nkeys = pytest.importorskip("nkeys")
    body = {"jti": secrets.token_hex(8), "iat": 1, "iss": issuer, "sub": subject, "name": "n", "nats": claims}
    parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, body]
    signed = ".".join(plain(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{plain(nkeys.from_seed(bytearray(seed.encode())).sign(signed.encode()))}"


def plain(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def nkey(kind: str = "USER") -> tuple[str, str]:
    """A seed and its public key."""
    nkeys = pytest.importorskip("nkeys")
    seed = nkeys.encode_seed(secrets.token_bytes(32), getattr(nkeys, f"PREFIX_BYTE_{kind}"))
    return seed.decode(), nkeys.from_seed(bytearray(seed)).public_key.decode()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"servers": []}, "servers"),
        ({"servers": ["nats://u:s3cret@host"]}, "servers"),
        ({"stream": "a b"}, "stream"),
        ({"user": "u"}, "go together"),
        ({"token": "env:A", "nkey": "env:B"}, "one of"),
        ({"token": "s3cret"}, "token"),
        ({"start": "now"}, "start"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(WatchfloorError, match=says):
        Nats.from_dict({"name": "n", "kind": "nats", "servers": ["nats://a:4222"], "stream": "s", **wrong})
