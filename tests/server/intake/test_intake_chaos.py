"""`kill -9` at random moments of a load: what was acknowledged is there, and each record is there once."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.server.intake.serving import Served, kept, wait_for
from watchfloor.app.watchfloor import Watchfloor

RECORDS = int(os.environ.get("WATCHFLOOR_CHAOS_RECORDS", "20000"))
BATCH, SENDERS = 500, 4
KILLS = 3 + RECORDS // 40_000


def record(n: int) -> bytes:
    return json.dumps({"time": 1_792_000_000_000 + n, "app": "door", "text": f"badge {n} opened it", "n": n}).encode()


class Sender:
    """Sends batches until each is acknowledged, as shippers do: again after any error."""

    def __init__(self, served: Served, token: str) -> None:
        self._served, self._headers = served, {"authorization": f"Bearer {token}"}
        self.tries = self.acknowledged = 0
        self._lock = threading.Lock()

    def send(self, start: int) -> None:
        lines = (b'{"create":{}}\n' + record(n) + b"\n" for n in range(start, min(start + BATCH, RECORDS)))
        body = b"".join(lines)
        while True:
            with self._lock:
                self.tries += 1
            try:
                answer = httpx2.post(f"{self._served.url}/door/_bulk", content=body, headers=self._headers, timeout=60)
            except httpx2.HTTPError:
                time.sleep(0.2)
                continue
            if answer.status_code == 200 and not answer.json()["errors"]:
                with self._lock:
                    self.acknowledged += 1
                return
            assert answer.status_code in (429, 503), answer.text
            time.sleep(0.5)


@pytest.mark.chaos
def test_killed_at_random_moments_none_is_lost_and_none_is_there_twice(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    logging.getLogger(__name__).warning("seed %d", seed)
    rng = random.Random(seed)
    served = Served(tmp_path / "home")
    sender = Sender(served, served.token("bulk", "door"))
    batches = range(0, RECORDS, BATCH)
    # Kills come by how much was acknowledged, so that each falls into the load on a slow machine as well.
    kills = sorted(rng.uniform(0.05, 0.95) * len(batches) for _ in range(KILLS))
    with served.running(), ThreadPoolExecutor(SENDERS) as senders:
        sending = [senders.submit(sender.send, start) for start in batches]
        for after in kills:
            wait_for(lambda after=after: sender.acknowledged >= after, tries=6_000)
            time.sleep(rng.random())
            served.kill()
            served.start()
        for one in sending:
            one.result()
        # Two more while it works off what is left.
        for _ in range(2):
            time.sleep(rng.random() * 2)
            served.kill()
            served.start()
        tally = wait_for(lambda: (t := served.tally("bulk/door")).events >= RECORDS and t, tries=6_000)
        assert served.stop() == 0
    assert sender.acknowledged == len(batches)
    assert (tally.events, tally.dead_letters) == (RECORDS, 0)
    assert tally.received == tally.events + tally.repeats <= sender.tries * BATCH
    with Watchfloor.open(served.home) as product:
        lake, tenant = product.parts.lake, product.parts.tenant
        (row,) = lake.sources(tenant)
        assert row.events == RECORDS
        assert sorted(event.original["n"] for event in kept(product)) == list(range(RECORDS))
        logged = sum(
            json.loads(e.body)["bulk/door"]["received"]
            for e in product.desk.ledger_entries(limit=10_000)
            if e.kind == "intake"
        )
        assert logged == product.intake.states()[0].tally.received == tally.received
        assert product.desk.ledger_state().problems == []
