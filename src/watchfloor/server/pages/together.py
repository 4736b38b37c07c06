"""What belongs together: why a case's findings do, which cases are near, how it came to be, and undoing all of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from watchfloor.app.regroupings import history
from watchfloor.server.access import Served, SignedIn, Worker, not_forged
from watchfloor.server.pages.render import render

router = APIRouter(prefix="/cases/{case_uid}", include_in_schema=False, dependencies=[Depends(not_forged)])

Uid = Annotated[str, Form(min_length=1, max_length=200)]
MOST_LINKS, MOST_FINDINGS = 200, 500


@router.get("/together")
def together(request: Request, case_uid: str, person: SignedIn, found: Served) -> Response:
    view = found.desk.case_view(case_uid)
    return render(
        request,
        "together.html",
        person=person,
        case=view.case,
        links=view.case.links[:MOST_LINKS],
        findings=view.findings[:MOST_FINDINGS],
        said=found.desk.regroupings.of_case(case_uid),
        history=history(view.entries),
    )


@router.post("/merge")
def merge(case_uid: str, person: Worker, found: Served, other: Uid) -> Response:
    return _back(found.desk.regroupings.merge(case_uid, other.strip(), person.name).case_uid)


@router.post("/split")
def split(
    case_uid: str, person: Worker, found: Served, findings: Annotated[list[str] | None, Form(max_length=10_000)] = None
) -> Response:
    return _back(found.desk.regroupings.split(case_uid, findings or (), person.name).case_uid)


@router.post("/unlink")
def unlink(case_uid: str, person: Worker, found: Served, link: Uid) -> Response:
    return _back(found.desk.regroupings.unlink(case_uid, link, person.name).case_uid)


@router.post("/take-back")
def take_back(case_uid: str, person: Worker, found: Served, regrouping: Uid) -> Response:
    return _back(found.desk.regroupings.take_back(regrouping, person.name, case_uid=case_uid).case_uid)


def _back(case_uid: str) -> Response:
    return RedirectResponse(f"/cases/{case_uid}/together", 303)
