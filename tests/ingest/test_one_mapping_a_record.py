"""No mapping of a product takes another product's records, whatever their order; generic ones (rank 90) take the rest.

Within one product a mapping may be the more exact one (Windows' server roles in its Security log): its rank says so.
"""

from __future__ import annotations

from typing import Any

from watchfloor.ingest.mappings import Mapping
from watchfloor.ingest.shapes import shape_of
from watchfloor.ingest.trial import record_of

from .own_cases import MAPPINGS, each_own_case

GENERIC = 90
PRODUCTS = [mapping for mapping in MAPPINGS if mapping.rank < GENERIC]


def product(mapping: Mapping, data: dict[str, Any]) -> str | None:
    return mapping.kind_of(mapping.parsed(data)).logsource.get("product")


@each_own_case
def test_only_its_own_product_takes_a_record(name: str, shape: str, case: dict[str, Any]) -> None:
    found, data = shape_of(record_of(case["record"], shape))
    own = next(mapping for mapping in MAPPINGS if mapping.name == name)
    others = [mapping for mapping in PRODUCTS if mapping is not own and mapping.shape == found and mapping.takes(data)]
    assert [mapping.name for mapping in others if mapping.rank <= own.rank] == []
    assert [mapping.name for mapping in others if product(mapping, data) != product(own, data)] == []
