"""A vendor's alert that is told again is one finding: it follows the alert, and never becomes a second one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from watchfloor.app.decisions import replay
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.finding import Finding, Severity, joined
from watchfloor.detect import Detector
from watchfloor.ingest import Normalizer, records

Record = dict[str, Any]
NORMALIZER, DETECTOR = Normalizer.shipped(), Detector.load(shipped=False)


def crowdstrike(status: str, at: str, **more: Any) -> Record:
    alert = {"composite_id": "c1:ind:a1:5", "cid": "c1", "created_timestamp": "2026-10-13T07:01:02Z", "status": status}
    alert |= {"updated_timestamp": at, "display_name": "Credential theft", "severity_name": "High", "pattern_id": 5702}
    return {**alert, "device": {"hostname": "ws1"}, "user_name": "alice", "cmdline": "dump.exe -m lsass", **more}


def sentinelone(status: str, at: str, verdict: str = "undefined", level: str = "malicious") -> Record:
    threat = {"threatId": "9", "threatName": "m.exe", "classification": "Trojan", "confidenceLevel": level}
    threat |= {"identifiedAt": "2026-10-13T07:01:02Z", "incidentStatus": status, "analystVerdict": verdict}
    computer = {"agentComputerName": "WS1", "agentId": "a1"}
    return {"id": "9", "agentRealtimeInfo": computer, "threatInfo": {**threat, "updatedAt": at}}


def sentinel(status: str, at: str, classification: str | None = None) -> Record:
    told = {
        "title": "Odd sign-in",
        "severity": "High",
        "status": status,
        "incidentNumber": 7,
        "lastModifiedTimeUtc": at,
    }
    told |= {"createdTimeUtc": "2026-10-13T07:01:02Z", "classification": classification}
    return {"name": "n1", "type": "Microsoft.SecurityInsights/Incidents", "properties": told}


def guardduty(count: int, at: str, *, archived: bool = False, severity: float = 5) -> Record:
    service = {"count": count, "archived": archived, "eventFirstSeen": "2026-10-13T07:01:02Z", "eventLastSeen": at}
    head = {
        "schemaVersion": "2.0",
        "accountId": "111122223333",
        "region": "eu-west-1",
        "id": "f1",
        "severity": severity,
    }
    about = {"type": "Recon:IAMUser/UserPermissions", "title": "Odd calls", "createdAt": "2026-10-13T07:02:02Z"}
    return {**head, **about, "updatedAt": at, "service": service, "resource": {"accessKeyDetails": {"userName": "eve"}}}


def defender(status: str, at: str, classification: str | None = None, severity: str = "medium") -> Record:
    told = {"@odata.type": "#microsoft.graph.security.alert", "id": "a1", "providerAlertId": "p1", "status": status}
    told |= {"severity": severity, "serviceSource": "microsoftDefenderForEndpoint", "detectionSource": "antivirus"}
    told |= {"title": "Hidden file run", "createdDateTime": "2026-10-13T07:01:02Z", "lastUpdateDateTime": at}
    return {**told, "classification": classification}


T1, T2, T3 = "2026-10-13T07:02:00Z", "2026-10-13T08:00:00Z", "2026-10-14T08:00:00Z"
# An alert in the order of what happened to it, and how it stands at the end.
STORIES: dict[str, tuple[list[Record], str]] = {
    "CrowdStrike, a false positive": (
        [
            crowdstrike("new", T1),
            crowdstrike("in_progress", T2),
            crowdstrike("closed", T3, resolution="false_positive"),
        ],
        "dismissed",
    ),
    "CrowdStrike, an attack": ([crowdstrike("new", T1), crowdstrike("closed", T2)], "resolved"),
    "SentinelOne, remediated": (
        [sentinelone("unresolved", T1), sentinelone("resolved", T2, "true_positive")],
        "resolved",
    ),
    "SentinelOne, benign": (
        [sentinelone("unresolved", T1), sentinelone("in_progress", T2), sentinelone("resolved", T3, "false_positive")],
        "dismissed",
    ),
    "Sentinel": ([sentinel("New", T1), sentinel("Active", T2), sentinel("Closed", T3, "BenignPositive")], "dismissed"),
    "GuardDuty, again": ([guardduty(1, T1), guardduty(7, T2), guardduty(30, T3, severity=8)], "open"),
    "GuardDuty, archived": ([guardduty(1, T1), guardduty(1, T2, archived=True)], "dismissed"),
    "Defender": ([defender("new", T1), defender("resolved", T2, "informationalExpectedActivity")], "dismissed"),
    "Defender, reopened": (
        [defender("new", T1), defender("resolved", T2, "falsePositive"), defender("inProgress", T3, severity="high")],
        "open",
    ),
}


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Watchfloor]:
    with Watchfloor.open(tmp_path / "home", Settings(tenant="acme")) as opened:
        opened.add_user("ana", "a long enough word", ("analyst",))
        yield opened


def take_in(product: Watchfloor, folder: Path, name: str, *records: Record) -> None:
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    report = product.pipeline.ingest([file])
    assert report.records == report.events == len(records)
    product.pipeline.triage()


def cases(product: Watchfloor) -> list[Case]:
    return product.parts.documents.find("acme", Case, limit=None)


def test_an_alert_told_again_is_one_finding_in_one_case(product: Watchfloor, tmp_path: Path) -> None:
    states, standing = STORIES["Defender, reopened"]
    take_in(product, tmp_path, "first", states[0])
    (first,), (case,) = product.pipeline.findings(), cases(product)
    for number, state in enumerate(states[1:]):
        take_in(product, tmp_path, f"next {number}", state)
        stored, again = replay(product.parts, case.uid)
        assert stored == again
    (finding,) = product.pipeline.findings()
    assert finding.uid == first.uid
    assert finding.time <= first.time
    assert finding.standing == standing
    assert [one.uid for one in cases(product)] == [case.uid]
    assert cases(product)[0].findings == (first.uid,)
    take_in(product, tmp_path, "first", states[0])
    assert product.pipeline.findings() == [finding]


def test_every_product_s_alerts_are_followed(product: Watchfloor, tmp_path: Path) -> None:
    for name, (told, standing) in STORIES.items():
        before = {finding.uid for finding in product.pipeline.findings()}
        other = ID.get(name, "")  # a second alert of the same product
        states = [json.loads(json.dumps(state).replace(f'"{other}"', '"other"')) for state in told]
        for number, state in enumerate(states):
            file = tmp_path / f"{name} {number}.jsonl"
            file.write_text(json.dumps(state))
            product.pipeline.ingest([file])
        (finding,) = [finding for finding in product.pipeline.findings() if finding.uid not in before]
        assert finding.standing == standing, name


ID = {"CrowdStrike, an attack": "c1:ind:a1:5", "SentinelOne, benign": "9", "GuardDuty, archived": "f1"}
ID |= {"Defender, reopened": "a1"}


@pytest.mark.parametrize("story", STORIES)
def test_the_order_in_which_states_come_does_not_matter(story: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("".join(json.dumps(state) + "\n" for state in STORIES[story][0]))
    events = [NORMALIZER.event(record) for record in _records(file)]
    states = [finding for event in events for finding in DETECTOR.findings(event) if finding.alert]
    assert len(states) == len(STORIES[story][0])
    assert len({reduce(joined, order).canonical() for order in permutations(states)}) == 1


def _records(file: Path) -> list[Any]:
    return list(records([file], "acme"))


DISMISSED = {
    "CrowdStrike": crowdstrike("false_positive", T1),
    "SentinelOne": sentinelone("resolved", T1, "false_positive"),
    "Sentinel": sentinel("Closed", T1, "FalsePositive"),
    "GuardDuty": guardduty(3, T1, archived=True),
    "Defender": defender("resolved", T1, "falsePositive"),
}


@pytest.mark.parametrize("case", DISMISSED)
def test_what_was_dismissed_before_we_heard_of_it_wakes_nobody_and_is_kept(
    case: str, product: Watchfloor, tmp_path: Path
) -> None:
    take_in(product, tmp_path, "first", DISMISSED[case])
    assert product.pipeline.findings() == []
    assert cases(product) == []
    (event,) = product.parts.lake.events(
        "acme", {product.parts.normalizer.event(_records(tmp_path / "first.jsonl")[0]).uid}
    ).values()
    assert event.ocsf["class_uid"] == 2004


def test_remediated_malware_was_an_attack_all_the_same(product: Watchfloor, tmp_path: Path) -> None:
    take_in(product, tmp_path, "first", sentinelone("resolved", T1, "true_positive"))
    (finding,), (case,) = product.pipeline.findings(), cases(product)
    assert (finding.standing, case.status) == ("resolved", "new")
    (row,) = product.desk.queue()
    assert row.verdict is not None
    assert row.verdict.disposition != "close"
    assert "true positive" in " ".join(claim.sentence for claim in row.verdict.claims)


def test_what_a_product_says_later_raises_and_never_lowers(product: Watchfloor, tmp_path: Path) -> None:
    take_in(product, tmp_path, "first", defender("new", T1, severity="medium"))
    take_in(product, tmp_path, "second", defender("new", T2, severity="high"))
    assert product.pipeline.findings()[0].severity == Severity.high
    before = product.desk.queue()[0].verdict
    take_in(product, tmp_path, "third", defender("resolved", T3, "falsePositive", severity="low"))
    (finding,), (row,) = product.pipeline.findings(), product.desk.queue()
    assert (finding.severity, finding.standing) == (Severity.high, "dismissed")
    assert before is not None
    assert row.verdict is not None
    assert row.verdict.probability >= before.probability
    assert row.case.status == "new"
    assert [one.value for one in row.verdict.answers if one.question == "vendor.standing"] == ["harmless"]


def test_a_case_that_a_person_resolved_stays_so_when_the_product_follows(product: Watchfloor, tmp_path: Path) -> None:
    take_in(product, tmp_path, "first", defender("new", T1))
    (case,) = cases(product)
    product.desk.resolve(case.uid, "false_positive", "ana", "false_positive.rule_too_broad")
    take_in(product, tmp_path, "second", defender("resolved", T2, "falsePositive"))
    assert [one.status for one in cases(product)] == ["resolved"]
    take_in(product, tmp_path, "third", defender("inProgress", T3, severity="high"))
    assert [one.status for one in cases(product)] == ["new"]


def test_alerts_of_one_number_in_two_products_are_two(product: Watchfloor, tmp_path: Path) -> None:
    take_in(product, tmp_path, "first", sentinelone("unresolved", T1), {**guardduty(1, T1), "id": "9"})
    assert len(product.pipeline.findings()) == 2


def test_alerts_without_an_id_that_lasts_are_one_finding_an_event(product: Watchfloor, tmp_path: Path) -> None:
    found: list[Finding] = []
    for second in (1, 2):
        alert = {"signature_id": 7, "signature": "Beacon", "severity": 1, "category": "c"}
        record = {"timestamp": f"2026-10-13T07:01:0{second}.0+0000", "event_type": "alert", "src_ip": "10.0.0.5"}
        take_in(product, tmp_path, str(second), {**record, "dest_ip": "203.0.113.5", "flow_id": 5, "alert": alert})
        found = product.pipeline.findings()
    assert len(found) == 2
