"""Promise 4: when a fact changes, exactly the verdicts that rested on it are decided again."""

from __future__ import annotations

import json
from typing import Any

from watchfloor.app.decisions import DecisionRecord
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import parse_iso
from watchfloor.core.verdict import Verdict
from watchfloor.store.spool import Parcel, Spool


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


def near(product: Watchfloor) -> dict[str, tuple[str, ...]]:
    """Per case: the escalated cases near it when it was decided."""
    records = product.parts.documents
    return {
        row.case.uid: records.get(product.parts.tenant, DecisionRecord, row.verdict.uid).escalated_near
        for row in product.desk.queue(limit=None)
        if row.verdict
    }


def test_nothing_changes_when_no_fact_changes(decided_day: Watchfloor) -> None:
    before = {row.case.uid: row.verdict for row in decided_day.desk.queue(limit=None)}
    assert decided_day.pipeline.triage() == []
    assert {row.case.uid: row.verdict for row in decided_day.desk.queue(limit=None)} == before


def test_a_changed_asset_reopens_exactly_the_verdicts_that_rested_on_it(decided_day: Watchfloor) -> None:
    decided = decided_day
    context = decided.parts.context
    before, near_before = contents(decided), near(decided)
    records = decided.parts.documents.find(decided.parts.tenant, DecisionRecord, limit=None)
    asked = {str(a.lookup.query.get("entity")) for r in records for a in r.asked if a.lookup.collector == "context"}
    asset = next(a for a in context.assets if a.criticality != "critical" and f"host:{a.host.lower()}" in asked)
    changed = asset.model_copy(update={"criticality": "critical", "role": "payment server"})
    assets = tuple(changed if a is asset else a for a in context.assets)
    decided.parts.context = context.model_copy(update={"assets": assets})

    again = set(decided.pipeline.triage())

    after, near_after = contents(decided), near(decided)
    dependants = {uid for uid in before if before[uid] != after[uid]}
    # An escalated case near by is no fact that a verdict rests on, and bars closing all the same.
    beside = {uid for uid in before if near_before[uid] != near_after[uid]}
    assert again == dependants | beside
    assert dependants
    assert len(again) < len(before)
    assert decided.desk.reopened(sorted(again)).keys() == dependants
    for uid in dependants:
        view = decided.desk.case_view(uid)
        assert view.reopened is not None
        assert view.reopened.changes, "what changed is told"
        for change in view.reopened.changes:
            kept = [decided.desk.evidence_view(one) for one in (*change.evidence_before, *change.evidence_after)]
            assert kept, "with the evidence of both"


def hand(product: Watchfloor, spool: Spool, *objects: dict[str, Any]) -> None:
    parcel = Parcel("taxii/cert", product.parts.clock(), json.dumps({"objects": objects}).encode(), "stix")
    spool.put(product.parts.tenant, parcel).result()
    product.intake.work(spool)


def cites(verdict: Verdict, address: str) -> bool:
    return any(c.grounded and f"Address {address} is named" in c.sentence for c in verdict.claims)


def test_a_verdict_is_decided_anew_when_a_feed_names_what_it_rests_on_or_takes_it_back(
    decided_day: Watchfloor,
) -> None:
    product = decided_day
    spool = Spool(product.parts.home.spool)
    try:
        product.parts.clock = lambda: parse_iso("2026-10-15T17:00:00Z")
        rows = product.desk.queue(limit=None)
        before = {row.case.uid: row.verdict for row in rows if row.verdict}
        closed = [i.entity for row in rows if row.case.status == "closed" for i in row.case.involved]
        address = next(e.value for e in closed if e.type == "address" and not e.value.startswith("10."))
        feed: dict[str, Any] = {
            "type": "indicator", "id": "indicator--new", "name": "new", "modified": "2026-10-14T00:00:00Z",
            "pattern": f"[ipv4-addr:value = '{address}']", "confidence": 90,
        }  # fmt: skip
        hand(product, spool, feed)
        reopened = set(product.pipeline.triage())
        assert reopened
        assert len(reopened) < len(before)
        views = [product.desk.case_view(uid) for uid in reopened & before.keys()]
        view, verdict = next((v, v.verdict) for v in views if v.verdict and cites(v.verdict, address))
        assert verdict.probability > before[view.case.uid].probability
        assert view.case.status == "new"
        assert [e.kind for e in view.entries if e.kind.startswith("verdict")][-1] == "verdict.reopened"

        hand(product, spool, {**feed, "revoked": True, "modified": "2026-10-15T00:00:00Z"})
        assert view.case.uid in product.pipeline.triage()
        assert product.parts.intel.matches("address", address, parse_iso("2026-10-14T17:00:00Z")) == ()
        stored, again = product.desk.replay(view.case.uid)
        assert not cites(stored, address)
        assert stored.probability < verdict.probability
        assert stored.canonical() == again.canonical()
    finally:
        spool.close()
