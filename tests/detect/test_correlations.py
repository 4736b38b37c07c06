"""Correlation rules: the specification's examples, what does not load and why, and what a finding says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.detect.helpers import event, rule_text
from watchfloor.core.finding import Finding, Severity
from watchfloor.detect import Detector
from watchfloor.detect.correlation import Group, MemoryGroups
from watchfloor.detect.correlation.correlator import MOST_COUNTED
from watchfloor.detect.sigma.correlation import Correlation

AT = 1_790_000_000_000
MINUTE = 60_000
ROOT = Path(__file__).resolve().parents[2]
# The example of the specification.
CHAIN = """
title: Correlation - Multiple Failed Logins Followed by Successful Login
id: b180ead8-d58f-40b2-ae54-c8940995b9b6
correlation:
    type: temporal_ordered
    rules: [multiple_failed_login, successful_login]
    group-by: [User]
    timespan: 10m
level: high
---
title: Multiple failed logons
id: a8418a5a-5fc4-46b5-b23b-6c73beb19d41
name: multiple_failed_login
correlation:
    type: event_count
    rules: [failed_login]
    group-by: [User]
    timespan: 10m
    condition: {gte: 10}
---
title: Single failed login
id: 53ba33fd-3a50-4468-a5ef-c583635cfa92
name: failed_login
logsource: {product: test}
detection:
    selection: {EventID: [529, 4625]}
    condition: selection
tags: [attack.credential-access, attack.t1110]
level: low
---
title: Successful login
id: 4d0a2c83-c62c-4ed4-b475-c7e23a9269b8
name: successful_login
logsource: {product: test}
detection:
    selection: {EventID: [528, 4624]}
    condition: selection
tags: [attack.t1078]
"""


def load(folder: Path, *texts: str) -> Detector:
    for n, text in enumerate(texts):
        (folder / f"rule{n}.yml").write_text(text)
    return Detector.load([folder], shipped=False)


def correlation(rules: list[str] | str, **section: Any) -> str:
    section = {"type": "event_count", "timespan": "5m", "group-by": ["k"], "condition": {"gte": 2}, **section}
    return yaml.safe_dump({"title": "Several", "correlation": {"rules": rules, **section}}, sort_keys=False)


def base(name: str, **detection: Any) -> str:
    return rule_text({"sel": detection or {"f": name}}, name=name, title=name)


def told(detector: Detector, *records: dict[str, Any], minutes: float = 1) -> list[Finding]:
    """The findings of correlations over records that come one after the other."""
    groups = MemoryGroups("acme")
    hits = [
        hit
        for n, record in enumerate(records)
        for hit in detector.examine(event(record, uid=f"e{n}", time=AT + int(n * minutes * MINUTE), position=n)).hits
    ]
    return detector.correlator.step(hits, groups, AT) + detector.correlator.finish(groups, AT, 0)


def test_the_specification_s_chain(tmp_path: Path) -> None:
    detector = load(tmp_path, CHAIN)
    assert detector.problems == []
    failed, success = {"EventID": 4625, "User": "alice"}, {"EventID": 4624, "User": "alice"}
    (found,) = told(detector, *[failed] * 10, success, minutes=0.1)
    assert (found.title, found.severity, found.event_uid, found.position) == (
        detector.correlations[1].title,
        4,
        "e10",
        10,
    )
    assert found.correlated
    assert [e.uid for e in found.correlated.events] == [f"e{n}" for n in range(11)]
    assert {e.rule for e in found.correlated.events} == {"Single failed login", "Successful login"}
    assert found.techniques == ("T1110", "T1078")
    assert (found.time, found.until) == (AT, AT + MINUTE)
    assert told(detector, *[failed] * 9, success, minutes=0.1) == []
    assert told(detector, success, *[failed] * 10, minutes=0.1) == []
    assert told(detector, *[failed] * 10, success, minutes=2) == []
    assert told(detector, *[failed] * 10, {"EventID": 4624, "User": "bob"}, minutes=0.1) == []


def test_rules_that_are_referred_to_are_silent_unless_it_says_generate(tmp_path: Path) -> None:
    silent = load(tmp_path, base("a"), correlation("a"), base("b"))
    assert silent.findings(event({"f": "a", "k": "x"})) == []
    assert len(silent.findings(event({"f": "b", "k": "x"}))) == 1
    loud = load(tmp_path, base("a"), correlation("a", generate=True))
    assert len(loud.findings(event({"f": "a", "k": "x"}))) == 1
    assert len(told(loud, *[{"f": "a", "k": "x"}] * 2)) == 1
    broken = load(tmp_path, base("a"), correlation(["a", "absent"]))
    assert len(broken.findings(event({"f": "a", "k": "x"}))) == 1, "what does not load silences nothing"


def test_aliases(tmp_path: Path) -> None:
    """The specification's example: the same two addresses, each in the other's place."""
    aliases = {
        "internal_ip": {"internal_error": "destination.ip", "new_connection": "source.ip"},
        "remote_ip": {"internal_error": "source.ip", "new_connection": "destination.ip"},
    }
    both = correlation(
        ["internal_error", "new_connection"],
        **{"type": "temporal", "group-by": ["internal_ip", "remote_ip"], "aliases": aliases, "condition": {"gte": 2}},
    )
    detector = load(tmp_path, base("internal_error"), base("new_connection"), both)
    error = {"f": "internal_error", "destination": {"ip": "10.0.0.1"}, "source": {"ip": "203.0.113.9"}}
    back = {"f": "new_connection", "source": {"ip": "10.0.0.1"}, "destination": {"ip": "203.0.113.9"}}
    (found,) = told(detector, error, back)
    assert found.correlated
    assert found.correlated.group == {"internal_ip": "10.0.0.1", "remote_ip": "203.0.113.9"}
    same_way = {"f": "new_connection", "destination": {"ip": "10.0.0.1"}, "source": {"ip": "203.0.113.9"}}
    assert told(detector, error, same_way) == []


@pytest.mark.parametrize(
    ("condition", "counts"),
    [
        ({"gt": 2}, {3, 4, 5}),
        ({"gte": 2, "lte": 3}, {2, 3}),
        ({"gt": 1, "lt": 4, "neq": 3}, {2}),
        ({"eq": 4}, {4}),
        ({"lt": 3}, {1, 2}),
        ({"neq": 1}, {2, 3, 4, 5}),
    ],
    ids=str,
)
def test_conditions_and_ranges(tmp_path: Path, condition: dict[str, int], counts: set[int]) -> None:
    """Ten events are "fewer than three" at no time, though there was a first."""
    detector = load(tmp_path, base("a"), correlation("a", condition=condition))
    assert {n for n in range(1, 6) if told(detector, *[{"f": "a", "k": "x"}] * n, minutes=0.5)} == counts


@pytest.mark.parametrize(
    ("section", "figure", "says"),
    [
        ({"type": "value_count", "condition": {"gte": 3, "field": "v"}}, 3, "3 different values of v"),
        ({"type": "value_count", "condition": {"gte": 4, "field": ["v", "w"]}}, 4, "4 different values of v and w"),
        ({"type": "value_sum", "condition": {"gte": 10, "field": "v"}}, 11.5, "v adds up to 11.50"),
        ({"type": "value_avg", "condition": {"gt": 2, "field": "v"}}, 2.3, "the mean of v is 2.30"),
        ({"type": "value_median", "condition": {"gte": 1, "field": "v"}}, 1, "the median of v is 1"),
        (
            {"type": "value_percentile", "condition": {"gte": 5, "field": "v", "percentile": 90}},
            5.2,
            "the 90th percentile of v is 5.20",
        ),
    ],
    ids=["values", "values of two fields", "sum", "mean", "median", "percentile"],
)
def test_what_is_measured_and_how_it_reads(tmp_path: Path, section: dict[str, Any], figure: float, says: str) -> None:
    detector = load(tmp_path, base("a"), correlation("a", **section))
    values = [(1, "p"), ("1", "P"), (2.5, "p"), (7, "p"), ("0", "q"), ("none", "r")]
    if section["type"] == "value_count":
        values = [(1, "p"), ("1", "P"), (1, "q"), ("x", "p"), ("X", "p"), (2, "p")]
    (found,) = told(detector, *({"f": "a", "k": "x", "v": v, "w": w} for v, w in values), minutes=0.1)
    assert found.correlated
    assert found.correlated.value == pytest.approx(figure)
    assert found.correlated.sentence.startswith(f"{says} (“a”) in ")
    assert found.correlated.sentence.endswith(", for k x")


BROKEN = {
    correlation("absent"): "no rule that loads has this id or name",
    correlation([]): "refers to no rule",
    correlation("a", timespan="soon"): "invalid",
    correlation("a", condition={"frob": 1}): "exactly one condition item",
    correlation("a", condition={"gte": 2, "lte": "many"}): "no valid Sigma correlation condition count",
    correlation("a", type="value_count"): "without field reference",
    correlation("a", type="value_percentile", condition={"gte": 2, "field": "v"}): "needs a `percentile`",
    correlation("a", type="frobnicate"): "no valid Sigma correlation type",
    correlation("a", condition="a and a"): "Extended conditions",
    correlation("a", condition={"gte": MOST_COUNTED + 1}): "asks for more than",
    correlation("same"): "the name of several rules",
    correlation("a", type="temporal", condition="a and"): "Failed to parse",
    "title: T\ncorrelation: 7\n": "must be a dict",
    "title: Self\nname: self\n" + correlation("self"): "refers to itself",
}


@pytest.mark.parametrize(("text", "reason"), BROKEN.items(), ids=BROKEN.values())
def test_a_broken_correlation_is_listed_and_the_rest_loads(tmp_path: Path, text: str, reason: str) -> None:
    same = rule_text({"sel": {"f": "same"}}, name="same", title="other")
    good = correlation("a") + "id: 0d8b1f1e-4a0c-4e3d-9f6e-0c8d6d0f5a11\n"
    text = text.replace("title: Several\n", "", 1) if text.startswith("title: Self") else text
    detector = load(tmp_path, base("a"), base("same"), same, good, text)
    assert [c.uid for c in detector.correlations] == ["0d8b1f1e-4a0c-4e3d-9f6e-0c8d6d0f5a11"]
    (problem,) = [p for p in detector.problems if p.fatal]
    assert reason in problem.reason
    assert problem.file.endswith("rule4.yml")


def test_two_that_refer_to_each_other_both_fail(tmp_path: Path) -> None:
    one, two = (f"name: {name}\n" + correlation(other) for name, other in (("one", "two"), ("two", "one")))
    detector = load(tmp_path, one, two)
    assert detector.correlations == ()
    assert {p.reason for p in detector.problems} == {"refers to itself", "refers to 'Several', which does not load"}


def test_a_name_in_the_same_file_comes_first(tmp_path: Path) -> None:
    detector = load(tmp_path, base("a", x=1), base("a", x=2) + "---\n" + correlation("a"))
    assert told(detector, {"x": 1, "k": "x"}, {"x": 1, "k": "x"}) == []
    assert len(told(detector, {"x": 2, "k": "x"}, {"x": 2, "k": "x"})) == 1


def test_metadata_mistakes_do_not_cost_the_correlation(tmp_path: Path) -> None:
    detector = load(tmp_path, base("a"), "id: not-a-uuid\ndate: soon\n" + correlation("a"))
    assert len(detector.correlations) == 1
    assert all(p.reason.startswith("loaded, but") and not p.fatal for p in detector.problems)


def test_without_a_level_it_is_as_severe_as_the_worst_of_its_rules(tmp_path: Path) -> None:
    worse = rule_text({"sel": {"f": "b"}}, name="b", level="critical")
    detector = load(tmp_path, base("a"), worse, correlation(["a", "b"]))
    assert detector.correlations[0].severity == Severity.critical


def test_values_of_any_size_and_kind_break_nothing(tmp_path: Path) -> None:
    """What an attacker writes is cut, and no number is too large to add."""
    for kind in ("value_count", "value_sum", "value_avg", "value_median"):
        section = {"type": kind, "condition": {"gte": 1, "field": "v"}}
        detector = load(tmp_path, base("a"), correlation("a", **section))
        values: list[Any] = ["x" * 100_000, "9" * 400, "1e999", "-1e400", None, [], {"a": 1}, "\ud800", "NaN", 5, True]
        found = told(detector, *({"f": "a", "k": ["\ud800" * 999, "x", None, 7], "v": v} for v in values), minutes=0.01)
        assert found, kind
        for one in found:
            assert len(one.canonical()) < 60_000


def test_a_group_is_what_its_bytes_say(tmp_path: Path) -> None:
    detector = load(tmp_path, CHAIN)
    groups = MemoryGroups("acme")
    records = [event({"EventID": 4625, "User": "alice"}, uid=f"e{n}", time=AT + n) for n in range(12)]
    detector.correlator.step([h for one in records for h in detector.examine(one).hits], groups, AT)
    for rule in detector.correlations:
        (group,) = groups.between(rule.uid, 0, AT + 1)
        again = Group.from_json(group.canonical())
        assert (again, again.canonical()) == (group, group.canonical())
        assert len(group.entries) == (12 if rule.kind == "event_count" else 3)


def test_the_how_to_s_example_says_what_it_says_there(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-detection.md").read_text()
    text = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[1]
    detector = load(tmp_path, text)
    assert detector.problems == []
    source = {"product": "github", "service": "audit"}
    times = [0, *range(10, 22)]
    records = [{"action": "public_key.create", "actor": "mallory"}]
    records += [{"action": "git.clone", "actor": "mallory", "repo": f"acme/{n}"} for n in range(12)]
    hits = [
        hit
        for n, (minute, record) in enumerate(zip(times, records, strict=True))
        for hit in detector.examine(event(record, uid=f"e{n}", time=AT + minute * MINUTE, logsource=source)).hits
    ]
    found = {f.uid: f for f in detector.correlator.step(hits, MemoryGroups("acme"), AT)}
    (finding,) = (f for f in found.values() if f.severity == Severity.high)
    assert finding.correlated
    said = " ".join(re.findall(r"```text\n(.*?)```", page, re.DOTALL)[0].split())
    assert finding.correlated.sentence in said
    assert f"{finding.correlated.total} events" in said


def test_temporal_expressions_and_order(tmp_path: Path) -> None:
    def finds(kind: str, condition: Any, *names: str) -> bool:
        section = {"type": kind, "condition": condition, "rules": ["a", "b", "c"]}
        if isinstance(condition, str):
            section["rules"] = sorted(set(re.findall(r"\b[abc]\b", condition)))
        rules = section.pop("rules")
        detector = load(tmp_path, base("a"), base("b"), base("c"), correlation(rules, **section))
        assert isinstance(detector.correlations[0], Correlation)
        return bool(told(detector, *({"f": name, "k": "x"} for name in names)))

    assert finds("temporal", {"gte": 3}, "c", "a", "b")
    assert not finds("temporal_ordered", {"gte": 3}, "c", "a", "b")
    assert finds("temporal_ordered", {"gte": 2}, "c", "a", "b")
    assert finds("temporal", "a and not b", "a", "c")
    assert not finds("temporal", "a and not b", "b", "a")
    assert finds("temporal_ordered", "(a and b) or c", "c")
    assert not finds("temporal_ordered", "(a and b) or c", "b", "a")
    assert finds("temporal_ordered", "(a or b) and c", "b", "c")
