"""`kill -9` at random moments of a load that correlations count: no event is lost to them and none counts twice."""

from __future__ import annotations

import json
import logging
import os
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.records import TRAIL
from tests.server.intake.serving import Served, wait_for
from watchfloor.app.counting import Counted
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor

RECORDS = int(os.environ.get("WATCHFLOOR_CHAOS_COUNTED", "400"))
USERS, BATCH, KILLS = 5, 20, 2
START = datetime(2026, 10, 13, 7, tzinfo=UTC)
OFTEN = "0d8b1f1e-4a0c-4e3d-9f6e-000000000001"
OVER = "0d8b1f1e-4a0c-4e3d-9f6e-000000000002"
RULES = [
    {
        "title": "Trail stopped",
        "name": "stopped",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {"s": {"eventName": "StopLogging"}, "condition": "s"},
    },
    {
        "title": "Often",
        "id": OFTEN,
        "name": "often",
        "level": "high",
        "correlation": {
            "type": "event_count",
            "rules": ["stopped"],
            "group-by": ["userIdentity.userName"],
            "timespan": "1h",
            "condition": {"gte": 50},
        },
    },
    {
        "title": "Several users often",
        "id": OVER,
        "level": "high",
        "correlation": {
            "type": "value_count",
            "rules": ["often"],
            "generate": True,
            "timespan": "1h",
            "condition": {"gte": USERS, "field": "userIdentity.userName"},
        },
    },
]


def record(n: int) -> bytes:
    """Within one hour, and in no order of time."""
    at = START + timedelta(seconds=n * 7919 % RECORDS)
    who = {"type": "IAMUser", "userName": f"user{n % USERS}"}
    return json.dumps(TRAIL | {"eventID": f"{n:05d}", "eventTime": at.isoformat(), "userIdentity": who}).encode()


@pytest.mark.chaos
def test_killed_at_random_moments_each_event_is_counted_once(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    logging.getLogger(__name__).warning("seed %d", seed)
    rng = random.Random(seed)
    home = tmp_path / "home"
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yml").write_text(yaml.safe_dump_all(RULES))
    Watchfloor.open(home, Settings(rules=(tmp_path / "rules",), shipped_rules=False)).close()
    served = Served(home)
    headers = {"authorization": f"Bearer {served.token('webhook', 'trails')}"}
    starts = range(0, RECORDS, BATCH)
    kills = set(rng.sample(starts, KILLS))
    with served.running():
        url = f"{served.url}/intake/webhook/trails"
        for start in starts:
            body = b"\n".join(map(record, range(start, min(start + BATCH, RECORDS))))
            while True:
                try:
                    answer = httpx2.post(url, content=body, headers=headers, timeout=60)
                except httpx2.HTTPError:
                    time.sleep(0.2)
                    continue
                assert answer.status_code < 300, answer.text
                break
            if start in kills:
                time.sleep(rng.random() * 3)
                served.kill()
                served.start()
        wait_for(lambda: served.tally("webhook/trails").events >= RECORDS, tries=3_000)
        assert served.stop() == 0
    with Watchfloor.open(home) as product:
        found = {}
        for finding in product.pipeline.findings():
            assert finding.correlated
            found[finding.detection.uid, *finding.correlated.group.values()] = finding.correlated.total
        assert found.pop((OVER,)) > 0
        assert found == {(OFTEN, f"user{n}"): len(range(n, RECORDS, USERS)) for n in range(USERS)}
        counted = product.parts.documents.get(product.parts.tenant, Counted, OFTEN)
        assert counted.entries == RECORDS
