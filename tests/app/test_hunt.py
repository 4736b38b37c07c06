"""Looking back with rules: the same findings as live detection gives, each once, and the same when it is cut off."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect.helpers import event
from tests.records import trails
from watchfloor.app.hunt import Hunt, hunting_detector, lines_of
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.finding import Finding
from watchfloor.detect import Detector
from watchfloor.store import lake_scan
from watchfloor.store.lake_scan import scan

EVER = 1 << 62
RULE = {
    "title": "Trail stopped", "id": "5f0f9a0e-3c1e-4b0c-9f5b-1f0a5e8a7c11", "level": "high",
    "logsource": {"product": "aws", "service": "cloudtrail"},
    "detection": {"sel": {"eventName": "StopLogging"}, "condition": "sel"},
}  # fmt: skip
MANY = {
    "title": "Trails stopped", "id": "1b0f7a52-6f0c-4f0a-9a55-0f6f3c1d2e11", "level": "high",
    "correlation": {"type": "event_count", "rules": [RULE["id"]], "group-by": ["sourceIPAddress"], "timespan": "1h",
                    "condition": {"gte": 3}, "generate": True},
}  # fmt: skip


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump_all([RULE, MANY]))
    return file


def fill(product: Watchfloor, folder: Path, days: int = 3, a_day: int = 4) -> None:
    for day in range(days):
        (folder / f"t{day}.json").write_text(
            json.dumps({"Records": trails(a_day, eventTime=f"2026-10-{13 + day}T07:01:02Z", requestID=f"d{day}")})
        )
    product.pipeline.ingest(sorted(folder.glob("t*.json")))


def hunted(product: Watchfloor, detector: Detector, since: int = 0, before: int = EVER) -> list[Finding]:
    return [found.finding for found in Hunt(product.parts, detector, since, before).run()]


def by_uid(findings: list[Finding]) -> dict[str, bytes]:
    assert len({one.uid for one in findings}) == len(findings)
    return {one.uid: one.canonical() for one in findings}


def test_it_finds_what_live_detection_found_and_keeps_it_once(rules: Path, tmp_path: Path) -> None:
    with Watchfloor.open(tmp_path / "live") as live:
        live.parts.__dict__["detector"] = Detector.load([rules], shipped=False)
        fill(live, tmp_path)
        told = by_uid(live.pipeline.findings())
    with Watchfloor.open(tmp_path / "home") as product:
        product.parts.__dict__["detector"] = Detector.load([], shipped=False)
        fill(product, tmp_path)
        assert product.pipeline.findings() == []
        detector = hunting_detector(product.parts, [rules], shipped=False)
        assert len(told) == 12 + 3
        assert by_uid(hunted(product, detector)) == told
        for _ in range(2):
            list(Hunt(product.parts, detector, 0, EVER).keep(product.pipeline.keeper, by="ana"))
            assert by_uid(product.pipeline.findings()) == told
        entries = product.parts.ledger.of_subject(product.parts.tenant, "lake")
        bodies = [(e.kind, e.actor, json.loads(e.body)) for e in entries]
        assert [(kind, by, b["findings"], b["events"]) for kind, by, b in bodies] == [
            ("detections.hunted", "ana", 15, 12)
        ] * 2


def test_a_time_is_looked_at_and_no_more(product: Watchfloor, rules: Path, tmp_path: Path) -> None:
    fill(product, tmp_path)
    detector = Detector.load([rules], shipped=False)
    second = [f.time for f in hunted(product, detector) if f.detection.uid == RULE["id"]][4]
    some = hunted(product, detector, second, second + 1)
    assert {one.time for one in some} == {second}
    assert len(some) == 4 + 1


def test_files_that_are_put_together_meanwhile_lose_and_double_nothing(
    product: Watchfloor, rules: Path, tmp_path: Path
) -> None:
    for n, record in enumerate(trails(70)):
        (tmp_path / f"t{n}.json").write_text(json.dumps({"Records": [record]}))
    lake, tenant = product.parts.lake, product.parts.tenant
    with mock.patch.object(type(lake), "compact", return_value=0):
        for file in sorted(tmp_path.glob("t*.json")):
            product.pipeline.ingest([file])
    assert len(lake.segments(tenant)) == 70
    detector = Detector.load([rules], shipped=False)
    told = by_uid(hunted(product, detector))
    read, opened = lake_scan.batches_of, 0

    def slow(file: Path, *rest: int) -> object:
        nonlocal opened
        opened += 1
        if opened == 30:
            assert lake.compact(tenant) == 1
            for gone in [s.file for s in lake._manifest.segments(tenant, "replaced")]:
                (lake.folder / tenant / gone).unlink()
        return read(file, *rest)

    with mock.patch.object(lake_scan, "batches_of", slow):
        assert by_uid(hunted(product, detector)) == told
    assert len(lake.segments(tenant)) == 1


texts = st.text(max_size=6) | st.sampled_from(["StopLogging", "\ud800", "a\nb", '"', "\u2028"])
values = st.recursive(
    texts | st.integers(-(2**70), 2**70) | st.booleans() | st.none(), lambda x: st.lists(x, max_size=2)
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["eventName", "sourceIPAddress", "x"]), values), min_size=1, max_size=4)
)
@settings(max_examples=25, deadline=None)
def test_lines_of_the_lake_say_what_events_say(records: list[dict[str, object]]) -> None:
    """Whatever a record holds, a row that a rule matches is among the lines that are looked at."""
    source = {"product": "aws", "service": "cloudtrail"}
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.yml"
        rules.write_text(yaml.safe_dump_all([RULE, MANY]))
        detector = Detector.load([rules], shipped=False)
        with Watchfloor.open(Path(folder) / "home") as product:
            lake, tenant = product.parts.lake, product.parts.tenant
            events = [event(one, uid=f"e{n}", tenant=tenant, logsource=source) for n, one in enumerate(records)]
            lake.write(tenant, events)
            wanted = {one.uid for one in events if detector.matches(one)}
            seen = set()
            for batch, numbers in detector.lines((b, lines_of(b)) for b in scan(lake, tenant, 0, EVER)):
                uids = batch.table["uid"].to_pylist()
                seen.update(uids[number] for number in numbers)
            assert wanted <= seen
            assert {one.finding.event_uid for one in Hunt(product.parts, detector, 0, EVER).run()} == wanted
