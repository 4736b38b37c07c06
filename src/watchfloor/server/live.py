"""Live updates as server-sent events. Only names of what changed go out; pages fetch the rest under their session."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.requests import Request

from watchfloor.app.updates import Update
from watchfloor.server.access import LoginNeededError, Person, Services, services, signed_in

router = APIRouter(tags=["updates"])

_TICK_SECONDS = 0.2
_RECHECK_SECONDS = 20.0


class Changed(BaseModel):
    """`kind` is `case`, `plan`, `queue` or `ingest`; `subject` the uid of what changed."""

    kind: str
    subject: str


@router.get("/api/v1/updates", response_class=EventSourceResponse)
async def updates(
    request: Request,
    _person: Annotated[Person, Depends(signed_in)],
    found: Annotated[Services, Depends(services)],
) -> AsyncIterator[ServerSentEvent]:
    """A stream of what changes. Ends after a while, or when the session does; the browser asks again."""
    started = checked = time.monotonic()
    with found.desk.updates.subscribe() as listener:
        yield ServerSentEvent(comment="open", retry=1_000)
        while (now := time.monotonic()) < started + found.settings.stream_seconds:
            if found.closing.is_set() or await request.is_disconnected():
                return
            if now > checked + _RECHECK_SECONDS:
                checked = now
                if not await asyncio.to_thread(_still_signed_in, request):
                    return
            for update in dict.fromkeys(_waiting(listener)):
                if update.tenant == found.desk.tenant:
                    changed = Changed(kind=update.kind, subject=update.subject)
                    yield ServerSentEvent(event="changed", data=changed)
            await asyncio.sleep(_TICK_SECONDS)


def _still_signed_in(request: Request) -> bool:
    try:
        signed_in(request)
    except LoginNeededError:
        return False
    return True


def _waiting(listener: queue.Queue[Update]) -> list[Update]:
    found: list[Update] = []
    while True:
        try:
            found.append(listener.get_nowait())
        except queue.Empty:
            return found
