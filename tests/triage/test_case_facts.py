"""Facts of a case as a whole are evidence like any other."""

from __future__ import annotations

import json

from tests.triage.build import finding, one_case
from watchfloor.core.context import Context
from watchfloor.core.evidence import Lookup
from watchfloor.core.finding import Finding, Severity
from watchfloor.triage.case_facts import case_evidence, case_facts
from watchfloor.triage.catalogue import Catalogue


def chain() -> list[Finding]:
    stages = ["discovery", "initial-access", "execution", "TA0008", "attack.impact"]
    return [
        finding(
            n,
            "host:h:target",
            "user:al:actor",
            minute=n * 10,
            rule=f"r{n}",
            tactics=[stage],
            layer="endpoint" if n else "network",
            severity=Severity.medium if n else Severity.low,
        )
        for n, stage in enumerate(stages)
    ]


def test_the_facts_of_a_chain() -> None:
    findings = chain()
    facts = case_facts(one_case(findings), findings)
    assert facts["findings"] == 5
    assert facts["stages_in_order"] == 4
    assert facts["tactics"][0] == "initial-access"
    assert facts["minutes"] == 40
    assert (facts["hosts"], facts["users"]) == (1, 1)


def test_breadth_speaks_of_findings_worth_something() -> None:
    findings = chain()
    facts = case_facts(one_case(findings), findings)
    assert facts["detections"] == 4
    assert facts["layers"] == ["endpoint"]
    assert "Rule r0" not in facts["titles"]


def test_several_tactics_of_one_finding_are_one_step() -> None:
    findings = [finding(1, "host:h:target", tactics=["execution", "persistence", "impact"])]
    assert case_facts(one_case(findings), findings)["stages_in_order"] == 1


def test_evidence_answers_only_its_own_collector_and_the_order_does_not_matter() -> None:
    findings = chain()
    case = one_case(findings)
    asked = Catalogue.shipped().ask(case, findings, {}, Context())
    lookups = [a.lookup for a in asked]
    found = case_evidence(lookups, case, findings)
    assert set(found) == {lookup.uid for lookup in lookups if lookup.collector == "case"}
    assert found == case_evidence(lookups, case, findings[::-1])
    assert json.loads(next(iter(found.values())).content)["findings"] == 5
    other = Lookup(tenant="acme", collector="history", query={}, as_of=0)
    assert case_evidence([other], case, findings) == {}


def test_a_case_that_has_grown_is_asked_again() -> None:
    findings = chain()

    def lookups(some: list[Finding]) -> set[str]:
        asked = Catalogue.shipped().ask(one_case(some), some, {}, Context())
        return {a.lookup.uid for a in asked if a.lookup.collector == "case"}

    assert lookups(findings) & lookups(findings[:3]) == set()


def staged(*stages: tuple[str, str, str]) -> list[Finding]:
    """Findings of (tactic, technique, host), ten minutes apart, tied by one thread."""
    return [
        finding(n, f"host:{host}:target", minute=n * 10, rule=f"r{n}", tactics=[stage], thread=["t"]).model_copy(
            update={"techniques": (technique,)}
        )
        for n, (stage, technique, host) in enumerate(stages)
    ]


def test_stages_that_follow_one_another_count_where_they_share_something() -> None:
    together = staged(("collection", "T1560", "a"), ("exfiltration", "T1567.002", "a"))
    facts = case_facts(one_case(together), together)
    assert facts["chains"] == ["collection, then exfiltration"]
    assert facts["techniques_chained"] == ["T1560 and T1567"]
    assert facts["late"] == ["collection", "exfiltration"]
    apart = staged(("collection", "T1560", "a"), ("exfiltration", "T1041", "b"))
    assert case_facts(one_case(apart), apart)["chains"] == []
    backwards = staged(("exfiltration", "T1567", "a"), ("collection", "T1560", "a"))
    assert case_facts(one_case(backwards), backwards)["chains"] == []


def test_what_most_detections_name_is_told_once() -> None:
    findings = chain()
    facts = case_facts(one_case(findings), findings)
    assert facts["agreeing"] == {"entity": "host:h", "detections": 4, "sources": 1}
    assert (facts["sources"], facts["own_and_vendor"], facts["first_hosts"]) == (1, False, ["h"])
    quiet = [f.model_copy(update={"severity": Severity.low}) for f in findings]
    assert case_facts(one_case(quiet), quiet)["agreeing"] is None


def test_the_busiest_hour() -> None:
    findings = [finding(n, "host:h:target", minute=minute) for n, minute in enumerate((0, 1, 2, 61, 62, 200))]
    assert case_facts(one_case(findings), findings)["busiest_hour"] == 3
