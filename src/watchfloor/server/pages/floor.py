"""The floor: figures over all cases and sources."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from watchfloor.server.access import Served, SignedIn
from watchfloor.server.pages.render import render
from watchfloor.server.present.floor import DECIDERS, classes, days, gaps, layers, troubled

router = APIRouter(include_in_schema=False)


@router.get("/floor")
def floor_page(request: Request, person: SignedIn, found: Served) -> Response:
    overview, sources = found.desk.overview(), found.desk.sources()
    return render(
        request,
        "floor.html",
        person=person,
        counts=overview.counts,
        deciders=DECIDERS,
        days=days(overview),
        layers=layers(overview),
        classes=classes(overview),
        gaps=gaps(overview),
        sources=troubled(sources),
        source_count=len(sources),
        events=sum(source.events for source in sources),
        dead_letters=sum(source.dead_letters for source in sources),
    )
