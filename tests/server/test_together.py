"""What belongs together, over a real product: merge, split, undo links and take back, on the page and by API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.server.conftest import csrf
from tests.triage.build import finding
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.server import create_app
from watchfloor.store.accounts import Role

PASSWORD = "correct horse battery"
Enter = Callable[[Role], TestClient]


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Watchfloor]:
    """Alice's case of two findings, Bob's of one, and one that shares a name with Bob's."""
    with Watchfloor.open(tmp_path / "home") as product:
        tenant = product.parts.tenant
        product.parts.documents.put(
            tenant,
            finding(1, "user:alice:actor", "host:ws-1:target", rule="a <b>", tenant=tenant),
            finding(2, "user:alice:actor", "host:ws-1:target", minute=5, rule="b", tenant=tenant),
            finding(3, "host:ws-2:target", "domain:x.example:destination", rule="c", tenant=tenant),
            finding(4, "host:ws-3:target", "domain:x.example:destination", minute=5, rule="d", tenant=tenant),
        )
        product.pipeline.triage()
        yield product


@pytest.fixture
def enter(product: Watchfloor) -> Enter:
    def client(role: Role) -> TestClient:
        product.parts.accounts.create(product.parts.tenant, role, PASSWORD, (role,))
        browser = TestClient(create_app(product.desk, product.parts.accounts), base_url="http://localhost")
        browser.follow_redirects = False
        form = {"user": role, "passphrase": PASSWORD, "csrf": csrf(browser.get("/login").text)}
        assert browser.post("/login", data=form).status_code == 303
        return browser

    return client


def holder(product: Watchfloor, number: int) -> Case:
    cases = product.parts.documents.find(product.parts.tenant, Case, limit=None)
    (case,) = [case for case in cases if f"f-{number:06d}" in case.findings and not case.merged_into]
    return case


def test_on_the_page_a_person_merges_what_is_related_and_takes_it_back(product: Watchfloor, enter: Enter) -> None:
    browser, one, other = enter("analyst"), holder(product, 3), holder(product, 4)
    where = f"/cases/{one.uid}/together"
    assert where in browser.get(f"/cases/{one.uid}").text
    page = browser.get(where).text
    assert other.uid in page
    assert "Both involve domain:x.example" in page
    form = {"csrf": csrf(page), "other": other.uid}
    answer = browser.post(f"/cases/{one.uid}/merge", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, where)
    page = browser.get(where).text
    assert f"analyst merged {one.uid} and {other.uid}" in page
    assert f"took in {other.uid}" in page
    gone = browser.get(f"/cases/{other.uid}/together").text
    assert f'Its findings stand in <a href="/cases/{one.uid}/together">' in gone
    assert "Merge with another case" not in gone
    (said,) = product.desk.regroupings.of_case(one.uid)
    answer = browser.post(f"/cases/{one.uid}/take-back", data={"csrf": csrf(page), "regrouping": said.uid})
    assert answer.status_code == 303
    assert holder(product, 4).uid == other.uid


def test_on_the_page_a_link_is_undone_and_findings_move(product: Watchfloor, enter: Enter) -> None:
    browser, alice = enter("analyst"), holder(product, 1)
    page = browser.get(f"/cases/{alice.uid}/together").text
    assert "Rule a &lt;b&gt;" in page
    (link,) = alice.links
    browser.post(f"/cases/{alice.uid}/unlink", data={"csrf": csrf(page), "link": link.uid})
    assert holder(product, 2).uid != alice.uid
    (said,) = product.desk.regroupings.of_case(alice.uid)
    browser.post(f"/cases/{alice.uid}/take-back", data={"csrf": csrf(page), "regrouping": said.uid})
    browser.post(f"/cases/{alice.uid}/split", data={"csrf": csrf(page), "findings": ["f-000002"]})
    assert holder(product, 2).findings == ("f-000002",)
    assert browser.post(f"/cases/{alice.uid}/split", data={"csrf": csrf(page)}).status_code == 403


def test_by_api(product: Watchfloor, enter: Enter) -> None:
    browser = enter("analyst")
    body = {"user": "analyst", "passphrase": PASSWORD}
    token = browser.post("/api/v1/sessions", json=body).json()["token"]
    client = TestClient(
        create_app(product.desk, product.parts.accounts),
        base_url="http://localhost",
        headers={"authorization": f"Bearer {token}"},
    )
    alice, other = holder(product, 1), holder(product, 3)
    at = f"/api/v1/cases/{alice.uid}"
    merged = client.post(f"{at}/merges", json={"other": other.uid})
    assert (merged.status_code, merged.json()["kind"]) == (201, "together")
    assert client.get(f"{at}/regroupings").json() == [merged.json()]
    assert client.delete(f"{at}/regroupings/{merged.json()['uid']}").json()["kind"] == "undone"
    assert client.get(f"{at}/regroupings").json() == []
    split = client.post(f"{at}/splits", json={"findings": ["f-000002"]}).json()
    assert split["other"] == ["f-000002"]
    elsewhere = f"/api/v1/cases/{holder(product, 4).uid}/regroupings/{split['uid']}"
    assert client.delete(elsewhere).status_code == 404
    client.delete(f"{at}/regroupings/{split['uid']}")
    assert client.delete(f"{at}/links/{alice.links[0].uid}").json()["kind"] == "apart"
    assert client.post(f"{at}/merges", json={"other": other.uid, "more": 1}).status_code == 422
    assert client.post(f"{at}/splits", json={"findings": "f-000002"}).status_code == 422
    assert client.get(f"{at}").json()["case"]["related"] == [holder(product, 2).uid]


def test_who_may_only_read_changes_nothing(product: Watchfloor, enter: Enter) -> None:
    browser, alice = enter("auditor"), holder(product, 1)
    page = browser.get(f"/cases/{alice.uid}/together").text
    assert "Undo this link" not in page
    assert (
        browser.post(f"/cases/{alice.uid}/split", data={"csrf": csrf(page), "findings": ["f-000002"]}).status_code
        == 403
    )
    assert holder(product, 2).uid == alice.uid
