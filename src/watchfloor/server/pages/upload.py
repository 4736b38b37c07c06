"""Bringing records in by hand: a form, and what came of the newest ingests."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import APIRouter, BackgroundTasks, Depends, File, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from watchfloor.core.entry import Entry
from watchfloor.core.errors import WatchfloorError
from watchfloor.server.access import Served, SignedIn, Worker, not_forged
from watchfloor.server.pages.render import render
from watchfloor.server.receiving import received

router = APIRouter(prefix="/upload", include_in_schema=False, dependencies=[Depends(not_forged)])

MOST_FILES = 100


class Ingested(NamedTuple):
    """A ledger entry of an ingest, and its body read."""

    entry: Entry
    report: dict[str, Any]


@router.get("")
def upload_page(request: Request, person: SignedIn, found: Served) -> Response:
    """Readers see what came in; who works on cases has the form, too."""
    ingested = [Ingested(entry, orjson.loads(entry.body)) for entry in found.desk.uploads()]
    return render(
        request,
        "upload.html",
        person=person,
        ingested=ingested,
        deciding=found.runs.deciding,
        problem=found.runs.problem(),
        most_bytes=found.settings.upload_bytes,
    )


@router.post("")
def upload(
    person: Worker,
    found: Served,
    background: BackgroundTasks,
    files: Annotated[list[UploadFile] | None, File(max_length=MOST_FILES)] = None,
) -> Response:
    """The records are kept when this answers; their cases are decided behind the page."""
    if not files:
        raise WatchfloorError("no file was chosen", do="Choose one or more files, then upload")
    with received(files) as uploads:
        found.desk.upload(uploads, person.name)
    background.add_task(found.runs.decide)
    return RedirectResponse("/upload", 303, background=background)
