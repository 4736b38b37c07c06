"""Backtest and noise: what a rule would have raised, who is behind it, what is known of it, what a filter would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.records import trails
from watchfloor.app.backtest import backtest
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.label import Label

EVER = 1 << 62
RULE: dict[str, Any] = {
    "title": "Any call", "id": "5f0f9a0e-3c1e-4b0c-9f5b-1f0a5e8a7c11", "level": "low",
    "logsource": {"product": "aws", "service": "cloudtrail"},
    "detection": {"sel": {"eventName": ["StopLogging", "GetTrail"]}, "condition": "sel"},
}  # fmt: skip


@pytest.fixture
def rule(tmp_path: Path) -> str:
    file = tmp_path / "rule.yml"
    file.write_text(yaml.safe_dump(RULE))
    return str(file)


@pytest.fixture
def filled(product: Watchfloor, tmp_path: Path) -> Watchfloor:
    """Two calls that stop a trail on one day, eight of a robot's on another, and forty other calls."""
    robot = {"eventName": "GetTrail", "userAgent": "robot/1", "eventTime": "2026-10-14T07:00:00Z"}
    other = {"eventName": "ListKeys", "eventTime": "2026-10-15T07:00:00Z"}
    records = [*trails(2), *trails(8, requestID="r", **robot), *trails(40, requestID="o", **other)]
    (tmp_path / "t.json").write_text(json.dumps({"Records": records}))
    product.pipeline.ingest([tmp_path / "t.json"])
    return product


def test_what_a_new_rule_would_have_raised(filled: Watchfloor, rule: str) -> None:
    (case,) = filled.pipeline.triage()
    (found,) = backtest(filled.parts, [rule], 0, EVER)
    assert (found.uid, found.title, found.level) == (RULE["id"], "Any call", "low")
    assert found.days == {"2026-10-13": 2, "2026-10-14": 8, "2026-10-15": 0}
    assert found.findings == 10
    assert found.users == {"mallory": 10}
    assert (found.known, found.cases) == (2, (case,))
    assert sum(found.overlap.values()) >= 2
    assert len(found.examples) == 5
    assert all(filled.parts.lake.event("default", one.event_uid).time == one.time for one in found.examples)
    assert (found.expected.days, found.expected.total) == (3, 10)
    json.dumps(found.as_dict())


def test_what_causes_the_noise(filled: Watchfloor, rule: str) -> None:
    (found,) = backtest(filled.parts, [rule], 0, EVER)
    causes = {(one.field, one.value): one for one in found.causes}
    robot = causes["userAgent", "robot/1"]
    assert (robot.matches, robot.share, robot.elsewhere) == (8, 0.8, 0.0)
    assert not {field for field, _ in causes} & {"eventName", "eventID", "awsRegion"}  # asked for, or everybody's


def test_a_time_and_labels(filled: Watchfloor, rule: str) -> None:
    label = Label(
        tenant="default", uid="l1", time=1, detection=RULE["id"], detection_class="sigma/aws/cloudtrail @ aws",
        verdict="false_positive", would_close=False, by="ana")  # fmt: skip
    filled.parts.documents.put("default", label)
    day = 1_792_022_400_000  # 2026-10-15
    assert backtest(filled.parts, [rule], day, EVER)[0].days == {"2026-10-15": 0}
    (found,) = backtest(filled.parts, [rule], 0, day)
    assert (found.findings, found.labels) == (10, {"false_positive": 1})
    assert found.family_labels == {"false_positive": 1}


def test_a_rule_in_use_by_its_id_and_what_is_none(filled: Watchfloor, tmp_path: Path) -> None:
    uid = next(f.detection.uid for f in filled.pipeline.findings())
    (found,) = backtest(filled.parts, [uid], 0, EVER)
    assert found.findings >= 2
    with pytest.raises(WatchfloorError, match="no path and no rule in use"):
        backtest(filled.parts, ["nothing"], 0, EVER)
    (tmp_path / "broken.yml").write_text(
        yaml.safe_dump({**RULE, "detection": {"sel": {"a|no": 1}, "condition": "sel"}})
    )
    with pytest.raises(WatchfloorError, match="does not load"):
        backtest(filled.parts, [str(tmp_path / "broken.yml")], 0, EVER)


def test_a_correlation_over_a_rule_in_use(filled: Watchfloor, tmp_path: Path) -> None:
    uid = next(f.detection.uid for f in filled.pipeline.findings())
    many = {
        "title": "Twice", "id": "1b0f7a52-6f0c-4f0a-9a55-0f6f3c1d2e11", "level": "high",
        "correlation": {"type": "event_count", "rules": [uid], "group-by": ["sourceIPAddress"], "timespan": "1h",
                        "condition": {"gte": 2}, "generate": True},
    }  # fmt: skip
    (tmp_path / "many.yml").write_text(yaml.safe_dump(many))
    (found,) = backtest(filled.parts, [str(tmp_path / "many.yml")], 0, EVER)
    assert (found.title, found.findings) == ("Twice", 1)
