"""Collectors: the answers that their modules document, for the look-up's tenant and time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.enrich.support import CONTEXT, DAY, HOUR, NOW, by, event, lookup
from watchfloor.core.context import Context
from watchfloor.core.evidence import Evidence
from watchfloor.core.intel import Indicator, Intel, Warninglist
from watchfloor.core.label import Label
from watchfloor.enrich import Events, Past, collectors_for
from watchfloor.store.lake import Lake

INTEL = Intel(
    indicators=(
        Indicator(type="address", value="203.0.113.7", confidence=80, source="feed", description="C2"),
        Indicator(type="address", value="203.0.113.8", confidence=40, source="feed", valid_until=NOW),
    ),
    warninglists=(
        Warninglist(name="cdn", title="CDN", type="cidr", applies_to=("address",), entries=("198.51.100.0/24",)),
    ),
)


def label(uid: str, verdict: Any, time: int = NOW - 1, detection: str = "d1", tenant: str = "acme") -> Label:
    return Label(
        tenant=tenant, uid=uid, time=time, detection_class="fam @ src", detection=detection, verdict=verdict,
        would_close=False, by="ann",
    )  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    lake.write(
        "acme",
        [
            event("r-1", NOW - DAY, **by("ann")),
            event("r-2", NOW, **by("ann", process={"name": "cmd.exe", "cmd_line": "vssadmin delete shadows /all"})),
            event("r-3", NOW + 1, **by("ann")),
        ],
    )
    return lake


def ask(lake: Lake, name: str, query: dict[str, Any], **more: Any) -> Evidence:
    parts = {"context": CONTEXT, "intel": INTEL, "past": Past(), **{k: more.pop(k) for k in list(more) if k in _PARTS}}
    one = lookup(name, query, **more)
    collectors = collectors_for(Events(lake), lake.reader(one.tenant), parts["context"], parts["intel"], parts["past"])
    (evidence,) = collectors[name].collect([one])
    assert evidence.lookup == one
    return evidence


_PARTS = ("context", "intel", "past")


def answer(lake: Lake, name: str, query: dict[str, Any], **more: Any) -> Any:
    evidence = ask(lake, name, query, **more)
    assert evidence.status == "ok", evidence.reason
    return json.loads(evidence.content)


def test_an_events_own_time_is_not_its_history(lake: Lake) -> None:
    query = {"match": {"user": ["ann", "ACME\\Ann"]}, "days": 30, "measure": ["count", "last"]}
    assert answer(lake, "history", query) == {
        "count": 1, "last": NOW - DAY, "population": {"events": 1, "hosts": 1, "users": 1, "days": 1},
    }  # fmt: skip
    assert answer(lake, "history", query, as_of=NOW + 2)["count"] == 3
    assert answer(lake, "history", {**query, "days": 1}, as_of=NOW + 1)["count"] == 1


@pytest.mark.parametrize("query", [{}, {"match": {}}, {"match": {"user": "a"}, "days": 0}, {"match": {"nope": "a"}},
                                   {"match": {"user": "a"}, "measure": "count"}])  # fmt: skip
def test_history_says_what_is_wrong_with_a_query(lake: Lake, query: dict[str, Any]) -> None:
    evidence = ask(lake, "history", query)
    assert evidence.status == "failed"
    assert evidence.reason
    assert evidence.content == ""


def test_events_by_uid_and_tenant(lake: Lake) -> None:
    assert answer(lake, "event", {"event": "r-1"})["ocsf"]["device"] == {"hostname": "ws1"}
    assert ask(lake, "event", {"event": "r-1"}, tenant="other").status == "failed"
    assert ask(lake, "event", {"event": "r-9"}).reason == "tenant acme has no event r-9"


def test_an_event_that_json_cannot_carry_is_still_shown(lake: Lake) -> None:
    lake.write("acme", [event("r-odd", original={"n": 2**80, "t": "\ud800"})])
    assert answer(lake, "event", {"event": "r-odd"})["original"] == {"n": str(2**80), "t": "\\ud800"}


def test_context_of_entities(lake: Lake) -> None:
    user = answer(lake, "context", {"entity": "mailbox:ingrid.berg@acme-corp.example"})
    assert user["resolved"] == "user:ingrid.berg"
    assert user["identity"]["leaving_in_days"] == 9
    assert "aliases" not in user["identity"]
    host = answer(lake, "context", {"entity": "address:10.0.9.10"})
    assert host["asset"]["tags"] == ["scanner"]
    assert host["company"]["internal_address"]
    egress = answer(lake, "context", {"entity": "address:192.0.2.3"})
    assert (egress["known"], egress["company"]["egress_address"]) == (False, True)
    assert not egress["company"]["internal_address"]
    assert answer(lake, "context", {"entity": "domain:notacme-corp.example"})["company"]["domain"] is False


def test_context_that_is_not_there_could_not_be_checked(lake: Lake) -> None:
    assert "no business context" in ask(lake, "context", {"entity": "user:a"}, context=Context()).reason
    no_people = CONTEXT.model_copy(update={"identities": ()})
    assert "no identities are known" in ask(lake, "context", {"entity": "user:a"}, context=no_people).reason


def windows(lake: Lake, **asked: Any) -> dict[str, Any]:
    found = answer(lake, "context", {"windows": {"first": NOW + 1, "last": NOW + 2, **asked}})
    assert isinstance(found, dict)
    return {w["id"]: w for w in found["windows"]} | {"covered_by": found["covered_by"]}


def test_a_window_covers_only_what_it_names(lake: Lake) -> None:
    good = {"users": ["ACME\\Ingrid.Berg"], "hosts": ["fs02.acme-corp.example"], "commands": ["net stop spooler"]}
    assert windows(lake, **good)["covered_by"] == "W-1"
    other = windows(lake, **{**good, "users": ["mallory"]})["W-1"]
    assert (other["covers"], other["unmatched"]) == (False, ["users"])
    assert other["matched"] == {"hosts": ["fs02.acme-corp.example"], "commands": ["net stop spooler"]}
    assert not windows(lake, **{**good, "hosts": []})["W-1"]["covers"]
    assert windows(lake, countries=["sg"])["covered_by"] == "W-3"
    assert windows(lake, addresses=["10.0.9.10"])["covered_by"] == "W-2"


def test_what_is_not_stated_is_excused_only_where_others_say_who_it_is(lake: Lake) -> None:
    window = CONTEXT.windows[0].model_copy(
        update={"id": "W-9", "hosts": ("scan01",), "addresses": ("10.0.9.10",), "commands": ()}
    )
    context = CONTEXT.model_copy(update={"windows": (window,)})

    def shown(**asked: Any) -> Any:
        found = answer(lake, "context", {"windows": {"at": NOW, **asked}}, context=context)["windows"][0]
        return found["covers"], found["excused"], found["unmatched"]

    assert shown(addresses=["10.0.9.10"], hosts=["web01"]) == (True, ["users"], [])
    assert shown(addresses=["10.0.9.10"], users=["mallory"]) == (False, [], ["users"])
    assert shown(users=["ingrid.berg"], hosts=["scan01"]) == (True, ["addresses"], [])
    assert shown(users=["ingrid.berg"]) == (False, [], ["hosts", "addresses"])
    assert shown(users=["ingrid.berg"], hosts=["scan01"], addresses=["10.6.6.6"]) == (False, [], ["addresses"])
    assert shown()[0] is False


def test_a_window_covers_only_its_time(lake: Lake) -> None:
    asked = {"countries": ["SG"]}
    assert windows(lake, **asked, first=NOW, last=NOW + HOUR - 1)["covered_by"] == "W-3"
    assert windows(lake, **asked, first=NOW - 1)["W-3"]["time"] == "partly"
    assert windows(lake, **asked, first=NOW - 1)["covered_by"] is None
    assert windows(lake, **asked, first=NOW + HOUR, last=NOW + HOUR) == {"covered_by": None}


@pytest.mark.parametrize(
    ("command", "covered"),
    [
        ("net stop spooler", True),
        ('"C:\\Windows\\System32\\robocopy.exe" a b', True),
        ("net stop a && net   stop b", True),
        ("net stop a && mimikatz", False),
        ("evil.exe | robocopy", False),
        ("planet stopped", False),
        ("", False),
    ],
)
def test_an_approved_command_does_not_cover_what_hangs_on_it(lake: Lake, command: str, covered: bool) -> None:
    found = windows(lake, users=["ingrid.berg"], hosts=["fs02"], commands=[command])
    assert found["W-1"]["covers"] is covered


def test_working_time_is_local(lake: Lake) -> None:
    monday_0730_utc = 1_791_790_200_000
    assert answer(lake, "context", {"time": monday_0730_utc}) == {
        "local": "2026-10-12T09:30", "weekday": "Monday", "hour": 9, "working_day": True, "working_hours": True,
    }  # fmt: skip
    assert not answer(lake, "context", {"time": monday_0730_utc - DAY})["working_hours"]
    assert not answer(lake, "context", {"time": monday_0730_utc - 2 * HOUR})["working_hours"]


def test_intel_answers(lake: Lake) -> None:
    hit = answer(lake, "intel", {"type": "address", "value": "203.0.113.7"})
    assert (hit["matches"], hit["stale"], hit["vouched"]) == (1, 0, False)
    assert hit["indicators"][0]["confidence"] == 80
    stale = answer(lake, "intel", {"entity": "address:203.0.113.8"})
    assert (stale["matches"], stale["stale"], stale["indicators"][0]["validity"]) == (0, 1, "expired")
    assert answer(lake, "intel", {"type": "address", "value": "203.0.113.8"}, as_of=NOW - 1)["matches"] == 1
    benign = answer(lake, "intel", {"type": "address", "value": "198.51.100.4"})
    assert (benign["vouched"], benign["lists"][0]["name"], benign["indicators"]) == (True, "cdn", [])


def test_intelligence_that_is_not_loaded_is_not_clean(lake: Lake) -> None:
    query = {"type": "address", "value": "203.0.113.7"}
    assert "no threat intelligence is loaded" in ask(lake, "intel", query, intel=Intel()).reason
    lists_only = INTEL.model_copy(update={"indicators": ()})
    assert answer(lake, "intel", query, intel=lists_only)["indicators"] is None
    assert ask(lake, "intel", {"cve": "CVE-2021-44228"}).status == "failed"
    assert ask(lake, "intel", {"type": "address", "value": "nonsense"}).status == "failed"
    assert ask(lake, "intel", {"type": "shoe", "value": "x"}).status == "failed"


def test_labels_before_as_of_of_the_same_tenant(lake: Lake) -> None:
    labels = (
        label("1", "malicious"),
        label("2", "false_positive"),
        label("3", "false_positive", detection="d2"),
        label("4", "malicious", time=NOW),
        label("5", "malicious", tenant="other"),
    )
    query = {"detection": "d1", "family": "fam", "detection_class": "fam @ src"}
    past = Past(labels=labels)
    found = answer(lake, "labels", query, past=past)
    assert found["detection"] == {
        "malicious": 1, "benign_true_positive": 0, "false_positive": 1, "total": 2, "last_malicious_days": 0,
    }  # fmt: skip
    assert found["family"] == found["detection_class"]
    assert found["family"]["total"] == 3
    assert answer(lake, "labels", {"detection": "d1"}, past=past, as_of=NOW + 1)["detection"]["malicious"] == 2
    assert ask(lake, "labels", {}, past=past).status == "failed"


def test_one_look_up_that_breaks_a_collector_leaves_the_others(lake: Lake) -> None:
    collector = collectors_for(Events(lake), lake.reader("acme"), CONTEXT, INTEL, Past())["context"]
    far = lookup("context", {"time": 10**18})
    good = lookup("context", {"time": NOW})
    assert [e.status for e in collector.collect([far, good])] == ["failed", "ok"]


def test_traits_of_events(lake: Lake) -> None:
    found = answer(lake, "traits", {"event": "r-2", "of": "command_line"})
    assert found["families"] == ["tampering"]
    assert "has no command line" in ask(lake, "traits", {"event": "r-1", "of": "command_line"}).reason
    assert "there are no traits of" in ask(lake, "traits", {"event": "r-1", "of": "mood"}).reason
    assert ask(lake, "traits", {"event": "r-2", "of": "command_line"}, tenant="other").status == "failed"


def test_travel_is_judged_against_the_sign_in_before(lake: Lake) -> None:
    def sign_in(uid: str, at: int, place: list[float], country: str) -> Any:
        where = {"ip": "192.0.2.1", "location": {"country": country, "coordinates": place}}
        ocsf = {**by("ann"), "class_uid": 3002, "status_id": 1, "src_endpoint": where}
        return event(uid, at, **ocsf)

    lake.write("acme", [sign_in("s-1", NOW, [9.99, 53.55], "DE"), sign_in("s-2", NOW + HOUR, [103.85, 1.29], "SG")])
    found = answer(lake, "traits", {"event": "s-2", "of": "identity"})
    assert found["travel"]["impossible"]
    assert found["previous"]["country"] == "DE"
    assert {"impossible_travel", "country_changed"} <= set(found["traits"])
    first = answer(lake, "traits", {"event": "s-1", "of": "identity"})
    assert (first["previous"], first["travel"], first["country_changed"]) == (None, None, None)


def test_the_same_question_has_the_same_bytes(tmp_path: Path, lake: Lake) -> None:
    again = Lake(tmp_path / "again")
    again.write("acme", [event("r-3", NOW + 1, **by("ann"))])
    again.write("acme", [event("r-1", NOW - DAY, **by("ann"))])
    query = {"match": {"user": "ann"}, "measure": ["count", "top:host", "hours", "days_share"]}
    one, other = ask(lake, "history", query), ask(again, "history", query)
    assert one.content == other.content
    assert one.uid == other.uid
