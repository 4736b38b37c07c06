"""The API of what is known of users and hosts: facts with two times, what they come to, and what is in conflict."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, Query
from pydantic import Field

from watchfloor.app.context import Change
from watchfloor.app.context_view import EntityView
from watchfloor.core.context import Window
from watchfloor.core.fact import Statement
from watchfloor.server.access import Served, Steward, not_forged, signed_in
from watchfloor.server.api import Strict

router = APIRouter(prefix="/api/v1", tags=["context"], dependencies=[Depends(not_forged), Depends(signed_in)])
Key = Annotated[str, Field(min_length=3, max_length=500)]
Time = Annotated[int | None, Query(ge=0, le=253_402_300_799_999)]
Name = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9 ._-]*$")]


class FactIn(Strict):
    """A statement. Without `valid_from` it holds from now on, and as ever where the source never spoke of the entity;
    without `valid_to` for as long as nothing else is said. Times in ms."""

    entity: Key
    attribute: Annotated[str, Field(max_length=100)]
    value: str | bool | dict[str, Any]
    valid_from: Annotated[int | None, Field(ge=0, le=253_402_300_799_999)] = None
    valid_to: Annotated[int | None, Field(ge=0, le=253_402_300_799_999)] = None


class ContextIn(Strict):
    """Facts of one source, `api/<source>`; without one, in the person's own name. With `full` they are all that the
    source says: what is missing ends now."""

    facts: Annotated[list[FactIn], Field(min_length=1, max_length=20_000)]
    source: Name = ""
    full: bool = False


class RelationIn(Strict):
    """That two are the same user or host, or are not: entities, or records of them (`okta/users#user:00u1`)."""

    one: Key
    other: Key
    same: bool


class ChangeOut(Strict):
    """What came of it: facts that are new, that ended, that were taken back, that were so before."""

    new: int
    ended: int
    retracted: int
    unchanged: int


class FactOut(Strict):
    """A fact as it was recorded, and what became of it. Times in ms, the end excluded."""

    uid: str
    entity: str
    attribute: str
    value: Any
    source: str
    valid_from: int
    valid_to: int
    recorded_at: int
    recorded_by: str
    replaces: str
    state: str


class EntityOut(Strict):
    """What is known of an entity. `several`: those that bear the name, where it cannot be told which is meant."""

    entity: str
    resolved: str
    spellings: list[str]
    facts: list[FactOut]
    joins: list[str]
    conflicts: list[str]
    several: list[str]
    windows: list[Window]
    manager: str
    peers: list[str]
    approved_tools: list[str]


@router.post("/context", status_code=201)
def state(body: ContextIn, person: Steward, found: Served, background: BackgroundTasks) -> ChangeOut:
    """Record facts, all or none. The cases that rest on what changed are decided anew behind the answer."""
    said = [Statement(f.entity, f.attribute, f.value, f.valid_from, f.valid_to) for f in body.facts]
    change = found.desk.entities.state(said, by=person.name, source=body.source, full=body.full)
    return _changed(change, found, background)


@router.post("/context/relations", status_code=201)
def relate(body: RelationIn, person: Steward, found: Served, background: BackgroundTasks) -> ChangeOut:
    """A person's word on whether two are one."""
    change = found.desk.entities.relate(body.one, body.other, same=body.same, by=person.name)
    return _changed(change, found, background)


@router.delete("/context/facts/{uid}")
def retract(uid: str, person: Steward, found: Served, background: BackgroundTasks) -> ChangeOut:
    """Take a fact back: from now on it was never so. What was known before can still be asked."""
    found.desk.entities.retract(uid, person.name)
    return _changed(Change(retracted=1), found, background)


@router.get("/context/conflicts")
def conflicts(found: Served, at: Time = None) -> list[str]:
    """What is claimed by two at a time (ms; now by default), and counts for nobody."""
    return found.desk.entities.conflicts(at)


@router.get("/context/entity")
def entity(
    found: Served, key: Annotated[str, Query(min_length=3, max_length=500)], at: Time = None, known_at: Time = None
) -> EntityOut:
    """What is known of an entity (`user:alice`), as it was true `at` a time and known at another (ms; default now)."""
    return _out(found.desk.entities.view(key, true=at, known=known_at))


def _changed(change: Change, found: Served, background: BackgroundTasks) -> ChangeOut:
    if change.any:
        background.add_task(found.runs.decide)
    return ChangeOut(**change._asdict())


def _out(view: EntityView) -> EntityOut:
    facts = [
        FactOut(
            state=line.state,
            **{name: getattr(line.fact, name) for name in FactOut.model_fields if name != "state"},
        )
        for line in view.facts
    ]
    return EntityOut(
        entity=view.entity.key,
        resolved=view.resolved.key,
        facts=facts,
        windows=list(view.windows),
        manager=view.manager,
        **{
            n: list(getattr(view, n)) for n in ("spellings", "joins", "conflicts", "several", "peers", "approved_tools")
        },
    )
