"""The client sends what the catalogue says and nothing else, and says clearly what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.plan import Call
from watchfloor.integrations.catalogue import Actions
from watchfloor.integrations.client import MOST_BYTES, Client, UnavailableError
from watchfloor.integrations.connection import Connection, read_connections

ACTIONS = Actions.shipped()
READ = Call(action="identity.user", arguments={"user": "ana"})


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    (tmp_path / "token").write_text("secret-token\n")
    return Connection(name="idp", kinds=("identity",), base_url="http://idp.example/v1/", token_file=tmp_path / "token")


def client(connection: Connection, answer: Callable[[httpx2.Request], httpx2.Response]) -> Client:
    return Client(ACTIONS, [connection], transport=httpx2.MockTransport(answer))


def test_a_call_becomes_one_request(connection: Connection) -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"enabled": False})

    call = Call(action="identity.disable_user", arguments={"user": "a/b ?"})
    assert client(connection, answer).perform(call, key="k-1").body == {"enabled": False}
    (request,) = seen
    assert (request.method, request.url.raw_path) == ("POST", b"/v1/users/a%2Fb%20%3F/disable")
    assert request.headers["authorization"] == "Bearer secret-token"
    assert request.headers["idempotency-key"] == "k-1"


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (httpx2.Response(404, text="no such user"), "answered 404: no such user"),
        (httpx2.Response(302, headers={"location": "http://evil.example/"}), "answered 302"),
        (httpx2.Response(200, text="<html>"), "no JSON"),
        (httpx2.Response(200, content=b"x" * (MOST_BYTES + 1)), "more than 1000000 bytes"),
    ],
    ids=["404", "redirect", "not JSON", "too long"],
)
def test_a_bad_answer_is_one_clear_error(connection: Connection, response: httpx2.Response, problem: str) -> None:
    with pytest.raises(WatchfloorError, match=problem) as error:
        client(connection, lambda _: response).perform(READ)
    assert "http://idp.example/v1/users/ana" in str(error.value)
    assert "secret-token" not in str(error.value)


def test_what_is_not_available_is_worth_another_try(connection: Connection) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused", request=request)

    with pytest.raises(UnavailableError, match="connection refused"):
        client(connection, refuse).perform(READ)
    with pytest.raises(UnavailableError, match="answered 503"):
        client(connection, lambda _: httpx2.Response(503)).perform(READ)


@pytest.mark.parametrize("arguments", [{}, {"user": "a", "role": "admin"}, {"user": ""}, {"user": ".."}])
def test_arguments_must_fit_exactly(connection: Connection, arguments: dict[str, str]) -> None:
    def never(request: httpx2.Request) -> httpx2.Response:
        pytest.fail(f"sent {request.url}")

    with pytest.raises(WatchfloorError, match=r"identity\.user"):
        client(connection, never).perform(Call(action="identity.user", arguments=arguments))


def test_a_kind_without_a_connection_says_what_to_do(connection: Connection) -> None:
    call = Call(action="edr.host", arguments={"host": "ws-1"})
    with pytest.raises(WatchfloorError, match=r"no connection offers 'edr'.*Add one"):
        client(connection, lambda _: httpx2.Response(200)).perform(call)


def test_connections_are_read_with_their_tokens_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("t-1\n")
    file = tmp_path / "connections.yaml"
    file.write_text(
        "connections:\n"
        "  - {name: idp, kinds: [identity], base_url: 'https://idp.example', token_file: secret}\n"
        "  - {name: edr, kinds: [edr], base_url: 'https://edr.example', token_env: EDR_TOKEN}\n"
    )
    idp, edr = read_connections(file)
    assert idp.token() == "t-1"
    with pytest.raises(WatchfloorError, match="EDR_TOKEN"):
        edr.token()
    monkeypatch.setenv("EDR_TOKEN", "t-2")
    assert edr.token() == "t-2"
    file.write_text("connections: [{name: x, kinds: [edr], base_url: 'ftp://x', token: open}]")
    with pytest.raises(WatchfloorError, match="connection 1"):
        read_connections(file)
