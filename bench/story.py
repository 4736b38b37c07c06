"""How long the bundled story takes, from records to verdicts, beside parsing the same JSON and nothing else.

usage: .venv/bin/python bench/story.py
"""

from __future__ import annotations

import gzip
import tempfile
import time
from pathlib import Path

import orjson

from watchfloor.app.story import Story
from watchfloor.app.watchfloor import Watchfloor


def bare_parse(records: Path) -> float:
    """Seconds that orjson takes for every JSON line of the story."""
    lines = []
    for file in sorted(records.rglob("*.json*")):
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        lines += [line for line in data.splitlines() if line.startswith(b"{") and line.endswith(b"}")]
    started = time.perf_counter()
    for line in lines:
        orjson.loads(line)
    return time.perf_counter() - started


def main() -> None:
    story = Story.bundled()
    with tempfile.TemporaryDirectory() as folder, Watchfloor.open(Path(folder), story.settings()) as product:
        parse = bare_parse(story.records)
        rows = [("bare JSON parse", parse)]
        started = time.perf_counter()
        done = product.pipeline.ingest([story.records])
        rows.append((f"ingest and detect ({done.records:,} records)", time.perf_counter() - started))
        started = time.perf_counter()
        cases = len(product.pipeline.triage())
        triage = time.perf_counter() - started
        rows.append((f"triage ({cases} cases, {triage / cases * 1000:.0f} ms each)", triage))
        rows.append(("records to verdicts", rows[1][1] + triage))
        started = time.perf_counter()
        product.pipeline.triage()
        rows.append(("triage again, nothing changed", time.perf_counter() - started))
    print(f"{'':<40} {'seconds':>8} {'x bare parse':>13}")
    for name, seconds in rows:
        print(f"{name:<40} {seconds:>8.2f} {seconds / parse:>13.0f}")


if __name__ == "__main__":
    main()
