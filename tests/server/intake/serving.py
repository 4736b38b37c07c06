"""The whole product as people run it: `watchfloor serve` in a process of its own, which may be killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.event import Event
from watchfloor.core.intake import LiveState, SourceKind, Tally


class Served:
    """A home and the process that serves it."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log = home.with_name(home.name + ".log")
        with Watchfloor.open(home) as product:
            product.add_user("ana", "correct horse battery", ("lead",))

    def token(self, kind: SourceKind, name: str = "s") -> str:
        with Watchfloor.open(self.home) as product:
            return product.live_sources.add(name, kind).token

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it listens; on the port that it had before, if any."""
        self._log.write_bytes(b"")
        command = [sys.executable, "-m", "watchfloor.cli", "serve", "--home", str(self.home), "--port", str(self.port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log, stdout=log)
        found = wait_for(lambda: re.search(rb"http://127\.0\.0\.1:(\d+)", self._log.read_bytes()), self._alive)
        self.port = int(found.group(1))

    def _alive(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> int:
        """As a supervisor would; the exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(120)
        self._process = None
        return code

    def tally(self, source: str) -> Tally:
        with Watchfloor.open(self.home) as product:
            states = product.parts.documents.find(product.parts.tenant, LiveState, limit=None)
            return next((state.tally for state in states if state.uid == source), Tally())

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            if self._process is not None:
                self.kill()


def wait_for(true: Callable[[], Any], check: Callable[[], None] = lambda: None, tries: int = 1_200) -> Any:
    """The first true value. It is not timed: the many tries only keep a broken run from hanging."""
    for _ in range(tries):
        if value := true():
            return value
        check()
        time.sleep(0.1)
    raise AssertionError("it never came true")


def kept(product: Watchfloor) -> list[Event]:
    """Every event of the lake."""
    lake, tenant = product.parts.lake, product.parts.tenant
    files = [str(lake.folder / tenant / segment.file) for segment in lake.segments(tenant)]
    uids = duckdb.execute("select uid from read_parquet(?)", [files]).fetchall() if files else []
    return list(lake.events(tenant, [uid for (uid,) in uids]).values())
