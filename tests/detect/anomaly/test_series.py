"""Each series in content/anomaly says what its examples say: nothing of the usual, something of the odd."""

from __future__ import annotations

from typing import Any

import pytest

from tests.detect.anomaly.feed import DAYS, NEVER, day_of, run, usual_days
from watchfloor.core.errors import WatchfloorError
from watchfloor.detect.anomaly import Anomalies
from watchfloor.detect.anomaly.series import AnySeries, centroids, series, shipped

SERIES = [pytest.param(one, n, id=f"{one.name}-{n}") for one in shipped() for n in range(len(one.examples))]


def anomalies(one: AnySeries) -> Anomalies:
    return Anomalies("t", [one], lambda: NEVER)


@pytest.mark.parametrize(("one", "n"), SERIES)
def test_says_what_its_example_says(one: AnySeries, n: int) -> None:
    example: dict[str, Any] = one.examples[n]
    detectors = anomalies(one)
    assert run(detectors, usual_days(example["usual"], range(DAYS))) == []
    odd = list(day_of(example["usual"], 1, DAYS)) + list(day_of(example["odd"], 1, DAYS))
    said = run(detectors, sorted(odd, key=lambda each: each.time))
    assert len(said) == 1, said
    assert said[0].title == one.title
    assert said[0].techniques == one.techniques
    assert 1 - one.says <= said[0].strength < 1
    assert said[0].subject.startswith(f"{one.subject}:")
    assert said[0].parts
    assert "{" not in said[0].said


@pytest.mark.parametrize(("one", "n"), SERIES)
def test_says_nothing_while_it_learns(one: AnySeries, n: int) -> None:
    example: dict[str, Any] = one.examples[n]
    detectors = anomalies(one)
    assert run(detectors, usual_days(example["usual"], range(one.learning_days - 1))) == []
    assert run(detectors, usual_days(example["odd"], range(one.learning_days - 1, one.learning_days))) == []


def test_names_are_each_given_once() -> None:
    names = [one.name for one in shipped()]
    assert len(names) == len(set(names))


def test_a_mistake_is_named_with_its_place() -> None:
    with pytest.raises(WatchfloorError, match=r"where\.yaml"):
        series({"detector": "first_seen", "name": "x", "entty": "user"}, "where.yaml")
    good = {"detector": "first_seen", "name": "x", "title": "X", "techniques": [], "subject": "user", "examples": []}
    with pytest.raises(WatchfloorError, match="usr"):
        Anomalies("t", [series(good | {"entity": "usr", "attribute": "host"}, "x")], lambda: 0)


def test_countries_are_on_the_globe() -> None:
    for lat, long, radius in centroids().values():
        assert abs(lat) <= 90
        assert abs(long) <= 180
        assert 0 < radius < 5_000
