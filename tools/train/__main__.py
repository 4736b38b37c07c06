"""usage: .venv/bin/python -m tools.train domain|command_line|url|mail ... [--data FOLDER] [--to FOLDER] [--date DAY]

Writes content/learned/NAME.json. The same data give the same weights.
"""

from __future__ import annotations

import argparse
import datetime
import os
from pathlib import Path
from typing import Any

import orjson

from tools.train import command_lines, domains, mail, urls
from tools.train.fitting import Task, trained, written
from watchfloor.content import folder

TASKS: dict[str, Task] = {task.name: task for task in (command_lines.TASK, domains.TASK, urls.TASK, mail.TASK)}
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
        artifact = trained(TASKS[name], asked.data)
        file.write_bytes(written(dated(artifact, file, asked.date)))
        print(f"{file}: {len(artifact['weights']):,} weights, {file.stat().st_size:,} bytes")
        for part in ("held_out", "families_held_out"):
            if part in artifact:
                _shown(part, artifact[part])


def dated(artifact: dict[str, Any], file: Path, date: str) -> dict[str, Any]:
    """With a version and a date: those that the file has, unless the weights have changed."""
    before = orjson.loads(file.read_bytes()) if file.exists() else {"version": 0, "digest": ""}
    same = before["digest"] == artifact["digest"]
    version, day = (before["version"], before["date"]) if same else (before["version"] + 1, date)
    return {"name": artifact["name"], "version": version, "date": day, **artifact}


def _shown(part: str, held: dict[str, Any]) -> None:
    print(f"  {part}: AUC {held['auc']}, recall at FPR 0.01 {held['recall_at_0.01']}, 0.001 {held['recall_at_0.001']}")
    for group in ("recall_at_0.01_by_family", "alarms_at_0.01_by_source"):
        print(f"    {group}: " + ", ".join(f"{name} {found[0]:.1%}" for name, found in held[group].items()))


if __name__ == "__main__":
    main()
