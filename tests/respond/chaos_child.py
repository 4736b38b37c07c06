"""A process that dies at a given point of an execution. Reads one JSON job a line, forks for each, tells how it ended.

A point is a place before a durable step, after its doing and before its recording, inside the transaction that
writes an outcome, and after everything. Started by `test_chaos.py`; the product has no such switches.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dbos  # noqa: F401  (imported once here, so that each fork is quick)

from tests.respond.desk import Desk
from watchfloor.integrations.connection import Connection
from watchfloor.respond import durable


class Points:
    """Counts the points of this life and ends it at `kill_at`; 0 is never."""

    def __init__(self, kill_at: int) -> None:
        self.kill_at, self.passed = kill_at, 0

    def passing(self) -> None:
        self.passed += 1
        if self.passed == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Dying(durable.Durable):
    """The durable worker with points around each step."""

    points: Points

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        def done() -> Any:
            result = do()
            self.points.passing()
            return result

        self.points.passing()
        return super().step(name, done)


def run(job: dict[str, Any]) -> None:
    """One life: act for the home, carry out the approval, write what came out."""
    points = Dying.points = Points(job["kill_at"])
    desk = Desk(Path(job["home"]), tuple(Connection.from_dict(c) for c in job["connections"]))
    desk.now = job["now"]
    append = desk.executor._append

    def append_and_count(*args: Any, **named: Any) -> object:
        entry = append(*args, **named)
        points.passing()
        return entry

    desk.executor._append = append_and_count
    work = desk.executor._durable._work
    desk.executor._durable = Dying(desk.home / "work.db", work)
    desk.executor.start()
    outcomes = desk.executor.execute("acme", job["approval"])
    points.passing()
    lines = [f"{outcome.n} {outcome.status}" for outcome in outcomes]
    Path(job["result"]).write_text(json.dumps({"outcomes": lines, "points": points.passed}))


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                run(json.loads(line))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
