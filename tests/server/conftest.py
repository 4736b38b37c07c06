"""A served desk, the people who use it, and clients that are signed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from tests.server.desk import SmallDesk
from tests.server.given import NOW, TENANT
from watchfloor.server import ServerSettings, create_app
from watchfloor.store.accounts import Accounts
from watchfloor.store.database import Database

ANALYST, LEAD, AUDITOR, ADMIN = "ana", "lee", "audit", "root"
ROLES = {ANALYST: ["analyst"], LEAD: ["lead"], AUDITOR: ["auditor"], ADMIN: ["admin"]}
PASSPHRASES = {name: f"{name} walks home at 3 a.m." for name in ROLES}


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture(scope="session")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    """Made once: each passphrase costs a tenth of a second to hash."""
    database = Database.open(tmp_path_factory.mktemp("accounts") / "watchfloor.db")
    found = Accounts(database)
    for name, passphrase in PASSPHRASES.items():
        found.create(TENANT, name, passphrase, ROLES[name])  # type: ignore[arg-type]
    yield found
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk() -> SmallDesk:
    return SmallDesk(passphrases=PASSPHRASES)


@pytest.fixture
def visit(desk: SmallDesk, accounts: Accounts, clock: Clock) -> Callable[..., TestClient]:
    """A browser that nobody has signed in with."""

    def client(settings: ServerSettings | None = None) -> TestClient:
        app = create_app(desk, accounts, settings or ServerSettings(), clock=clock)
        scheme = "https" if settings and settings.https else "http"
        return TestClient(app, base_url=f"{scheme}://localhost", follow_redirects=False, raise_server_exceptions=False)

    return client


Enter = Callable[..., TestClient]


@pytest.fixture
def enter(visit: Callable[..., TestClient]) -> Enter:
    """A browser with somebody signed in."""

    def client(user: str, settings: ServerSettings | None = None) -> TestClient:
        browser = visit(settings)
        form = {"user": user, "passphrase": PASSPHRASES[user], "csrf": csrf(browser.get("/login").text)}
        assert browser.post("/login", data=form).status_code == 303
        return browser

    return client


def csrf(page: str) -> str:
    """The form token of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, page[:500]
    return found.group(1)
