"""Anomaly detectors: what they cost, how large what they know gets, and what they say of days without an attack.

Cost: CPU time an event to look and learn, and to keep what changed in SQLite in batches of 1,000, beside `orjson.loads`
of the same events. Three weeks of the bundled story: its three days, one after another.

False signals: of every source the events of one part (a day of the story, the later half of a recording) are new to
detectors that have seen the other part on each of the twelve days before. Real
recordings are hours long, so what a half brings that the other has not is all news: more than a real fifteenth day has.

usage: .venv/bin/python bench/anomaly.py [SOURCE...]      story zeek-sample aws_dataset mordor evtx-samples secrl
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import orjson

from watchfloor.app.story import Story
from watchfloor.core.clock import DAY
from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.detect.anomaly import Anomalies
from watchfloor.ingest import Normalizer, ingest
from watchfloor.store.database import Database
from watchfloor.store.usual import UsualStore

DATA = Path(os.environ.get("WATCHFLOOR_DATA", "../shared/data"))
REAL = ("zeek-sample", "aws_dataset", "mordor", "evtx-samples", "secrl")
WEEKS, BATCH = 3, 1_000
NEVER = 1 << 62
TENANT = "t"


def read(path: Path) -> list[Event]:
    found = [item for item in ingest([path], TENANT, Normalizer.shipped()) if isinstance(item, Event)]
    return sorted(found, key=lambda event: event.time)


def shifted(events: Sequence[Event], days: int) -> Iterator[Event]:
    for event in events:
        moved = msgspec.structs.replace(event, time=event.time + days * DAY, uid=f"{event.uid}/{days}")
        facets(moved)  # the lake has read them before
        yield moved


def cost(events: list[Event], home: Path) -> None:
    database = Database.open(home / "usual.db")
    store, anomalies = UsualStore(database), Anomalies.shipped(TENANT, lambda: NEVER)
    data = [orjson.dumps({"ocsf": event.ocsf, "original": event.original}, default=str) for event in events]
    print(f"{sum(map(len, data)) / len(data):,.0f} bytes of JSON an event")
    print(f"{'week':>4} {'orjson':>7} {'look, learn':>11} {'keep':>7} {'bytes kept':>10} {'entries':>8} {'bytes':>10}")
    print(f"{'':>4} {'us/ev.':>7} {'us/event':>11} {'us/ev.':>7} {'an event':>10}")
    times = (WEEKS * 7) // 3
    parsing = spent = keeping = 0.0
    written = count = 0
    for n in range(times):
        some = list(shifted(events, 3 * n))
        for start in range(0, len(some), BATCH):
            batch = some[start : start + BATCH]
            started = time.process_time()
            for line in data[start : start + BATCH]:
                orjson.loads(line)
            begun = time.process_time()
            for event in batch:
                anomalies.observe(event)
                anomalies.learn()
            middle = time.process_time()
            changes = anomalies.changes()
            store.put(TENANT, changes)
            spent, keeping = spent + middle - begun, keeping + time.process_time() - middle
            parsing += begun - started
            written += sum(len(piece.key) + len(piece.body or b"") for piece in changes)
        count += len(some)
        if (3 * n + 3) % 7 < 3:
            status = anomalies.status()
            each = (
                f"{seconds / count * 1e6:>{wide}.1f}" for seconds, wide in ((parsing, 7), (spent, 11), (keeping, 7))
            )
            print(
                f"{(3 * n + 3) // 7:>4} {' '.join(each)} {written / count:>10.0f} "
                f"{sum(one.entries for one in status):>8,} {sum(one.bytes for one in status):>10,}",
                flush=True,
            )
            parsing = spent = keeping = 0.0
            written = count = 0
    started = time.process_time()
    again = Anomalies.shipped(TENANT, lambda: NEVER)
    again.load(store.rows(TENANT))  # type: ignore[arg-type]  # rows are pieces
    print(f"taken up again in {time.process_time() - started:.2f} s")
    database.close()


def said_of(history: Sequence[Event], part: Sequence[Event], days: int) -> list[tuple[Event, str]]:
    """What detectors that know only the history say of a part, which follows on it."""
    anomalies = Anomalies.shipped(TENANT, lambda: NEVER)
    last = part[0].time // DAY
    for day in range(last - days, last):
        for event in history:
            at = event.time % DAY + day * DAY
            anomalies.observe(msgspec.structs.replace(event, time=at, uid=f"{event.uid}/{day}"))
            anomalies.learn()
    found = []
    for event in part:
        at = event.time % DAY + last * DAY
        for signal in anomalies.observe(msgspec.structs.replace(event, time=at)):
            found.append((event, signal.member))
        anomalies.learn()
    return found


def table(name: str, rows: list[tuple[str, int, Counter[str]]]) -> None:
    print(f"\n{name}", flush=True)
    members = sorted({member for _, _, counts in rows for member in counts})
    print(f"  {'':<34} {'events':>8} " + " ".join(f"{m.removeprefix('anomaly/'):>17}" for m in members))
    for label, events, counts in rows:
        per = " ".join(f"{counts[m]:>7} ({counts[m] / max(1, events) * 1e4:6.1f})" for m in members)
        print(f"  {label:<34} {events:>8,} {per}")


def story() -> None:
    bundled = Story.bundled()
    events, truth = read(bundled.records), bundled.truth()

    def attack(event: Event) -> bool:
        incident = truth.incident(event)  # type: ignore[arg-type]  # it asks for source and position
        return incident is not None and incident.kind == "attack"

    days = sorted({event.time // DAY for event in events})
    of: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    counts: Counter[bool] = Counter()
    for day in days:
        part = [event for event in events if event.time // DAY == day]
        history = [event for event in events if event.time // DAY != day and not attack(event)]
        counts.update(attack(event) for event in part)
        for event, member in said_of(sorted(history, key=lambda e: e.time % DAY), part, 12):
            of[attack(event)][member] += 1
    rows = [("of no attack", counts[False], of[False]), ("of attacks", counts[True], of[True])]
    table("bundled story, each of its days after twelve of the others; signals (per 10,000 events)", rows)


def real(name: str, benign: Callable[[Event], bool] = lambda _: True) -> None:
    path = DATA / name
    if not path.exists():
        print(f"\n{name}: not there; set WATCHFLOOR_DATA")
        return
    events = [event for event in read(path) if event.time > DAY and benign(event)]
    rows = []
    by_day: dict[int, list[Event]] = {}
    for event in events:
        by_day.setdefault(event.time // DAY, []).append(event)
    total: Counter[str] = Counter()
    seen = 0
    for some in by_day.values():
        half = len(some) // 2
        if half < 50:
            continue
        seen += len(some) - half
        total.update(member for _, member in said_of(some[:half], some[half:], 12))
    rows.append(("later halves of its days", seen, total))
    table(f"{name}: {len(events):,} events; signals (per 10,000 events)", rows)


def _no_attack(event: Event) -> bool:
    return "stratus-red-team" not in str(facets(event)["user_agent"])


def main() -> None:
    names = sys.argv[1:] or ["story", *REAL]
    if "story" in names:
        with tempfile.TemporaryDirectory() as home:
            cost(read(Story.bundled().records), Path(home))
        story()
    for name in REAL:
        if name in names:
            real(name, _no_attack)


if __name__ == "__main__":
    main()
