"""Sources of `sources.yaml` in the whole product: `watchfloor serve`, real senders, `kill -9`."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from typer.testing import CliRunner

from tests.ingest.sources.test_syslog import authority
from tests.server.intake.serving import Served, kept, wait_for
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import app

LINES = int(os.environ.get("WATCHFLOOR_CHAOS_RECORDS", "20000")) // 4


def served(home: Path, *sources: dict[str, Any]) -> Served:
    found = Served(home)
    (home / "sources.yaml").write_text(yaml.safe_dump({"sources": list(sources)}))
    return found


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def health(product: Served) -> dict[str, tuple[str, str]]:
    with Watchfloor.open(product.home) as opened:
        return {one.uid: (one.status, one.problem) for one in opened.supervisor.health()}


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("logger"), reason="no logger (Debian: bsdutils)")
def test_logger_sends_over_udp_and_tcp_and_a_source_that_fails_says_why(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    udp, tcp = free_port(socket.SOCK_DGRAM), free_port()
    product = served(
        tmp_path / "home",
        {"name": "u", "kind": "syslog", "transport": "udp", "port": udp},
        {"name": "t", "kind": "syslog", "transport": "tcp", "port": tcp},
        {"name": "busy", "kind": "syslog", "transport": "tcp", "port": taken.getsockname()[1]},
    )
    with product.running():
        wait_for(lambda: [health(product).get(f"syslog/{n}", ("",))[0] for n in "ut"] == ["working", "working"])
        for number in range(20):
            text = f"Failed password for root from 203.0.113.{number} port 22 ssh2"
            for how in (("--udp", "--port", str(udp)), ("--tcp", "--octet-count", "--port", str(tcp))):
                command = ["logger", "--server", "127.0.0.1", *how, "--tag", "sshd", "--id=7", text]
                subprocess.run(command, check=True)
        wait_for(lambda: [product.tally(f"syslog/{n}").received for n in "ut"] == [20, 20])
        _, problem = wait_for(lambda: (h := health(product)["syslog/busy"])[0] == "failing" and h)
        assert "in use" in problem
        taken.close()
        wait_for(lambda: health(product)["syslog/busy"][0] == "working")  # it was tried again
        assert product.stop() == 0
    assert {status for status, _ in health(product).values()} == {"stopped"}
    shown = CliRunner().invoke(app, ["source", "list", "--home", str(product.home)])
    assert "20 received = 20 events + 0 dead letters" in shown.stdout
    with Watchfloor.open(product.home) as opened:
        assert {event.ocsf["src_endpoint"]["ip"] for event in kept(opened)} == {f"203.0.113.{n}" for n in range(20)}


def tls(folder: Path) -> tuple[dict[str, str], str, str]:
    """What TLS both ways needs: in `sources.yaml`, and in rsyslog's global settings and its action."""
    (own, own_key), (theirs, theirs_key) = authority(folder, "server"), authority(folder, "sender")
    ours = {"transport": "tls", "certificate": str(own), "key": str(own_key), "client_ca": str(theirs)}
    files = (
        f'defaultNetstreamDriverCAFile="{own}" defaultNetstreamDriverCertFile="{theirs}" '
        f'defaultNetstreamDriverKeyFile="{theirs_key}"'
    )
    driver = 'streamDriver="ossl" streamDriverMode="1" streamDriverAuthMode="x509/name"'
    return ours, files, driver + ' streamDriverPermittedPeers="localhost"'


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("rsyslogd"), reason="no rsyslogd (Debian: rsyslog)")
@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_rsyslog_forwards_with_counted_octets(tmp_path: Path, transport: str) -> None:
    if transport == "tls" and not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so")):
        pytest.skip("rsyslog has no TLS (Debian: rsyslog-openssl)")
    ours, files, driver = tls(tmp_path) if transport == "tls" else ({"transport": "tcp"}, "", "")
    port, inlet = free_port(), free_port()
    product = served(tmp_path / "home", {"name": "r", "kind": "syslog", "port": port, **ours})
    (tmp_path / "work").mkdir()
    conf = tmp_path / "rsyslog.conf"
    conf.write_text(
        f'global(workDirectory="{tmp_path}/work" {files})\nmodule(load="imtcp")\n'
        f'input(type="imtcp" port="{inlet}" address="127.0.0.1")\n'
        f'action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted" {driver} '
        'template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="-1" queue.type="linkedList")\n'
    )
    with product.running():
        wait_for(lambda: health(product).get("syslog/r", ("",))[0] == "working")
        command = ["rsyslogd", "-n", "-f", str(conf), "-i", str(tmp_path / "pid")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
            try:
                sender = wait_for(lambda: connected(inlet))
                for number in range(500):
                    sender.sendall(b"<34>Oct 11 22:14:15 host su[%d]: 'su root' failed for user%d\n" % (number, number))
                sender.close()
                wait_for(lambda: product.tally("syslog/r").received >= 500)
            finally:
                daemon.terminate()
        assert product.tally("syslog/r").events == 500
        assert product.stop() == 0


def connected(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port))
    except OSError:
        return None


@pytest.mark.chaos
def test_killed_while_files_grow_and_rotate_no_line_is_lost_and_none_is_there_twice(tmp_path: Path) -> None:
    rng = random.Random(seed := random.randrange(1 << 30))
    print("seed", seed)  # noqa: T201 - pytest shows it when it fails
    folder = tmp_path / "logs"
    folder.mkdir()
    product = served(
        tmp_path / "home", {"name": "app", "kind": "tail", "paths": [str(folder / "*.log*")], "every": 0.05}
    )
    written = threading.Event()

    def write() -> None:
        turn = 0
        out = (folder / "app.log").open("ab")
        for number in range(LINES):
            line = json.dumps({"time": 1_792_000_000_000 + number, "app": "door", "n": number}).encode() + b"\n"
            half = rng.randrange(len(line))
            out.write(line[:half])
            out.flush()
            out.write(line[half:])
            if rng.random() < 0.002:
                turn += 1
                out.close()
                (folder / "app.log").rename(folder / f"app.log.{turn}")
                out = (folder / "app.log").open("ab")
            if number % 200 == 0:
                time.sleep(0.05)
        out.close()
        written.set()

    writer = threading.Thread(target=write)
    with product.running():
        writer.start()
        for _ in range(4):
            time.sleep(rng.random() * 2)
            product.kill()
            product.start()
        writer.join()
        tally = wait_for(lambda: (t := product.tally("tail/app")).events >= LINES and t, tries=6_000)
        assert product.stop() == 0
    assert (tally.events, tally.dead_letters) == (LINES, 0)
    with Watchfloor.open(product.home) as opened:
        assert sorted(event.original["n"] for event in kept(opened)) == list(range(LINES))


class Doors(BaseHTTPRequestHandler):
    """A product's API: records from `since` on, two a page, with OAuth; every third request is one too many."""

    records: list[dict[str, Any]] = []
    asked = 0

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        good = b"client_secret=s3cret" in self.rfile.read(size)
        self._say(200 if good else 401, {"access_token": "t1", "expires_in": 60} if good else {"error": "no"})

    def do_GET(self) -> None:
        Doors.asked += 1
        if self.headers["authorization"] != "Bearer t1":
            return self._say(401, {})
        if Doors.asked % 3 == 0:
            return self._say(429, {}, {"retry-after": "1"})
        query = parse_qs(urlsplit(self.path).query)
        found = [one for one in self.records if one["time"] >= int(query["since"][0])]
        start = int(query.get("at", ["0"])[0])
        after = start + 2 if len(found) > start + 2 else None
        return self._say(200, {"doors": found[start : start + 2], "next": after})

    def _say(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextmanager
def doors_api() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Doors)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


POLLER = """
poller: doors
title: Doors
documentation: none
options: {{}}
secrets: {{secret: its secret}}
auth: {{kind: oauth2, url: "http://127.0.0.1:{port}/token", form: {{client_secret: "{{secret}}"}}}}
streams:
  - name: opened
    request: {{url: "http://127.0.0.1:{port}/doors", query: {{since: "{{since}}"}}}}
    clock: milliseconds
    items: doors
    time: time
    time_clock: milliseconds
    next: {{kind: cursor, path: next, into: at}}
tests:
  - {{now: "2026-10-13T12:00:00Z", exchange: [{{ask: none}}], mapping: base, records: 0, kept: {{}}}}
"""


def test_a_product_of_ones_own_is_polled_through_limits_and_a_kill_and_each_record_counts_once(tmp_path: Path) -> None:
    now = time.time_ns() // 1_000_000
    Doors.records = [{"time": now - 60_000 + n, "door": f"d{n}", "opened_by": "ana"} for n in range(5)]
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o644)
    with doors_api() as port:
        (tmp_path / "doors.yaml").write_text(POLLER.format(port=port))
        product = served(
            tmp_path / "home",
            {
                "name": "d",
                "kind": "poll",
                "product": str(tmp_path / "doors.yaml"),
                "secrets": {"secret": f"file:{secret}"},
                "every": 1,
            },
        )
        with product.running():
            _, problem = wait_for(lambda: (h := health(product)["poll/d"])[0] == "failing" and h)
            assert "chmod 600" in problem  # others could read the secret
            secret.chmod(0o600)
            wait_for(lambda: product.tally("poll/d").events == 5)
            product.kill()
            Doors.records = [*Doors.records, {"time": now, "door": "d5", "opened_by": "bo"}]
            product.start()
            wait_for(lambda: product.tally("poll/d").events == 6)
            assert health(product)["poll/d"][0] == "working"
            assert product.stop() == 0
    with Watchfloor.open(product.home) as opened:
        assert sorted(event.original["door"] for event in kept(opened)) == [f"d{n}" for n in range(6)]
    assert b"s3cret" not in b"".join(f.read_bytes() for f in product.home.rglob("*") if f.is_file())
