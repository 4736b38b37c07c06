"""The client: one action of the catalogue with exact arguments becomes one HTTP call, and nothing else can.

Arguments are URL-quoted or JSON-encoded, never spliced; redirects, proxies of the environment and answers over
`MOST_BYTES` are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import httpx2
import orjson

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.plan import Call
from watchfloor.integrations.catalogue import Action, Actions
from watchfloor.integrations.connection import Connection

MOST_BYTES = 1_000_000
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Reply(NamedTuple):
    """What the other product answered: the HTTP status and the parsed JSON body."""

    status: int
    body: Any


class UnavailableError(WatchfloorError):
    """The other product gave no answer, or said that it cannot just now: worth another try with the same key."""


class Caller(Protocol):
    """What the executor needs of a client."""

    def perform(self, call: Call, *, key: str = "") -> Reply:
        """Make the call. `key` is its idempotency key. Raises WatchfloorError when it did not succeed."""


class Client:
    """Performs calls of the catalogue over the given connections (one product per kind: the first that offers it)."""

    def __init__(
        self,
        actions: Actions,
        connections: Iterable[Connection],
        *,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._actions = actions
        # One client for all: making one reads the system's certificates, which takes longer than most calls.
        self._http = httpx2.Client(follow_redirects=False, trust_env=False, transport=transport)
        self._connections: dict[str, Connection] = {}
        for connection in connections:
            for kind in connection.kinds:
                self._connections.setdefault(kind, connection)

    def perform(self, call: Call, *, key: str = "") -> Reply:
        """Make the call. Raises WatchfloorError: no connection, not reachable, an error status, no JSON."""
        action = self._actions.get(call.action)
        connection = self._connections.get(action.kind)
        if connection is None:
            raise WatchfloorError(
                f"no connection offers {action.kind!r}",
                where=call.action,
                do="Add one to the connections file",
            )
        path, body = fill(action, call.arguments)
        headers = {"Authorization": f"Bearer {connection.token()}", "Accept": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        url = connection.base_url.rstrip("/") + path
        where = f"{action.request.method} {url}"
        try:
            status, content = self._send(connection, action.request.method, url, headers, body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise UnavailableError(f"no answer ({type(error).__name__}: {error})", where=where) from None
        if status == 429 or status >= 500:
            raise UnavailableError(f"answered {status}: {_excerpt(content)}", where=where)
        if not 200 <= status < 300:
            raise WatchfloorError(f"answered {status}: {_excerpt(content)}", where=where)
        try:
            return Reply(status, orjson.loads(content) if content else {})
        except orjson.JSONDecodeError:
            raise WatchfloorError(f"answered {status} with no JSON: {_excerpt(content)}", where=where) from None

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _send(
        self,
        connection: Connection,
        method: str,
        url: str,
        headers: dict[str, str],
        body: dict[str, str] | None,
    ) -> tuple[int, bytes]:
        with self._http.stream(method, url, headers=headers, json=body, timeout=connection.timeout) as response:
            content = b""
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise WatchfloorError(f"answered more than {MOST_BYTES} bytes", where=f"{method} {url}")
            return response.status_code, content


def fill(action: Action, arguments: dict[str, str]) -> tuple[str, dict[str, str] | None]:
    """The path and JSON body of an action with its arguments. Raises WatchfloorError for arguments that do not fit."""
    if set(arguments) != set(action.parameters):
        raise WatchfloorError(f"takes exactly {sorted(action.parameters)}, not {sorted(arguments)}", where=action.name)
    for name, value in arguments.items():
        # A segment of dots survives quoting and would be resolved as a path by either side.
        if not value or len(value) > 2048 or value in (".", "..") or not value.isprintable():
            raise WatchfloorError(f"{name} cannot be sent: {value[:80]!r}", where=action.name)
    request = action.request
    path = _PLACEHOLDER.sub(lambda match: quote(arguments[match[1]], safe=""), request.path)
    body = {name: _PLACEHOLDER.sub(lambda match: arguments[match[1]], text) for name, text in request.body.items()}
    return path, body or None


def _excerpt(content: bytes) -> str:
    text = content[:200].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text) or "(empty)"
