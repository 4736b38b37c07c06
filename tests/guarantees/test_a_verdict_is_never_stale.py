"""Promise 4: when a fact changes, exactly the verdicts that rested on it are decided again."""

from __future__ import annotations

import pytest

from watchfloor.app.decisions import DecisionRecord
from watchfloor.app.watchfloor import Watchfloor

pytestmark = pytest.mark.xdist_group("story")


def contents(product: Watchfloor) -> dict[str, set[tuple[str, str]]]:
    """Per case: look-up and digest of each answer that its verdict was decided with."""
    tenant = product.parts.tenant
    found = {}
    for row in product.desk.queue(limit=None):
        assert row.verdict is not None
        record = product.parts.documents.get(tenant, DecisionRecord, row.verdict.uid)
        evidence = product.parts.evidence.get_many(tenant, record.evidence)
        found[row.case.uid] = {(e.lookup.uid, e.content_digest) for e in evidence.values()}
    return found


def test_nothing_changes_when_no_fact_changes(decided: Watchfloor) -> None:
    before = {row.case.uid: row.verdict for row in decided.desk.queue(limit=None)}
    assert decided.pipeline.triage() == []
    assert {row.case.uid: row.verdict for row in decided.desk.queue(limit=None)} == before


def test_a_changed_asset_reopens_exactly_the_verdicts_that_rested_on_it(decided: Watchfloor) -> None:
    context = decided.parts.context
    before = contents(decided)
    records = decided.parts.documents.find(decided.parts.tenant, DecisionRecord, limit=None)
    asked = {str(a.lookup.query.get("entity")) for r in records for a in r.asked if a.lookup.collector == "context"}
    asset = next(a for a in context.assets if a.criticality != "critical" and f"host:{a.host.lower()}" in asked)
    changed = asset.model_copy(update={"criticality": "critical", "role": "payment server"})
    assets = tuple(changed if a is asset else a for a in context.assets)
    decided.parts.context = context.model_copy(update={"assets": assets})

    reopened = set(decided.pipeline.triage())

    after = contents(decided)
    assert reopened == {uid for uid in before if before[uid] != after[uid]}
    assert reopened
    assert len(reopened) < len(before)
    for uid in reopened:
        entries = [e for e in decided.desk.case_view(uid).entries if e.kind == "verdict.reopened"]
        assert entries
