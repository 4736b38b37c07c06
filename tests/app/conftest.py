"""An empty product, and its spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.store.spool import Spool


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Watchfloor]:
    with Watchfloor.open(tmp_path / "home") as product:
        yield product


@pytest.fixture
def spool(product: Watchfloor) -> Iterator[Spool]:
    """A spool that nobody works off but the test."""
    spool = Spool(product.parts.home.spool)
    yield spool
    spool.close()
