"""The JSON API: what the pages do, for scripts; strict about what it takes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.server.conftest import ANALYST, LEAD, PASSPHRASES, Clock, Enter, csrf
from tests.server.desk import SmallDesk
from tests.server.given_verdict import CASE, TENANT
from watchfloor.core.plan import Approval
from watchfloor.server import ServerSettings, create_app, live
from watchfloor.store.accounts import Accounts

API = "/api/v1"


@pytest.fixture
def client(desk: SmallDesk, accounts: Accounts, clock: Clock) -> TestClient:
    """A script of the lead, with a bearer token."""
    found = TestClient(
        create_app(desk, accounts, clock=clock), base_url="http://localhost", raise_server_exceptions=False
    )
    answer = found.post(f"{API}/sessions", json={"user": LEAD, "passphrase": PASSPHRASES[LEAD]})
    assert answer.status_code == 201
    found.headers["authorization"] = f"Bearer {answer.json()['token']}"
    return found


def test_cases_as_on_the_queue_page(client: TestClient) -> None:
    found = client.get(f"{API}/cases", params={"tab": "all", "layer": "email"}).json()
    assert found["counts"] == {"now": 2, "queue": 3, "closed": 2, "all": 7}
    assert found["cases"][0]["disposition"] == "escalate"
    assert "email" in found["cases"][0]["layers"]
    assert [c["uid"] for c in found["cases"]] == [CASE]
    assert found["found"] == 1


def test_a_case_with_all_that_belongs_to_it(client: TestClient, desk: SmallDesk) -> None:
    view = client.get(f"{API}/cases/{CASE}").json()
    assert view["verdict"] == desk.story.verdicts[CASE].to_dict() == client.get(f"{API}/cases/{CASE}/verdict").json()
    assert len(view["findings"]) == 6
    assert view["plan"] == desk.story.plan.to_dict()


def test_evidence_and_events(client: TestClient, desk: SmallDesk) -> None:
    uid, evidence = next(iter(desk.story.evidence.items()))
    assert client.get(f"{API}/evidence/{uid}").json()["content"] == evidence.content
    uid, event = next(iter(desk.story.events.items()))
    assert client.get(f"{API}/events/{uid}").json()["original"] == event.original


def test_approve_execute_undo(client: TestClient, desk: SmallDesk) -> None:
    plan = client.get(f"{API}/cases/{CASE}/plan").json()
    assert plan["digest"] == desk.story.plan.digest()
    body = {"plan_digest": plan["digest"], "steps": [3, 4], "passphrase": PASSPHRASES[LEAD]}
    made = client.post(f"{API}/cases/{CASE}/plan/approvals", json=body)
    assert made.status_code == 201
    approval = Approval.from_dict(made.json())
    done = client.post(f"{API}/cases/{CASE}/plan/approvals/{approval.uid}/execution").json()
    assert [(o["n"], o["status"], o["after"]) for o in done] == [
        (3, "succeeded", '{"enabled":false}'),
        (4, "succeeded", '{"rules":0}'),
    ]
    undone = client.post(f"{API}/cases/{CASE}/plan/steps/3/undo", json={"passphrase": PASSPHRASES[LEAD]}).json()
    assert undone[0]["status"] == "undone"


def test_comment_assign_resolve_reopen(client: TestClient, desk: SmallDesk) -> None:
    at = f"{API}/cases/{CASE}"
    assert client.post(f"{at}/comments", json={"text": "seen"}).json()["author"] == LEAD
    assert client.put(f"{at}/assignee", json={"assignee": ANALYST}).json()["assignee"] == ANALYST
    assert client.put(f"{at}/assignee", json={"assignee": "nobody-here"}).status_code == 404
    assert (
        client.post(f"{at}/resolution", json={"resolution_code": "true_positive.phishing"}).json()["verdict"]
        == "malicious"
    )
    assert desk.all_cases[CASE].status == "resolved"
    assert client.delete(f"{at}/resolution").json()["status"] == "in_progress"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("plan/approvals", {"plan_digest": "sha256:" + "0" * 64, "steps": ["2"], "passphrase": "x"}),
        ("plan/approvals", {"plan_digest": "sha256:" + "0" * 64, "steps": [2], "passphrase": "x", "force": True}),
        ("plan/approvals", {"plan_digest": "short", "steps": [2], "passphrase": "x"}),
        ("plan/approvals", {"plan_digest": "sha256:" + "0" * 64, "steps": [], "passphrase": "x"}),
        ("comments", {"text": 3}),
        ("comments", {"text": ""}),
        ("resolution", {"resolution_code": "true_positive.phishing", "hypothesis": "false_positive"}),
    ],
)
def test_writes_are_strict(client: TestClient, desk: SmallDesk, path: str, body: dict[str, Any]) -> None:
    before = len(desk.entries)
    answer = client.post(f"{API}/cases/{CASE}/{path}", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(desk.entries) == before


def test_what_the_product_refuses_is_a_problem_detail(client: TestClient) -> None:
    body = {"plan_digest": "sha256:" + "0" * 64, "steps": [2], "passphrase": "x"}
    answer = client.post(f"{API}/cases/{CASE}/plan/approvals", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert "has changed since you saw it" in answer.json()["detail"]
    assert client.get(f"{API}/cases/c-none").status_code == 404
    assert client.get(f"{API}/cases/c-00000000000000ff/verdict").status_code == 404


def test_upload(client: TestClient, desk: SmallDesk) -> None:
    files = [("files", ("../../etc/p asswd.jsonl", b'{"a": 1}\n')), ("files", (".hidden", b"y"))]
    report = client.post(f"{API}/ingest", files=files)
    assert report.status_code == 200
    assert [(source.rpartition("/")[2], content) for source, content in desk.received] == [
        ("p_asswd.jsonl", b'{"a": 1}\n'),
        ("hidden", b"y"),
    ]
    assert report.json()["records"] == 2
    assert desk.triages == 1
    assert desk.entries[-1].actor == LEAD


def test_an_upload_that_is_too_large_is_refused(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(LEAD, ServerSettings(upload_bytes=2_000))
    token = csrf(browser.get("/").text)
    answer = browser.post(f"{API}/ingest", files={"files": ("a", b"x" * 5_000)}, headers={"x-csrf-token": token})
    assert answer.status_code == 413
    assert desk.received == []


def test_a_cookie_works_with_the_form_token(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(ANALYST)
    token = csrf(browser.get("/").text)
    assert browser.post(f"{API}/cases/{CASE}/comments", json={"text": "a"}).status_code == 403
    made = browser.post(f"{API}/cases/{CASE}/comments", json={"text": "a"}, headers={"x-csrf-token": token})
    assert made.status_code == 201


def test_signing_out_ends_the_token(client: TestClient) -> None:
    assert client.delete(f"{API}/sessions/current").status_code == 204
    assert client.get(f"{API}/cases").status_code == 401


def test_a_wrong_passphrase_gets_no_token(client: TestClient) -> None:
    assert client.post(f"{API}/sessions", json={"user": LEAD, "passphrase": "wrong"}).status_code == 401


def test_every_operation_is_documented(client: TestClient) -> None:
    found = client.get(f"{API}/openapi.json").json()
    operations = [(p, m, o) for p, ms in found["paths"].items() for m, o in ms.items()]
    assert len(operations) >= 17
    assert [(p, m) for p, m, o in operations if not (o.get("description") or o.get("summary"))] == []
    assert {p for p, _, _ in operations if not p.startswith(API)} == {"/healthz"}


async def stream(app: FastAPI, token: str, during: Callable[[], None]) -> str:
    """All that a stream sends until the server ends it. Below HTTP, for a test client waits for the end."""
    sent: list[bytes] = []
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "GET", "path": f"{API}/updates", "query_string": b"", "scheme": "http"}
    scope |= {"headers": headers, "http_version": "1.1", "root_path": "", "raw_path": b""}

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def act() -> None:
        await asyncio.sleep(0.2)
        during()

    await asyncio.wait_for(asyncio.gather(app(scope, receive, send), act()), 30)
    return b"".join(sent).decode()


def streaming(desk: SmallDesk, accounts: Accounts, clock: Clock, seconds: float) -> tuple[FastAPI, str]:
    app = create_app(desk, accounts, ServerSettings(stream_seconds=seconds), clock=clock)
    return app, accounts.open_session(TENANT, LEAD, clock())


def test_updates_are_told_by_server_sent_events(desk: SmallDesk, accounts: Accounts, clock: Clock) -> None:
    app, token = streaming(desk, accounts, clock, 0.8)

    def during() -> None:
        desk.updates.publish("another-tenant", "case", "c-secret")
        desk.updates.publish(TENANT, "case", CASE)
        desk.updates.publish(TENANT, "case", CASE)

    text = asyncio.run(stream(app, token, during))
    data = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert data == [{"kind": "case", "subject": CASE}]
    assert "event: changed" in text
    assert "c-secret" not in text


def test_a_stream_ends_with_its_session(
    desk: SmallDesk, accounts: Accounts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_RECHECK_SECONDS", 0.4)
    app, token = streaming(desk, accounts, clock, 25)
    started = time.monotonic()
    asyncio.run(stream(app, token, lambda: accounts.close_session(TENANT, token)))
    assert time.monotonic() - started < 20
