"""Who asks, and may they: sessions by cookie or bearer token, form tokens, roles, the check against guessing."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable
from typing import Annotated, NamedTuple

from fastapi import Depends, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from watchfloor.core.clock import MINUTE, SECOND
from watchfloor.core.errors import RefusedError
from watchfloor.server.ports import Desk
from watchfloor.server.runs import Runs
from watchfloor.server.security import SAFE_METHODS, form_token, from_own_origin, token_fits
from watchfloor.server.settings import ServerSettings
from watchfloor.store.accounts import SESSION_LASTS, Account, Accounts

API = "/api/"
WORKERS = frozenset({"analyst", "lead"})
"""Roles that may change a case. Who may approve a step is the policy's to say; auditors only read."""
STEWARDS = frozenset({"lead", "admin"})
"""Roles that may state what is known of users and hosts."""


class LoginNeededError(Exception):
    """Nobody is signed in, or the session has ended."""


class Guesses:
    """Slows down the guessing of passphrases by somebody who holds a session: so many refusals, then a wait."""

    def __init__(self, clock: Callable[[], int], most: int = 8, within: int = 15 * MINUTE) -> None:
        self._clock, self._most, self._within = clock, most, within
        self._lock = threading.Lock()
        self._refused: dict[str, deque[int]] = {}

    def check(self, user: str) -> None:
        """Raises RefusedError while this user has to wait."""
        with self._lock:
            recent = self._recent(user)
            if len(recent) >= self._most:
                wait = -(-(recent[0] + self._within - self._clock()) // MINUTE)
                raise RefusedError("too many refused approvals", do=f"Try again in {wait} minutes")

    def refused(self, user: str) -> None:
        with self._lock:
            self._recent(user).append(self._clock())

    def _recent(self, user: str) -> deque[int]:
        recent = self._refused.setdefault(user, deque())
        while recent and recent[0] <= self._clock() - self._within:
            recent.popleft()
        return recent


class Services(NamedTuple):
    """What every route needs. Stands in `app.state.services`."""

    desk: Desk
    accounts: Accounts
    settings: ServerSettings
    clock: Callable[[], int]
    runs: Runs
    guesses: Guesses
    closing: threading.Event
    """Set when the server stops: live streams end."""


class Person(NamedTuple):
    """Who is signed in. `csrf` is the token that their forms carry; empty for a bearer, whom no browser forges."""

    account: Account
    csrf: str

    @property
    def name(self) -> str:
        return self.account.user

    @property
    def roles(self) -> tuple[str, ...]:
        return self.account.roles

    @property
    def works(self) -> bool:
        """May change a case."""
        return bool(WORKERS & set(self.roles))

    @property
    def keeps_context(self) -> bool:
        """May state what is known of users and hosts."""
        return bool(STEWARDS & set(self.roles))

    @property
    def manages(self) -> bool:
        """May see who has an account."""
        return "admin" in self.roles


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def bearer(request: Request) -> str | None:
    """The bearer token, for the API only: pages are for browsers and their cookies."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and request.url.path.startswith(API) else None


def session_token(request: Request, settings: ServerSettings) -> str:
    """The token of the request's session; empty without one. A bearer token goes before a cookie."""
    token = bearer(request)
    return token if token is not None else request.cookies.get(settings.session_cookie, "")


def signed_in(request: Request) -> Person:
    """The signed-in person. Raises LoginNeededError."""
    found = services(request)
    token = session_token(request, found.settings)
    account = found.accounts.session(found.desk.tenant, token, found.clock()) if token else None
    if account is None:
        raise LoginNeededError
    return Person(account, "" if bearer(request) is not None else form_token(token))


def worker(person: Annotated[Person, Depends(signed_in)]) -> Person:
    """A person who may change cases. Raises RefusedError for those who only read."""
    if not person.works:
        raise RefusedError(
            f"{person.name} may read and not change", do=f"Ask somebody with one of: {', '.join(sorted(WORKERS))}"
        )
    return person


def steward(person: Annotated[Person, Depends(signed_in)]) -> Person:
    """A person who may state what is known of users and hosts. Raises RefusedError for others."""
    if not person.keeps_context:
        raise RefusedError(
            f"{person.name} may not change what is known", do=f"Ask somebody with one of: {', '.join(sorted(STEWARDS))}"
        )
    return person


async def not_forged(request: Request) -> None:
    """Stops an unsafe request that carries a cookie and was not made by our own page.

    It must come from our origin and carry the form token of its session (or, before login, of the login cookie) in
    `X-CSRF-Token` or in the form field `csrf`. A bearer token needs neither: no browser adds it by itself.
    """
    if request.method in SAFE_METHODS or bearer(request) is not None:
        return
    settings = services(request).settings
    if not from_own_origin(request, https=settings.https):
        raise HTTPException(403, "This request came from another site.")
    token: object = request.headers.get("x-csrf-token")
    if token is None and "form" in request.headers.get("content-type", ""):
        token = (await request.form()).get("csrf")
    secrets_ = (request.cookies.get(name, "") for name in (settings.session_cookie, settings.login_cookie))
    if not any(token_fits(secret, token) for secret in secrets_):
        raise HTTPException(403, "This form is too old or not ours. Open the page again and repeat.")


def set_cookie(response: Response, settings: ServerSettings, name: str, value: str, seconds: int) -> None:
    """SameSite=Lax: a link from a ticket opens signed in; forms from other sites are stopped by `not_forged`."""
    response.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="lax", secure=settings.https)


def begin_session(response: Response, found: Services, account: Account, old: str) -> None:
    """A new token at each login; the one that was there before ends, so that none can be planted."""
    if old:
        found.accounts.close_session(account.tenant, old)
    token = found.accounts.open_session(account.tenant, account.user, found.clock())
    set_cookie(response, found.settings, found.settings.session_cookie, token, SESSION_LASTS // SECOND)
    end_cookie(response, found.settings, found.settings.login_cookie)


def end_cookie(response: Response, settings: ServerSettings, name: str) -> None:
    response.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=settings.https)


def login_secret(request: Request, settings: ServerSettings) -> str:
    """The browser's login secret, or a new one."""
    return request.cookies.get(settings.login_cookie, "") or secrets.token_urlsafe(32)


SignedIn = Annotated[Person, Depends(signed_in)]
Worker = Annotated[Person, Depends(worker)]
Steward = Annotated[Person, Depends(steward)]
Served = Annotated[Services, Depends(services)]
