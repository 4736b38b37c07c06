"""What came in from where, and what could not be read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from watchfloor.server.access import Served, SignedIn
from watchfloor.server.pages.render import render
from watchfloor.server.present.sources import products, shared_folder

router = APIRouter(include_in_schema=False)


@router.get("/sources")
def sources_page(
    request: Request,
    person: SignedIn,
    found: Served,
    limit: Annotated[int, Query(ge=1, le=2_000)] = 100,
) -> Response:
    sources, letters, intake = found.desk.sources(), found.desk.dead_letters(limit), found.desk.intake_view()
    return render(
        request,
        "sources.html",
        person=person,
        sources=sources,
        products=products(sources),
        folder=shared_folder(sources),
        letters=letters,
        intake=intake,
        limit=limit,
    )
