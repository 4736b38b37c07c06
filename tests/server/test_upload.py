"""Records brought in by hand: named by content, counted once, whatever their sender calls them; told on a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.server.conftest import ANALYST, AUDITOR, LEAD, Enter, csrf
from tests.server.desk import SmallDesk
from tests.server.test_pages import words
from watchfloor.app.settings import Settings
from watchfloor.app.uploads import Upload, harmless, named
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.record import DeadLetter
from watchfloor.server import ServerSettings, create_app

# Zeek's conn.log as JSON: one known mapping, no detection needed.
CONN = {
    "ts": 1760338862.1, "uid": "CHhAvVGS1DHFjwGM9", "id.orig_h": "10.1.2.3", "id.orig_p": 51234,
    "id.resp_h": "192.0.2.7", "id.resp_p": 443, "proto": "tcp", "conn_state": "SF",
}  # fmt: skip


def lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("auth.log", "auth.log"),
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\Windows\\System32\\config", "config"),
        ("/abs/olute.evtx", "olute.evtx"),
        ("my alerts (1).json", "my_alerts_1.json"),
        (".bashrc", "bashrc"),
        ("a!b/../x!y.zip", "xy.zip"),
        ("zoë\x00\n\u202egpj.exe", "zoëgpj.exe"),
        ("..", "upload"),
        ("", "upload"),
        ("x" * 300 + ".json", "x" * 95 + ".json"),
    ],
)
def test_a_senders_name_means_nothing(sent: str, kept: str) -> None:
    assert harmless(sent) == kept


def test_content_makes_the_source(tmp_path: Path) -> None:
    for name, content in (("1", b"one"), ("2", b"two"), ("3", b"one")):
        (tmp_path / name).write_bytes(content)
    one, two, again = (Upload(name, tmp_path / n) for n, name in (("1", "a.log"), ("2", "a.log"), ("3", "b.log")))
    sources = named([one, two, again], [])
    assert sources[one.path] == sources[again.path] == "upload/7692c3ad3540bb80/a.log"
    assert sources[two.path] == "upload/3fc4ccfe745870e2/a.log"
    kept = ["/var/log/a", "upload/7692c3ad3540bb80/first.zip!inner.json", "upload/"]
    assert named([again], kept)[again.path] == "upload/7692c3ad3540bb80/first.zip"


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Watchfloor]:
    with Watchfloor.open(tmp_path / "home", Settings(tenant="acme", shipped_rules=False)) as opened:
        opened.add_user(LEAD, "lee walks home at 3 a.m.", ("lead",))
        yield opened


@pytest.fixture
def script(product: Watchfloor) -> TestClient:
    client = TestClient(create_app(product.desk, product.parts.accounts), base_url="http://localhost")
    answer = client.post("/api/v1/sessions", json={"user": LEAD, "passphrase": "lee walks home at 3 a.m."})
    client.headers["authorization"] = f"Bearer {answer.json()['token']}"
    return client


def test_the_product_counts_the_same_content_once(product: Watchfloor, script: TestClient) -> None:
    def send(*files: tuple[str, bytes]) -> dict[str, object]:
        answer = script.post("/api/v1/ingest", files=[("files", file) for file in files])
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    mine, other = lines(CONN, CONN | {"uid": "C2"}), lines(CONN, CONN | {"uid": "C3"})
    assert send(("../conn.log", mine))["new_events"] == 2
    assert send(("conn.log", mine))["new_events"] == 0
    assert send(("conn (1).log", mine))["new_events"] == 0
    # Another file of the same name is another file: nothing of it is lost, not even what both begin with.
    assert send(("conn.log", other), ("conn.log", b"PK\x03\x04 broken"))["new_events"] == 2
    events, dead = {s.source: s.events for s in product.desk.sources() if s.events}, product.desk.dead_letters()
    assert sorted(events.values()) == [2, 2]
    assert all(re.fullmatch(r"upload/[0-9a-f]{16}/conn\.log", source) for source in events)
    assert [re.fullmatch(r"upload/[0-9a-f]{16}/conn\.log", letter.source) is not None for letter in dead] == [True]


def test_the_product_tells_who_brought_what(product: Watchfloor, script: TestClient) -> None:
    script.post("/api/v1/ingest", files=[("files", ("conn.log", lines(CONN)))])
    product.pipeline.ingest([Path(__file__).parent / "nothing-here"])
    newest, first = product.desk.uploads()
    assert (first.actor, newest.actor) == (LEAD, "watchfloor")
    assert json.loads(first.body)["paths"][0].endswith("/conn.log")
    assert json.loads(first.body)["records"] == 1
    assert product.desk.uploads(1) == [newest]


def upload(browser: TestClient, *files: tuple[str, bytes]) -> int:
    token = csrf(browser.get("/upload").text)
    sent = [("files", file) for file in files]
    return browser.post("/upload", data={"csrf": token}, files=sent).status_code


def test_the_page_brings_records_in_and_says_what_came_of_it(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(ANALYST)
    assert "Nothing has come in yet" in words(browser.get("/upload").text)
    assert upload(browser, ("a.jsonl", b'{"a": 1}\n<broken>\n{"b": 2}'), ("b.jsonl", b"{}")) == 303
    assert desk.triages == 1
    page = browser.get("/upload").text
    assert "a.jsonl b.jsonl 4 3 0 1 not JSON: &lt;broken&gt; ana" in " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert upload(browser, ("again.jsonl", b"{}")) == 303
    assert "b.jsonl 1 0 all were here already" in words(browser.get("/upload").text)


def test_without_a_file_the_page_says_so(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(ANALYST)
    token = csrf(browser.get("/upload").text)
    boundary = "x"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename=""\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n\r\n--{boundary}--\r\n"
    )
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    answer = browser.post("/upload", content=body, headers=headers)
    assert answer.status_code == 400
    assert "no file was chosen" in words(answer.text)
    assert desk.received == []


def test_deciding_that_stops_is_told(enter: Enter, desk: SmallDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> list[str]:
        raise OSError("the disk is full")

    monkeypatch.setattr(desk, "triage", stop)
    browser = enter(ANALYST)
    assert upload(browser, ("a", b"{}")) == 303
    assert "The last deciding of cases stopped: OSError while deciding cases" in words(browser.get("/upload").text)
    monkeypatch.undo()
    assert upload(browser, ("b", b"{}{}")) == 303
    assert "stopped" not in words(browser.get("/upload").text)


def test_a_reader_sees_what_came_in_and_no_form(enter: Enter, desk: SmallDesk) -> None:
    assert upload(enter(ANALYST), ("a.jsonl", b"{}")) == 303
    browser = enter(AUDITOR)
    page = browser.get("/upload").text
    assert "a.jsonl" in page
    assert 'type="file"' not in page
    token = csrf(page)
    assert browser.post("/upload", data={"csrf": token}, files=[("files", ("x", b"{}"))]).status_code == 403
    assert len(desk.received) == 1


def test_an_upload_that_is_too_large_is_refused_on_the_page(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(LEAD, ServerSettings(upload_bytes=2_000))
    assert upload(browser, ("a", b"x" * 5_000)) == 413
    assert desk.received == []


def test_a_dead_letter_with_markup_stays_text(enter: Enter, desk: SmallDesk) -> None:
    where = {"source": "upload/0/<b>x", "position": 0, "unit": "line", "content": None, "size": 3}
    letter = {"tenant": desk.tenant, "uid": "d-1", "time": 1, "reason": "<script>alert(1)</script>", **where}
    desk.letters = [DeadLetter.from_dict(letter)]
    page = enter(ANALYST).get("/sources").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
