"""Every mapping's own records, each value in turn of a kind that it should not be: no mapping fails on any, and what
comes of it is valid OCSF (checked where the published schema is at hand)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from watchfloor.core.facets import facets
from watchfloor.ingest import Normalizer
from watchfloor.ingest.trial import record_of

from .ocsf_schema import Schema
from .own_cases import each_own_case

Path = tuple[str | int, ...]
WRONG: list[Any] = [
    None,
    "",
    0,
    -1,
    2**70,
    1e300,
    True,
    [],
    {},
    ["a"],
    [{"a": 1}],
    {"a": "b"},
    "not a time",
    '{"k": 1}',
]
NORMALIZER = Normalizer.shipped()


def places(data: Any, at: Path = ()) -> Iterator[Path]:
    """The path of every value in a record, structures included."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield (*at, key)
        yield from places(value, (*at, key))


def with_value(data: dict[str, Any], at: Path, value: Any) -> dict[str, Any]:
    """A copy of a record with another value at one place."""
    changed = copy.deepcopy(data)
    holder: Any = changed
    for key in at[:-1]:
        holder = holder[key]
    holder[at[-1]] = copy.deepcopy(value)
    return changed


@pytest.fixture(scope="session")
def problems(request: pytest.FixtureRequest) -> Callable[[dict[str, Any]], list[str]]:
    """What is wrong with an event; nothing can be said without the published schema."""
    try:
        data = request.getfixturevalue("shared_data")
    except pytest.skip.Exception:
        return lambda _: []
    return Schema(data / "ocsf-schema").problems


@each_own_case
def test_a_value_of_a_wrong_kind_breaks_no_mapping(
    name: str, shape: str, case: dict[str, Any], problems: Callable[[dict[str, Any]], list[str]]
) -> None:
    turn, good = count(len(name)), record_of(case["record"], shape)
    for place in places(case["record"]):
        data = with_value(case["record"], place, WRONG[next(turn) % len(WRONG)])
        event = NORMALIZER.event(replace(good, data=data))
        assert "problem" not in event.ocsf.get("unmapped", {}), (place, event.ocsf["unmapped"])
        assert event.ocsf["type_uid"] == event.ocsf["class_uid"] * 100 + event.ocsf["activity_id"], place
        facets(event)
        assert problems(event.ocsf) == [], place
