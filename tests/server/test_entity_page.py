"""What is known of an entity, over a real product: the page, the API, who may state and who may not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tests.records import trails
from tests.server.conftest import csrf
from tests.server.test_pages import words
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.server import create_app
from watchfloor.store.accounts import Role

PASSWORD = "correct horse battery"
Enter = Callable[[Role], TestClient]
WINDOWS = """
- {id: W-9, kind: maintenance, title: <i>Patching</i>, start: '2026-10-13T06:00:00Z', end: '2026-10-13T09:00:00Z',
   users: [mallory], approved_by: nadia}
"""
OKTA = [
    {"id": "00u1", "profile": {"login": "mallory@acme.example", "department": "<b>Finance</b>"}},
    {"id": "00u2", "profile": {"login": "alice@acme.example", "department": "<b>Finance</b>"}},
]


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Watchfloor]:
    context = tmp_path / "context"
    context.mkdir()
    (context / "windows.yaml").write_text(WINDOWS)
    (context / "identities.yaml").write_text("- {user: mallory, aliases: [mallory@acme.example], title: Clerk}\n")
    (tmp_path / "trail.json").write_text(json.dumps({"Records": trails(2)}))
    (tmp_path / "okta.json").write_text(json.dumps(OKTA))
    with Watchfloor.open(tmp_path / "home", Settings(context=context)) as product:
        product.parts.context_book.import_paths([tmp_path / "okta.json"], by="ana")
        product.pipeline.ingest([tmp_path / "trail.json"])
        product.pipeline.triage()
        yield product


@pytest.fixture
def enter(product: Watchfloor) -> Enter:
    def client(role: Role) -> TestClient:
        product.parts.accounts.create("default", role, PASSWORD, (role,))
        browser = TestClient(
            create_app(product.desk, product.parts.accounts), base_url="http://localhost", follow_redirects=False
        )
        token = csrf(browser.get("/login").text)
        browser.post("/login", data={"user": role, "passphrase": PASSWORD, "csrf": token})
        return browser

    return client


def test_the_page_shows_facts_with_source_and_both_times_and_the_cases(product: Watchfloor, enter: Enter) -> None:
    browser = enter("lead")
    page = browser.get("/entities/one?key=user:mallory").text
    shown = words(page)
    assert "title Clerk context/identities.yaml user:mallory as ever" in shown
    assert "department <b>Finance</b> okta/users user:00u1 as ever" in shown
    assert "by ana" in shown
    assert "the owner says that mallory@acme.example is its name" in shown
    assert "W-9 <i>Patching</i>" in shown
    assert "alice@acme.example" in shown, "a peer of the same department"
    assert "<b>Finance</b>" not in page
    (case,) = product.desk.queue(limit=None)
    assert f"/cases/{case.case.uid}" in page
    link = "/entities/one?key=user%3Amallory"
    assert link in browser.get(f"/cases/{case.case.uid}").text
    assert "Nothing is known of it" in browser.get("/entities/one?key=user:nobody").text
    assert "Nothing is known of it at these times" in words(
        browser.get("/entities/one?key=user:alice@acme.example&known=2020-01-01").text
    )
    for bad in ("key=alice", "key=user:mallory&at=soon", f"key={quote('user:' + 'x' * 600)}"):
        assert browser.get(f"/entities/one?{bad}").status_code in (400, 422), bad


def test_a_lead_mends_what_is_known_and_a_reader_may_not(product: Watchfloor, enter: Enter) -> None:
    lead, analyst = enter("lead"), enter("analyst")
    fact = next(f for f in product.parts.facts.known("default") if f.attribute == "department")
    form = {"key": "user:mallory", "uid": fact.uid}
    for browser, status in ((analyst, 403), (lead, 303)):
        token = csrf(browser.get("/entities/one?key=user:mallory").text)
        assert browser.post("/entities/retract", data=form).status_code == 403, "no form of ours"
        assert browser.post("/entities/retract", data=form | {"csrf": token}).status_code == status
    assert "Take back" not in analyst.get("/entities/one?key=user:mallory").text
    page = words(lead.get("/entities/one?key=user:mallory").text)
    assert "Finance" not in page
    assert "2 replaced or taken back" in page
    assert "taken back" in words(lead.get("/entities/one?key=user:mallory&every=1").text)

    token = csrf(lead.get("/entities/one?key=user:mallory").text)
    word = {"one": "user:mallory", "other": "okta/users#user:00u2", "same": "true", "csrf": token}
    assert lead.post("/entities/relate", data=word).status_code == 303
    assert "lead says that user:mallory and okta/users#user:00u2 are the same" in words(
        lead.get("/entities/one?key=user:alice@acme.example").text
    )
    assert [e.actor for e in product.desk.ledger_entries() if e.kind == "context.retracted"] == ["lead"]


def test_the_api_states_facts_strictly_and_all_or_none(product: Watchfloor, enter: Enter) -> None:
    lead, reader = enter("lead"), enter("auditor")
    token = lead.post("/api/v1/sessions", json={"user": "lead", "passphrase": PASSWORD}).json()["token"]
    other = reader.post("/api/v1/sessions", json={"user": "auditor", "passphrase": PASSWORD}).json()["token"]
    may, may_not = ({"authorization": f"Bearer {one}"} for one in (token, other))
    said = {"source": "hr", "facts": [{"entity": "user:mallory", "attribute": "leaving_on", "value": "2026-10-20"}]}
    assert lead.post("/api/v1/context", json=said, headers=may_not).status_code == 403
    assert lead.post("/api/v1/context", json=said, headers=may).json() == {
        "new": 1, "ended": 0, "retracted": 0, "unchanged": 0,
    }  # fmt: skip
    assert lead.post("/api/v1/context", json=said, headers=may).json()["unchanged"] == 1
    found = lead.get("/api/v1/context/entity", params={"key": "user:mallory"}, headers=may_not).json()
    (fact,) = [f for f in found["facts"] if f["source"] == "api/hr"]
    assert (fact["value"], fact["recorded_by"], fact["state"]) == ("2026-10-20", "lead", "holds")
    assert found["resolved"] == "user:mallory"

    good = {"entity": "host:ws-1", "attribute": "criticality", "value": "high"}
    bad = [
        {**good, "value": "huge"},
        {**good, "attribute": "colour"},
        {**good, "entity": "user:x"},
        {**good, "valid_from": 5, "valid_to": 5},
        {"entity": "user:x", "attribute": "same_as", "value": "user:y"},
    ]
    for one in bad:
        answer = lead.post("/api/v1/context", json={"facts": [good, one]}, headers=may)
        assert answer.status_code == 400, one
        assert "fact 2" in answer.json()["detail"]
    for strange in ({**good, "more": 1}, {**good, "value": 7}, {**good, "valid_from": "now"}):
        assert lead.post("/api/v1/context", json={"facts": [strange]}, headers=may).status_code == 422
    assert not [f for f in product.parts.facts.known("default") if f.entity == "host:ws-1"]

    assert lead.get("/api/v1/context/conflicts", headers=may_not).json() == []
    assert lead.delete(f"/api/v1/context/facts/{fact['uid']}", headers=may).json()["retracted"] == 1
    assert lead.delete(f"/api/v1/context/facts/{fact['uid']}", headers=may).status_code == 403
    assert lead.delete("/api/v1/context/facts/f-none", headers=may).status_code == 404
