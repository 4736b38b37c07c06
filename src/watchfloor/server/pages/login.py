"""Login and logout."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from watchfloor.server.access import (
    Served,
    begin_session,
    end_cookie,
    login_secret,
    not_forged,
    session_token,
    set_cookie,
)
from watchfloor.server.pages.render import render
from watchfloor.server.security import form_token, own_path

router = APIRouter(include_in_schema=False, dependencies=[Depends(not_forged)])

_LOGIN_SECONDS = 60 * 60
WRONG = (
    "Name or passphrase is wrong. After a few wrong tries an account waits before it takes another, longer each time."
)


@router.get("/login")
def login_page(request: Request, found: Served, next: str = "/") -> Response:
    return _page(request, found, next)


@router.post("/login")
def login(
    request: Request,
    found: Served,
    user: Annotated[str, Form(max_length=200)],
    passphrase: Annotated[str, Form(max_length=2_000)],
    next: Annotated[str, Form(max_length=2_000)] = "/",
) -> Response:
    name = user.strip().lower()
    account = found.accounts.check(found.desk.tenant, name, passphrase, found.clock())
    if account is None:
        return _page(request, found, next, status=401, user=name, problem=WRONG)
    response = RedirectResponse(own_path(next), 303)
    begin_session(response, found, account, session_token(request, found.settings))
    return response


@router.post("/logout")
def logout(request: Request, found: Served) -> Response:
    found.accounts.close_session(found.desk.tenant, session_token(request, found.settings))
    response = RedirectResponse("/login", 303)
    end_cookie(response, found.settings, found.settings.session_cookie)
    return response


def _page(
    request: Request, found: Served, next_path: str, *, status: int = 200, user: str = "", problem: str = ""
) -> Response:
    secret = login_secret(request, found.settings)
    response = render(
        request,
        "login.html",
        status=status,
        login_csrf=form_token(secret),
        next=own_path(next_path),
        user=user,
        problem=problem,
    )
    set_cookie(response, found.settings, found.settings.login_cookie, secret, _LOGIN_SECONDS)
    return response
