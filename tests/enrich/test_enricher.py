"""The enricher: every look-up gets evidence, each is made once, and what fails fails alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from tests.enrich.support import NOW, Sink, lookup
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.enrich import Enricher


class Echo:
    """Answers every look-up with its query."""

    def __init__(self, name: str) -> None:
        self.name, self.asked = name, 0

    def collect(self, lookups: Sequence[Lookup]) -> list[Evidence]:
        self.asked += len(lookups)
        return [Evidence.of(one, one.query, at=0, source="echo") for one in lookups]


class Raising(Echo):
    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name)
        self._error = error

    def collect(self, lookups: Sequence[Lookup]) -> list[Evidence]:
        raise self._error


class Forgetful(Echo):
    def collect(self, lookups: Sequence[Lookup]) -> list[Evidence]:
        return super().collect(lookups)[1:]


class Slow(Echo):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.go = threading.Event()

    def collect(self, lookups: Sequence[Lookup]) -> list[Evidence]:
        self.go.wait(20)
        return super().collect(lookups)


def enricher(*collectors: Any, sink: Sink | None = None, **more: Any) -> Enricher:
    return Enricher({c.name: c for c in collectors}, sink or Sink(), lambda: NOW + 5, **more)


def test_every_lookup_is_made_once_and_recorded() -> None:
    echo, sink = Echo("a"), Sink()
    one, other = lookup("a", {"n": 1}), lookup("a", {"n": 2})
    target = enricher(echo, sink=sink)
    found = target.collect([one, other, lookup("a", {"n": 1})])
    assert {uid: e.content for uid, e in found.items()} == {one.uid: '{"n":1}', other.uid: '{"n":2}'}
    assert target.collect([one]) == {one.uid: found[one.uid]}
    assert echo.asked == 2
    assert [(tenant, e.uid) for tenant, e in sink.held] == [("acme", e.uid) for e in found.values()]
    assert all(e.collected_at == NOW + 5 for e in found.values())


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (Raising("b", RuntimeError("boom")), "collector b failed: RuntimeError: boom"),
        (Raising("b", WatchfloorError("the lake is dry", do="Fill it")), "the lake is dry. Fill it"),
        (Forgetful("b"), "collector b did not answer what it was asked"),
        (Echo("unasked"), "there is no collector 'b'; there are a, unasked"),
    ],
)
def test_what_fails_fails_alone(broken: Echo, reason: str) -> None:
    good, bad, sink = lookup("a", {"n": 1}), lookup("b", {"n": 1}), Sink()
    found = enricher(Echo("a"), broken, sink=sink).collect([bad, good])
    assert found[good.uid].status == "ok"
    assert (found[bad.uid].status, found[bad.uid].reason) == ("failed", reason)
    assert {e.status for _, e in sink.held} == {"ok", "failed"}


def test_a_collector_that_takes_too_long_is_left_behind() -> None:
    slow = Slow("slow")
    target = enricher(Echo("a"), slow, deadline_seconds=0.05)
    good, late = lookup("a", {"n": 1}), lookup("slow", {"n": 1})
    found = target.collect([late, good])
    assert found[good.uid].status == "ok"
    assert found[late.uid].reason == "collector slow gave no answer within 0.05 s"
    again = target.collect([lookup("slow", {"n": 2})])
    assert [e.reason for e in again.values()] == [
        "collector slow is still busy with look-ups that exceeded their deadline"
    ]
    slow.go.set()


def test_a_failure_is_tried_again_the_next_time() -> None:
    flaky = Raising("a", RuntimeError("boom"))
    target = enricher(flaky)
    one = lookup("a", {"n": 1})
    assert target.collect([one])[one.uid].status == "failed"
    flaky.collect = Echo("a").collect  # type: ignore[method-assign]
    assert target.collect([one])[one.uid].status == "ok"


def test_tenants_evidence_is_recorded_apart() -> None:
    sink = Sink()
    enricher(Echo("a"), sink=sink).collect([lookup("a", {}, tenant="acme"), lookup("a", {}, tenant="other")])
    assert sorted((tenant, e.tenant) for tenant, e in sink.held) == [("acme", "acme"), ("other", "other")]
