"""Evidence and records: the very bytes, with what a claim cites marked in them."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from watchfloor.core.errors import NotFoundError
from watchfloor.core.evidence import Citation, Evidence
from watchfloor.core.grounding import problem_of
from watchfloor.core.noun import canonical, digest_of
from watchfloor.core.verdict import Claim
from watchfloor.server.access import Served, Services, SignedIn, signed_in
from watchfloor.server.pages.render import render
from watchfloor.server.present.highlight import reading

router = APIRouter(include_in_schema=False)


class Checked(NamedTuple):
    """A citation, and why it does not hold (empty when the bytes stand there)."""

    citation: Citation
    problem: str


@router.get("/evidence/{evidence_uid}")
def evidence_page(
    request: Request, evidence_uid: str, person: SignedIn, found: Served, *, case: str = "", claim: str = ""
) -> Response:
    """Evidence with its digest computed anew; with `case` and `claim`, what that claim cites is marked."""
    evidence = found.desk.evidence_view(evidence_uid)
    cited = _claim(found, case, claim) if case and claim else None
    mine = [c for c in cited.citations if c.evidence == evidence_uid] if cited else []
    digest = digest_of(evidence.content.encode("utf-8", "surrogatepass"))
    spans = [(c.start, c.end) for c in mine]
    return render(
        request,
        "evidence.html",
        person=person,
        evidence=evidence,
        query=canonical(evidence.lookup.query).decode(),
        digest=digest,
        unchanged=digest == evidence.content_digest,
        case_uid=case,
        claim=cited,
        checked=[Checked(c, problem_of(c, {evidence_uid: evidence})) for c in mine],
        others=[c for c in cited.citations if c.evidence != evidence_uid] if cited else [],
        reading=reading(evidence.content, spans, json=evidence.media_type == "application/json"),
    )


def _claim(found: Services, case_uid: str, claim_uid: str) -> Claim:
    verdict = found.desk.case_view(case_uid).verdict
    claim = next((c for c in verdict.claims if c.uid == claim_uid), None) if verdict else None
    if claim is None:
        raise NotFoundError(f"no claim {claim_uid} in the verdict as it stands now", where=case_uid)
    return claim


@router.get("/evidence/{evidence_uid}/raw", dependencies=[Depends(signed_in)])
def evidence_raw(evidence_uid: str, found: Served) -> Response:
    """The exact bytes, as text that no browser renders."""
    evidence: Evidence = found.desk.evidence_view(evidence_uid)
    return _download(evidence.content, f"{evidence_uid}.txt")


@router.get("/events/{event_uid}")
def event_page(request: Request, event_uid: str, person: SignedIn, found: Served, case: str = "") -> Response:
    """The record behind a finding: as it came, its vendor's fields, its OCSF form."""
    event = found.desk.event_view(event_uid)
    raw = event.ocsf.get("raw_data")
    rest = {k: v for k, v in event.ocsf.items() if k != "raw_data"}
    return render(
        request,
        "event.html",
        person=person,
        event=event,
        case_uid=case,
        raw=reading(raw, (), json=raw.lstrip()[:1] in ("{", "[")) if isinstance(raw, str) else None,
        original=reading(canonical(event.original).decode(), (), json=True),
        ocsf=reading(canonical(rest).decode(), (), json=True),
    )


@router.get("/events/{event_uid}/raw", dependencies=[Depends(signed_in)])
def event_raw(event_uid: str, found: Served) -> Response:
    """The record's raw text where it was kept, else its fields, as text that no browser renders."""
    event = found.desk.event_view(event_uid)
    raw = event.ocsf.get("raw_data")
    return _download(raw if isinstance(raw, str) else canonical(event.original).decode(), f"{event_uid}.txt")


def _download(text: str, name: str) -> Response:
    # Uids are our own: a prefix and hex digits. Anything else in the name is dropped.
    safe = "".join(c for c in name if c.isalnum() or c in "-_.")
    body = text.encode("utf-8", "surrogatepass")
    return PlainTextResponse(body, headers={"content-disposition": f'attachment; filename="{safe}"'})
