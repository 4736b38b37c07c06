"""Live threat intelligence: writing and loading many indicators, what they take in memory, and what they cost an event.

Made-up indicators, a quarter each domains, addresses, URLs and file hashes; events are those of the bundled story. CPU
time, the best of three for matching.

usage: .venv/bin/python bench/intel.py [--indicators 500000]
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from watchfloor.app.intel import TenantIntel
from watchfloor.app.story import Story
from watchfloor.core import intel as core
from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.intel import Indicator, Intelligence
from watchfloor.core.intel_object import IntelObject
from watchfloor.detect.indicators import indicator_findings
from watchfloor.ingest import Normalizer, ingest
from watchfloor.ingest.intel import load_intel
from watchfloor.store.database import Database
from watchfloor.store.home import Home
from watchfloor.store.intel import IntelStore

T, BATCH = "bench", 4_000


def made(n: int) -> IntelObject:
    kind, value = (
        ("domain", f"d{n}.evil{n % 977}.example"),
        ("address", f"{11 + n % 90}.{n // 90 % 256}.{n // 23_040 % 256}.{n % 251}"),
        ("url", f"https://h{n}.example/a/{n}"),
        ("file", f"{n:064x}"),
    )[n % 4]
    about = f"Malware family {n % 97} seen in campaign {n % 13}"
    fields = {"type": kind, "value": value, "source": "bench", "confidence": n % 101, "description": about}
    return IntelObject(
        tenant=T,
        source="taxii/bench",
        at=1,
        uid=f"indicator--{n:032x}",
        kind="indicator",
        modified=1,
        state="active",
        indicators=(Indicator.from_dict(fields),),
    )


def memory() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 1e6


def taken(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def per_event(intel: Intelligence, events: list[Event]) -> str:
    def look() -> None:
        for cache in (core._unmapped, core.parts_of, core.ways_of):
            cache.cache_clear()
        for event in events:
            indicator_findings(event, intel)

    return f"{min(taken(look) for _ in range(3)) / len(events) * 1e6:.1f} us an event"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--indicators", type=int, default=500_000)
    count = parser.parse_args().indicators
    story = Story.bundled()
    files = load_intel(story.settings().intel)
    events = [e for e in ingest([story.records], T, Normalizer.shipped()) if isinstance(e, Event)]
    for event in events:
        facets(event)
    with tempfile.TemporaryDirectory() as folder:
        home = Home.open(Path(folder) / "home")
        database = Database.open(home.database)
        store = IntelStore(database)
        print(f"files alone              {per_event(files, events)}")
        print(f"with an empty store      {per_event(TenantIntel(files, store, T, 30), events)}")
        writing = sum(
            taken(lambda first=first: store.put(T, [made(n) for n in range(first, min(first + BATCH, count))]))  # type: ignore[misc]
            for first in range(0, count, BATCH)
        )
        size = sum(file.stat().st_size for file in home.path.glob("watchfloor.db*")) / 1e6
        print(f"{count:,} indicators written   {writing:.1f} s, {size:.0f} MB on the disk")
        intel, before = TenantIntel(files, store, T, 30), memory()
        print(f"loaded                   {taken(intel.refresh):.2f} s, {memory() - before:.0f} MB in memory")
        print(f"refreshed with no news   {taken(lambda: [intel.refresh() for _ in range(100)]) * 10:.2f} ms")
        print(f"with all of them         {per_event(intel, events)}")
        database.close()


if __name__ == "__main__":
    main()
