"""What came since a mark: whoever decided on the lake as it was learns from when on it is another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.test_lake import NOW, event
from watchfloor.store import lake as lake_module
from watchfloor.store.lake import Lake

FOUR_MINUTES = 240_000


def test_the_earliest_event_since_a_mark(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.earliest_since("acme", 0) == (0, None)
    lake.write("acme", [event("r-1", NOW), event("r-2", NOW + 5)])
    mark, earliest = lake.earliest_since("acme", 0)
    assert earliest == NOW
    assert lake.earliest_since("acme", mark) == (mark, None)
    lake.write("acme", [event("r-1", NOW)])
    assert lake.earliest_since("acme", mark) == (mark, None), "it was here before"
    Lake(tmp_path).write("acme", [event("r-3", NOW - FOUR_MINUTES), event("r-4", NOW)])
    again, earliest = lake.earliest_since("acme", mark)
    assert (again > mark, earliest) == (True, NOW - FOUR_MINUTES), "another process wrote them"
    assert lake.earliest_since("globex", 0) == (0, None)


def test_putting_segments_together_brings_nothing_new_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_module, "SMALL_SEGMENTS", 3)
    monkeypatch.setattr(lake_module, "REPLACED_SECONDS", -1)
    lake = Lake(tmp_path)
    for n in range(3):
        lake.write("acme", [event(f"r-{n}", NOW + n)])
    mark, _ = lake.earliest_since("acme", 0)
    assert lake.compact("acme") == 1
    assert lake.earliest_since("acme", mark) == (mark, None)
    for n in range(3):
        lake.write("acme", [event(f"s-{n}", NOW + 100 + n)])
    assert lake.compact("acme") == 1
    lake.compact("acme")  # what was put together is forgotten
    assert len(lake.segments("acme")) < 6
    again, earliest = lake.earliest_since("acme", mark)
    assert again > mark
    assert earliest is not None
    assert earliest <= NOW + 100
