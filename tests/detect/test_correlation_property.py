"""Correlations against a brute-force evaluator: whatever the order, the batches, the repeats and the restarts, the same
findings come out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.detect.helpers import event
from tests.detect.naive_correlation import UNITS, Told, evaluate
from watchfloor.core.finding import Finding, joined
from watchfloor.core.noun import short_id
from watchfloor.detect import Detector
from watchfloor.detect.correlation import Group, Hit, MemoryGroups
from watchfloor.detect.correlation.correlator import LATENESS

START = 1_790_000_000_000 // 3_600_000 * 3_600_000
BASE = ["r0", "r1", "r2"]
OPERATORS = st.sampled_from(["gt", "gte", "gte", "gte", "lt", "lte", "eq", "neq"])
SPANS = st.sampled_from(["10s", "1m", "90m"])
EXPRESSIONS = ["r0 and r1", "r0 or r2", "r0 and not r1", "(r0 or r1) and r2", "not r0 and (r1 or not r2)"]


@st.composite
def _conditions(draw: st.DrawFn, kind: str) -> Any:
    ops = draw(st.lists(OPERATORS, min_size=1, max_size=2, unique=True))
    numbers = st.integers(1, 4) if kind in ("event_count", "value_count") else st.sampled_from([1, 2.5, 4, 7])
    condition: dict[str, Any] = {op: draw(numbers) for op in ops}
    if kind != "event_count":
        condition["field"] = draw(st.sampled_from(["v", ["v", "k"]])) if kind == "value_count" else "v"
    if kind == "value_percentile":
        condition["percentile"] = draw(st.sampled_from([0, 25, 50, 90, 100]))
    return condition


@st.composite
def _correlation(draw: st.DrawFn, n: int, below: list[str]) -> dict[str, Any]:
    kinds = ["event_count", "value_count", "value_sum", "value_avg", "value_median", "value_percentile"]
    kind = draw(st.sampled_from([*kinds, "temporal", "temporal_ordered", "temporal", "temporal_ordered"]))
    section: dict[str, Any] = {"type": kind, "timespan": draw(SPANS), "generate": draw(st.booleans())}
    section["group-by"] = draw(st.sampled_from([["k"], ["k", "h"], ["alias"], []]))
    section["rules"] = draw(st.lists(st.sampled_from(below), min_size=1, max_size=3, unique=True))
    if kind not in ("temporal", "temporal_ordered"):
        section["condition"] = draw(_conditions(kind))
    elif draw(st.booleans()):
        del section["rules"]
        section["condition"] = draw(st.sampled_from(EXPRESSIONS))
    elif draw(st.booleans()):
        section["condition"] = {draw(OPERATORS): draw(st.integers(1, 3))}
    if section["group-by"] == ["alias"]:
        names = section.get("rules", BASE)
        section["aliases"] = {"alias": {name: draw(st.sampled_from(["k", "h"])) for name in names}}
    return {"title": f"c{n}", "id": f"0d8b1f1e-4a0c-4e3d-9f6e-00000000000{n}", "name": f"c{n}", "correlation": section}


@st.composite
def _rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = [
        {
            "title": name,
            "name": name,
            "logsource": {"product": "test"},
            "detection": {"sel": {"f": name}, "condition": "sel"},
        }
        for name in BASE
    ]
    names = list(BASE)
    for n in range(draw(st.integers(1, 3))):
        rules.append(draw(_correlation(n, names)))
        names.append(f"c{n}")
    return rules


# Values are not negative: a sum is taken for one that only grows (see Correlation.eager).
FIELDS = st.fixed_dictionaries(
    {"f": st.lists(st.sampled_from(BASE), min_size=1, max_size=2, unique=True)},
    optional={
        "k": st.sampled_from(["a", "A", "b", ["a", "b"]]),
        "h": st.sampled_from(["a", "x"]),
        "v": st.sampled_from([0, 1, 2, 3, "4", "1.5", "word", [1, 2]]),
    },
)
TIMES = st.one_of(
    st.integers(0, 30).map(lambda n: n * 2_000),
    st.integers(0, 8).map(lambda n: n * 1_800_000),
    st.integers(3_590, 3_610).map(lambda n: n * 1_000),  # over the end of an hour
)
EVENTS = st.lists(st.tuples(TIMES, FIELDS, st.integers(0, LATENESS)), max_size=10)


class Run:
    """The events as they arrive in batches, over groups that may come back from their bytes."""

    def __init__(self, rules: list[dict[str, Any]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "rules.yml").write_text(yaml.safe_dump_all(rules))
            self.detector = Detector.load([Path(folder)], shipped=False)
        assert [str(p) for p in self.detector.problems if p.fatal] == []
        self.groups = MemoryGroups("acme")
        self.told: dict[str, Finding] = {}

    def hits(self, batch: list[tuple[str, int, dict[str, Any]]]) -> list[Hit]:
        found: list[Hit] = []
        for uid, at, fields in batch:
            found += self.detector.examine(event(fields, uid=uid, time=at)).hits
        return found

    def take(self, findings: list[Finding]) -> None:
        for one in findings:
            before = self.told.get(one.uid)
            self.told[one.uid] = one if before is None else joined(before, one)

    def restart(self) -> None:
        """All groups from their bytes, as a process that was killed finds them."""
        fresh = MemoryGroups("acme")
        for rule in self.detector.correlations:
            groups = self.groups.between(rule.uid, 0, 1 << 62)
            again = [Group.from_json(group.canonical()) for group in groups]
            for group in again:
                group.before = 0
            fresh.put(rule.uid, again)
            assert fresh.size(rule.uid) == self.groups.size(rule.uid)
        self.groups = fresh


def _as_told(run: Run) -> dict[str, tuple[float, frozenset[str]]]:
    found = {}
    for one in run.told.values():
        assert one.correlated
        found[one.uid] = (one.correlated.value, frozenset(e.uid for e in one.correlated.events))
    return found


def _expected(told: set[Told]) -> dict[str, tuple[float, frozenset[str]]]:
    return {
        short_id("f", "acme", one.rule, *one.group, str(one.cell), digits=32): (one.figure, one.events) for one in told
    }


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules=_rules(), events=EVENTS, data=st.data())
def test_the_same_findings_in_any_order_and_any_batches(
    rules: list[dict[str, Any]], events: list[tuple[int, dict[str, Any], int]], data: st.DataObject
) -> None:
    run = Run(rules)
    named = [(f"e{n}", START + at, fields, START + at + delay) for n, (at, fields, delay) in enumerate(events)]
    arriving = sorted(named, key=lambda e: e[3])
    batches = [arriving]
    if arriving:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(arriving)), max_size=4)))
        batches = [arriving[a:b] for a, b in zip([0, *cuts], [*cuts, len(arriving)], strict=True)]
    now = former = START
    correlator = run.detector.correlator
    for batch in batches:
        hits = run.hits([(uid, at, fields) for uid, at, fields, _ in batch])
        now = max([now, *(arrival for *_, arrival in batch)])
        for _ in range(1 + data.draw(st.booleans())):  # done again, as after a crash
            run.take(correlator.step(hits, run.groups, now))
        if data.draw(st.booleans()):
            run.restart()
        if data.draw(st.booleans()):
            run.take(correlator.settle(run.groups, now, former))
            former = now
    run.take(correlator.finish(run.groups, now, START))
    expected = evaluate(rules, [{"uid": uid, "time": at, "fields": fields} for uid, at, fields, _ in named])
    assert _as_told(run) == _expected(expected)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules=_rules(), events=EVENTS, order=st.randoms(use_true_random=False))
def test_files_in_any_order_are_decided_at_their_end(
    rules: list[dict[str, Any]], events: list[tuple[int, dict[str, Any], int]], order: Any
) -> None:
    """All within one moment of the clock, however old the events are."""
    named = [(f"e{n}", START + at, fields) for n, (at, fields, _) in enumerate(events)]
    expected = evaluate(rules, [{"uid": uid, "time": at, "fields": fields} for uid, at, fields in named])
    order.shuffle(named)
    run = Run(rules)
    now = START + 90 * 24 * UNITS["h"]
    for one in named:
        run.take(run.detector.correlator.step(run.hits([one]), run.groups, now))
    run.take(run.detector.correlator.finish(run.groups, now, now))
    assert _as_told(run) == _expected(expected)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules=_rules(), events=EVENTS)
def test_what_waits_is_decided_by_the_clock(
    rules: list[dict[str, Any]], events: list[tuple[int, dict[str, Any], int]]
) -> None:
    """Nobody says that no more will come: an hour and the time spans later all is told, once a minute or at once."""
    named = [(f"e{n}", START + at, fields) for n, (at, fields, _) in enumerate(events)]
    run = Run(rules)
    run.take(run.detector.correlator.step(run.hits(named), run.groups, START))
    late = START + 3 * (LATENESS + 2 * UNITS["h"]) + 1
    former = 0
    for now in (START + UNITS["m"], START + LATENESS, START + 2 * LATENESS, late, late + LATENESS * 9):
        run.take(run.detector.correlator.settle(run.groups, now, former))
        former = now
    expected = evaluate(rules, [{"uid": uid, "time": at, "fields": fields} for uid, at, fields in named])
    assert _as_told(run) == _expected(expected)
    run.detector.correlator.expire(run.groups, late + 30 * 24 * UNITS["h"])
    assert [run.groups.size(rule.uid) for rule in run.detector.correlations] == [0] * len(run.detector.correlations)
