"""What anomaly detectors know: bounded, saved and restored, one tenant's, not to be flooded or poisoned."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tests.detect.anomaly.feed import DAYS, NEVER, START, chance, day_of, event, run, usual_days
from watchfloor.core.clock import DAY, HOUR, MINUTE, parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.detect.anomaly import Anomalies, Piece
from watchfloor.detect.anomaly.days import WINDOW
from watchfloor.detect.anomaly.series import AnySeries, shipped
from watchfloor.detect.anomaly.shelf import Known, Shelf

BY_NAME = {one.name: one for one in shipped()}


def detectors(*names: str, **changes: Any) -> Anomalies:
    some: list[AnySeries] = [msgspec.structs.replace(BY_NAME[name], **changes) for name in names]
    return Anomalies("t", some, lambda: NEVER)


def logon(user: str, host: str, day: int, minute: int = 0, **more: Any) -> Event:
    flat = {"class_uid": 3002, "activity_id": 1, "status_id": 1, "user.name": user, "device.hostname": host} | more
    return event(START + day * DAY + 9 * HOUR + minute * MINUTE, flat)


def office(days: Iterable[int], people: int = 12) -> Iterator[Event]:
    for day in days:
        for n in range(people):
            yield logon(f"user{n}", f"ws{n}", day, n)


def several_days() -> list[Event]:
    """All series' examples, two weeks of their usual and a day of their odd, in order of time."""
    found: list[Event] = []
    for one in shipped():
        found += usual_days(one.examples[0]["usual"], range(12))
        found += [*day_of(one.examples[0]["usual"], 1, 12), *day_of(one.examples[0]["odd"], 1, 12)]
    return sorted(found, key=lambda each: (each.time, each.uid))


# Saved and restored


def test_what_is_taken_up_again_says_the_same_as_what_ran_on() -> None:
    events = several_days()
    whole = Anomalies.shipped("t", lambda: NEVER)
    expected = run(whole, events)
    assert len({one.member for one in expected}) >= 6, "the run has something to compare"
    kept: dict[tuple[str, str], Piece] = {}
    found = []
    for start in range(0, len(events), 4_000):
        one = Anomalies.shipped("t", lambda: NEVER)
        one.load(sorted(kept.values(), key=lambda piece: piece.n))
        found += run(one, events[start : start + 4_000])
        for piece in one.changes():
            kept[piece.shelf, piece.key] = piece
    assert found == expected
    assert {s.name: (s.entities, s.entries) for s in one.status()} == {
        s.name: (s.entities, s.entries) for s in whole.status()
    }


def test_only_what_changed_is_written() -> None:
    one = detectors("user_host")
    run(one, list(office(range(3))))
    assert len(one.changes()) == 12 + 1
    run(one, [logon("user3", "ws3", 2, 500)])
    assert one.changes() == [], "seen on that day already"
    run(one, [logon("user3", "ws3", 3)])
    assert {piece.key for piece in one.changes()} == {"user3", "user_host"}


# Order


def test_the_order_of_arrival_within_a_day_changes_nothing_that_is_known() -> None:
    events = [*office(range(20))]
    rng = random.Random(7)
    late = sorted(events, key=lambda each: each.time + rng.random() * 2 * DAY)
    assert late != events
    known = []
    for some in (events, late):
        one = detectors("user_host")
        run(one, some)
        known.append({piece.key: piece.body for piece in one.changes()})
    assert known[0] == known[1]


def test_a_late_event_counts_in_its_own_hour() -> None:
    one, other = detectors("failed_logons"), detectors("failed_logons")
    failed = [logon("user1", "x", 0, minute, status_id=2) for minute in range(0, 600, 7)]
    run(one, failed)
    run(other, failed[::-1])
    assert one.members[0].shelf.rows["user1"].hours == other.members[0].shelf.rows["user1"].hours


def test_counting_an_event_twice_changes_no_habit() -> None:
    one = detectors("user_host")
    run(one, [*office(range(5))])
    before = one.changes()
    run(one, [*office(range(5))])
    assert before
    assert one.changes() == []


# Poison


def program(n: int, name: str, day: int) -> Event:
    flat = {"class_uid": 1007, "activity_id": 1, "device.hostname": f"ws{n}", "process.name": name}
    return event(START + day * DAY + n * MINUTE, flat)


def programs(days: Iterable[int], hosts: int = 12) -> Iterator[Event]:
    for day in days:
        yield from (program(n, name, day) for n in range(hosts) for name in ("excel.exe", "chrome.exe", "teams.exe"))


def test_an_attack_in_the_learning_time_is_forgotten_and_rare_until_then() -> None:
    one = detectors("host_process")
    assert run(one, [*programs(range(7)), program(1, "rclone.exe", 5)]) == []
    assert run(one, [*programs(range(7, 40))]) == []
    (again,) = run(one, [program(1, "rclone.exe", 40)])
    assert again.member == "anomaly/rare"
    assert "on 1 of 40 days" in again.said
    other = detectors("host_process")
    run(other, [*programs(range(7)), program(1, "rclone.exe", 5), *programs(range(7, 6 + WINDOW))])
    (first,) = run(other, [program(1, "rclone.exe", 6 + WINDOW)])
    assert first.member == "anomaly/first_seen"


def test_nothing_is_learned_from_what_a_rule_finds_severe() -> None:
    one = detectors("user_host")
    run(one, [*office(range(10))])
    for day in (10, 11, 12):
        assert [said.member for said in one.observe(logon("user1", "dc1", day))] == ["anomaly/first_seen"]
        one.learn(hostile=True)
        run(one, [*office([day])])
    assert "dc1" not in one.members[0].shelf.rows["user1"].attributes


def test_hours_are_those_of_the_companys_clock() -> None:
    """Nine in the morning in Berlin is one hour of the day before and after the clocks change (2026-10-25)."""
    morning = [parse_iso(f"2026-10-{day}T09:10:00+02:00") for day in (21, 22, 23)]
    morning += [parse_iso(f"2026-10-{day}T09:10:00+01:00") for day in (26, 27, 28, 29)]
    failed = {"class_uid": 3002, "activity_id": 1, "status_id": 2, "user.name": "ann", "device.hostname": "x"}
    found = []
    for zone in (ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")):
        made = Anomalies("t", [BY_NAME["failed_logons"]], lambda: NEVER, zone)
        run(made, [event(at, failed) for at in morning])
        found.append(set(made.members[0].shelf.rows["ann"].slots))
    assert found == [{9}, {7, 8}]


def test_one_wild_hour_does_not_make_the_next_one_usual() -> None:
    one = detectors("failed_logons")
    usual = BY_NAME["failed_logons"].examples[0]["usual"]
    odd = BY_NAME["failed_logons"].examples[0]["odd"]
    assert run(one, usual_days(usual, range(DAYS))) == []
    for day in (DAYS, DAYS + 1, DAYS + 2):
        said = run(one, list(day_of(odd, 1, day)))
        assert [each.member for each in said] == ["anomaly/volume"], day


def test_an_event_from_the_future_teaches_nothing() -> None:
    now = START + 12 * DAY
    one = Anomalies("t", [BY_NAME["user_host"]], lambda: now)
    run(one, [*office(range(10))])
    one.changes()
    run(one, [logon("user1", "ws1", 400), logon("user1", "ws1", 13)])
    assert one.changes() == []


# Saying it once in a while


def test_it_is_said_once_a_day_of_an_entity() -> None:
    one = detectors("user_host")
    run(one, [*office(range(10))])
    said = run(one, [logon("user1", f"srv{n}", 10, n) for n in range(20)])
    assert len(said) == 1
    assert len(run(one, [logon("user2", "srv1", 10, 30)])) == 1, "of another entity it is said all the same"


def test_what_all_get_on_one_day_is_said_of_the_first_few_only() -> None:
    one = detectors("host_process")
    run(one, [*programs(range(20), hosts=200)])
    said = run(one, [program(n, "newagent.exe", 20) for n in range(200)])
    assert 1 <= len(said) <= 1 + 200 // 20


# Bounds


def test_a_flood_of_new_entities_pushes_out_none_that_is_known() -> None:
    one = detectors("user_host", most=400)
    run(one, [*office(range(20), people=60)])
    for day in (20, 21, 22):
        run(one, [logon(f"ghost{day}-{n}", f"x{n % 7}", day, n % 600) for n in range(3_000)])
        assert one.members[0].shelf.entries <= 400
    rows = one.members[0].shelf.rows
    assert {f"user{n}" for n in range(60)} <= rows.keys()
    assert run(one, [logon("user3", "dc1", 23)]), "and it still says what is new for one of them"


def test_a_flood_that_comes_back_every_day_pushes_out_none_that_is_known_longer() -> None:
    one = detectors("user_host", most=400)
    run(one, [*office(range(20), people=60)])
    for day in (20, 21, 22, 23):
        run(one, [logon(f"ghost{n}", f"x{n % 7}", day, n % 600) for n in range(3_000)])
        run(one, [*office([day], people=60)])
    assert {f"user{n}" for n in range(60)} <= one.members[0].shelf.rows.keys()


def test_an_entity_with_more_than_can_be_known_is_not_called_new() -> None:
    one = detectors("user_host", most_each=16)
    run(one, [*office(range(20))])
    run(one, [logon("user1", f"srv{n}", 20, n) for n in range(40)])
    assert len(one.members[0].shelf.rows["user1"].attributes) == 16
    assert run(one, [logon("user1", "srv-last", 24)]) == [], "it may be one of those let go of"


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_shelf_keeps_to_its_limit(name: str) -> None:
    one = detectors(name, most=60)
    for day in range(2):
        for n in range(30):
            run(one, list(day_of(BY_NAME[name].examples[0]["odd"], chance(day, n) % 100_000, day))[:12])
    (status,) = one.status()
    assert 0 < status.entries <= 60


def test_a_value_of_any_length_and_kind_is_kept_short() -> None:
    one = detectors("user_host")
    run(one, [logon("u" * 10_000, "h\ud800\0" * 500, day) for day in range(3)])
    for piece in one.changes():
        assert len(piece.key.encode()) < 200
        assert piece.body is not None
        assert len(piece.body) < 400


def test_shelf_order_is_by_days_and_then_by_change() -> None:
    shelf = Shelf("s", Known, 16)
    gone: list[str] = []
    shelf._left = lambda key, _record: gone.append(key)
    for n in range(14):
        for day in range(1, 10):
            record = shelf.get(f"old{n}")
            record.mark(day)
            shelf.changed(f"old{n}", record)
    for n in range(10):
        record = shelf.get(f"new{n}")
        record.mark(20)
        shelf.changed(f"new{n}", record)
    assert gone == [f"new{n}" for n in range(8)]


# Tenants


def test_an_event_of_another_tenant_is_refused() -> None:
    one = detectors("user_host")
    with pytest.raises(WatchfloorError, match="tenant"):
        one.observe(event(START, {"class_uid": 3002}, tenant="other"))


def test_an_entity_can_be_forgotten() -> None:
    one = detectors("user_host", "failed_logons")
    run(one, [*office(range(3))])
    one.changes()
    assert one.forget("user3") == 1
    assert [(piece.key, piece.body) for piece in one.changes()] == [("user3", None)]
    assert one.forget("user3") == 0
