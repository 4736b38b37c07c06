"""Approvals that are being executed behind a page, and the last thing that went wrong with one."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from watchfloor.core.errors import WatchfloorError
from watchfloor.server.ports import Desk

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

    @property
    def running(self) -> frozenset[str]:
        """Uids of approvals."""
        with self._lock:
            return frozenset(self._running)

    def problem(self, case_uid: str) -> str:
        """Why the last execution in a case stopped; empty when it did not."""
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

    def _run(self, approval_uid: str, case_uid: str) -> None:
        problem = ""
        try:
            self._desk.execute(approval_uid)
        except WatchfloorError as error:
            problem = str(error)
        except Exception as error:
            _log.exception("execution stopped", approval=approval_uid)
            problem = f"{type(error).__name__} while executing; the server's log has the details"
        finally:
            with self._lock:
                self._running.discard(approval_uid)
                if problem:
                    self._problems[case_uid] = problem
            self._desk.updates.publish(self._desk.tenant, "case", case_uid)
