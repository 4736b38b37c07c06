"""Real rules on real records: each path against the naive evaluator, and against asking every rule by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from orjson import dumps

from tests.detect import naive
from tests.detect.helpers import PATHS, sigma_aliases
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


@pytest.fixture(scope="module", params=PATHS)
def engine(detector: Detector, request: pytest.FixtureRequest) -> Engine:
    """The same rules on each path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WATCHFLOOR_ENGINE", request.param)
        found = Engine(detector.rules, LogSources.shipped())
    assert found.path_name == request.param
    return found


@pytest.fixture(scope="module")
def events(shared_data: Path) -> list[Event]:
    paths = [
        shared_data / p for p in ("evtx-to-mitre", "sigma/regression_data", "zeek-sample", "aws_dataset", "mordor")
    ]
    found: list[Event] = []
    for path in paths:
        of_path = [e for e in ingest([path], "acme", Normalizer.shipped()) if isinstance(e, Event)]
        found += of_path[:: max(1, len(of_path) // 120)]
    return found


@pytest.fixture(scope="module")
def one_by_one(detector: Detector, events: list[Event]) -> list[set[str]]:
    """For each event the rules that match, each asked by itself."""
    engine = Engine(detector.rules, LogSources.shipped())
    tests = {rule.uid: compile_node(rule.node) for rule in detector.rules}
    found = []
    for event in events:
        view = View(event)
        found.append({rule.uid for rule in engine.rules_for(event) if tests[rule.uid](view)})
    assert sum(map(len, found)) > 100
    return found


def test_what_is_remembered_loses_and_invents_nothing(
    engine: Engine, events: list[Event], one_by_one: list[set[str]]
) -> None:
    for _ in range(2):  # as never seen, and as remembered
        for event, wanted in zip(events, one_by_one, strict=True):
            assert {rule.uid for rule in engine.matches(event)} == wanted, event.uid


def test_lines_match_as_the_events_that_they_tell_of(
    engine: Engine, events: list[Event], one_by_one: list[set[str]]
) -> None:
    lines = [dumps({"original": e.original, "ocsf": e.ocsf, "logsource": e.logsource}) for e in events]
    told = {one.line: one for one in engine.scan(b"\n".join(lines), {}, "event")}
    assert not any(one.problem for one in told.values())
    for number, wanted in enumerate(one_by_one):
        found = {engine.rules[n].uid for n in told[number].rules} if number in told else set()
        assert found == wanted, events[number].uid


@pytest.fixture(scope="module")
def answers(detector: Detector, events: list[Event], one_by_one: list[set[str]]) -> list[tuple[int, str, bool]]:
    """What the naive evaluator says: the event's number, the rule's uid, and whether it matches. For some events of
    all kinds, every rule that matched and some of the others."""
    engine = Engine(detector.rules, LogSources.shipped())
    raw: dict[str, dict[str, Any]] = {}
    found = []
    for number in range(0, len(events), 12):
        event = events[number]
        meant = engine.rules_for(event)
        matched = [rule for rule in meant if rule.uid in one_by_one[number]]
        for rule in meant[number % 17 :: 17] + matched:
            if rule.uid not in raw:
                documents = yaml.load_all(Path(rule.file).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
                raw[rule.uid] = next(d for d in documents if rule.uid == d.get("id") or rule.title == d.get("title"))
            if "derived." not in str(raw[rule.uid]["detection"]):
                aliases = sigma_aliases(rule.logsource.named)
                found.append((number, rule.uid, naive.matches(raw[rule.uid], event.original, aliases)))
    assert len(found) > 500
    assert sum(matches for *_, matches in found) > 10
    return found


def test_engine_and_naive_evaluator_agree_on_real_rules(
    engine: Engine, events: list[Event], answers: list[tuple[int, str, bool]]
) -> None:
    matched = {number: {rule.uid for rule in engine.matches(events[number])} for number in {n for n, *_ in answers}}
    for number, uid, matches in answers:
        assert (uid in matched[number]) == matches, (uid, events[number].uid)
