"""What holds for every way in: tokens, hosts, limits, a full spool, the commit before the answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.intake.conftest import Desk
from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.core.intake import SourceKind
from watchfloor.ingest.readers import read_parcel
from watchfloor.server.intake import http
from watchfloor.store.spool import Spool

Post = tuple[SourceKind, str, str, dict[str, str], bytes]
HEC: Post = ("hec", "/services/collector/event", "Splunk {}", {}, b'{"event":"x"}')
BULK: Post = (
    "bulk",
    "/logs/_bulk",
    "Bearer {}",
    {"content-type": "application/x-ndjson"},
    b'{"index":{}}\n{"a":1}\n',
)
OTLP: Post = (
    "otlp",
    "/v1/logs",
    "Bearer {}",
    {"content-type": "application/json"},
    json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}).encode(),
)
WEBHOOK: Post = ("webhook", "/intake/webhook/s", "Bearer {}", {}, b'{"a":1}')
ALL = pytest.mark.parametrize("post", [HEC, BULK, OTLP, WEBHOOK], ids=lambda post: post[0])


def send(desk: Desk, post: Post, token: str, content: bytes | None = None, **headers: str) -> Any:
    _, path, scheme, more, body = post
    given = {**more, "authorization": scheme.format(token), **{k.replace("_", "-"): v for k, v in headers.items()}}
    raw = {name: value.encode() for name, value in given.items()}
    return desk.client.post(path, content=body if content is None else content, headers=raw)  # type: ignore[arg-type]


@ALL
def test_what_is_answered_yes_is_in_the_spool(desk: Desk, post: Post) -> None:
    answer = send(desk, post, desk.token(post[0]))
    assert answer.is_success, answer.text
    (parcel,) = desk.kept()
    assert (parcel.source, parcel.received_at) == (f"{post[0]}/s", 1_792_000_000_000)


@ALL
def test_without_the_right_token_nothing_is_taken(desk: Desk, post: Post) -> None:
    token = desk.token(post[0])
    other = desk.token("webhook" if post[0] != "webhook" else "hec", "other")
    for wrong in ("", "x", token[:-1], token + "x", token.swapcase() + "0", other, "\u00e9"):
        answer = send(desk, post, wrong)
        assert answer.status_code in (401, 403), wrong
    answer = desk.client.post(post[1], content=post[4], headers=post[3])
    assert answer.status_code == 401
    assert desk.kept() == []


@ALL
def test_a_removed_source_may_hand_nothing_in(desk: Desk, post: Post) -> None:
    token = desk.token(post[0])
    assert send(desk, post, token).is_success
    desk.sources.remove("s")
    assert send(desk, post, token).status_code in (401, 403)
    again = desk.token(post[0])
    assert again != token
    assert send(desk, post, token).status_code in (401, 403)
    assert send(desk, post, again).is_success


@ALL
def test_a_full_spool_is_429_with_a_time_to_come_again(desk: Desk, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    token = desk.token(post[0])
    monkeypatch.setattr(desk.spool, "_most_parcels", 1)
    assert send(desk, post, token).is_success
    answer = send(desk, post, token)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert len(desk.kept()) == 1


@ALL
def test_a_disk_that_refuses_is_503_and_never_yes(desk: Desk, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    token = desk.token(post[0])

    def refuse(*_: Any) -> Future[int]:
        future: Future[int] = Future()
        future.set_exception(WatchfloorError("the spool cannot be written: disk full"))
        return future

    monkeypatch.setattr(Spool, "put", refuse)
    answer = send(desk, post, token)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers


@ALL
def test_the_answer_waits_for_the_commit(desk: Desk, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    token = desk.token(post[0])
    may = threading.Event()
    commit = desk.spool._commit

    def later(jobs: Any) -> list[int]:
        may.wait(60)
        return commit(jobs)

    monkeypatch.setattr(desk.spool, "_commit", later)
    answers: list[Any] = []
    sender = threading.Thread(target=lambda: answers.append(send(desk, post, token)))
    sender.start()
    sender.join(0.3)
    assert answers == []
    may.set()
    sender.join(60)
    assert answers[0].is_success


@ALL
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_packed_bodies_are_unpacked(desk: Desk, post: Post, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    token = desk.token(post[0])
    assert send(desk, post, token).is_success
    assert send(desk, post, token, pack(post[4]), content_encoding=encoding).is_success
    first, second = desk.kept()
    assert first.content == second.content


def test_a_packed_body_in_several_members_is_whole(desk: Desk) -> None:
    token = desk.token("webhook")
    packed = gzip.compress(b'{"a":1}\n') + gzip.compress(b'{"a":2}\n')
    assert send(desk, WEBHOOK, token, packed, content_encoding="gzip").is_success
    assert desk.kept()[0].content == b'{"a":1}\n{"a":2}\n'


@ALL
def test_a_bomb_is_refused_before_it_fills_memory(desk: Desk, post: Post) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(300)) + packer.flush()
    assert len(bomb) < http.MOST_PACKED // 50
    answer = send(desk, post, desk.token(post[0]), bomb, content_encoding="gzip")
    assert answer.status_code == 413
    assert desk.kept() == []


@ALL
@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [(b"no gzip", "gzip", 400), (gzip.compress(b"x" * 5_000, mtime=0)[:-9], "gzip", 400), (b"x", "br", 415)],
    ids=["no gzip", "cut off", "unknown"],
)
def test_what_cannot_be_unpacked_is_refused(desk: Desk, post: Post, content: bytes, encoding: str, status: int) -> None:
    answer = send(desk, post, desk.token(post[0]), content, content_encoding=encoding)
    assert answer.status_code == status
    assert desk.kept() == []


@ALL
def test_a_body_over_the_limit_is_refused(desk: Desk, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_PACKED", 1_000)
    token = desk.token(post[0])
    assert send(desk, post, token, b"x" * 1_001).status_code == 413
    _, path, scheme, more, _ = post
    headers = {**more, "authorization": scheme.format(token)}
    assert desk.client.post(path, content=iter([b"x" * 600] * 3), headers=headers).status_code == 413
    assert desk.kept() == []


@ALL
def test_a_body_that_does_not_come_is_given_up(desk: Desk, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.05)
    _, path, scheme, more, _ = post
    token = desk.token(post[0])
    headers = [(k.encode(), v.encode()) for k, v in more.items()]
    headers += [(b"host", b"localhost"), (b"authorization", scheme.format(token).encode())]
    said: list[Any] = []

    async def nothing() -> Any:
        await asyncio.sleep(3_600)

    async def keep(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    asyncio.run(desk.intake(scope, nothing, keep))  # type: ignore[arg-type]
    assert said[0]["status"] == 408
    assert desk.kept() == []


@ALL
def test_bytes_under_way_are_bounded_over_all_requests(desk: Desk, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    token = desk.token(post[0])
    monkeypatch.setattr(desk.intake._budget, "_most", 10_000)
    for _ in range(3):
        assert send(desk, post, token).is_success
        assert send(desk, post, token, b"x" * 10_001).status_code == 429
    assert desk.intake._budget.held == 0


@ALL
@pytest.mark.parametrize(
    ("host", "taken"),
    [("localhost", True), ("LOCALHOST:1", True), ("[::1]:8450", True), ("evil.example", False), ("", False)],
)
def test_another_host_is_refused(desk: Desk, post: Post, host: str, taken: bool) -> None:
    answer = send(desk, post, desk.token(post[0]), host=host)
    assert answer.is_success == taken
    assert len(desk.kept()) == taken


@ALL
def test_an_error_of_our_own_says_nothing_of_itself(desk: Desk, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    token = desk.token(post[0])

    def broken(*_: Any) -> Any:
        raise RuntimeError("with a secret in it")

    monkeypatch.setattr(Spool, "put", broken)
    answer = send(desk, post, token)
    assert answer.status_code == 503
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/queue", "/api/v1/cases", "/static/x", "/login", "/services", "/v1/logs/x", "/index"]
)
def test_everything_else_is_the_consoles(desk: Desk, path: str) -> None:
    assert desk.client.get(path).text == "the console"
    assert desk.client.get(path, headers={"authorization": "Bearer x"}).text == "the console"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {"accept": "text/html,*/*"}),
        ("GET", "/", {"cookie": "watchfloor=x"}),
        ("GET", "/queue", {}),
        ("GET", "/cases/case-1", {}),
        ("GET", "/static/console.css", {}),
        ("POST", "/login", {}),
    ],
)
def test_a_proxy_that_asks_for_a_password_does_not_hide_the_console(
    desk: Desk, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = desk.client.request(method, path, headers=headers, auth=("people", "of the proxy"))
    assert answer.status_code in (200, 405)
    assert "Elasticsearch" not in str(answer.headers)


def test_tokens_are_kept_as_digests_and_told_to_the_ledger(desk: Desk) -> None:
    token = desk.token("hec", "fw")
    secret = desk.sources.signing_secret(desk.sources.list()[0])
    home = desk.sources._parts.home.path
    desk.sources._parts.documents.database.close()
    for file in home.rglob("*"):
        if file.is_file():
            assert token.encode() not in file.read_bytes()
            assert secret.encode() not in file.read_bytes()


def test_a_name_is_taken_once_and_must_be_a_name(desk: Desk) -> None:
    desk.token("hec", "fw")
    with pytest.raises(RefusedError, match="already"):
        desk.sources.add("fw", "bulk")
    for name in ("", "a/b", "A", "../x", "x" * 64, "a!b"):
        with pytest.raises(WatchfloorError):
            desk.sources.add(name, "hec")
    kinds = [entry.kind for entry in desk.sources._parts.ledger.latest(desk.tenant)]
    assert kinds == ["source.added"]


PIECES = [
    b"{",
    b"}",
    b"[",
    b'"',
    b"\n",
    b'{"event":',
    b'"x"}',
    b'{"index":{}}\n',
    b"\x1f\x8b",
    b"\xff",
    b"\0",
    b"\x0a\x05",
    b"9" * 400,
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    post=st.sampled_from([HEC, BULK, OTLP, WEBHOOK]),
    content=st.binary(max_size=100) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    kind=st.sampled_from(["application/json", "application/x-protobuf", "x"]),
)
def test_whatever_is_sent_is_answered_and_what_is_stored_can_be_read(
    desk: Desk, post: Post, content: bytes, kind: str
) -> None:
    known = {source.kind for source in desk.sources.list()}
    if post[0] not in known:
        TOKENS[desk.spool, post[0]] = desk.token(post[0], f"s-{post[0]}" if post[0] != "webhook" else "s")
    before = desk.spool.last
    answer = send(desk, post, TOKENS[desk.spool, post[0]], content, content_type=kind)
    assert answer.status_code in (200, 202, 400, 415), answer.text
    for parcel in desk.kept()[before:]:
        assert list(read_parcel(desk.tenant, parcel.source, parcel.content, form=parcel.form, at=parcel.received_at))


TOKENS: dict[tuple[Spool, str], str] = {}
