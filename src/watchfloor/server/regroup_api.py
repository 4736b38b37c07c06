"""The JSON API on which findings belong together: merge, split, undo a link, take back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from watchfloor.core.regrouping import Regrouping
from watchfloor.server.access import Served, Worker, not_forged, signed_in
from watchfloor.server.api import Strict

router = APIRouter(
    prefix="/api/v1/cases/{case_uid}", tags=["cases"], dependencies=[Depends(not_forged), Depends(signed_in)]
)
Uid = Annotated[str, Field(min_length=1, max_length=200)]


class MergeIn(Strict):
    """`other` is the case that is the same thing."""

    other: Uid


class SplitIn(Strict):
    """Uids of findings of the case, some and not all."""

    findings: Annotated[list[Uid], Field(min_length=1, max_length=10_000)]


@router.get("/regroupings")
def regroupings(case_uid: str, found: Served) -> list[Regrouping]:
    """What people said on which findings belong together, as far as it holds and speaks of this case."""
    return found.desk.regroupings.of_case(case_uid)


@router.post("/merges", status_code=201)
def merge(case_uid: str, body: MergeIn, person: Worker, found: Served) -> Regrouping:
    """Two cases become one; the one with the earlier finding keeps its name."""
    return found.desk.regroupings.merge(case_uid, body.other, person.name)


@router.post("/splits", status_code=201)
def split(case_uid: str, body: SplitIn, person: Worker, found: Served) -> Regrouping:
    """Findings become a case of their own."""
    return found.desk.regroupings.split(case_uid, body.findings, person.name)


@router.delete("/links/{link_uid}")
def unlink(case_uid: str, link_uid: str, person: Worker, found: Served) -> Regrouping:
    """The case becomes two where this link held it together. A link's uid is `link-` and a hash of its findings; the
    console and `watchfloor case show` name it."""
    return found.desk.regroupings.unlink(case_uid, link_uid, person.name)


@router.delete("/regroupings/{regrouping_uid}")
def take_back(case_uid: str, regrouping_uid: str, person: Worker, found: Served) -> Regrouping:
    """Undo a merging, a splitting or the undoing of a link. What does it is a regrouping as well."""
    return found.desk.regroupings.take_back(regrouping_uid, person.name, case_uid=case_uid)
