"""The lake with much history: look-ups, dedup, writing and compaction, and what memory they take.

Synthetic events of 90 days, in order of time: 5,000 hosts, 8,000 users, 50,000 addresses, some used far more than
others, and a command line that is new in one of three. Filling goes past the mappings (rows, not events); writing is
measured with real events.

usage: .venv/bin/python bench/lake.py [--events 1000000] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchfloor.core.event import Event
from watchfloor.store.lake import Lake
from watchfloor.store.lake_reader import LakeReader
from watchfloor.store.lake_table import SCHEMA

START, DAY = 1_790_000_000_000 // 86_400_000 * 86_400_000, 86_400_000
DAYS, BATCH, LOOKUPS = 90, 50_000, 400
T = "bench"
Random = np.random.Generator


def uneven(rng: Random, size: int, of: int) -> np.ndarray:
    """Numbers under `of`, the low ones far more often."""
    return (of * rng.random(size) ** 3).astype(np.int64)


def rows(rng: Random, first: int, count: int, total: int) -> pa.Table:
    """Events `first` to `first + count` of `total` as the lake's rows."""

    def text(name: str, numbers: np.ndarray, end: str = "") -> pa.Array:
        return pc.binary_join_element_wise(name, pa.array(numbers).cast(pa.string()), end, "")

    at = np.arange(first, first + count)
    process = rng.random(count) < 0.5
    host, user = uneven(rng, count, 5_000), uneven(rng, count, 8_000)
    command = np.where(rng.random(count) < 0.33, at + 10_000, uneven(rng, count, 3_000))
    given = {
        "uid": text("r-00000000000000000000000", at + 100_000_000),
        "time": pa.array(START + (at * (DAYS * DAY / total)).astype(np.int64)),
        "layer": pa.array(np.where(process, "endpoint", "identity")),
        "mapping": pa.array(np.where(process, "sysmon", "entra")),
        "source": text("src-", uneven(rng, count, 40)),
        "position": pa.array(at),
        "unit": pa.array(["line"] * count),
        "logsource": pa.array(["{}"] * count),
        "user": text("user", user),
        "host": text("host", host),
        "src_ip": pc.if_else(pa.array(~process), text("10.0.", uneven(rng, count, 50_000)), None),
        "process": pc.if_else(pa.array(process), text("p.exe", uneven(rng, count, 300)), None),
        "parent_process": pc.if_else(pa.array(process), text("p.exe", uneven(rng, count, 300)), None),
        "cmd_line": pc.if_else(pa.array(process), text("c:/tools/run.exe --with options --number ", command), None),
        "class_uid": pa.array(np.where(process, 1007, 3002)),
        "status_id": pa.array(rng.integers(0, 3, count)),
        "ocsf": text('{"class_uid": 1007, "number": ', at, "}"),
        "original": text('{"number": ', at, "}"),
    }
    arrays = [given.get(name, pa.nulls(count, SCHEMA.field(name).type)) for name in SCHEMA.names]
    return pa.table([array.cast(SCHEMA.field(i).type) for i, array in enumerate(arrays)], schema=SCHEMA)


def fill(lake: Lake, total: int) -> float:
    """CPU seconds to keep and index `total` rows."""
    rng, started = np.random.default_rng(1), time.process_time()
    made = 0.0
    for first in range(0, total, BATCH):
        before = time.process_time()
        table = rows(rng, first, min(BATCH, total - first), total)
        days, classes = table["time"].to_numpy() // DAY, table["class_uid"].to_numpy()
        made += time.process_time() - before
        with lake._writing(T) as change:
            pieces = []
            for day in np.unique(days):
                for class_uid in np.unique(classes):
                    part = table.filter(pa.array((days == day) & (classes == class_uid)))
                    folder = time.strftime("%Y-%m-%d", time.gmtime(int(day) * 86_400))
                    if part.num_rows:
                        pieces.append(lake._keep(T, f"{class_uid}/{folder}", part))
            lake._index(change, pieces)
    return time.process_time() - started - made


def timed(ask: Callable[[int], object], clock: Callable[[], float], times: int = LOOKUPS) -> str:
    took = []
    for n in range(times):
        started = clock()
        ask(n)
        took.append((clock() - started) * 1_000)
    p50, p99 = statistics.median(took), sorted(took)[int(len(took) * 0.99)]
    return f"{p50:8.2f} {p99:8.2f}"


def lookups(reader: LakeReader, seed: int) -> dict[str, Callable[[int], object]]:
    """One function a kind; each call asks of another thing at another time of the last 60 days."""
    rng = np.random.default_rng(seed)
    users, hosts = uneven(rng, LOOKUPS, 8_000), uneven(rng, LOOKUPS, 5_000)
    processes, befores = uneven(rng, LOOKUPS, 300), START + DAY * 30 + rng.integers(0, DAY * 60, LOOKUPS)

    def ask(match: dict[str, object], measures: list[str], n: int, days: int = 30) -> object:
        before = int(befores[n])
        return reader.query(match, measures, since=before - days * DAY, before=before, zone=UTC)

    return {
        "first seen (all history)": lambda n: ask({"user": f"user{users[n]}"}, ["first"], n, 3_650),
        "30 days of a user": lambda n: ask({"user": f"user{users[n]}"}, ["count", "days", "first", "hours"], n),
        "prevalence of a process": lambda n: ask({"process": f"p.exe{processes[n]}"}, ["count", "distinct:host"], n),
        "prevalence of a command": lambda n: ask(
            {"cmd_line": f"c:/tools/run.exe --with options --number {n}"}, ["count", "distinct:host", "days"], n
        ),
        "two facets": lambda n: ask(
            {"host": f"host{hosts[n]}", "user": f"user{users[n]}"}, ["count", "days", "first"], n
        ),
        "top of a host": lambda n: ask({"host": f"host{hosts[n]}"}, ["top:process"], n),
        "sign-in before": lambda n: reader.previous(
            {"class_uid": 3002, "user": f"user{users[n]}", "status_id": 1}, before=int(befores[n])
        ),
    }


def memory() -> str:
    found = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return ", ".join(f"{name} {int(found[name].split()[0]) // 1024:,} MB" for name in ("VmRSS", "RssAnon", "RssFile"))


def forget_pages(folder: Path) -> None:
    """Nothing of these files is left in the page cache: what comes next reads the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def size(folder: Path, pattern: str) -> int:
    return sum(file.stat().st_size for file in folder.rglob(pattern))


def events(first: int, count: int) -> list[Event]:
    ocsf = {"class_uid": 3002, "actor": {"user": {"name": "ann"}}, "device": {"hostname": "ws1"}, "status_id": 1}
    return [
        Event(
            tenant=T, uid=f"r-{n:032x}", time=START + DAYS * DAY + n % DAY, layer="identity", mapping="entra",
            ocsf=ocsf, original={"n": n}, source="live", position=n, unit="line", logsource={},
        )
        for n in range(first, first + count)
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="fill this folder, or use it as it was filled")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        if not (folder / T).exists():
            lake = Lake(folder)
            took = fill(lake, given.events)
            print(f"{given.events:,} events kept and indexed: {took / given.events * 1e6:.1f} us CPU each; {memory()}")
            lake.close()
        measure(folder, given.events)


def measure(folder: Path, total: int) -> None:
    parquet, index = size(folder, "*.parquet") / total, size(folder, "*.run") / total
    forget_pages(folder)
    started = time.perf_counter()
    lake = Lake(folder)
    reader = lake.reader(T)
    print(f"bytes an event: {parquet:.0f} Parquet, {index:.0f} index in {len(reader._runs)} runs")
    print(f"opened in {(time.perf_counter() - started) * 1_000:.0f} ms; opened again in", end=" ")
    started = time.perf_counter()
    lake.reader(T)
    print(f"{(time.perf_counter() - started) * 1_000:.2f} ms; {memory()}")
    print(f"{'cold by the clock, warm CPU':<28} {'cold p50':>8} {'p99':>8} {'warm p50':>8} {'p99':>8}")
    for name, ask in lookups(reader, 2).items():
        forget_pages(folder)
        fresh = Lake(folder)
        cold = timed(lookups(fresh.reader(T), 3)[name], time.perf_counter, 100)
        fresh.close()
        timed(lookups(reader, 4)[name], time.thread_time, 50)
        reader._populations.clear()  # each of these is as if it were the first of its case
        print(f"{name:<28} {cold} {timed(ask, time.thread_time)}")
    print(f"after {len(lookups(reader, 2)) * (LOOKUPS + 150):,} look-ups: {memory()}")

    uids = [f"r-00000000000000000000000{n + 100_000_000}" for n in range(0, total, max(1, total // 40_000))]
    uids += [f"r-unknown-{n}" for n in range(40_000)]
    started = time.process_time()
    known = sum(len(lake.known(T, uids[first : first + 8_000])) for first in range(0, len(uids), 8_000))
    took = time.process_time() - started
    print(f"dedup: {len(uids) / took:,.0f} uids a CPU second ({known:,} of {len(uids):,} known); {memory()}")
    for batch in (8_000, 500, 5):
        first = int(time.time() * 1_000) * 10_000
        some = [events(first + n * batch, batch) for n in range(4)]
        started = time.process_time()
        for one in some:
            lake.write(T, one)
        took = time.process_time() - started
        print(
            f"writing events, {batch:,} at a time: {4 * batch / took:,.0f} a CPU second, {took / 4 * 1e3:.0f} ms each"
        )
    first = int(time.time() * 1_000) * 10_000
    for n in range(64):
        lake.write(T, events(first + n * 100, 100))
    before = lake.segments(T)
    started = time.process_time()
    lake.compact(T)
    took, after = time.process_time() - started, {segment.n for segment in lake.segments(T)}
    gone = [segment for segment in before if segment.n not in after]
    rate = f"{sum(segment.rows for segment in gone) / took:,.0f} events a CPU second"
    print(f"compaction of {len(gone)} segments: {rate}; {memory()}")
    started = time.process_time()
    print(f"sources: {len(lake.sources(T))} in {(time.process_time() - started) * 1e3:.0f} ms CPU")
    lake.close()


if __name__ == "__main__":
    main()
