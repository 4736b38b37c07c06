"""The detector and its ensemble: signals count in the risk of what they accompany, and raise alone if it is enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.detect.helpers import detector, event, rule_text
from watchfloor.core.finding import Finding, Severity, joined
from watchfloor.core.signal import Signal

RULE = rule_text({"sel": {"EventID": 1}}, title="Odd process", level="medium")


def signal(member: str, strength: float, said: str = "usually 2 a day, now 900") -> Signal:
    return Signal(member=member, strength=strength, said=said, title="Odd", techniques=("T1059.001", "T1071"))


def test_signals_count_in_the_risk_of_the_event_s_findings(tmp_path: Path) -> None:
    found = detector(tmp_path, RULE)
    (without,) = found.examine(event({"EventID": 1})).findings
    (with_one,) = found.examine(event({"EventID": 1}), [signal("anomaly/volume", 0.99)]).findings
    assert without.risk
    assert with_one.risk
    assert {part.member for part in with_one.risk.parts} == {"rule", "anomaly/volume"}
    assert with_one.risk.log_odds > without.risk.log_odds
    assert without == with_one.model_copy(update={"risk": without.risk})


def test_where_no_rule_speaks_enough_signals_are_a_finding(tmp_path: Path) -> None:
    found = detector(tmp_path, RULE)
    strong = [signal("learned/command_line", 0.999, "reads like an encoded download"), signal("anomaly/rare", 0.99)]
    (one,) = found.examine(event({"EventID": 4}), strong).findings
    assert one.detection.kind == "learned"
    assert (one.detection.uid, one.detection.family) == ("learned/command_line/odd", "learned/command_line")
    assert one.severity >= Severity.medium
    assert one.title == "Odd: reads like an encoded download"
    assert one.techniques == ("T1059.001", "T1071")
    assert one.tactics == ("execution", "command-and-control")
    assert one.risk
    assert one.risk.p_critical >= 0.5


TESTS = {"match": [{"EventID": 1}], "no_match": [{"EventID": 2}]}


@pytest.mark.parametrize("tests", [None, {}, {"match": [{"EventID": 1}]}, {"match": [1], "no_match": []}, "match"])
def test_a_rule_that_brings_true_and_near_miss_events_says_more_than_one_without(tmp_path: Path, tests: Any) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    ours = detector(tmp_path / "a", rule_text({"sel": {"EventID": 1}}, level="medium", tests=TESTS))
    theirs = detector(tmp_path / "b", rule_text({"sel": {"EventID": 1}}, level="medium", tests=tests))
    assert ([rule.tested for rule in ours.rules], [rule.tested for rule in theirs.rules]) == ([True], [False])
    (more,), (less,) = (found.findings(event({"EventID": 1})) for found in (ours, theirs))
    assert more.risk
    assert less.risk
    assert {part.member for part in more.risk.parts} - {part.member for part in less.risk.parts} == {"tested"}
    assert more.risk.log_odds > less.risk.log_odds


@pytest.mark.parametrize("signals", [[], [signal("anomaly/rare", 0.9)], [signal("made/up", 1.0)]])
def test_too_little_raises_nothing(tmp_path: Path, signals: list[Signal]) -> None:
    assert detector(tmp_path, RULE).examine(event({"EventID": 4}), signals).findings == []


def test_one_family_of_members_alone_is_never_of_high_severity(tmp_path: Path) -> None:
    found = detector(tmp_path, RULE)
    many = [signal(f"anomaly/{name}", 1.0) for name in ("rare", "volume", "beaconing", "sequence", "first_seen")]
    (one,) = found.examine(event({"EventID": 4}), many).findings
    assert (one.detection.kind, one.severity) == ("anomaly", Severity.medium)
    (one,) = found.examine(event({"EventID": 4}), [*many, signal("learned/url", 1.0)]).findings
    assert one.severity == Severity.high


def test_a_rule_s_word_is_not_said_twice(tmp_path: Path) -> None:
    many = [signal("learned/url", 1.0), signal("anomaly/volume", 1.0)]
    found = detector(tmp_path, RULE).examine(event({"EventID": 1}), many).findings
    assert [one.detection.kind for one in found] == ["rule"]


def test_a_finding_comes_back_as_it_went_and_one_from_before_there_was_risk_does_too(tmp_path: Path) -> None:
    (one,) = detector(tmp_path, RULE).examine(event({"EventID": 1}), [signal("anomaly/rare", 0.97)]).findings
    assert Finding.from_json(one.canonical()) == one
    older = {name: value for name, value in one.to_dict().items() if name != "risk"}
    assert Finding.from_dict(older) == one.model_copy(update={"risk": None})


def test_of_two_tellings_of_an_alert_the_greater_risk_stays(tmp_path: Path) -> None:
    found = detector(tmp_path, RULE)
    (low,) = found.examine(event({"EventID": 1})).findings
    (high,) = found.examine(event({"EventID": 1}), [signal("anomaly/rare", 0.97)]).findings
    assert joined(low, high).risk == joined(high, low).risk == high.risk
