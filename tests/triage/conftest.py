"""The shipped catalogue, loaded once."""

from __future__ import annotations

import pytest

from watchfloor.triage.catalogue import Catalogue


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.shipped()
