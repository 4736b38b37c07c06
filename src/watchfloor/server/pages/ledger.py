"""The ledger: its newest entries, its signed head, and whether all of it holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from watchfloor.server.access import Served, SignedIn
from watchfloor.server.pages.render import render

router = APIRouter(include_in_schema=False)


@router.get("/ledger")
def ledger_page(
    request: Request,
    person: SignedIn,
    found: Served,
    limit: Annotated[int, Query(ge=1, le=2_000)] = 100,
) -> Response:
    entries, state = found.desk.ledger_entries(limit), found.desk.ledger_state()
    return render(request, "ledger.html", person=person, entries=entries, state=state, limit=limit)
