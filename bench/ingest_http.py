"""Live intake over HTTP beside what the same machine can do at most, in one run: how much does durability cost?

One record a POST, acknowledged after the commit, beside a route of the same server that only echoes. A thousand
records a POST beside a bare SQLite bulk insert of the same rows (WAL, synchronous=FULL, one commit a thousand).
The load comes from wrk on the same machine, over loopback, for a bounded time.

usage: .venv/bin/python bench/ingest_http.py [SECONDS]     (needs wrk: apt-get install wrk)
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from watchfloor.app.live_sources import LiveSources
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.server.intake import Door, Intake
from watchfloor.store.spool import Spool

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
CONNECTIONS, ROUNDS, BULK = 64, 3, 1_000
RECORD = json.dumps(
    {
        "eventTime": "2026-10-13T07:01:02Z",
        "eventSource": "signin.example",
        "eventName": "ConsoleLogin",
        "sourceIPAddress": "203.0.113.9",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "userIdentity": {"type": "IAMUser", "userName": "mallory", "accountId": "111122223333"},
        "responseElements": {"ConsoleLogin": "Success"},
        "additionalEventData": {"LoginTo": "https://console.example/console/home", "MFAUsed": "No"},
        "eventID": "6f2e0c2a-5f0e-4a53-b9c2-3f1d8a1c7e11",
    }
)


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """The least that a route of this server can do: read the body and say yes."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"19")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"status":"stored"}'})


@contextmanager
def serving(app: Any) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def wrk(folder: Path, url: str, body: str, token: str) -> float:
    """Requests a second that were answered with a 2xx."""
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = {lua(body)}\n'
        f'wrk.headers["Authorization"] = "Bearer {token}"\nwrk.headers["Content-Type"] = "application/json"\n'
    )
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "30s", "-s", str(script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(said)
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found, said
    return float(found.group(1))


def lua(text: str) -> str:
    return "[==[\n" + text + "]==]"


def bare_insert(path: Path) -> float:
    """Rows a second of raw executemany, the same bytes and the same columns as the spool's, a commit a thousand."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    columns = "seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT, source TEXT, form TEXT, at INT, content BLOB"
    connection.execute(f"CREATE TABLE rows ({columns})")
    rows = [("default", "webhook/bench", "", 1_792_000_000_000, RECORD.encode())] * BULK
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO rows (tenant, source, form, at, content) VALUES (?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
        done += BULK
    rate = done / (time.perf_counter() - started)
    connection.close()
    path.unlink()
    return rate


def drained(spool: Spool, tenant: str) -> None:
    """What one measurement left must not slow the next: the disk is what is measured, not what lies on it."""
    while taken := spool.take(tenant, 100_000, 1 << 28):
        spool.done(tenant, taken)


def measure(folder: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"echo": [], "single": [], "insert": [], "bulk": []}
    with Watchfloor.open(folder / "home") as product:
        tenant, sources = product.parts.tenant, LiveSources(product.parts)
        token = sources.add("bench", "webhook").token
        spool = Spool(product.parts.home.spool, most_parcels=10**9, most_bytes=1 << 40)
        door = Door(spool, sources, tenant, product.parts.clock)
        lines = "\n".join([RECORD] * BULK)
        with serving(Intake(echo, door, ("127.0.0.1",))) as url:
            hook = f"{url}/intake/webhook/bench"
            for _ in range(ROUNDS):
                found["echo"].append(wrk(folder, f"{url}/echo", RECORD, token))
                found["single"].append(wrk(folder, hook, RECORD, token))
                drained(spool, tenant)
                found["insert"].append(bare_insert(folder / "bare.db"))
                found["bulk"].append(BULK * wrk(folder, hook, lines, token))
                drained(spool, tenant)
        spool.close()
    return found


def main() -> None:
    if not shutil.which("wrk"):
        raise SystemExit("needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    mid = {name: statistics.median(rates) for name, rates in found.items()}
    print(f"{CONNECTIONS} connections, {len(RECORD)} bytes a record, median of {ROUNDS} rounds of {SECONDS} s")
    rows = (
        ("echo, one record a POST, nothing stored", "echo", "echo"),
        ("stored, one record a POST", "single", "echo"),
        ("bare SQLite bulk insert, a row a record", "insert", "insert"),
        (f"stored, {BULK:,} records a POST (one row, read later)", "bulk", "insert"),
    )
    print(f"{'':<52} {'records/s':>10} {'ratio':>6}")
    for title, name, beside in rows:
        print(f"{title:<52} {mid[name]:>10,.0f} {mid[name] / mid[beside]:>6.2f}")


if __name__ == "__main__":
    main()
