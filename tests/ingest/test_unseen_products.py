"""Records of products that no mapping knows keep who did what, when and from where, under whatever usual names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import coverage
from watchfloor.ingest import Normalizer


@pytest.mark.parametrize("known", [True, False], ids=["shipped mappings", "usual names alone"])
def test_who_what_when_and_from_where_are_kept(known: bool, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "DATA", shared_data)
    shipped = Normalizer.shipped()
    samples = coverage.samples()
    there, has, lost = coverage.share(shipped if known else shipped.only("base"), samples)
    assert len({sample["log_type"] for sample in samples}) == 15
    assert min(there.values()) > 500
    assert {fact: has[fact] / there[fact] for fact in there if has[fact] / there[fact] < 0.95} == {}, lost[:20]
