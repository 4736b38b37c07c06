"""Durable work: DBOS on one SQLite file. What a process was doing when it died goes on when the next one starts."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol, TypeVar

import sqlalchemy as sa

from watchfloor.core.errors import WatchfloorError

# Names the order of the durable steps. Another order needs another name: unfinished work of the old one is then left
# for the old release instead of being run wrongly.
LAYOUT = "respond-1"

T = TypeVar("T")


class Work(Protocol):
    """What is carried out durably. Each effect in it goes through `Durable.step`."""

    def carry_out(self, tenant: str, approval_uid: str) -> list[str]:
        """Run it; returns the outcomes' uids."""


class Durable:
    """The one durable worker of a process, over `file`. Another process with the same file is refused."""

    _running: Durable | None = None
    _starting = threading.Lock()

    def __init__(self, file: Path, work: Work) -> None:
        self._file = file
        self._work = work
        self._lock: IO[str] | None = None

    def start(self) -> None:
        """Take the file and go on with what was unfinished. Raises WatchfloorError when it is taken."""
        # Imported here: it takes half a second, and most commands never act.
        from dbos import DBOS, DBOSConfig
        from dbos._serialization import DBOSPortableJSONSerializer

        with Durable._starting:
            if Durable._running is not None:
                raise WatchfloorError("this process acts for another home already", where=str(self._file))
            self._lock = self._locked()
            config: DBOSConfig = {
                "name": "watchfloor",
                "system_database_url": f"sqlite:///{self._file}",
                "application_version": LAYOUT,
                "executor_id": "local",
                "log_level": "CRITICAL",
                "serializer": DBOSPortableJSONSerializer(),
            }
            _workflow()
            _give_subsecond_time()
            DBOS(config=config)
            Durable._running = self
            DBOS.launch()

    def close(self) -> None:
        """Stop; unfinished work goes on at the next start."""
        from dbos import DBOS

        with Durable._starting:
            if Durable._running is not self:
                return
            DBOS.destroy(workflow_completion_timeout_sec=0)
            Durable._running = None
            if self._lock is not None:
                self._lock.close()

    def run(self, tenant: str, approval_uid: str) -> list[str]:
        """Carry out one approval, once: asked again, it waits for or tells the same result."""
        from dbos import DBOS, SetWorkflowID

        with SetWorkflowID(f"{tenant}:{approval_uid}"):
            handle = DBOS.start_workflow(_workflow(), tenant, approval_uid)
        return list(handle.get_result(polling_interval_sec=0.1))

    def step(self, name: str, do: Callable[[], T]) -> T:
        """Do something once its result is not yet recorded; a recorded result is given back instead.

        The result must be JSON data. Killed between the doing and the recording, it is done again.
        """
        from dbos import DBOS

        return DBOS.run_step({"name": name}, do)

    def _locked(self) -> IO[str]:
        file = self._file.with_name(self._file.name + ".lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise WatchfloorError(
                "another Watchfloor process acts for this home",
                where=str(self._file),
                do="Use that one, or stop it first",
            ) from None
        return file


_registered: list[Callable[[str, str], list[str]]] = []


def _give_subsecond_time() -> None:
    """DBOS takes it that a Python from 3.12 on comes with SQLite 3.42; one built on Debian 12 has 3.40.

    There `unixepoch('subsec')` is NULL. This gives such a SQLite that one form of the function.
    """
    if sqlite3.sqlite_version_info < (3, 42) and not sa.event.contains(sa.Engine, "connect", _connected):
        sa.event.listen(sa.Engine, "connect", _connected)


def _connected(connection: object, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", 1, lambda _subsec: time.time())


def _workflow() -> Callable[[str, str], list[str]]:
    """The one DBOS workflow, registered at first use; recovery finds it by its name."""
    if not _registered:
        from dbos import DBOS

        def carry_out(tenant: str, approval_uid: str) -> list[str]:
            running = Durable._running
            if running is None:
                raise WatchfloorError("nothing acts in this process", where=f"approval {approval_uid}")
            return running._work.carry_out(tenant, approval_uid)

        _registered.append(DBOS.workflow(name="respond.carry_out")(carry_out))
    return _registered[0]
