"""The JSON API, `/api/v1`: what the pages do, for scripts. The same session, or a bearer token.

Writes take strict models: a field of another type or name is refused. Errors are problem details (RFC 9457).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, HTTPException, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from watchfloor.core.case import Case, Comment
from watchfloor.core.errors import NotFoundError
from watchfloor.core.evidence import Evidence
from watchfloor.core.finding import Finding
from watchfloor.core.intake import Silence, Trouble
from watchfloor.core.label import Label
from watchfloor.core.noun import Digest
from watchfloor.core.plan import Approval, Outcome, Plan
from watchfloor.core.risk import Risk
from watchfloor.core.verdict import Change, Disposition, Hypothesis, Verdict
from watchfloor.server.access import Served, Worker, not_forged, session_token, signed_in, worker
from watchfloor.server.acts import approval_in, approve_steps, plan_of, undo_step
from watchfloor.server.receiving import received
from watchfloor.server.resolutions import confirmed_by
from watchfloor.store.accounts import SESSION_LASTS
from watchfloor.store.case_lines import Ask, CasePage

router = APIRouter(prefix="/api/v1", dependencies=[Depends(not_forged), Depends(signed_in)])
signing_in = APIRouter(prefix="/api/v1", tags=["session"])

Passphrase = Annotated[str, Field(min_length=1, max_length=2_000)]


class Strict(BaseModel):
    """What a client sends: nothing is coerced, nothing unknown is taken."""

    model_config = ConfigDict(strict=True, extra="forbid")


class SignIn(Strict):
    user: Annotated[str, Field(max_length=200)]
    passphrase: Passphrase


class Token(BaseModel):
    """Send it as `Authorization: Bearer TOKEN`. `expires_at` in milliseconds; earlier when it lies idle."""

    token: str
    expires_at: int


class ReopenedOut(BaseModel):
    """Since when (ms) the verdict stands in the place of another one because facts changed, and which answers did.
    `changes` hold the evidence of both."""

    time: int
    was: Disposition
    was_probability: float
    sentence: str
    changes: list[Change]


class SimilarOut(BaseModel):
    """An earlier case: `likeness` from 0 to 1, what both have, and how it ended. `label` is a person's word."""

    case_uid: str
    title: str
    time: int
    likeness: float
    shared: list[str]
    disposition: Disposition | None
    verdict: str
    label: Hypothesis | None
    by: str


class CaseOut(BaseModel):
    """A case with all that belongs to it."""

    case: Case
    findings: list[Finding]
    verdict: Verdict | None
    plan: Plan | None
    approvals: list[Approval]
    outcomes: list[Outcome]
    comments: list[Comment]
    label: Label | None
    reopened: ReopenedOut | None


class PlanOut(BaseModel):
    """`digest` is what an approval signs."""

    plan: Plan
    digest: Digest
    approvals: list[Approval]
    outcomes: list[Outcome]


class EventOut(BaseModel):
    uid: str
    time: int
    source: str
    position: int
    unit: str
    mapping: str
    ocsf: dict[str, Any]
    original: dict[str, Any]


class LiveOut(BaseModel):
    """What a source handed in by itself; `received` = events + dead letters + `repeats` + `indicators` (objects of
    threat intelligence). Times in ms."""

    received: int
    repeats: int
    indicators: int
    last_heard: int
    per_minute: float
    silence: Silence | None


class SourceOut(BaseModel):
    """`last_time` is that of its newest event (ms)."""

    source: str
    mappings: tuple[str, ...]
    events: int
    dead_letters: int
    last_time: int | None
    live: LiveOut | None


class SpoolOut(BaseModel):
    """What waits; `size` in bytes."""

    parcels: int
    size: int


class HealthOut(BaseModel):
    """A source that the server itself listens to or asks, since when (ms) it has been so, why it fails, and
    what else is worth knowing, such as how much waits."""

    source: str
    status: str
    since: int
    problem: str
    note: str


class FeedOut(BaseModel):
    """A feed of threat intelligence: what it holds, when an object last came, and when the last new one did (ms)."""

    source: str
    indicators: int
    objects: int
    withdrawn: int
    seen: int
    added: int


class SourcesOut(BaseModel):
    """`troubles` are what intake cannot do now and tries again; `collected` says how each source of `sources.yaml`
    does."""

    spool: SpoolOut
    troubles: list[Trouble]
    collected: list[HealthOut]
    feeds: list[FeedOut]
    sources: list[SourceOut]


class ClassOut(BaseModel):
    """A class of cases. Of its `labels` those `counted` are of a fair sample, or misses; `bound` is the share of
    attacks among what it closes that they allow; `needed` so many more harmless ones open it (-1: none would).
    `unjudged` cases were drawn for labels, `next` are the first. `drift` is what was staked on its cases having
    changed."""

    detection_class: str
    closes: bool
    why_not: list[str]
    labels: int
    counted: int
    missed: int
    bound: float
    limit: float
    needed: int
    uncounted: dict[str, int]
    unjudged: int
    next: list[str]
    reviews: int
    overdue: int
    reviewed: int
    drift: float
    drifted: str


class ReviewOut(BaseModel):
    """A closed case that a person has to judge until `due` (ms)."""

    case: str
    detection_class: str
    due: int


class ClosingOut(BaseModel):
    classes: list[ClassOut]
    reviews: list[ReviewOut]


class ApprovalIn(Strict):
    """`plan_digest` is that of the plan which was read; another plan is refused."""

    plan_digest: Digest
    steps: Annotated[list[int], Field(min_length=1, max_length=100)]
    passphrase: Passphrase


class UndoIn(Strict):
    passphrase: Passphrase


class CommentIn(Strict):
    text: Annotated[str, Field(min_length=1, max_length=10_000)]


class ResolutionIn(Strict):
    """A shipped resolution code; it names the hypothesis as well."""

    resolution_code: Annotated[str, Field(min_length=1, max_length=100)]


class AssignmentIn(Strict):
    assignee: Annotated[str, Field(max_length=128)]


@signing_in.post("/sessions", status_code=201)
def sign_in(body: SignIn, found: Served) -> Token:
    """A bearer token for a name and passphrase. Needs no form token: it takes no cookie and sets none."""
    now = found.clock()
    account = found.accounts.check(found.desk.tenant, body.user, body.passphrase, now)
    if account is None:
        raise HTTPException(401, "Name or passphrase is wrong, or the account waits after wrong tries")
    token = found.accounts.open_session(found.desk.tenant, account.user, now)
    return Token(token=token, expires_at=now + SESSION_LASTS)


@router.delete("/sessions/current", status_code=204, tags=["session"])
def sign_out(request: Request, found: Served) -> Response:
    """End this session."""
    found.accounts.close_session(found.desk.tenant, session_token(request, found.settings))
    return Response(status_code=204)


@router.get("/cases", tags=["cases"])
def cases(found: Served, ask: Annotated[Ask, Query()]) -> CasePage:
    """Cases by tab, filter and order, as on the queue page; the whole of one is at its own address."""
    return found.desk.cases(ask)


@router.get("/cases/{case_uid}", tags=["cases"])
def case(case_uid: str, found: Served) -> CaseOut:
    """A case with findings, verdict, plan, approvals, outcomes and comments."""
    seen = found.desk.case_view(case_uid)
    view, why = seen._asdict(), seen.reopened
    again = ReopenedOut(**why._asdict(), sentence=why.sentence) if why else None
    return CaseOut(**{name: view[name] for name in CaseOut.model_fields if name in view}, reopened=again)


@router.get("/cases/{case_uid}/similar", tags=["cases"])
def similar(case_uid: str, found: Served) -> list[SimilarOut]:
    """The nearest earlier cases, the most alike first, and how they ended, as is known now. No verdict weighs them."""
    found.desk.case_view(case_uid)
    return [SimilarOut(**one._asdict()) for one in found.desk.similar(case_uid)]


@router.get("/cases/{case_uid}/entities", tags=["cases"])
def entities(case_uid: str, found: Served) -> dict[str, Risk]:
    """The risk of the case's first entities over all their cases, by key (`user:alice`), the greatest first. The parts
    of each add up with its base to the log-odds."""
    return found.desk.entity_risks(case_uid)


@router.get("/cases/{case_uid}/verdict", tags=["cases"])
def verdict(case_uid: str, found: Served) -> Verdict:
    """The verdict: claims with citations, answers with weights, what could not be checked."""
    decided = found.desk.case_view(case_uid).verdict
    if decided is None:
        raise NotFoundError("this case has no verdict yet", where=case_uid)
    return decided


@router.post("/cases/{case_uid}/comments", status_code=201, tags=["cases"])
def add_comment(case_uid: str, body: CommentIn, person: Worker, found: Served) -> Comment:
    return found.desk.comment(case_uid, person.name, body.text)


@router.post("/cases/{case_uid}/resolution", status_code=201, tags=["cases"])
def resolve(case_uid: str, body: ResolutionIn, person: Worker, found: Served) -> Label:
    """A person's verdict; it closes the case and labels its class."""
    return found.desk.resolve(case_uid, confirmed_by(body.resolution_code), person.name, body.resolution_code)


@router.delete("/cases/{case_uid}/resolution", tags=["cases"])
def reopen(case_uid: str, person: Worker, found: Served) -> Case:
    """Open the case again."""
    return found.desk.reopen(case_uid, person.name)


@router.put("/cases/{case_uid}/assignee", tags=["cases"])
def assign(case_uid: str, body: AssignmentIn, person: Worker, found: Served) -> Case:
    """Give the case to a user of the console; the empty name takes it from everybody."""
    if body.assignee:
        found.accounts.get(found.desk.tenant, body.assignee)
    return found.desk.assign(case_uid, person.name, body.assignee)


@router.get("/cases/{case_uid}/plan", tags=["plans"])
def plan(case_uid: str, found: Served) -> PlanOut:
    """The plan, its digest, who approved what and what came of it."""
    view = found.desk.case_view(case_uid)
    the_plan = plan_of(found, case_uid)
    return PlanOut(plan=the_plan, digest=the_plan.digest(), approvals=view.approvals, outcomes=view.outcomes)


@router.post("/cases/{case_uid}/plan/approvals", status_code=201, tags=["plans"])
def approve(case_uid: str, body: ApprovalIn, person: Worker, found: Served) -> Approval:
    """Sign steps of the plan with the person's key, which the passphrase opens."""
    return approve_steps(
        found, person, case_uid, plan_digest=body.plan_digest, steps=tuple(body.steps), passphrase=body.passphrase
    )


@router.post(
    "/cases/{case_uid}/plan/approvals/{approval_uid}/execution", tags=["plans"], dependencies=[Depends(worker)]
)
def execute(case_uid: str, approval_uid: str, found: Served) -> list[Outcome]:
    """Run what was approved; answers when each step has its outcome."""
    approval_in(found, case_uid, approval_uid)
    return found.desk.execute(approval_uid)


@router.post("/cases/{case_uid}/plan/steps/{n}/undo", tags=["plans"])
def undo(case_uid: str, n: int, body: UndoIn, person: Worker, found: Served) -> list[Outcome]:
    """Sign and run the undo of a step that was executed."""
    return undo_step(found, person, case_uid, n, body.passphrase)


@router.get("/evidence/{evidence_uid}", tags=["evidence"])
def evidence(evidence_uid: str, found: Served) -> Evidence:
    """Recorded evidence; its bytes are hashed anew on the way."""
    return found.desk.evidence_view(evidence_uid)


@router.get("/events/{event_uid}", tags=["evidence"])
def event(event_uid: str, found: Served) -> EventOut:
    """The event behind a finding, with the vendor's own fields."""
    record = found.desk.event_view(event_uid)
    return EventOut(**{name: getattr(record, name) for name in EventOut.model_fields})


@router.get("/closing", tags=["closing"])
def closing(found: Served) -> ClosingOut:
    """Each class of cases: its labels, the bound, whether it closes by itself, why not; and the reviews that wait."""
    classes = [ClassOut(**row.as_dict()) for row in found.desk.closing()]
    reviews = [ReviewOut(case=d.case_uid, detection_class=d.detection_class, due=d.due) for d in found.desk.reviews()]
    return ClosingOut(classes=classes, reviews=reviews)


@router.get("/sources", tags=["ingest"])
def sources(found: Served) -> SourcesOut:
    """What has come from where, who fell silent, and how live intake stands."""
    view = found.desk.intake_view()
    rows = [SourceOut(**row._asdict() | {"live": row.live and row.live._asdict()}) for row in found.desk.sources()]
    collected = [
        HealthOut(source=one.uid, status=one.status, since=one.time, problem=one.problem, note=one.note)
        for one in view.collected
    ]
    spool = SpoolOut(parcels=view.parcels, size=view.size)
    feeds = [FeedOut(**feed._asdict()) for feed in view.feeds]
    return SourcesOut(spool=spool, troubles=list(view.troubles), collected=collected, feeds=feeds, sources=rows)


@router.post("/ingest", tags=["ingest"])
def ingest(person: Worker, found: Served, files: Annotated[list[UploadFile], File(max_length=100)]) -> dict[str, Any]:
    """Records in: any number of files, their kinds found out from their content. Answers with the report when the
    cases are decided. Records come from `upload/<digest of the file>/<its name>`; the same content counts once."""
    with received(files) as uploads:
        report = found.desk.upload(uploads, person.name)
    found.desk.triage()
    return report.to_dict()
