"""Drift: cases that are no longer such as were labelled are noticed; those that are the same rarely raise an alarm."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from watchfloor.core.closing import Stream
from watchfloor.triage.drift import calm, height, seen

KINDS = np.array(["a", "b", "c", "d"])


def after(kinds: Iterable[str], seed: int, stream: Stream | None = None) -> tuple[Stream, float]:
    """The stream after these kinds, one a day, and the greatest height on the way."""
    rng, stream, most = np.random.default_rng(seed), stream or Stream(), 1.0
    for day, kind in enumerate(kinds):
        stream = seen(stream, str(kind), f"day {day}", float(rng.random()))
        most = max(most, height({"one": stream}))
    return stream, most


def test_a_class_that_stays_as_it_is_raises_an_alarm_in_one_of_as_many_cases_as_the_height_says() -> None:
    """150 classes of 400 cases: at height 1,000 at most 60 alarms are to be expected; twice that is no chance."""
    alarms = 0
    for seed in range(150):
        kinds = np.random.default_rng(seed).choice(KINDS, 400, p=[0.7, 0.2, 0.08, 0.02])
        alarms += after(kinds, seed + 10_000)[1] >= 1_000
    assert alarms <= 60


@pytest.mark.parametrize("new", [["x"] * 12, ["d"] * 25])
def test_kinds_that_were_not_there_or_rare_are_noticed_within_days(new: list[str]) -> None:
    for seed in range(20):
        old = np.random.default_rng(seed).choice(KINDS, 300, p=[0.7, 0.2, 0.08, 0.02])
        known, _ = after(old, seed)
        assert after(new, seed + 50, calm(known))[1] >= 5_000


def test_one_kind_displacing_all_others_is_noticed() -> None:
    known, _ = after(np.random.default_rng(3).choice(KINDS, 300, p=[0.25] * 4), 3)
    assert after(["a"] * 200, 4, calm(known))[1] >= 5_000


def test_a_burst_of_one_kind_on_one_day_counts_as_few() -> None:
    stream = Stream()
    for _ in range(1_000):
        stream = seen(stream, "a", "one day", 0.5)
    assert stream.counts == {"a": 10}
    assert seen(stream, "a", "the next day", 0.5).counts == {"a": 11}
