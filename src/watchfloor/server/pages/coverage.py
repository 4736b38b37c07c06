"""What the records that arrive and the detections in use can see, and what to connect next."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from watchfloor.improve.coverage import navigator_layer
from watchfloor.server.access import Served, SignedIn
from watchfloor.server.pages.render import render
from watchfloor.server.present.coverage import SHADES, matrix, state

router = APIRouter(include_in_schema=False)
MOST_WANTED = 12


@router.get("/coverage")
def coverage_page(request: Request, person: SignedIn, found: Served) -> Response:
    coverage = found.desk.coverage()
    blind = coverage.blind()
    wants = list(coverage.wants.items())
    return render(
        request,
        "coverage.html",
        person=person,
        coverage=coverage,
        blind=blind,
        layers=[(line, state(line, blind)) for line in coverage.layers],
        columns=matrix(coverage),
        shades=SHADES,
        wants=wants[:MOST_WANTED],
        more_wants=max(len(wants) - MOST_WANTED, 0),
    )


@router.get("/coverage/layer.json")
def navigator(_person: SignedIn, found: Served) -> Response:
    """The same as a layer for MITRE's ATT&CK Navigator."""
    layer = navigator_layer(found.desk.coverage(), f"Watchfloor {found.desk.tenant}")
    return JSONResponse(layer, headers={"Content-Disposition": 'attachment; filename="watchfloor-layer.json"'})
