"""Promise 1: every claim cites recorded bytes, a machine re-reads them, and what is not grounded is struck out."""

from __future__ import annotations

import sqlite3

import pytest

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.grounding import problem_of_all
from watchfloor.core.noun import digest_of
from watchfloor.store.evidence import DamagedError


def test_each_claim_of_each_verdict_quotes_the_very_bytes_of_its_evidence(decided: Watchfloor) -> None:
    claims = [claim for row in decided.desk.queue(limit=None) if row.verdict for claim in row.verdict.claims]
    assert len(claims) > 500
    wanted = {citation.evidence for claim in claims for citation in claim.citations}
    evidence = decided.parts.evidence.get_many(decided.parts.tenant, wanted)
    for claim in claims:
        assert claim.citations, claim.sentence
        assert claim.grounded, claim.problem
        for citation in claim.citations:
            content = evidence[citation.evidence].content.encode()
            assert digest_of(content) == citation.content_digest
            assert content[citation.start : citation.end].decode() == citation.quote


def test_a_claim_is_struck_for_any_flipped_byte_of_its_evidence(decided: Watchfloor) -> None:
    verdicts = [row.verdict for row in decided.desk.queue(limit=None) if row.verdict]
    claim = next(claim for verdict in verdicts for claim in verdict.claims if claim.citations)
    uid = claim.citations[0].evidence
    evidence = decided.desk.evidence_view(uid)
    data = evidence.content.encode()
    for place in range(len(data)):
        flipped = bytes([*data[:place], data[place] ^ 1, *data[place + 1 :]]).decode("utf-8", "surrogateescape")
        damaged = evidence.model_copy(update={"content": flipped})
        assert problem_of_all(claim.citations, {uid: damaged}), f"byte {place} was flipped and the claim still stands"


def test_the_store_refuses_evidence_whose_bytes_were_changed(decided: Watchfloor) -> None:
    row = next(row for row in decided.desk.queue(limit=None) if row.verdict and row.verdict.claims)
    uid = row.verdict.claims[0].citations[0].evidence
    digest = decided.desk.evidence_view(uid).content_digest
    tenant = decided.parts.tenant
    with sqlite3.connect(decided.parts.home.evidence / tenant / "contents.db") as database:
        changed = database.execute(
            "UPDATE contents SET data = CAST(replace(data, '\"', '''') AS BLOB) WHERE digest = ?", (digest,)
        )
        assert changed.rowcount == 1
    with pytest.raises(DamagedError):
        decided.desk.evidence_view(uid)


def test_what_could_not_be_checked_is_shown_and_never_closes_when_required(decided: Watchfloor) -> None:
    rows = [row for row in decided.desk.queue(limit=None) if row.verdict]
    for _, verdict in rows:
        failed = {(a.question, a.about) for a in verdict.answers if a.status == "could_not_check"}
        assert failed == {(c.question, c.about) for c in verdict.could_not_check}
        if any(c.required for c in verdict.could_not_check):
            assert verdict.disposition != "close"
    assert any(verdict.could_not_check for _, verdict in rows)


def test_every_verdict_is_decided_again_to_the_same_bytes(decided: Watchfloor) -> None:
    for row in decided.desk.queue(limit=None):
        stored, again = decided.desk.replay(row.case.uid)
        assert stored.canonical() == again.canonical()
