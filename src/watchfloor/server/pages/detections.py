"""Detections: what is in use and says how much, what is held back by whom, and loading rules again."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from watchfloor.app.detections import DetectionRow
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.finding import Severity
from watchfloor.server.access import Served, SignedIn, Worker, not_forged
from watchfloor.server.pages.render import render

router = APIRouter(include_in_schema=False, dependencies=[Depends(not_forged)])
A_PAGE = 100
LEVELS = ("low", "medium", "high", "critical")
Text = Annotated[str, Query(max_length=200)]


@router.get("/detections")
def detections_page(
    request: Request,
    person: SignedIn,
    found: Served,
    *,
    text: Text = "",
    show: Annotated[str, Query(pattern="^(all|speaking|held)$")] = "all",
    limit: Annotated[int, Query(ge=1, le=10_000)] = A_PAGE,
    notice: Text = "",
) -> Response:
    view = found.desk.detections.view()
    rows = [row for row in view.rows if _fits(row, text, show)]
    return render(
        request,
        "detections.html",
        person=person,
        view=view,
        titles={row.uid: row.title for row in view.rows},
        rows=rows[:limit],
        total=len(rows),
        limit=limit,
        text=text,
        show=show,
        notice=notice,
        more=urlencode({"text": text, "show": show, "limit": min(limit * 5, 10_000)}),
    )


@router.get("/detections/one")
def detection_page(
    request: Request, person: SignedIn, found: Served, uid: Annotated[str, Query(max_length=300)]
) -> Response:
    view = found.desk.detections.view()
    row = next((row for row in view.rows if row.uid == uid), None)
    if row is None:
        raise NotFoundError(f"no detection {uid[:100]} is in use")
    return render(
        request,
        "detection.html",
        person=person,
        row=row,
        versions=found.desk.detections.versions(uid),
        held=[one for one in view.held if one.suppression.detection == uid],
        levels=LEVELS,
        longest=found.desk.policy.detection.longest_suppression_days,
    )


@router.get("/detections/held")
def held_page(
    request: Request, person: SignedIn, found: Served, uid: Annotated[str, Query(max_length=100)]
) -> Response:
    """What a suppression has held back."""
    detections = found.desk.detections
    return render(
        request,
        "held.html",
        person=person,
        suppression=detections.suppressions.get(uid),
        findings=detections.held_findings(uid),
    )


@router.post("/detections/suppress")
def suppress(
    person: Worker,
    found: Served,
    *,
    uid: Annotated[str, Form(max_length=300)],
    reason: Annotated[str, Form(max_length=500)],
    days: Annotated[int, Form(ge=1, le=3_650)],
    entity: Annotated[str, Form(max_length=300)] = "",
    where: Annotated[str, Form(max_length=1_000)] = "",
    up_to: Annotated[str, Form(pattern="^(low|medium|high|critical)$")] = "high",
) -> Response:
    if not reason.strip():
        raise WatchfloorError("a suppression needs a reason", do="Say why nobody has to look")
    found.desk.detections.suppress(
        user=person.name,
        reason=reason,
        days=days,
        detection=uid,
        entity=entity.strip(),
        where=tuple(line for line in where.splitlines() if line.strip()),
        up_to=Severity[up_to],
    )
    return RedirectResponse(f"/detections/one?{urlencode({'uid': uid})}", 303)


@router.post("/detections/lift")
def lift(
    person: Worker,
    found: Served,
    background: BackgroundTasks,
    uid: Annotated[str, Form(max_length=100)],
    bring_back: Annotated[bool, Form()] = False,
) -> Response:
    found.desk.detections.lift(uid, person.name, bring_back=bring_back)
    if bring_back:
        background.add_task(found.desk.triage)
    return RedirectResponse("/detections#held", 303, background=background)


@router.post("/detections/reload")
def reload(person: Worker, found: Served) -> Response:
    """A set that is broken is told of on the page, with the rules that do not load."""
    try:
        notice = f"Loaded again: {found.desk.detections.reload(person.name).words}"
    except WatchfloorError as error:
        notice = error.what[:200]
    return RedirectResponse(f"/detections?{urlencode({'notice': notice})}", 303)


def _fits(row: DetectionRow, text: str, show: str) -> bool:
    if (show == "speaking" and not row.findings) or (show == "held" and not row.held):
        return False
    return all(word in f"{row.title} {row.uid} {row.reads} {row.level}".lower() for word in text.lower().split())
