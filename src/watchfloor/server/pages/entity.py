"""What is known of a user, host or address: facts by source with both times, why it is one, its windows, its cases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from watchfloor.core.clock import to_ms
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.fact import BEGINNING, FOREVER
from watchfloor.server.access import Served, SignedIn, Steward, not_forged
from watchfloor.server.pages.render import render
from watchfloor.store.case_lines import Ask, CaseLine

router = APIRouter(prefix="/entities", include_in_schema=False, dependencies=[Depends(not_forged)])
Key = Annotated[str, Query(max_length=500)]
Typed = Annotated[str, Query(max_length=40)]
Said = Annotated[str, Form(max_length=500)]


@router.get("/one")
def entity_page(
    request: Request,
    person: SignedIn,
    found: Served,
    key: Key,
    *,
    at: Typed = "",
    known: Typed = "",
    every: bool = False,
) -> Response:
    """`at` and `known` are times as people type them (UTC), empty for now; `every` shows what was replaced, too."""
    view = found.desk.entities.view(key, true=_moment(at), known=_moment(known))
    cases = {
        case.uid: case for name in dict.fromkeys((view.resolved.key, view.entity.key)) for case in _cases(found, name)
    }
    return render(
        request,
        "entity.html",
        person=person,
        view=view,
        lines=[line for line in view.facts if every or line.stands],
        hidden=sum(not line.stands for line in view.facts),
        cases=list(cases.values()),
        at=at,
        known=known,
        every=every,
        beginning=BEGINNING,
        forever=FOREVER,
        here=urlencode({"key": key, "at": at, "known": known}),
    )


def _cases(found: Served, key: str) -> list[CaseLine]:
    ask = Ask.model_validate({"tab": "all", "text": key[:200], "sort": "age"})
    return found.desk.cases(ask).cases


@router.post("/relate")
def relate(
    person: Steward,
    found: Served,
    background: BackgroundTasks,
    *,
    one: Said,
    other: Said,
    same: Annotated[bool, Form()],
) -> Response:
    """A person's word that two are the same, or are not."""
    found.desk.entities.relate(one.strip(), other.strip(), same=same, by=person.name)
    return _back(one, found, background)


@router.post("/retract")
def retract(
    person: Steward, found: Served, background: BackgroundTasks, *, key: Said, uid: Annotated[str, Form(max_length=100)]
) -> Response:
    """Take a fact back."""
    found.desk.entities.retract(uid, person.name)
    return _back(key, found, background)


def _back(key: str, found: Served, background: BackgroundTasks) -> Response:
    background.add_task(found.runs.decide)
    return RedirectResponse(f"/entities/one?{urlencode({'key': key.strip()})}", 303, background=background)


def _moment(text: str) -> int | None:
    if not text.strip():
        return None
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise WatchfloorError(f"{text!r} is no time", do="Write 2026-10-13 or 2026-10-13T08:00, in UTC") from None
    return to_ms(when if when.tzinfo else when.replace(tzinfo=UTC))
