"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, which is not part of the repository; tests that need it say so when it is absent."""
    folder = Path(os.environ.get("WATCHFLOOR_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real data of WATCHFLOOR_DATA, and {folder} is absent")
    return folder


@pytest.fixture
def tenant() -> str:
    return "acme"
