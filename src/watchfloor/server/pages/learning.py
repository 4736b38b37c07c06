"""Learning: what was learnt from people's verdicts, whether it helped, and who had it decide."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from watchfloor.core.errors import NotFoundError
from watchfloor.server.access import Served, SignedIn
from watchfloor.server.pages.render import render
from watchfloor.server.present.learning import plot, rows

router = APIRouter(include_in_schema=False)
SHOWN = 40


@router.get("/learning")
def learning_page(
    request: Request,
    person: SignedIn,
    found: Served,
    version: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=100_000)] = SHOWN,
) -> Response:
    view = found.desk.learning()
    chosen = next((one for one in view.trainings if one.uid == version), None)
    if version and chosen is None:
        raise NotFoundError(f"there is no trained scorecard {version}")
    chosen = chosen or (view.trainings[0] if view.trainings else None)
    return render(
        request,
        "learning.html",
        person=person,
        view=view,
        chosen=chosen,
        figures=rows(chosen) if chosen else (),
        plot=plot(chosen.learnt.calibration) if chosen else None,
        limit=limit,
    )
