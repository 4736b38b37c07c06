"""Real rules on real records: the engine against the naive evaluator, and its prefilter against asking every rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.detect import naive
from tests.detect.helpers import sigma_aliases
from watchfloor.core.event import Event
from watchfloor.detect.detector import Detector
from watchfloor.detect.sigma.engine import Engine
from watchfloor.detect.sigma.fields import View
from watchfloor.detect.sigma.logsource import LogSources
from watchfloor.detect.sigma.matchers import compile_node
from watchfloor.ingest import Normalizer, ingest

FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")


@pytest.fixture(scope="module")
def detector(shared_data: Path) -> Detector:
    return Detector.load([shared_data / "sigma" / name for name in FOLDERS])


@pytest.fixture(scope="module")
def events(shared_data: Path) -> list[Event]:
    paths = [shared_data / p for p in ("evtx-to-mitre", "sigma/regression_data", "zeek-sample", "aws_dataset")]
    found: list[Event] = []
    for path in paths:
        of_path = [e for e in ingest([path], "acme", Normalizer.shipped()) if isinstance(e, Event)]
        found += of_path[:: max(1, len(of_path) // 400)]
    return found


def test_the_prefilter_loses_and_invents_nothing(detector: Detector, events: list[Event]) -> None:
    engine = Engine(detector.rules, LogSources.shipped())
    matched = 0
    for event in events:
        view = View(event)
        one_by_one = {rule.uid for rule in engine.rules_for(event) if compile_node(rule.node)(view)}
        assert {rule.uid for rule in engine.matches(event)} == one_by_one
        matched += len(one_by_one)
    assert matched > 100


def test_engine_and_naive_evaluator_agree_on_real_rules(detector: Detector, events: list[Event]) -> None:
    engine = Engine(detector.rules, LogSources.shipped())
    raw: dict[str, dict[str, Any]] = {}
    compared = 0
    for event in events[::25]:
        ours = {rule.uid for rule in engine.matches(event)}
        for rule in engine.rules_for(event)[::7] + engine.matches(event):
            if rule.uid not in raw:
                text = Path(rule.file).read_text(encoding="utf-8")
                documents = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
                raw[rule.uid] = next(d for d in documents if rule.uid == d.get("id") or rule.title == d.get("title"))
            if "derived." in str(raw[rule.uid]["detection"]):
                continue
            aliases = sigma_aliases(rule.logsource.named)
            assert naive.matches(raw[rule.uid], event.original, aliases) == (rule.uid in ours), (rule.file, event.uid)
            compared += 1
    assert compared > 1000
