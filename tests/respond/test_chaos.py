"""`kill -9` at every point of an execution, restart: each step has had its effect once, and is recorded once."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.respond.desk import CONTEXT, Desk, effects, make_plan
from watchfloor.integrations.simulated_company import SimulatedCompany

ROOT = Path(__file__).resolve().parents[2]
STEPS = (1, 2, 4)
EFFECTS = ["users/sessions/revoke", "users/disable", "addresses/block"]
# Each step: before and after each of its five durable parts, and once inside the transaction; and the end.
POINTS = len(STEPS) * 11 + 1
UNDO_POINTS = 12


class Lives:
    """Starts processes that die where they are told to."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.respond.chaos_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def live(self, job: dict[str, Any]) -> int:
        """The exit code of one life; minus the signal that ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def lives() -> Iterator[queue.Queue[Lives]]:
    """Four at a time: a life mostly waits."""
    pool: queue.Queue[Lives] = queue.Queue()
    made = [Lives() for _ in range(4)]
    for one in made:
        pool.put(one)
    yield pool
    for one in made:
        one.end()


def at_each_point(points: int, lives: queue.Queue[Lives], try_one: Callable[[int, Lives], None]) -> None:
    """Try every point; the first failure is raised."""

    def with_a_life(kill_at: int) -> None:
        mine = lives.get()
        try:
            try_one(kill_at, mine)
        finally:
            lives.put(mine)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(with_a_life, range(1, points + 1)))


def job_of(desk: Desk, company: SimulatedCompany, approval: str, kill_at: int) -> dict[str, Any]:
    return {
        "home": str(desk.home),
        "connections": [c.to_dict() for c in company.connections()],
        "approval": approval,
        "kill_at": kill_at,
        "now": desk.now,
        "result": str(desk.home / "result.json"),
    }


@pytest.mark.chaos
def test_killed_at_any_point_each_step_runs_once(tmp_path: Path, lives: queue.Queue[Lives]) -> None:
    plan = make_plan()

    def try_one(kill_at: int, life: Lives) -> None:
        folder = tmp_path / str(kill_at)
        with SimulatedCompany(folder / "company", CONTEXT) as company:
            desk = Desk(folder / "home", company.connections())
            job = job_of(desk, company, desk.approve(plan, STEPS).uid, kill_at)
            assert life.live(job) == -signal.SIGKILL, f"point {kill_at} was not reached"
            assert life.live({**job, "kill_at": 0}) == 0, f"not recovered after point {kill_at}"
            result = json.loads((desk.home / "result.json").read_text())
            assert result["outcomes"] == [f"{n} succeeded" for n in STEPS], kill_at
            assert effects(company) == EFFECTS, kill_at
            assert [json.loads(entry.body)["n"] for entry in desk.entries()] == list(STEPS), kill_at
            desk.close()

    at_each_point(POINTS, lives, try_one)


@pytest.mark.chaos
def test_there_are_no_more_points_than_were_tried(tmp_path: Path, lives: queue.Queue[Lives]) -> None:
    def try_one(_: int, life: Lives) -> None:
        with SimulatedCompany(tmp_path / "company", CONTEXT) as company:
            desk = Desk(tmp_path / "home", company.connections())
            assert life.live(job_of(desk, company, desk.approve(make_plan(), STEPS).uid, 0)) == 0
            assert json.loads((desk.home / "result.json").read_text())["points"] == POINTS
            desk.close()

    at_each_point(1, lives, try_one)


@pytest.mark.chaos
def test_an_undo_killed_at_any_point_is_done_once(tmp_path: Path, lives: queue.Queue[Lives]) -> None:
    plan = make_plan()

    def try_one(kill_at: int, life: Lives) -> None:
        folder = tmp_path / str(kill_at)
        with SimulatedCompany(folder / "company", CONTEXT) as company:
            desk = Desk(folder / "home", company.connections())
            assert life.live(job_of(desk, company, desk.approve(plan, (2,)).uid, 0)) == 0
            desk.now += 1000
            job = job_of(desk, company, desk.approve(plan, (2,), undo=True).uid, kill_at)
            assert life.live(job) == -signal.SIGKILL, f"point {kill_at} was not reached"
            assert life.live({**job, "kill_at": 0}) == 0, f"not recovered after point {kill_at}"
            assert effects(company) == ["users/disable", "users/enable"], kill_at
            assert [e.kind for e in desk.entries()] == ["action.succeeded", "action.undone"], kill_at
            desk.close()

    at_each_point(UNDO_POINTS, lives, try_one)
