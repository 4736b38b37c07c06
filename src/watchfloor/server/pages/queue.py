"""The queue: cases by who has to decide."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from watchfloor.core.event import LAYERS
from watchfloor.server.access import Served, SignedIn
from watchfloor.server.pages.render import render
from watchfloor.store.case_lines import Ask

router = APIRouter(include_in_schema=False)

_PLAIN = Ask.model_validate({})


@router.get("/")
def queue_page(request: Request, person: SignedIn, found: Served, ask: Annotated[Ask, Query()]) -> Response:
    shown = found.desk.cases(ask)

    def link(**changes: Any) -> str:
        """This page with other settings; defaults are left out, another order or filter begins at page 1."""
        asked = ask.model_dump() | {"page": 1} | changes
        plain = _PLAIN.model_dump()
        words = {k: str(v).lower() if isinstance(v, bool) else v for k, v in asked.items() if v != plain[k]}
        return f"/?{urlencode(words)}" if words else "/"

    return render(
        request,
        "queue.html",
        person=person,
        ask=ask,
        shown=shown,
        layers=LAYERS,
        link=link,
        held=found.desk.held_back(),
        reopened=found.desk.reopened([line.uid for line in shown.cases]),
        reviews=len(found.desk.reviews()),
    )
