"""A day of live stream in fast time: what is held stays bounded, and `kill -9` at any moment loses no match of a
correlation, doubles none, and changes nothing that anomaly detectors know or say.

The stream has nine light days before it, comes up to 20 minutes late and out of order, and carries a flood of names
that nobody saw before. WATCHFLOOR_STREAM_RECORDS makes it larger.
"""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.app import stream
from watchfloor.app.counting import Counted
from watchfloor.app.noticing import Learned, Noticed, Unlearned, taken_up
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import HOUR
from watchfloor.core.finding import Finding
from watchfloor.detect.anomaly import anomalies

RECORDS = int(os.environ.get("WATCHFLOOR_STREAM_RECORDS", "3000"))
KILLS = 2
OFTEN, OVER = "0d8b1f1e-4a0c-4e3d-9f6e-0000000000a1", "0d8b1f1e-4a0c-4e3d-9f6e-0000000000a2"
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
            "condition": {"gte": 3},
            "generate": True,
        },
    },
    {
        "title": "Several users often",
        "id": OVER,
        "level": "high",
        "correlation": {
            "type": "value_count",
            "rules": ["often"],
            "timespan": "4h",
            "condition": {"gte": 3, "field": "userIdentity.userName"},
        },
    },
]
CHILD = Path(stream.__file__)
_log = logging.getLogger(__name__)


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setattr(anomalies, "shipped", stream.small)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yml").write_text(yaml.safe_dump_all(RULES))
    settings = Settings(rules=(tmp_path / "rules",), shipped_rules=False)
    for name in ("whole", "killed"):
        Watchfloor.open(tmp_path / name, settings).close()
    return tmp_path / "whole", tmp_path / "killed"


class Outcome:
    """All that a run left, as far as it is a function of the events alone."""

    def __init__(self, home: Path) -> None:
        with Watchfloor.open(home, clock=lambda: stream.DAY_OF_STREAM) as product:
            documents, tenant = product.parts.documents, product.parts.tenant
            self.findings = {one.uid: one.to_dict() for one in documents.find(tenant, Finding, limit=None)}
            self.said = {one.uid: one.signals for one in documents.find(tenant, Noticed, limit=None)}
            self.counted = {one.uid: one.entries for one in documents.find(tenant, Counted, limit=None)}
            self.unlearned = documents.count(tenant, Unlearned)
            self.learned = documents.get(tenant, Learned, "anomalies").n
            self.known = {one.shelf.name: one.shelf.rows for one in taken_up(product.parts).members}


@pytest.mark.chaos
def test_a_day_of_stream_stays_bounded_and_survives_being_killed(homes: tuple[Path, Path]) -> None:
    whole, killed = homes
    _undisturbed(whole)
    expected = Outcome(whole)
    _killed(killed, batches=-(-len(stream.events(RECORDS)) // stream.BATCH))
    found = Outcome(killed)

    totals = [one["correlated"]["total"] for one in expected.findings.values() if one["correlated"]]
    assert len(totals) > stream.STOPPERS, "there is something to lose"
    assert found.findings == expected.findings
    assert found.counted == expected.counted
    members = Counter(signal["member"] for signals in expected.said.values() for signal in signals)
    _log.warning("said: %s", dict(members))
    assert {"anomaly/first_seen", "anomaly/volume", "anomaly/beaconing", "anomaly/dns_tunnelling"} <= members.keys()
    assert found.said == expected.said
    assert found.known == expected.known
    assert found.learned == expected.learned
    assert found.unlearned == expected.unlearned == 0


def _undisturbed(home: Path) -> None:
    """The stream in one go, and what is held at each of its hours."""
    hour, sizes = 0, []
    started = time.process_time()
    for product, _, now in stream.keep(home, RECORDS):
        if now // HOUR > hour >= 0:
            hour = now // HOUR
            status = taken_up(product.parts).status()
            sizes.append((sum(one.entries for one in status), sum(one.bytes for one in status)))
            for one in status:
                assert one.entries <= one.most == stream.MOST, one
    entries, kept = zip(*sizes, strict=True)
    spent = time.process_time() - started
    _log.warning("%d events, %.1f s of CPU; entries %s; bytes %s", len(stream.events(RECORDS)), spent, entries, kept)
    assert len(sizes) > 24
    assert any(one.entries > stream.MOST - 20 for one in status), "the flood has filled a shelf"


def _killed(home: Path, batches: int) -> None:
    """The stream by a process that dies at random moments, and at those between the lake and the end of the commit."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    _log.warning("seed %d", seed)
    places = ["lake", "usual", "documents"]
    for at, place in zip(sorted(rng.sample(range(1, batches), len(places))), rng.sample(places, 3), strict=True):
        assert _run(home, str(at), place) == -9
    for _ in range(KILLS):
        _run(home, pause=rng.random(), after=rng.randrange(8))
    assert _run(home) == 0


def _run(home: Path, *die: str, pause: float = 0.0, after: int | None = None) -> int:
    """The keeper as a process of its own; with `after` it is killed so many batches after its start, and a pause."""
    command = [sys.executable, str(CHILD), str(home), str(RECORDS), *die]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    if after is not None:
        for _ in range(after + 1):
            child.stdout.readline()
        time.sleep(pause)
        child.kill()
    child.stdout.read()
    child.stdout.close()
    return child.wait()
