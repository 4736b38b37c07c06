"""The simulated company, and a desk that acts on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.respond.desk import CONTEXT, Desk
from watchfloor.integrations.simulated_company import SimulatedCompany
from watchfloor.respond import executor


@pytest.fixture
def company(tmp_path: Path) -> Iterator[SimulatedCompany]:
    with SimulatedCompany(tmp_path / "company", CONTEXT) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, company: SimulatedCompany, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(executor, "PAUSE", 0.001)
    made = Desk(tmp_path / "home", company.connections())
    made.executor.start()
    yield made
    made.close()
