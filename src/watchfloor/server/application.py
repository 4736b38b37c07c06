"""Builds the application: routes, guards and how errors read."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from threading import Event
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

import watchfloor
from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError
from watchfloor.server import api, context_api, health, live, regroup_api
from watchfloor.server.access import API, Guesses, LoginNeededError, Services
from watchfloor.server.pages import ROUTERS
from watchfloor.server.pages.render import render
from watchfloor.server.ports import Desk
from watchfloor.server.runs import Runs
from watchfloor.server.security import SecurityHeaders
from watchfloor.server.settings import ServerSettings
from watchfloor.store.accounts import Accounts

STATIC = Path(__file__).resolve().parent / "static"
_FIELD_PREFIXES = ("body", "query", "path")


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def create_app(
    desk: Desk,
    accounts: Accounts,
    settings: ServerSettings | None = None,
    *,
    clock: Callable[[], int] = wall_clock,
) -> FastAPI:
    """The console and the API over one tenant's desk. `clock` gives milliseconds since the epoch."""
    settings = settings or ServerSettings()
    app = FastAPI(
        title="Watchfloor",
        version=watchfloor.__version__,
        description="Every verdict can be checked, nothing runs that was not approved.",
        openapi_url=f"{API}v1/openapi.json",
        # The interactive docs load scripts from elsewhere, which our content security policy forbids.
        docs_url=None,
        redoc_url=None,
        max_body_size=settings.upload_bytes,
    )
    app.state.services = Services(desk, accounts, settings, clock, Runs(desk), Guesses(clock), Event())
    apis = (api.signing_in, api.router, context_api.router, regroup_api.router)
    for router in (*ROUTERS, live.router, *apis, health.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(settings.hosts), www_redirect=False)
    app.add_middleware(SecurityHeaders, https=settings.https)
    app.add_exception_handler(LoginNeededError, _login_needed)
    app.add_exception_handler(WatchfloorError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _broken)
    return app


def _login_needed(request: Request, _error: Exception) -> Response:
    if request.url.path.startswith(API):
        return _problem(401, "Sign in, or send a bearer token of POST /api/v1/sessions")
    to_here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = "/login" + (f"?next={quote(to_here)}" if request.method == "GET" and to_here != "/" else "")
    if "hx-request" in request.headers:  # a fragment is asked for: the whole page must go to the login
        return PlainTextResponse("Signed out", 401, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


def _refused(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, NotFoundError) else 403 if isinstance(error, RefusedError) else 400
    return _tell(request, status, str(error))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    plain = HTTPStatus(error.status_code).phrase
    text = f"There is no page at {request.url.path}" if error.status_code == 404 and detail == plain else detail
    return _tell(request, error.status_code, text)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    lines = []
    for found in error.errors():
        place = ".".join(str(part) for part in found["loc"] if part not in _FIELD_PREFIXES)
        lines.append(f"{place}: {found['msg']}" if place else str(found["msg"]))
    return _tell(request, 422, "; ".join(lines[:8]))


def _broken(request: Request, error: Exception) -> Response:
    """The server's own mistake: no detail of it goes out; the traceback stands in the log."""
    return _tell(request, 500, f"Something broke here ({type(error).__name__}). The server's log has the details.")


def _tell(request: Request, status: int, text: str) -> Response:
    if request.url.path.startswith(API):
        return _problem(status, text)
    return render(request, "error.html", status=status, title=HTTPStatus(status).phrase, text=text)


def _problem(status: int, detail: str) -> Response:
    """An error of the API, in the form of RFC 9457."""
    body = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")
