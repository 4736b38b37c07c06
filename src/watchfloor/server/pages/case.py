"""The case page and what a person does there. Every act ends in a redirect, so that it works without JavaScript."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from watchfloor.app.views import CaseView
from watchfloor.app.way import shaken, way
from watchfloor.core.verdict import HYPOTHESES
from watchfloor.server.access import Person, Served, Services, SignedIn, Worker, not_forged, worker
from watchfloor.server.acts import approval_in, approve_steps, runs_now, undo_step
from watchfloor.server.pages.render import render
from watchfloor.server.present.case import entities, reasons
from watchfloor.server.present.matrix import matrix
from watchfloor.server.present.plan import STATE, Viewer, steps
from watchfloor.server.present.timeline import graph, timeline
from watchfloor.server.resolutions import choices, confirmed_by

router = APIRouter(prefix="/cases", include_in_schema=False, dependencies=[Depends(not_forged)])

Passphrase = Annotated[str, Form(min_length=1, max_length=2_000)]
Text = Annotated[str, Form(max_length=10_000)]


@router.get("/{case_uid}")
def case_page(request: Request, case_uid: str, person: SignedIn, found: Served) -> Response:
    return _page(request, found, person, found.desk.case_view(case_uid))


@router.get("/{case_uid}/replay")
def replay_page(request: Request, case_uid: str, person: SignedIn, found: Served) -> Response:
    """Decide again from what is recorded; the bytes must be the same."""
    case = found.desk.case_view(case_uid).case
    stored, again = found.desk.replay(case_uid)
    return render(request, "replay.html", person=person, case=case, stored=stored, again=again)


@router.post("/{case_uid}/plan/approve")
def approve(
    case_uid: str,
    *,
    person: Worker,
    found: Served,
    background: BackgroundTasks,
    plan_digest: Annotated[str, Form()],
    passphrase: Passphrase,
    steps: Annotated[list[int] | None, Form()] = None,
    run: Annotated[bool, Form()] = False,
) -> Response:
    """Sign the steps that were ticked, and with `run` execute them behind the page."""
    approval = approve_steps(
        found, person, case_uid, plan_digest=plan_digest, steps=tuple(steps or ()), passphrase=passphrase
    )
    if run and runs_now(found, approval) and (task := found.runs.prepare(approval.uid, case_uid)):
        background.add_task(task)
    return _back(case_uid, "plan", background)


@router.post("/{case_uid}/plan/run", dependencies=[Depends(worker)])
def run_approval(
    case_uid: str,
    found: Served,
    background: BackgroundTasks,
    approval_uid: Annotated[str, Form()],
) -> Response:
    """Execute what was approved before."""
    approval = approval_in(found, case_uid, approval_uid)
    if task := found.runs.prepare(approval.uid, case_uid):
        background.add_task(task)
    return _back(case_uid, "plan", background)


@router.post("/{case_uid}/plan/undo")
def undo(
    case_uid: str, person: Worker, found: Served, step: Annotated[int, Form()], passphrase: Passphrase
) -> Response:
    undo_step(found, person, case_uid, step, passphrase)
    return _back(case_uid, "plan")


@router.post("/{case_uid}/comments")
def comment(case_uid: str, person: Worker, found: Served, text: Text) -> Response:
    found.desk.comment(case_uid, person.name, text)
    return _back(case_uid, "comments")


@router.post("/{case_uid}/resolve")
def resolve(
    case_uid: str,
    person: Worker,
    found: Served,
    resolution_code: Annotated[str, Form(max_length=100)],
) -> Response:
    found.desk.resolve(case_uid, confirmed_by(resolution_code), person.name, resolution_code)
    return _back(case_uid)


@router.post("/{case_uid}/reopen")
def reopen(case_uid: str, person: Worker, found: Served) -> Response:
    found.desk.reopen(case_uid, person.name)
    return _back(case_uid)


@router.post("/{case_uid}/assign")
def assign(
    case_uid: str, person: Worker, found: Served, assignee: Annotated[str, Form(max_length=128)] = ""
) -> Response:
    name = assignee.strip().lower()
    if name:
        found.accounts.get(found.desk.tenant, name)
    found.desk.assign(case_uid, person.name, name)
    return _back(case_uid)


def _back(case_uid: str, place: str = "", background: BackgroundTasks | None = None) -> Response:
    target = f"/cases/{case_uid}" + (f"#{place}" if place else "")
    return RedirectResponse(target, 303, background=background)


def _page(request: Request, found: Services, person: Person, view: CaseView) -> Response:
    context = found.desk.context.at(view.case.last_time)
    plan_steps = (
        steps(
            view.plan,
            view.approvals,
            view.outcomes,
            policy=found.desk.policy,
            viewer=Viewer(person.name, person.roles),
            now=found.clock(),
            running=found.runs.running,
        )
        if view.plan
        else []
    )
    return render(
        request,
        "case.html",
        person=person,
        view=view,
        review=found.desk.review(view.case.uid),
        case=view.case,
        verdict=view.verdict,
        reasons=reasons(view.verdict) if view.verdict else None,
        matrix=matrix(view.verdict) if view.verdict else None,
        way=way(view.verdict) if view.verdict else None,
        shaken=shaken(view.verdict.stability) if view.verdict and view.verdict.stability else [],
        hypotheses=HYPOTHESES,
        steps=plan_steps,
        states=STATE,
        run_problem=found.runs.problem(view.case.uid),
        similar=found.desk.similar(view.case.uid),
        mails=found.desk.mails(view.case.uid),
        timeline=timeline(view.findings),
        entities=entities(view.case, view.findings, context, found.desk.entity_risks(view.case.uid)),
        graph=json.dumps(graph(view.case, view.findings, context)),
        resolutions=choices(),
        users=[a.user for a in found.accounts.list(found.desk.tenant) if "auditor" not in a.roles],
    )
