"""What keeps the console safe: headers, cookies, forms from elsewhere, hosts, roles, hostile records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest
from starlette.routing import BaseRoute, Route
from starlette.testclient import TestClient

from tests.server.conftest import ANALYST, AUDITOR, LEAD, PASSPHRASES, Clock, Enter, csrf
from tests.server.desk import SmallDesk
from tests.server.given import CASE, TENANT, given
from watchfloor.core.clock import HOUR, MINUTE
from watchfloor.server import ServerSettings, create_app
from watchfloor.server.security import own_path
from watchfloor.store.accounts import Accounts

Visit = Callable[..., TestClient]
HTTPS = ServerSettings(https=True)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_every_answer_carries_the_headers(visit: Visit, enter: Enter) -> None:
    signed_in = enter(ANALYST)
    for client, path in (
        (visit(), "/login"),
        (signed_in, "/"),
        (signed_in, "/static/console.css"),
        (visit(), "/nowhere"),
    ):
        headers = client.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
    assert visit(HTTPS).get("/login").headers["strict-transport-security"].startswith("max-age=")
    assert signed_in.get("/").headers["cache-control"] == "no-store"


def test_no_page_has_inline_script_or_style(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(LEAD)
    evidence = next(iter(desk.story.evidence))
    for path in ("/", f"/cases/{CASE}", f"/evidence/{evidence}", "/ledger", "/sources", f"/cases/{CASE}/replay"):
        page = browser.get(path)
        assert page.status_code == 200
        assert re.findall(r"<script(?![^>]*\ssrc=)", page.text) == []
        assert re.findall(r"\sstyle=|<style|\son[a-z]+=", page.text) == []


def test_session_cookie(visit: Visit) -> None:
    browser = visit()
    form = {"user": ANALYST, "passphrase": PASSPHRASES[ANALYST], "csrf": csrf(browser.get("/login").text)}
    cookie = browser.post("/login", data=form).headers["set-cookie"]
    assert "watchfloor=" in cookie
    for word in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"):
        assert word in cookie
    assert "Secure" not in cookie


def test_session_cookie_is_secure_with_https(visit: Visit) -> None:
    browser = visit(HTTPS)
    form = {"user": ANALYST, "passphrase": PASSPHRASES[ANALYST], "csrf": csrf(browser.get("/login").text)}
    cookie = browser.post("/login", data=form).headers["set-cookie"]
    assert "__Host-watchfloor=" in cookie
    assert "Secure" in cookie


def test_login_gives_a_new_session_and_ends_the_old(enter: Enter) -> None:
    browser = enter(ANALYST)
    old = browser.cookies["watchfloor"]
    form = {"user": ANALYST, "passphrase": PASSPHRASES[ANALYST], "csrf": csrf(browser.get("/login").text)}
    browser.post("/login", data=form)
    assert browser.cookies["watchfloor"] != old
    browser.cookies.clear()
    assert browser.get("/", headers={"cookie": f"watchfloor={old}"}).status_code == 303


def test_logout_ends_the_session(enter: Enter) -> None:
    browser = enter(ANALYST)
    token = browser.cookies["watchfloor"]
    assert browser.post("/logout", data={"csrf": csrf(browser.get("/").text)}).status_code == 303
    again = browser.get("/", headers={"cookie": f"watchfloor={token}"})
    assert again.headers["location"] == "/login"


@pytest.mark.parametrize("steps", [[61 * MINUTE], [50 * MINUTE] * 15])
def test_a_session_ends_when_idle_and_at_last(enter: Enter, clock: Clock, steps: list[int]) -> None:
    browser = enter(ANALYST)
    assert browser.get("/").status_code == 200
    seen = []
    for step in steps:
        clock.now += step
        seen.append(browser.get("/").status_code)
    assert seen[-1] == 303
    assert set(seen[:-1]) <= {200, 303}
    assert sum(steps) > (12 * HOUR if len(steps) > 1 else HOUR)


def test_a_wrong_passphrase_says_so_and_tells_nothing_more(visit: Visit) -> None:
    browser = visit()
    token = csrf(browser.get("/login").text)
    wrong = browser.post("/login", data={"user": ANALYST, "passphrase": "no", "csrf": token})
    nobody = browser.post("/login", data={"user": "nobody", "passphrase": "no", "csrf": token})
    assert wrong.status_code == nobody.status_code == 401
    assert "an account waits" in wrong.text
    assert "watchfloor=" not in wrong.headers["set-cookie"]


def test_login_waits_after_wrong_tries(visit: Visit, accounts: Accounts, clock: Clock) -> None:
    accounts.create(TENANT, "guessed", "a long enough passphrase", ["analyst"])
    browser = visit()
    form = {"user": "guessed", "csrf": csrf(browser.get("/login").text)}
    for _ in range(6):
        assert browser.post("/login", data={**form, "passphrase": "wrong"}).status_code == 401
    right = {**form, "passphrase": "a long enough passphrase"}
    assert browser.post("/login", data=right).status_code == 401
    clock.now += HOUR
    assert browser.post("/login", data=right).status_code == 303


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb"]
)
def test_login_leads_only_to_our_own_pages(visit: Visit, path: str) -> None:
    assert own_path(path) == "/"
    browser = visit()
    token = csrf(browser.get("/login").text)
    form = {"user": ANALYST, "passphrase": PASSPHRASES[ANALYST], "csrf": token, "next": path}
    assert browser.post("/login", data=form).headers["location"] == "/"
    assert own_path(f"/cases/{CASE}?a=1") == f"/cases/{CASE}?a=1"


def unsafe_routes(routes: Iterable[BaseRoute]) -> set[tuple[str, str]]:
    """Every route that changes something, as (method, path with X for its parameters)."""
    found = set()
    for route in routes:
        if (router := getattr(route, "original_router", None)) is not None:
            found |= unsafe_routes(router.routes)
        elif isinstance(route, Route):
            path = re.sub(r"\{[a-z_]+\}", "X", route.path)
            found |= {(method, path) for method in (route.methods or set()) - {"GET", "HEAD", "OPTIONS"}}
    return found


UNSAFE = (
    ("POST", "/logout"),
    ("POST", f"/cases/{CASE}/plan/approve"),
    ("POST", f"/cases/{CASE}/plan/run"),
    ("POST", f"/cases/{CASE}/plan/undo"),
    ("POST", f"/cases/{CASE}/comments"),
    ("POST", f"/cases/{CASE}/resolve"),
    ("POST", f"/cases/{CASE}/reopen"),
    ("POST", f"/cases/{CASE}/assign"),
    ("DELETE", "/api/v1/sessions/current"),
    ("POST", f"/api/v1/cases/{CASE}/comments"),
    ("POST", f"/api/v1/cases/{CASE}/resolution"),
    ("DELETE", f"/api/v1/cases/{CASE}/resolution"),
    ("PUT", f"/api/v1/cases/{CASE}/assignee"),
    ("POST", f"/api/v1/cases/{CASE}/plan/approvals"),
    ("POST", f"/api/v1/cases/{CASE}/plan/approvals/a-1/execution"),
    ("POST", f"/api/v1/cases/{CASE}/plan/steps/3/undo"),
    ("POST", "/api/v1/ingest"),
    ("POST", "/upload"),
    ("POST", "/detections/suppress"),
    ("POST", "/detections/lift"),
    ("POST", "/detections/reload"),
    ("POST", f"/cases/{CASE}/merge"),
    ("POST", f"/cases/{CASE}/split"),
    ("POST", f"/cases/{CASE}/unlink"),
    ("POST", f"/cases/{CASE}/take-back"),
    ("POST", f"/api/v1/cases/{CASE}/merges"),
    ("POST", f"/api/v1/cases/{CASE}/splits"),
    ("DELETE", f"/api/v1/cases/{CASE}/links/X"),
    ("DELETE", f"/api/v1/cases/{CASE}/regroupings/X"),
    ("POST", "/entities/relate"),
    ("POST", "/entities/retract"),
    ("POST", "/api/v1/context"),
    ("POST", "/api/v1/context/relations"),
    ("DELETE", "/api/v1/context/facts/X"),
)


@pytest.mark.parametrize(("method", "path"), UNSAFE)
def test_no_change_without_our_token(enter: Enter, desk: SmallDesk, method: str, path: str) -> None:
    browser = enter(LEAD)
    before = len(desk.entries)
    body = {"text": "hello", "csrf": "0" * 64}
    for headers in ({}, {"x-csrf-token": "0" * 64}):
        assert browser.request(method, path, data=body, headers=headers).status_code == 403
    assert len(desk.entries) == before


@pytest.mark.parametrize(("method", "path"), UNSAFE)
@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "same-site"}]
)
def test_no_change_from_another_origin(enter: Enter, method: str, path: str, headers: dict[str, str]) -> None:
    browser = enter(LEAD)
    token = csrf(browser.get("/").text)
    answer = browser.request(method, path, headers={**headers, "x-csrf-token": token})
    assert answer.status_code == 403
    assert "another site" in answer.text


def test_a_token_of_another_session_does_not_fit(enter: Enter) -> None:
    mine, other = enter(ANALYST), enter(LEAD)
    stolen = csrf(other.get("/").text)
    assert mine.post(f"/cases/{CASE}/comments", data={"text": "hi", "csrf": stolen}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", ""])
def test_other_hosts_are_refused(visit: Visit, host: str) -> None:
    assert visit().get("/login", headers={"host": host}).status_code == 400


def test_the_list_of_unsafe_routes_is_complete(desk: SmallDesk, accounts: Accounts) -> None:
    """A route that is added has to be put on the list, and so under the tests above."""
    concrete = unsafe_routes(create_app(desk, accounts).routes)
    listed = {(m, p.replace(CASE, "X").replace("/a-1/", "/X/").replace("/steps/3/", "/steps/X/")) for m, p in UNSAFE}
    # Nobody is signed in at these two: the form is held by its login cookie, the API takes no cookie at all.
    assert concrete - listed == {("POST", "/login"), ("POST", "/api/v1/sessions")}


@pytest.mark.parametrize(("method", "path"), [u for u in UNSAFE if u[1] not in ("/logout", "/api/v1/sessions/current")])
def test_an_auditor_changes_nothing(enter: Enter, desk: SmallDesk, method: str, path: str) -> None:
    browser = enter(AUDITOR)
    token = csrf(browser.get("/").text)
    before = len(desk.entries)
    answer = browser.request(method, path, headers={"x-csrf-token": token})
    assert answer.status_code in (403, 422)
    whole = {
        "text": "x",
        "resolution_code": "true_positive.phishing",
        "passphrase": PASSPHRASES[AUDITOR],
        "step": "3",
        "plan_digest": desk.story.plan.digest(),
        "steps": ["2"],
        "approval_uid": "a-1",
        "uid": "x",
        "reason": "x",
        "days": "1",
        "csrf": token,
    }
    if not path.startswith("/api/"):
        assert browser.request(method, path, data=whole).status_code == 403
    assert len(desk.entries) == before


def test_only_a_lead_approves_what_destroys(enter: Enter, desk: SmallDesk) -> None:
    for user, status in ((ANALYST, 403), (LEAD, 303)):
        browser = enter(user)
        form = {"plan_digest": desk.story.plan.digest(), "steps": ["4"], "passphrase": PASSPHRASES[user]}
        page = browser.get(f"/cases/{CASE}").text
        answer = browser.post(f"/cases/{CASE}/plan/approve", data={**form, "csrf": csrf(page)})
        assert answer.status_code == status
        assert ("disabled" in page[page.index('id="tick-4"') :][:120]) is (user == ANALYST)
    assert [a.approver for a in desk.approvals] == [LEAD]


def test_another_plan_than_was_seen_is_not_signed(enter: Enter, desk: SmallDesk) -> None:
    browser = enter(LEAD)
    seen = desk.story.plan.model_copy(update={"title": "what I saw"}).digest()
    form = {"plan_digest": seen, "steps": ["2"], "passphrase": PASSPHRASES[LEAD], "csrf": csrf(browser.get("/").text)}
    answer = browser.post(f"/cases/{CASE}/plan/approve", data=form)
    assert answer.status_code == 403
    assert "has changed since you saw it" in answer.text
    assert desk.approvals == []


def test_guessing_the_passphrase_of_a_key_is_slowed(enter: Enter, desk: SmallDesk, clock: Clock) -> None:
    browser = enter(LEAD)
    form = {"plan_digest": desk.story.plan.digest(), "steps": ["2"], "csrf": csrf(browser.get("/").text)}
    path = f"/cases/{CASE}/plan/approve"
    for _ in range(8):
        assert "does not open this key" in browser.post(path, data={**form, "passphrase": "guess"}).text
    right = {**form, "passphrase": PASSPHRASES[LEAD]}
    assert "too many refused approvals" in browser.post(path, data=right).text
    clock.now += 16 * MINUTE
    assert browser.post(path, data=right).status_code == 303


def test_records_cannot_write_the_page(accounts: Accounts, clock: Clock) -> None:
    desk = SmallDesk(given(lambda text: text + HOSTILE), passphrases=PASSPHRASES)
    app = create_app(desk, accounts, clock=clock)
    browser = TestClient(app, base_url="http://localhost", follow_redirects=False)
    form = {"user": LEAD, "passphrase": PASSPHRASES[LEAD], "csrf": csrf(browser.get("/login").text)}
    browser.post("/login", data=form)
    desk.comment(CASE, "lee" + HOSTILE, HOSTILE)
    desk.approve(desk.story.plan.uid, (2, 3), LEAD, PASSPHRASES[LEAD])
    desk.execute(desk.approvals[0].uid)
    claims = desk.story.verdicts[CASE].claims
    cited = [f"/evidence/{c.evidence}?case={CASE}&claim={k.uid}" for k in claims for c in k.citations]
    events = [f"/events/{uid}?case={CASE}" for uid in desk.story.events]
    for path in ("/?tab=all", f"/?tab=all&text={HOSTILE}", f"/cases/{CASE}", "/ledger", "/sources", *cited, *events):
        page = browser.get(path)
        assert page.status_code == 200, path
        assert "<script>alert" not in page.text, path
        assert "<img src=x" not in page.text, path
    assert "&lt;script&gt;alert(1)" in browser.get(f"/cases/{CASE}").text


def test_downloads_are_text_that_no_browser_renders(accounts: Accounts, enter: Enter, desk: SmallDesk) -> None:
    browser = enter(ANALYST)
    for path in (f"/evidence/{next(iter(desk.story.evidence))}/raw", f"/events/{next(iter(desk.story.events))}/raw"):
        answer = browser.get(path)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        f"/cases/{CASE}",
        "/ledger",
        "/sources",
        "/coverage",
        "/closing",
        f"/cases/{CASE}/replay",
        "/evidence/e-1",
        "/evidence/e-1/raw",
        "/events/r-1",
        "/events/r-1/raw",
    ],
)
def test_nothing_is_shown_to_nobody(visit: Visit, path: str) -> None:
    answer = visit().get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize(
    "path",
    ["cases", f"cases/{CASE}", f"cases/{CASE}/verdict", f"cases/{CASE}/plan", "evidence/e-1", "events/r-1", "updates"],
)
def test_the_api_tells_nobody_anything(visit: Visit, path: str) -> None:
    answer = visit().get(f"/api/v1/{path}", headers={"authorization": "Bearer made-up"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_bearer_token_opens_no_page(visit: Visit) -> None:
    client = visit()
    body = {"user": ANALYST, "passphrase": PASSPHRASES[ANALYST]}
    token = client.post("/api/v1/sessions", json=body).json()["token"]
    assert client.get("/", headers={"authorization": f"Bearer {token}"}).status_code == 303
    assert client.get("/api/v1/cases", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_our_own_mistakes_tell_no_detail(enter: Enter, desk: SmallDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = enter(ANALYST)
    monkeypatch.setattr(desk, "sources", lambda: 1 / 0)
    answer = browser.get("/sources")
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.text
    assert "division by zero" not in answer.text
