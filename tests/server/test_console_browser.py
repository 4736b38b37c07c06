"""The console in a real browser: from login to an approved, executed, verified plan, live, with keys and drawer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from fastapi import FastAPI

from tests.conftest import PASSWORD
from tests.server.conftest import LEAD, PASSPHRASES
from tests.server.desk import SmallDesk
from tests.server.given_verdict import CASE, NOW
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.server import ConsoleServer, create_app
from watchfloor.server.pages import render
from watchfloor.store.accounts import Accounts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

LIBRARIES = all((render.VENDOR / name).is_file() for name in render.SCRIPTS)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists(), reason=f"needs Debian's chromium at {CHROMIUM}: apt-get install chromium"
    ),
]


class Console(NamedTuple):
    """A served console, somebody who may approve everything, and a case with a plan that nobody has touched."""

    url: str
    user: str
    passphrase: str
    case_uid: str


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = ConsoleServer(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=30)


@pytest.fixture
def console_and_desk(accounts: Accounts, caplog: pytest.LogCaptureFixture) -> Iterator[tuple[Console, SmallDesk]]:
    """The console over a small desk in memory, and that desk."""
    desk = SmallDesk(passphrases=PASSPHRASES, seconds=0.3)
    with serving(create_app(desk, accounts, clock=lambda: NOW)) as url:
        yield Console(url, LEAD, PASSPHRASES[LEAD], CASE), desk
    assert "graceful shutdown exceeded" not in caplog.text, "an open page kept the server from stopping"


@pytest.fixture
def running_console(console_and_desk: tuple[Console, SmallDesk]) -> Console:
    return console_and_desk[0]


@pytest.fixture
def story_console(decided: Watchfloor) -> Iterator[Console]:
    """The console over the product itself, with the bundled story decided and the simulated company to act on."""
    rows = decided.desk.queue(disposition="escalate", limit=None)
    case = next(row.case.uid for row in rows if decided.desk.case_view(row.case.uid).plan)
    with serving(create_app(decided.desk, decided.parts.accounts)) as url:
        yield Console(url, "lena", PASSWORD, case)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page with cookies and storage of its own, that must have no error: not of a script, not of the content security
    policy. Outlives the server."""
    found = browser.new_page(viewport={"width": 1280, "height": 900})
    found.set_default_timeout(60_000)  # a busy machine is no failure
    problems: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on("console", lambda m: problems.append(m.text) if worth_telling(m) else None)
    yield found
    found.close()
    assert not problems, "\n".join(problems)


def worth_telling(message: ConsoleMessage) -> bool:
    """Not: that we refused something, and that the server of the page has stopped, for tests do both on purpose."""
    meant = ("status of 403", "net::ERR_", "Failed to fetch")
    return message.type in ("error", "warning") and not any(word in message.text for word in meant)


def log_in(page: Page, console: Console) -> None:
    page.goto(console.url)
    page.fill("[name=user]", console.user)
    page.fill("[name=passphrase]", console.passphrase)
    page.click("button:has-text('Log in')")
    page.wait_for_selector("[data-row]")


@pytest.mark.parametrize("served", ["running_console", "story_console"])
def test_from_login_to_an_executed_and_verified_plan(page: Page, served: str, request: pytest.FixtureRequest) -> None:
    console: Console = request.getfixturevalue(served)
    log_in(page, console)
    page.click(f"[data-open][href='/cases/{console.case_uid}']")
    page.wait_for_selector("#plan")
    boxes = page.locator("input[name=steps]:not(:disabled)")
    count = boxes.count()
    assert count > 0
    for n in range(count):
        boxes.nth(n).check()
    page.fill("#plan .sign [name=passphrase]", console.passphrase)
    page.click("text=Approve and run ticked steps")
    # No reload from here on: the page follows by server-sent events where the browser libraries are installed.
    if not LIBRARIES:
        page.wait_for_timeout(4_000)
        page.reload()
    page.wait_for_function(
        "n => document.querySelectorAll('.step.s-succeeded, .step.s-already_so').length === n", arg=count
    )
    assert page.locator(".outcome .changes").count() > 0
    assert page.locator("#audit").get_by_text("plan.approved").count() == 1


def test_a_wrong_passphrase_signs_nothing(page: Page, running_console: Console) -> None:
    console = running_console
    log_in(page, console)
    page.goto(f"{console.url}/cases/{console.case_uid}")
    page.locator("input[name=steps]:not(:disabled)").last.check()
    page.fill("#plan .sign [name=passphrase]", "not my passphrase")
    with page.expect_navigation() as went:
        page.click("text=Approve only")
    assert went.value is not None
    assert went.value.status == 403
    page.goto(f"{console.url}/cases/{console.case_uid}")
    assert page.locator(".approved").count() == 0


@pytest.mark.skipif(not LIBRARIES, reason="needs the browser libraries: make install")
def test_keys_drawer_and_graph(page: Page, running_console: Console) -> None:
    console = running_console
    log_in(page, console)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator("[data-row]").first
    assert "at" in (first.get_attribute("class") or "").split()
    page.keyboard.press("Enter")
    page.wait_for_selector("#why")
    page.goto(f"{console.url}/cases/{console.case_uid}")
    cite = page.locator(".cite").first
    cite.click()
    page.wait_for_selector("#drawer mark")
    assert page.locator("#drawer .ok").count() >= 2
    page.keyboard.press("Escape")
    assert page.locator("#drawer").is_hidden()
    assert page.locator("#graph canvas").count() > 0


@pytest.mark.skipif(not LIBRARIES, reason="needs the browser libraries: make install")
def test_lists_follow_what_happens_elsewhere(page: Page, console_and_desk: tuple[Console, SmallDesk]) -> None:
    """A change while the page is open is on it without a reload: the tab's count, and the line itself."""
    console, desk = console_and_desk
    log_in(page, console)
    page.wait_for_timeout(500)
    page.keyboard.press("j")
    stands = page.locator("[data-row].at").get_attribute("id")
    desk.assign(console.case_uid, "ana", "ana")
    page.wait_for_selector(f"#row-{console.case_uid} .c-with:has-text('ana')")
    assert page.locator("[data-row].at").get_attribute("id") == stands, "who reads stands where they stood"
    assert page.locator(".tab-now b").inner_text() == "2"
    desk.resolve(console.case_uid, "malicious", "ana", "malicious.contained")
    page.wait_for_selector(f"#row-{console.case_uid}", state="detached")
    assert page.locator(".tab-now b").inner_text() == "1"


@pytest.mark.skipif(not LIBRARIES, reason="needs the browser libraries: make install")
def test_what_a_reader_opened_stays_open(page: Page, console_and_desk: tuple[Console, SmallDesk]) -> None:
    console, desk = console_and_desk
    log_in(page, console)
    page.goto(f"{console.url}/cases/{console.case_uid}")
    page.wait_for_timeout(500)
    opened = page.locator("#main details:not(:has(form)) > summary:visible").first
    opened.click()
    desk.assign(console.case_uid, "ana", "ana")
    page.wait_for_selector(".chip:has-text('with ana')")
    assert page.locator("#main details[open]").count() == 1


def test_records_are_brought_in_with_a_form(
    page: Page, console_and_desk: tuple[Console, SmallDesk], tmp_path: Path
) -> None:
    console, desk = console_and_desk
    log_in(page, console)
    (tmp_path / "mail.jsonl").write_bytes(b'{"a": 1}\nbroken')
    page.click("nav >> text=Upload")
    page.set_input_files("[name=files]", tmp_path / "mail.jsonl")
    page.click("text=Upload and triage")
    page.wait_for_selector(".ingested summary")
    page.click(".ingested summary")
    assert page.locator(".dead").inner_text() == "not JSON: broken"
    assert [content for _, content in desk.received] == [b'{"a": 1}\nbroken']


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_runs_off_the_side(page: Page, running_console: Console, width: int) -> None:
    console = running_console
    page.set_viewport_size({"width": width, "height": 800})
    log_in(page, console)
    pages = ("/?tab=all", "/ledger", "/sources", "/coverage", "/closing", "/learning", "/floor", "/upload")
    for path in (*pages, f"/cases/{console.case_uid}"):
        page.goto(console.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
