"""Live intake over HTTP: webhooks, Splunk's HEC, Elasticsearch's `_bulk`, OpenTelemetry's logs.

These routes stand before the console's application and not inside it: raw ASGI, tokens instead of sessions, no
cookies. What they answer "yes" to is on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from watchfloor.server.intake import bulk, hec, otlp, webhook
from watchfloor.server.intake.door import Door
from watchfloor.server.intake.http import Answer, Asked, Budget, RefusedRequestError

__all__ = ["Door", "Intake"]

RETRY_SECONDS = b"5"
_log = structlog.get_logger(__name__)


class Intake:
    """An ASGI application: the intake's routes, and `inner` for everything else."""

    def __init__(self, inner: ASGIApp, door: Door, hosts: Sequence[str]) -> None:
        self._inner, self._door = inner, door
        self._hosts = frozenset(host.encode() for host in hosts)
        self._budget = Budget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        protocol = _protocol(scope) if scope["type"] == "http" else None
        if protocol is None:
            await self._inner(scope, receive, send)
            return
        asked = Asked(scope, receive, self._budget)
        try:
            if not self._own(asked.headers.get(b"host", b"")):
                answer = Answer(400, b"Invalid host header", b"text/plain")
            else:
                answer = await protocol.answer(asked, self._door)
        except RefusedRequestError as error:
            answer = protocol.refused(error)
        except Exception:
            _log.exception("live intake")
            answer = protocol.refused(RefusedRequestError("broken"))
        finally:
            asked.release()
        await _send(answer, send)

    def _own(self, host: bytes) -> bool:
        name = host.lower()
        if not name.endswith(b"]"):
            name = name.rpartition(b":")[0] or name
        return name in self._hosts


def _protocol(scope: Scope) -> ModuleType | None:
    path: str = scope["path"]
    if path.startswith(webhook.PREFIX):
        return webhook
    if path == hec.PREFIX or path.startswith(hec.PREFIX + "/"):
        return hec
    if path == otlp.PATH:
        return otlp
    return bulk if bulk.wants(scope["method"], path, scope["headers"]) else None


async def _send(answer: Answer, send: Send) -> None:
    headers = [
        (b"content-type", answer.kind),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        *answer.headers,
    ]
    if answer.status in (429, 503):
        headers.append((b"retry-after", RETRY_SECONDS))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
