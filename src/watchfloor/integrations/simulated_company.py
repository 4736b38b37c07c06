"""The simulated company: identity provider, EDR, mail gateway, cloud, firewall and ticketing as one HTTP service.

It has state, asks for a bearer token and honours idempotency keys, so that demo and tests act on something real.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from watchfloor import content
from watchfloor.core.context import Context
from watchfloor.core.errors import WatchfloorError
from watchfloor.integrations.connection import Connection
from watchfloor.integrations.simulated_state import KINDS, CompanyState, Thing, start_from

PRODUCTS = ("identity", "edr", "mail", "cloud", "network", "ticketing")


class SimulatedCompany:
    """The running service. Its folder keeps `state.json` and `token`, so that it goes on where it was."""

    def __init__(
        self,
        folder: Path,
        context: Context,
        *,
        seed: Path | None = None,
        knows_any: frozenset[str] = frozenset(),
        port: int = 0,
    ) -> None:
        """`seed`: YAML of things and their first fields. `knows_any`: kinds that exist under any name asked for."""
        folder.mkdir(parents=True, exist_ok=True)
        self.token_file = folder / "token"
        if not self.token_file.exists():
            self.token_file.touch(mode=0o600)
            self.token_file.write_text(secrets.token_urlsafe(32))
        self.state = CompanyState(folder / "state.json", start_from(context, _read_seed(seed)), knows_any=knows_any)
        self._socket = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = build_app(self.state, self.token_file.read_text())
        config = uvicorn.Config(_RawPath(app), log_level="error", access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="simulated-company", daemon=True)

    def start(self) -> Self:
        """Serve in a thread; returns when it answers."""
        self._thread.start()
        give_up = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > give_up or not self._thread.is_alive():
                raise WatchfloorError("the simulated company did not start", where=self.url)
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()

    def connections(self) -> tuple[Connection, ...]:
        """One connection for each of its products."""
        return tuple(
            Connection(
                name=f"simulated {product}",
                kinds=(product,),
                base_url=f"{self.url}/{product}",
                token_file=self.token_file,
            )
            for product in PRODUCTS
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


class _RawPath:
    """Routes on the path as it was sent: a quoted slash stays part of its segment."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["raw_path"].decode("ascii")}
        await self._app(scope, receive, send)


def build_app(state: CompanyState, token: str) -> FastAPI:
    """The service as an ASGI application: a GET for each thing, and each call that changes it."""
    app = FastAPI(title="Simulated company", docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def authorise(request: Request, go_on: Any) -> Any:
        given = request.headers.get("authorization", "").encode()
        if not secrets.compare_digest(given, f"Bearer {token}".encode()):
            return JSONResponse({"error": "a bearer token is needed"}, status_code=401)
        return await go_on(request)

    @app.get("/state")
    def everything() -> Thing:
        return state.summary()

    for name, kind in KINDS.items():
        app.add_api_route(kind.path, _handler(state, name, None), methods=["GET"])
        for call in kind.calls:
            method, suffix = call
            app.add_api_route(kind.path + suffix, _handler(state, name, call), methods=[method])
    return app


def _handler(state: CompanyState, name: str, call: tuple[str, str] | None) -> Callable[[Request], JSONResponse]:
    def handle(request: Request) -> JSONResponse:
        names = tuple(unquote(value) for value in request.path_params.values())
        time.sleep(state.faults.slow_seconds)
        answer = state.call(name, names, call, request.headers.get("idempotency-key", ""))
        return JSONResponse(answer.body, status_code=answer.status)

    return handle


def _read_seed(seed: Path | None) -> dict[str, dict[str, Thing]]:
    merged: dict[str, dict[str, Thing]] = {}
    for where, data in content.documents(seed) if seed else ():
        if unknown := set(data) - set(KINDS):
            raise WatchfloorError(f"no such kind: {', '.join(sorted(unknown))}", where=where)
        merged.update(data)
    return merged
