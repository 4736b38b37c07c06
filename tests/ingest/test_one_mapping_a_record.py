"""No mapping of a product takes another's records, whatever their order; generic ones (rank 90) take the rest."""

from __future__ import annotations

from typing import Any

import pytest

from watchfloor.ingest.shapes import shape_of

from .test_mappings import CASES, MAPPINGS, record_of

GENERIC = 90
PRODUCTS = [mapping for mapping in MAPPINGS if mapping.rank < GENERIC]


@pytest.mark.parametrize(("name", "shape", "case"), CASES)
def test_only_its_own_mapping_takes_a_record(name: str, shape: str, case: dict[str, Any]) -> None:
    found, data = shape_of(record_of(case["record"], shape))
    takers = [mapping.name for mapping in PRODUCTS if mapping.shape == found and mapping.takes(data)]
    own = next(mapping for mapping in MAPPINGS if mapping.name == name)
    assert takers == ([name] if own.rank < GENERIC else [])
