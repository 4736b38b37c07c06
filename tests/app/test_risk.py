"""Risk in the running product: findings, cases and entities have it, and verdicts do not read it."""

from __future__ import annotations

import math

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.finding import Finding
from watchfloor.store.case_lines import Ask


def test_every_finding_and_case_of_the_story_has_a_risk_that_adds_up(decided: Watchfloor) -> None:
    documents, tenant = decided.parts.documents, decided.parts.tenant
    findings = {f.uid: f for f in documents.find(tenant, Finding, limit=None)}
    cases = documents.find(tenant, Case, limit=None)
    for noun in (*findings.values(), *cases):
        assert noun.risk
        assert noun.risk.log_odds == math.fsum([noun.risk.base, *(part.contribution for part in noun.risk.parts)])
    by_risk = [line.risk for line in decided.desk.cases(Ask(tab="all", sort="risk")).cases]
    assert by_risk == sorted((case.risk.score for case in cases if case.risk), reverse=True)[: len(by_risk)]


def test_cases_that_need_a_person_come_to_more_than_those_that_close(decided: Watchfloor) -> None:
    scores: dict[str, list[int]] = {"escalate": [], "queue": [], "close": []}
    for case, verdict in decided.desk.queue(limit=None):
        assert case.risk
        assert verdict
        scores[verdict.disposition].append(case.risk.score)
    means = {disposition: sum(some) / len(some) for disposition, some in scores.items()}
    assert means["escalate"] > 2 * max(means["queue"], means["close"])


def test_entities_have_a_risk_over_their_cases(decided: Watchfloor) -> None:
    (row,) = decided.desk.queue(disposition="escalate", limit=1)
    found = decided.desk.entity_risks(row.case.uid)
    assert found
    assert found.keys() <= {i.entity.key for i in row.case.involved}
    assert [risk.log_odds for risk in found.values()] == sorted((r.log_odds for r in found.values()), reverse=True)


def test_a_verdict_does_not_read_the_risk(decided_day: Watchfloor) -> None:
    """Findings of another risk, and of none as those from before there was any: the same verdict, byte for byte."""
    documents, tenant = decided_day.parts.documents, decided_day.parts.tenant
    (row,) = decided_day.desk.queue(disposition="escalate", limit=1)
    found = documents.get_many(tenant, Finding, row.case.findings)
    documents.put(tenant, *(finding.model_copy(update={"risk": None}) for finding in found))
    stored, again = decided_day.desk.replay(row.case.uid)
    assert stored.canonical() == again.canonical()
    assert row.case.uid not in decided_day.desk.triage()
    assert documents.get(tenant, Case, row.case.uid).risk is None
