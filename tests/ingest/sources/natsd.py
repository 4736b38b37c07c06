"""Debian's nats-server with JetStream, on a port that the system chose and a store of its own."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

from tests.server.intake.serving import wait_for

NATS_SERVER = shutil.which("nats-server", path="/usr/sbin:/usr/local/bin:/usr/bin")


class NatsServer:
    """A server that may be killed and started again on the same port, with what it had stored."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self._folder, self.port = folder, -1
        self._config = folder / "nats.conf"
        self._config.write_text(settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        assert NATS_SERVER is not None
        log = self._folder / "nats.log"
        log.write_bytes(b"")
        store, port = str(self._folder / "store"), str(self.port)
        command = [
            NATS_SERVER,
            "-c",
            str(self._config),
            "-a",
            "127.0.0.1",
            "-p",
            port,
            "-js",
            "-sd",
            store,
            "-l",
            str(log),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: b"Server is ready" in log.read_bytes(), self._alive)
        found = re.search(rb"client connections on 127\.0\.0\.1:(\d+)", log.read_bytes())
        assert found is not None
        self.port = int(found.group(1))

    def _alive(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "nats.log").read_text()

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
