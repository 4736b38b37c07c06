"""The lake: every event once, by tenant, readable by any engine, counted strictly before a moment."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import pytest

from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.event import Event
from watchfloor.store.lake import REPLACED_SECONDS, SMALL_SEGMENTS, Lake

NOW = 1_792_000_000_000
DAY = 86_400_000


def event(uid: str, time: int = NOW, tenant: str = "acme", user: str = "ann", **ocsf: Any) -> Event:
    data = {"class_uid": 3002, "actor": {"user": {"name": user}}, "device": {"hostname": "WS1"}, **ocsf}
    return Event(
        tenant=tenant, uid=uid, time=time, layer="identity", mapping="m", ocsf=data, original={"n": 1},
        source="a.log", position=3, unit="line", logsource={"product": "linux"},
    )  # fmt: skip


def count(lake: Lake, match: dict[str, Any], before: int = NOW + DAY, **more: Any) -> Any:
    measures = more.get("measures", ["count"])
    answer = lake.reader("acme").query(match, measures, since=0, before=before, zone=UTC)
    return answer["count"] if measures == ["count"] else answer


def test_events_come_back_whole(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path), event("r-1")
    assert lake.write("acme", [one]) == 1
    assert lake.event("acme", "r-1") == one
    assert Lake(tmp_path).event("acme", "r-1") == one
    with pytest.raises(NotFoundError):
        lake.event("acme", "r-2")


def test_writing_twice_counts_once(tmp_path: Path) -> None:
    events = [event(f"r-{n}", NOW + n) for n in range(10)]
    assert Lake(tmp_path).write("acme", events) == 10
    assert Lake(tmp_path).write("acme", [*events, event("r-new")]) == 1
    assert count(Lake(tmp_path), {"user": "ann"}) == 11


def on_disk(folder: Path) -> int:
    return len(list(folder.rglob("*.parquet")))


def test_a_lake_sees_what_another_process_wrote(tmp_path: Path) -> None:
    first, second = Lake(tmp_path), Lake(tmp_path)
    assert first.events("acme", ["r-1"]) == {}
    second.write("acme", [event("r-1")])
    assert first.event("acme", "r-1").uid == "r-1"


def test_tenants_are_apart(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("acme", [event("r-1")])
    lake.write("other", [event("r-1", tenant="other", user="bob")])
    assert lake.event("other", "r-1").ocsf["actor"]["user"]["name"] == "bob"
    assert count(lake, {"user": "bob"}) == 0
    with pytest.raises(NotFoundError):
        lake.event("third", "r-1")
    with pytest.raises(WatchfloorError):
        lake.write("acme", [event("r-9", tenant="other")])


@pytest.mark.parametrize("tenant", ["../acme", "", "a/b", "Acme", "acme\n"])
def test_a_tenant_cannot_leave_its_folder(tmp_path: Path, tenant: str) -> None:
    with pytest.raises(WatchfloorError):
        Lake(tmp_path).events(tenant, ["r-1"])
    with pytest.raises(WatchfloorError):
        Lake(tmp_path).reader(tenant)


def test_any_engine_reads_it_as_it_lies(tmp_path: Path) -> None:
    Lake(tmp_path).write("acme", [event("r-1"), event("r-2", NOW + DAY)])
    rows = duckdb.sql(f"select uid, host, ocsf from '{tmp_path}/acme/3002/*/*.parquet' order by uid").fetchall()
    assert [row[:2] for row in rows] == [("r-1", "ws1"), ("r-2", "ws1")]
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".tmp", ".duckdb")]


def test_before_is_strict_and_since_is_not(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("acme", [event("r-1", NOW - 1), event("r-2", NOW), event("r-3", NOW + 1)])
    assert count(lake, {"user": "ann"}, before=NOW) == 1
    assert lake.reader("acme").query({"user": "ann"}, ["count"], since=NOW, before=NOW + 1, zone=UTC)["count"] == 1
    assert lake.reader("acme").previous({"user": "ann"}, before=NOW) == "r-1"
    assert lake.reader("acme").previous({"user": "ann"}, before=NOW - 1) is None


def test_measures(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    hour = 3_600_000
    lake.write(
        "acme",
        [
            event("r-1", NOW - 3 * DAY, src_endpoint={"ip": "10.0.0.1"}),
            event("r-2", NOW - 2 * hour, src_endpoint={"ip": "10.0.0.1"}),
            event("r-3", NOW - hour, src_endpoint={"ip": "10.0.0.2"}),
            event("r-4", NOW - hour, user="bob", src_endpoint={"ip": "10.0.0.2"}),
        ],
    )
    asked = ["count", "first", "last", "days", "days_share", "hours", "distinct:src_ip", "top:src_ip", "within:2",
             "peers:user", "fresh:2:src_ip", "fresh:9:user"]  # fmt: skip
    answer = count(lake, {"user": ["ANN", "ann@acme.example"], "host": "WS1"}, before=NOW, measures=asked)
    hours = answer.pop("hours")
    assert (sum(hours), hours[(NOW - hour) // hour % 24]) == (3, 1)
    assert answer == {
        "count": 3, "first": NOW - 3 * DAY, "last": NOW - hour, "days": 2, "days_share": 1.0, "distinct:src_ip": 2,
        "top:src_ip": [{"value": "10.0.0.1", "count": 2}, {"value": "10.0.0.2", "count": 1}], "within:2": 2,
        "peers:user": 1, "fresh:2:src_ip": 1, "fresh:9:user": 0,
        "population": {"events": 4, "hosts": 1, "users": 2, "days": 2},
    }  # fmt: skip


@pytest.mark.parametrize("value", ["' or 1=1 --", "ann'; drop table events; --", 'x" or ""="', "%", "_nn"])
def test_sql_in_values_matches_nothing(tmp_path: Path, value: str) -> None:
    lake = Lake(tmp_path)
    lake.write("acme", [event("r-1")])
    assert count(lake, {"user": value}) == 0
    assert count(lake, {"user": "ann"}) == 1


@pytest.mark.parametrize(
    ("match", "measure"),
    [
        ({'user" from events; --': "x"}, "count"),
        ({"user": []}, "count"),
        ({"user": None}, "count"),
        ({"user": ""}, "count"),
        ({"dst_port": "1 or 1"}, "count"),
        ({"user": "ann"}, "distinct:uid; drop"),
        ({"user": "ann"}, "sum"),
        ({"user": "ann"}, "peers:host"),
    ],
)
def test_unknown_facets_values_and_measures_are_errors(tmp_path: Path, match: dict[str, Any], measure: str) -> None:
    lake = Lake(tmp_path)
    lake.write("acme", [event("r-1")])
    with pytest.raises(WatchfloorError):
        lake.reader("acme").query(match, [measure], since=0, before=NOW + 1, zone=UTC)


def test_an_empty_lake_answers(tmp_path: Path) -> None:
    answer = Lake(tmp_path).reader("acme").query({"user": "ann"}, ["count", "last"], since=0, before=NOW, zone=UTC)
    assert answer == {"count": 0, "last": None, "population": {"events": 0, "hosts": 0, "users": 0, "days": 0}}


def test_hostile_values_survive(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    odd = event("r-1", user="\ud800x", dst_endpoint={"port": 2**70}, status_id=True, note=2**90)
    lake.write("acme", [odd, event("r-2")])
    back = Lake(tmp_path).event("acme", "r-1")
    assert back.ocsf == odd.ocsf
    assert count(lake, {"user": "ann"}) == 1


def test_a_damaged_segment_is_an_error_that_names_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("acme", [event("r-1")])
    file = next(tmp_path.rglob("*.parquet"))
    file.write_bytes(b"not parquet")
    with pytest.raises(WatchfloorError, match=file.name):
        lake.event("acme", "r-1")


def test_many_small_segments_become_one_and_no_reader_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, now = Lake(tmp_path), NOW
    monkeypatch.setattr("watchfloor.store.lake._now", lambda: now)
    for n in range(SMALL_SEGMENTS + 5):
        lake.write("acme", [event(f"r-{n}-{i}", NOW + n) for i in range(3)])
    lake.write("acme", [event("r-alone", NOW - 3 * DAY)])
    all_uids = {f"r-{n}-{i}" for n in range(SMALL_SEGMENTS + 5) for i in range(3)} | {"r-alone"}
    before, other = lake.reader("acme"), Lake(tmp_path)
    assert set(other.events("acme", all_uids)) == all_uids
    assert lake.compact("acme") == 1
    assert lake.compact("acme") == other.compact("acme") == 0
    assert len(lake.segments("acme")) == len(other.segments("acme")) == 2
    assert on_disk(tmp_path) == SMALL_SEGMENTS + 5 + 2, "what was read from is there for who still reads it"
    everybody = {"measures": ["count"], "since": 0, "before": NOW + DAY, "zone": UTC}
    for reader in (before, lake.reader("acme"), other.reader("acme")):
        assert reader.query({"user": "ann"}, **everybody)["count"] == len(all_uids)
    assert set(lake.events("acme", all_uids)) == set(other.events("acme", all_uids)) == all_uids
    assert lake.write("acme", [event("r-3-1", NOW + 3)]) == 0, "what is known stays known"
    now += REPLACED_SECONDS * 1_000 + 1
    lake.compact("acme")
    assert on_disk(tmp_path) == 2
    for late in (lake, other, Lake(tmp_path)):
        assert set(late.events("acme", all_uids)) == all_uids
        assert late.event("acme", "r-7-2") == event("r-7-2", NOW + 7)
        assert late.sources("acme")[0].events == len(all_uids)
    for reader in (before, other.reader("acme")):
        assert reader.previous({"user": "ann"}, before=NOW + 4) == "r-3-2"
        assert reader.query({"user": "ann"}, **everybody)["count"] == len(all_uids)


def test_large_segments_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfloor.store.lake.SMALL_BYTES", 100)
    lake = Lake(tmp_path)
    for n in range(SMALL_SEGMENTS):
        lake.write("acme", [event(f"r-{n}")])
    assert lake.compact("acme") == 0
