"""What correlation rules cost: CPU time an event over the bundled story, with none, our own, and a hundred.

Detection and counting, the groups kept in SQLite as the product keeps them. Some two thousand of the 18,801 events
match rules that correlations count. A hundred are our own, ten times over, each with rules of its own under it.

usage: .venv/bin/python bench/correlations.py
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from watchfloor.app.counting import StoredGroups
from watchfloor.app.story import Story
from watchfloor.content import documents, folder
from watchfloor.core.event import Event
from watchfloor.detect import Detector
from watchfloor.ingest import Normalizer, ingest
from watchfloor.store.database import Database
from watchfloor.store.documents import Documents

BATCH, RUNS = 8_000, 3


def rules(target: Path, copies: int) -> Path:
    """Our own detections, each correlation `copies` times under ids of their own (0: none)."""
    shutil.copytree(folder("detections"), target)
    for file in sorted(target.rglob("*.yaml")):
        found = [document.data for document in documents(file)]
        if any("correlation" in data for data in found):
            file.unlink()
            for n in range(copies):
                texts = [_copy(data, n) for data in found]
                file.with_name(f"{file.stem}-{n}.yaml").write_text(yaml.safe_dump_all(texts, sort_keys=False))
    return target


def _copy(data: dict[str, Any], n: int) -> dict[str, Any]:
    kept = {key: value for key, value in data.items() if key != "tests"}
    kept["title"] = f"{kept['title']} {n}"  # what has no id is known by this
    if "id" in kept:
        kept["id"] = kept["id"][:-4] + f"{n:02d}" + kept["id"][-2:]
    return kept


def cost(events: list[Event], detector: Detector, home: Path) -> tuple[float, int, int]:
    """CPU seconds, matches that were counted, findings of correlations."""
    database = Database.open(home)
    groups, found = StoredGroups(Documents(database), "default"), {}
    started, counted = time.process_time(), 0
    for start in range(0, len(events), BATCH):
        hits = [hit for event in events[start : start + BATCH] for hit in detector.examine(event).hits]
        counted += len(hits)
        with database.write():
            found.update((one.uid, one) for one in detector.correlator.step(hits, groups, 1))
    found.update((one.uid, one) for one in detector.correlator.finish(groups, 1, 0))
    spent = time.process_time() - started
    database.close()
    return spent, counted, len(found)


def main() -> None:
    story = Story.bundled()
    items = ingest([story.records], "default", Normalizer.shipped())
    events = [item for item in items if isinstance(item, Event)]
    print(f"{'correlations':>12} {'us/event':>9} {'counted':>8} {'us/counted':>11} {'findings':>8}")
    base = 0.0
    for copies in (0, 1, 10):
        with tempfile.TemporaryDirectory() as temporary:
            where = Path(temporary)
            detector = Detector.load([rules(where / "rules", copies)], shipped=False)
            assert not [p for p in detector.problems if p.fatal], detector.problems[:3]
            for event in events:  # caches warm, as in a process that runs
                detector.examine(event)
            runs = [cost(events, detector, where / f"{n}.db") for n in range(RUNS)]
        spent, counted, found = min(runs)
        base = base or spent
        per = (spent - base) / counted * 1e6 if counted else 0.0
        print(
            f"{len(detector.correlations):>12} {spent / len(events) * 1e6:>9.1f} {counted:>8,} {per:>11.1f} {found:>8,}"
        )


if __name__ == "__main__":
    main()
