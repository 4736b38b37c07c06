"""What runs behind a page: approvals being executed, cases being decided; and the last thing that went wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from watchfloor.core.errors import WatchfloorError
from watchfloor.server.ports import Desk

DECIDING = ""
"""Stands for the case when the work is to decide all of them."""
_log = structlog.get_logger(__name__)


class Runs:
    """Executes approvals in threads, so that a page answers at once and follows by live updates.

    Nothing is lost when the process dies: execution itself is durable and goes on at the next start.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._problems: dict[str, str] = {}
        self._deciding = 0

    @property
    def running(self) -> frozenset[str]:
        """Uids of approvals."""
        with self._lock:
            return frozenset(self._running)

    @property
    def deciding(self) -> bool:
        """Whether cases are being decided for somebody who brought records."""
        with self._lock:
            return self._deciding > 0

    def problem(self, case_uid: str = DECIDING) -> str:
        """Why the last execution in a case stopped, or the last deciding of cases; empty when it did not."""
        with self._lock:
            return self._problems.get(case_uid, "")

    def prepare(self, approval_uid: str, case_uid: str) -> Callable[[], None] | None:
        """The execution of an approval, to be called in a thread; None when it is under way already."""
        with self._lock:
            if approval_uid in self._running:
                return None
            self._running.add(approval_uid)
            self._problems.pop(case_uid, None)
        return lambda: self._run(approval_uid, case_uid)

    def decide(self) -> None:
        """Decide the cases of what was brought in; to be called in a thread."""
        with self._lock:
            self._deciding += 1
        problem = _problem_of(self._desk.triage, "deciding cases")
        with self._lock:
            self._deciding -= 1
            self._problems[DECIDING] = problem
        self._desk.updates.publish(self._desk.tenant, "ingest", DECIDING)

    def _run(self, approval_uid: str, case_uid: str) -> None:
        problem = _problem_of(lambda: self._desk.execute(approval_uid), "executing")
        with self._lock:
            self._running.discard(approval_uid)
            if problem:
                self._problems[case_uid] = problem
        self._desk.updates.publish(self._desk.tenant, "case", case_uid)


def _problem_of(work: Callable[[], object], doing: str) -> str:
    """Do the work; what stopped it, or nothing."""
    try:
        work()
    except WatchfloorError as error:
        return str(error)
    except Exception as error:
        _log.exception("stopped", doing=doing)
        return f"{type(error).__name__} while {doing}; the server's log has the details"
    return ""
