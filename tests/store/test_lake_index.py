"""The lake's index: whatever was written how, it says what a look at every event says."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.store import naive_lake
from watchfloor.core.event import Event
from watchfloor.store import lake as lake_module
from watchfloor.store.lake import INDEX, Lake

NOW, DAY = 1_792_000_000_000, 86_400_000
VALUES: dict[str, list[Any]] = {
    "user": ["ann", "ANN", "x\\bob", "ünï", "u7", "nobody"],
    "host": ["ws1", "WS2", "nowhere"],
    "process": ["a.exe", "B.EXE"],
    "cmd_line": ["run 5", "run 77"],
    "dst_port": [80, "443", -1, 2**63 - 1, 2**80],
    "class_uid": [3002, 1007, 5],
    "status_id": [0, 1, True],
    "mapping": ["m1", "m2"],
    "region": ["eu"],
}


def some_event(rng: random.Random, n: int) -> Event:
    time = rng.choice([NOW - rng.randrange(9 * DAY), NOW - rng.randrange(3) * 3_600_000, NOW])
    if rng.random() < 0.02:
        time = rng.choice([0, -5 * DAY, 253_370_764_800_000])
    ocsf: dict[str, Any] = {"class_uid": rng.choice([3002, 1007]), "status_id": rng.randrange(3)}
    if rng.random() < 0.8:
        name = rng.choice(["ann", "bob", "C\\carl", "ünï", f"u{rng.randrange(300)}"])
        ocsf["actor"] = {"user": {"name": name}}
    if rng.random() < 0.8:
        ocsf["device"] = {"hostname": rng.choice(["\ud800x", f"ws{rng.randrange(20)}", f"ws{rng.randrange(20)}"])}
    if rng.random() < 0.5:
        ocsf["process"] = {"name": rng.choice(["a.exe", "b.exe"]), "cmd_line": f"run {n}"}
    if rng.random() < 0.3:
        ocsf["dst_endpoint"] = {"port": rng.choice([80, 443, -1, 2**63 - 1, -(2**63), rng.randrange(65_536)])}
    return Event(
        tenant="acme", uid=f"r-{n}" if n % 3 else f"é-{n}", time=time, layer=rng.choice(["endpoint", "network"]),
        mapping=rng.choice(["m1", "m2"]), ocsf=ocsf, original={"n": n}, source=f"s{n % 3}", position=n, unit="line",
        logsource={},
    )  # fmt: skip


def filled(folder: Path, rng: random.Random, count: int) -> tuple[Lake, list[Event]]:
    lake, events = Lake(folder), []
    while len(events) < count:
        size = rng.choice([1, 3, 20, 100])
        batch = [some_event(rng, len(events) + n) for n in range(size)]
        again = rng.sample(events, min(3, len(events)))
        assert lake.write("acme", again + batch + again) == size
        events += batch
        if rng.random() < 0.1:
            lake.compact("acme")
    return lake, events


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything happens after a few events that otherwise happens after millions."""
    monkeypatch.setattr(lake_module, "MOST_ROWS", 300)
    monkeypatch.setattr(lake_module, "SMALL_SEGMENTS", 3)
    monkeypatch.setattr(lake_module, "_AT_ONCE", 50)


def ask(lake: Lake, events: list[Event], rng: random.Random, times: int = 25) -> None:
    plain, reader = stored(events), lake.reader("acme")
    for _ in range(times):
        facets = rng.sample(sorted(VALUES), rng.choice([0, 1, 1, 2, 2, 3]))
        match: dict[str, Any] = {
            f: rng.choice(VALUES[f]) if rng.random() < 0.6 else rng.sample(VALUES[f], rng.randint(1, len(VALUES[f])))
            for f in facets
        }
        measures = ["count", "first", "last", "days", "days_share", "hours", "within:24", "within:99999999999999999999"]
        measures += ["idle_days", "hour_share", "rhythm"]
        measures += [f"{of}:{f}" for of in ("distinct", "top") for f in rng.sample(sorted(VALUES), 2)]
        measures += [f"peers:{f}" for f in match]
        before = rng.choice([NOW, NOW + 1, rng.choice(events).time, NOW - rng.randrange(40 * DAY), 2**70])
        since = before - rng.choice([1, 30, 400]) * DAY
        zone = ZoneInfo(rng.choice(["UTC", "Asia/Kolkata", "America/New_York"]))
        told = reader.query(match, measures, since=since, before=before, zone=zone)
        assert repr(told) == repr(naive_lake.query(plain, match, measures, since=since, before=before, zone=zone))
        assert reader.previous(match, before=before) == naive_lake.previous(plain, match, before)


def stored(events: list[Event]) -> list[Event]:
    """Events as columns hold them: a lone surrogate is spelled out."""
    odd, spelled = ({"hostname": name} for name in ("\ud800x", "\\ud800x"))
    return [
        msgspec.structs.replace(event, ocsf={**event.ocsf, "device": spelled})
        if event.ocsf.get("device") == odd
        else event
        for event in events
    ]


@pytest.mark.usefixtures("small")
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate, Phase.explicit],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_it_says_what_a_look_at_every_event_says(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("lake")
    lake, events = filled(folder, rng, 250)
    ask(lake, events, rng)
    found = Lake(folder).events("acme", [event.uid for event in events])
    assert list(found.values()) == events
    assert lake.known("acme", [*(event.uid for event in events[:9]), "r-none"]) == {e.uid for e in events[:9]}
    told = {row.source: (row.mappings, row.events, row.last) for row in lake.sources("acme")}
    by_source = {source: [e for e in events if e.source == source] for source in ("s0", "s1", "s2")}
    assert told == {
        source: (tuple(sorted({e.mapping for e in some})), len(some), max(e.time for e in some))
        for source, some in by_source.items()
    }


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("harm", ["gone", "one file gone", "cut short", "no manifest", "half written"])
def test_what_is_derived_from_segments_is_made_again(tmp_path: Path, harm: str) -> None:
    rng = random.Random(harm)
    lake, events = filled(tmp_path, rng, 150)
    lake.close()
    runs = sorted((tmp_path / "acme" / INDEX).glob("*.run"))
    if harm == "no manifest":
        for file in tmp_path.glob("manifest.db*"):
            file.unlink()
    elif harm == "cut short":
        os.truncate(runs[0], runs[0].stat().st_size // 2)
    elif harm == "half written":
        (tmp_path / "acme" / INDEX / f".{runs[0].name}.1.tmp").write_bytes(b"half")
        next(tmp_path.glob("acme/3002/*")).joinpath(".x.parquet.1.tmp").write_bytes(b"half")
    else:
        for file in runs if harm == "gone" else runs[:1]:
            file.unlink()
    again = Lake(tmp_path)
    ask(again, events, rng, 10)
    assert again.events("acme", [e.uid for e in events]) == {e.uid: e for e in events}
    assert not list(tmp_path.rglob("*.tmp"))


def test_segments_without_a_name_are_taken_up_and_count_once(tmp_path: Path) -> None:
    rng = random.Random(5)
    events = [some_event(rng, n) for n in range(60)]
    lake, other = Lake(tmp_path), Lake(tmp_path / "other")
    lake.write("acme", events[:30])
    other.write("acme", events[20:50])
    for file in (tmp_path / "other" / "acme").glob("*/*/*.parquet"):
        target = tmp_path / "acme" / file.relative_to(tmp_path / "other" / "acme")
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    again = Lake(tmp_path)
    ask(again, events[:50], rng, 10)
    assert sum(segment.rows for segment in again.segments("acme")) == 50
    assert again.write("acme", events) == 10
    assert lake.known("acme", [e.uid for e in events]) == {e.uid for e in events}, "another process learns of it"


def test_an_index_of_a_size_but_not_of_ours_is_an_error_that_names_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("acme", [some_event(random.Random(1), 1)])
    lake.close()
    (file,) = (tmp_path / "acme" / INDEX).glob("*.run")
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(lake_module.WatchfloorError, match=file.name):
        Lake(tmp_path).reader("acme")


WRITER = """
import random, sys
from pathlib import Path
from tests.store.test_lake_index import some_event
from watchfloor.store import lake as module
module.SMALL_SEGMENTS = 4
lake, n, rng = module.Lake(Path(sys.argv[1])), int(sys.argv[2]), random.Random(7)
while True:
    batch = [some_event(rng, n + i) for i in range(5)]
    lake.write("acme", batch)
    n += 5
    print(n, flush=True)
    if n % 4 == 0:
        lake.compact("acme")
"""


@pytest.mark.chaos
def test_killed_anywhere_nothing_that_was_acknowledged_is_lost_or_counts_twice(tmp_path: Path) -> None:
    rng, start = random.Random(11), 0
    acknowledged: set[int] = set()
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(start)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(rng.randint(1, 25)):
            end = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        end = max([end, *map(int, process.stdout.read().split())])
        process.wait()
        acknowledged |= set(range(start, end))
        start = end + 10
        lake = Lake(tmp_path)
        uids = {f"r-{n}" if n % 3 else f"é-{n}": n for n in range(start)}
        held = lake.known("acme", uids)
        assert {uids[uid] for uid in held} >= acknowledged
        counted = lake.reader("acme").query({}, ["count"], since=-(2**62), before=2**62, zone=ZoneInfo("UTC"))["count"]
        assert counted == len(held) == sum(segment.rows for segment in lake.segments("acme"))
        assert lake.events("acme", held).keys() == held
        lake.close()
