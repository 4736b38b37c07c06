"""What was found, judged and held back before: as of a time, and without the case that asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.enrich.support import CONTEXT, DAY, HOUR, NOW, by, event, lookup
from watchfloor.core.case import Case
from watchfloor.core.context import Asset, Context, Identity
from watchfloor.core.correlated import Correlated
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.intel import Intel
from watchfloor.core.label import Label
from watchfloor.core.suppression import Suppression
from watchfloor.enrich import Events, Past, collectors_for
from watchfloor.store.lake import Lake


def found(
    uid: str, time: int, rule: str = "r1", user: str = "ann", severity: Severity = Severity.medium, **more: Any
) -> Finding:
    given: dict[str, Any] = {
        "tenant": "acme",
        "uid": uid,
        "time": time,
        "detection": Detection(uid=rule, title=f"Rule {rule}", family="fam", source=f"src-{rule}", kind="rule"),
        "severity": severity,
        "layer": "endpoint",
        "event_uid": f"e-{uid}",
        "source": "t",
        "position": 0,
        "title": f"Rule {rule}",
        "involved": (Involvement(entity=Entity(type="user", value=user), role="actor"),),
    }
    return Finding(**given | more)


def answer(past: Past, name: str, query: dict[str, Any], as_of: int = NOW, lake: Lake | None = None) -> Any:
    reader: Any = lake.reader("acme") if lake else None
    held: Any = lake
    collectors = collectors_for(Events(held), reader, CONTEXT, Intel(), past)
    (evidence,) = collectors[name].collect([lookup(name, query, as_of)])
    assert evidence.status == "ok", evidence.reason
    return json.loads(evidence.content)


FOUND = (
    found("1", NOW - 3 * HOUR, tactics=("initial-access",), severity=Severity.high),
    found("2", NOW - HOUR, "r2", tactics=("execution",)),
    found("3", NOW, "r3", tactics=("impact",), severity=Severity.critical),
    found("4", NOW - HOUR, "r4", user="bob"),
    found("5", NOW - 60 * HOUR, "r5"),
)
ABOUT = {"entity": "user:ann", "hours": 48, "tactics": ["execution"]}


def test_findings_before_a_time_about_an_entity() -> None:
    told = answer(Past(FOUND, CONTEXT), "findings", ABOUT)
    assert (told["count"], told["detections"], told["sources"], told["severity"]) == (2, 2, 2, 4)
    assert (told["earlier_stages"], told["earlier_severity"]) == (["initial-access"], 4)
    assert (told["titles"], told["minutes_ago"]) == (["Rule r1", "Rule r2"], 60)


def test_what_comes_later_changes_nothing() -> None:
    before = answer(Past(FOUND[:2], CONTEXT), "findings", ABOUT)
    assert answer(Past(FOUND, CONTEXT), "findings", ABOUT) == before
    assert answer(Past(FOUND[::-1], CONTEXT), "findings", ABOUT) == before


def test_tactics_that_nobody_knows_have_no_stage_before_them() -> None:
    told = answer(Past(FOUND, CONTEXT), "findings", {**ABOUT, "tactics": ["made-up"]})
    assert (told["earlier_stages"], told["earlier_severity"]) == ([], 0)
    assert answer(Past(FOUND, CONTEXT), "findings", {"entity": "user:ann", "hours": 48})["earlier_stages"] == []


def test_an_entity_is_found_under_every_spelling() -> None:
    past = Past((found("1", NOW - HOUR, user="ingrid.berg@acme-corp.example"),), CONTEXT)
    assert answer(past, "findings", {"entity": "user:ingrid.berg", "hours": 2})["count"] == 1


def test_findings_that_rest_on_several_events_are_left_out() -> None:
    counted = Correlated(
        sentence="s", kind="event_count", value=9, group={}, span=HOUR, first=NOW - HOUR, last=NOW, total=9, events=()
    )
    past = Past((found("1", NOW - HOUR, correlated=counted),), CONTEXT)
    assert answer(past, "findings", {"entity": "user:ann", "hours": 2})["count"] == 0


def test_how_often_a_detection_fires() -> None:
    many = [found(f"d-{n}", NOW - n * DAY // 2 - 1, user=f"u{n % 3}") for n in range(20)]
    told = answer(Past((*many, *FOUND[2:]), CONTEXT), "findings", {"detection": "r1", "days": 30})
    assert (told["count"], told["entities"], told["recorded_days"]) == (20, 3, 9)
    assert (told["per_day"], told["idle_days"]) == (2.22, 0)
    assert answer(Past((), CONTEXT), "findings", {"detection": "r1", "days": 30})["share"] is None


@pytest.mark.parametrize("query", [{}, {"entity": "user:a", "hours": 0}, {"detection": "x", "days": "3"}])
def test_a_query_that_asks_nothing_fails(query: dict[str, Any]) -> None:
    collectors = collectors_for(None, None, CONTEXT, Intel(), Past())  # type: ignore[arg-type]
    (evidence,) = collectors["findings"].collect([lookup("findings", query)])
    assert evidence.status == "failed"


def label(case: str, verdict: Any, time: int) -> Label:
    return Label(
        tenant="acme", uid=f"l-{case}", time=time, detection_class="fam @ s", detection="r1", verdict=verdict,
        would_close=False, by="nora", case_uid=case,
    )  # fmt: skip


def case(uid: str, *findings: str) -> Case:
    return Case.from_dict(
        {
            "tenant": "acme",
            "uid": uid,
            "time": 0,
            "last_time": 0,
            "title": "t",
            "severity": 3,
            "findings": findings,
            "involved": [],
            "detection_class": "fam @ s",
        }
    )


def test_how_earlier_cases_of_an_entity_ended() -> None:
    cases = {"c1": case("c1", "1"), "c2": case("c2", "2"), "c4": case("c4", "4"), "c9": case("c9", "3")}
    labels = (
        label("c1", "malicious", NOW - 2 * DAY),
        label("c2", "false_positive", NOW - DAY),
        label("c4", "malicious", NOW - DAY),
        label("c9", "malicious", NOW + DAY),
        label("gone", "malicious", NOW - DAY),
    )
    past = Past(FOUND, CONTEXT, labels, lambda uids: {uid: cases[uid] for uid in uids if uid in cases})
    told = answer(past, "labels", {"entity": "user:ann"})["entity"]
    assert (told["malicious"], told["false_positive"], told["total"], told["last_malicious_days"]) == (1, 1, 2, 2)
    assert answer(past, "labels", {"entity": "user:nobody"})["entity"]["total"] == 0
    # Involved only later than the time that is asked for: not known then.
    assert answer(past, "labels", {"entity": "user:ann"}, as_of=NOW - 2 * HOUR)["entity"]["total"] == 1


def test_what_is_held_back_as_of_a_time() -> None:
    made = {"tenant": "acme", "owner": "nora", "made_by": "nora", "until": NOW + DAY}
    all_ = (
        Suppression(uid="s1", time=NOW - DAY, reason="noisy", detection="r1", **made),
        Suppression(uid="s2", time=NOW - 2 * DAY, reason="old", family="fam", **{**made, "until": NOW - DAY}),
        Suppression(uid="s3", time=NOW - 3 * DAY, reason="other", detection="r9", **made),
        Suppression(
            uid="s4", time=NOW - 3 * DAY, reason="lifted", detection="r1", status="lifted", lifted_at=NOW + 1, **made
        ),
        Suppression(uid="s5", time=NOW + 1, reason="later", detection="r1", **made),
    )
    past = Past(suppressions=lambda: all_)
    query = {"detection": "r1", "family": "fam", "suppressions": True}
    assert answer(past, "labels", query)["suppressions"] == {
        "in_force": 2, "ended": 1, "reason": "noisy", "owner": "nora",
    }  # fmt: skip
    assert answer(past, "labels", query, as_of=NOW + 2)["suppressions"]["in_force"] == 2
    assert answer(Past(), "labels", query)["suppressions"]["in_force"] == 0


# History: peers, idle days, hours, rhythm


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    jobs = [event(f"j-{n}", NOW - DAY * n, **by("svc", process={"name": "job.exe"})) for n in range(1, 11)]
    beat = [event(f"b-{n}", NOW - 600_000 * n, **by("bot")) for n in range(1, 41)]
    people = [event(f"p-{n}", NOW - HOUR, **by(name, "fs02")) for n, name in enumerate(("bob", "carol"))]
    lake.write("acme", [*jobs, *beat, *people])
    return lake


def history(lake: Lake, match: dict[str, Any], measure: list[str], context: Context = CONTEXT, **more: Any) -> Any:
    collector = collectors_for(Events(lake), lake.reader("acme"), context, Intel(), Past())["history"]
    (evidence,) = collector.collect([lookup("history", {"match": match, "measure": measure, "days": 30, **more})])
    assert evidence.status == "ok", evidence.reason
    return json.loads(evidence.content)


def test_idle_days_and_the_share_of_the_hour(lake: Lake) -> None:
    told = history(lake, {"user": "svc"}, ["idle_days", "hour_share", "days"])
    assert (told["idle_days"], told["hour_share"]) == (1, 1.0)
    assert history(lake, {"user": "bot"}, ["hour_share"])["hour_share"] < 0.4
    assert history(lake, {"user": "nobody"}, ["idle_days", "hour_share"]) | {"population": None} == {
        "idle_days": None, "hour_share": None, "population": None,
    }  # fmt: skip


def test_the_rhythm_of_what_comes_evenly_and_of_what_does_not(lake: Lake) -> None:
    assert history(lake, {"user": "bot"}, ["rhythm"])["rhythm"] == {"n": 39, "median": 600, "spread": 0.0}
    assert history(lake, {"user": "nobody"}, ["rhythm"])["rhythm"] == {"n": 0, "median": None, "spread": None}
    lake.write("acme", [event(f"u-{n}", NOW - 1_000 * n * n, **by("uneven")) for n in range(1, 30)])
    assert history(lake, {"user": "uneven"}, ["rhythm"])["rhythm"]["spread"] > 0.5


def test_a_rhythm_reads_no_more_than_the_latest_events(lake: Lake) -> None:
    lake.write("acme", [event(f"m-{n}", NOW - 2_000 * n, **by("busy")) for n in range(1, 2_000)])
    assert history(lake, {"user": "busy"}, ["rhythm"])["rhythm"]["n"] == 199


PEERS = Context(
    identities=tuple(Identity(user=name, department="Sales") for name in ("alice", "bob", "carol", "dave")),
    assets=tuple(Asset(host=f"ws-{n}", role="Office") for n in range(3)),
)


def test_peers_are_asked_and_not_who_is_asked_about(lake: Lake) -> None:
    told = history(lake, {"host": "fs02"}, ["count", "distinct:user"], PEERS, peers_of="user:alice")
    assert told["peers"] == {"of": "department Sales", "known": 3}
    assert (told["count"], told["distinct:user"]) == (2, 2)
    assert history(lake, {"host": "fs02"}, ["distinct:user"], PEERS, peers_of="user:bob")["distinct:user"] == 1
    assert history(lake, {"process": "job.exe"}, ["count"], PEERS, peers_of="host:ws-1")["peers"]["known"] == 2


def test_who_has_no_peers_is_said_so(lake: Lake) -> None:
    told = history(lake, {"host": "fs02"}, ["count"], PEERS, peers_of="user:stranger")
    assert told == {"peers": {"of": "", "known": 0}}
