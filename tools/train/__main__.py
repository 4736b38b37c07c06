"""usage: .venv/bin/python -m tools.train domain|command_line|url|mail ... [--data FOLDER] [--to FOLDER] [--date DAY]

Writes content/learned/NAME.json. The same data give the same weights.
"""

from __future__ import annotations

import argparse
import datetime
import os
from pathlib import Path

import orjson

from tools.train import domains
from tools.train.fitting import Task, trained, written
from watchfloor.content import folder

TASKS: dict[str, Task] = {task.name: task for task in (domains.TASK,)}
DATA = Path(os.environ.get("WATCHFLOOR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="tools.train", description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(TASKS))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--to", type=Path, default=folder("learned"))
    parser.add_argument("--date", default=datetime.datetime.now(datetime.UTC).date().isoformat())
    asked = parser.parse_args(arguments)
    for name in asked.names:
        file = asked.to / f"{name}.json"
        version = orjson.loads(file.read_bytes())["version"] + 1 if file.exists() else 1
        artifact = trained(TASKS[name], asked.data, asked.date, version)
        file.write_bytes(written(artifact))
        held = artifact["held_out"]
        print(f"{file}: version {version}, {len(artifact['weights']):,} weights, {file.stat().st_size:,} bytes")
        print(f"  AUC {held['auc']}, recall at FPR 0.01 {held['recall_at_0.01']}, at 0.001 {held['recall_at_0.001']}")
        for part in ("recall_at_0.01_by_family", "alarms_at_0.01_by_source"):
            print(f"  {part}: " + ", ".join(f"{name} {found[0]:.1%}" for name, found in held[part].items()))


if __name__ == "__main__":
    main()
