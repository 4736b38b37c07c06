"""A ledger with a few entries, and its verifier loaded from the exported file, as an auditor has it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from watchfloor.ledger.ledger import Draft, Ledger
from watchfloor.ledger.signing import SigningKey
from watchfloor.store.database import Database
from watchfloor.store.home import Home


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    home = Home.open(tmp_path / "home")
    database = Database.open(home.database)
    yield Ledger(database, SigningKey.open(home.keys))
    database.close()


@pytest.fixture
def drafts() -> list[Draft]:
    return [
        Draft("verdict", f"case-{i}", "watchfloor", {"case": f"Fälle {i}", "n": i}, 1_760_000_000_000 + i)
        for i in range(5)
    ]


@pytest.fixture
def load() -> Callable[[Path], ModuleType]:
    def _load(folder: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location("exported_verify", folder / "verify.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return _load
