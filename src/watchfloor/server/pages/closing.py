"""Closing by itself: each class with its labels and its bound, why it does not close, and what it needs."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from watchfloor.server.access import Served, SignedIn
from watchfloor.server.pages.render import render

router = APIRouter(include_in_schema=False)
MOST_REVIEWS = 200


@router.get("/closing")
def closing_page(request: Request, person: SignedIn, found: Served) -> Response:
    rows, reviews, now = found.desk.closing(), found.desk.reviews(), found.clock()
    return render(
        request,
        "closing.html",
        person=person,
        rows=[row for row in rows if row.known],
        unknown=[row.name for row in rows if not row.known],
        triage=found.desk.policy.triage,
        policy=found.desk.policy,
        reviews=reviews[:MOST_REVIEWS],
        waiting=len(reviews),
        overdue=sum(1 for draw in reviews if draw.due < now),
    )
