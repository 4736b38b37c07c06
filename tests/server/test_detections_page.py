"""The detections page over a real product: what is in use, holding back and lifting, loading again, and who may."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from tests.records import trails
from tests.server.conftest import csrf
from tests.server.test_pages import words
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.server import create_app
from watchfloor.store.accounts import Role

UID = "5f0f9a0e-3c1e-4b0c-9f5b-1f0a5e8a7c11"
PASSWORD = "correct horse battery"
RULE = {
    "title": "Trail <b>stopped</b>", "id": UID, "level": "high", "modified": "2026-04-28",
    "description": "Nobody records <i>what comes next</i>.", "tags": ["attack.defense-evasion", "attack.t1562.008"],
    "falsepositives": ["An account that is <u>closed</u>"], "references": ["javascript:alert(1)"],
    "logsource": {"product": "aws", "service": "cloudtrail"},
    "detection": {"sel": {"eventName": "StopLogging"}, "condition": "sel"},
}  # fmt: skip
Enter = Callable[[Role], TestClient]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "stop.yml").write_text(yaml.safe_dump(RULE))
    return folder


@pytest.fixture
def product(tmp_path: Path, rules: Path) -> Iterator[Watchfloor]:
    with Watchfloor.open(tmp_path / "home", Settings(rules=(rules,), shipped_rules=False)) as product:
        bring(product, tmp_path, "a")
        product.pipeline.triage()
        yield product


def bring(product: Watchfloor, folder: Path, name: str) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"Records": trails(2, requestID=name)}))
    product.pipeline.ingest([folder / f"{name}.json"])


@pytest.fixture
def enter(product: Watchfloor) -> Enter:
    def client(role: Role) -> TestClient:
        product.parts.accounts.create("default", role, PASSWORD, (role,))
        app = create_app(product.desk, product.parts.accounts)
        browser = TestClient(app, base_url="http://localhost", follow_redirects=False)
        form = {"user": role, "passphrase": PASSWORD, "csrf": csrf(browser.get("/login").text)}
        assert browser.post("/login", data=form).status_code == 303
        return browser

    return client


def post(browser: TestClient, path: str, **data: str) -> int:
    token = csrf(browser.get("/detections").text)
    return browser.post(path, data={"csrf": token, **data}).status_code


def cases(product: Watchfloor) -> set[str]:
    product.pipeline.triage()
    return {uid for case in product.parts.documents.find("default", Case, limit=None) for uid in case.findings}


def test_the_page_lists_what_is_in_use(enter: Enter) -> None:
    browser = enter("auditor")
    page = browser.get("/detections").text
    assert "Trail &lt;b&gt;stopped&lt;/b&gt;" in page
    assert "1 in use since" in words(page)
    assert "high aws / cloudtrail" in words(page)
    assert "2026-04-28 2 2026-10-13" in words(page)
    assert "No detection is so" in browser.get("/detections?text=nothing").text
    assert "No detection is so" in browser.get("/detections?show=held").text
    shown = browser.get("/detections/one", params={"uid": UID}).text
    assert "Nobody records &lt;i&gt;what comes next&lt;/i&gt;." in shown
    assert "An account that is &lt;u&gt;closed&lt;/u&gt;" in shown
    assert "T1562.008" in shown
    assert 'href="javascript' not in shown
    one = words(shown)
    assert "2 findings, the newest of 2026-10-13" in one
    assert "now" in one
    assert browser.get("/detections/one?uid=none").status_code == 404
    assert browser.get("/detections/held?uid=none").status_code == 404


def test_findings_are_held_back_and_brought_back_by_hand(product: Watchfloor, enter: Enter, tmp_path: Path) -> None:
    browser = enter("analyst")
    before = cases(product)
    assert post(browser, "/detections/suppress", uid=UID, reason="a test <i>", days="30", entity="user:mallory") == 303
    bring(product, tmp_path, "b")
    assert cases(product) == before
    page = browser.get("/detections").text
    assert "a test &lt;i&gt;" in page
    assert "stopped with user:mallory analyst a test" in words(page).replace("</b>", "")
    assert "2 findings are held back and make no case" in words(browser.get("/").text)
    (held,) = product.desk.detections.view().held
    assert (held.findings, held.suppression.owner) == (2, "analyst")
    listed = browser.get("/detections/held", params={"uid": held.suppression.uid}).text
    assert listed.count("Trail &lt;b&gt;stopped") == 2
    assert post(browser, "/detections/lift", uid=held.suppression.uid, bring_back="true") == 303
    assert len(cases(product)) == len(before) + 2
    assert "lifted by analyst" in words(browser.get("/detections").text)


@pytest.mark.parametrize(
    "data", [{"reason": " "}, {"days": "91"}, {"days": "0"}, {"where": "nothing"}, {"up_to": "fatal"}]
)
def test_what_is_not_allowed_is_not_made(data: dict[str, str], product: Watchfloor, enter: Enter) -> None:
    given = {"uid": UID, "reason": "x", "days": "30", **data}
    assert post(enter("lead"), "/detections/suppress", **given) in (400, 403, 422)
    assert product.desk.detections.view().held == []


def test_who_only_reads_changes_nothing_and_no_other_site_does(product: Watchfloor, enter: Enter) -> None:
    auditor = enter("auditor")
    for path in ("suppress", "lift", "reload"):
        assert post(auditor, f"/detections/{path}", uid=UID, reason="x", days="30") == 403
    assert "Load again" not in auditor.get("/detections").text
    browser = enter("analyst")
    data = {"uid": UID, "reason": "x", "days": "30"}
    assert browser.post("/detections/suppress", data=data).status_code == 403
    assert browser.post("/detections/reload", data={"csrf": "0" * 64}).status_code == 403
    assert product.desk.detections.view().held == []


def test_rules_are_loaded_again_and_a_broken_set_is_told_of(product: Watchfloor, rules: Path, enter: Enter) -> None:
    browser = enter("lead")
    (rules / "more.yml").write_text(yaml.safe_dump({**RULE, "id": UID[:-1] + "2", "title": "More"}))
    assert post(browser, "/detections/reload") == 303
    assert "2 in use since" in words(browser.get("/detections").text)
    (rules / "more.yml").write_text("title: [")
    token = csrf(browser.get("/detections").text)
    answer = browser.post("/detections/reload", data={"csrf": token})
    page = words(browser.get(answer.headers["location"]).text)
    assert "1 rules do not load" in page
    assert "the one before stays in use" in page
    assert "2 in use since" in page
