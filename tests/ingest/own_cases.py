"""Mappings' own cases as tests: one test a mapping, because thousands of small ones take longer to hand out than to
run. A failure names its case."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from watchfloor.content import folder
from watchfloor.ingest.mappings import Mapping, load

MAPPINGS = load(folder("mappings"))
_OF_A_CASE = ("name", "shape", "case")


def each_own_case(check: Callable[..., None]) -> Callable[..., None]:
    """A test of each mapping out of a check of one case (`name`, `shape`, `case` and whatever fixtures it wants)."""

    def test(mapping: Mapping, **fixtures: object) -> None:
        for case in mapping.tests:
            try:
                check(name=mapping.name, shape=mapping.shape, case=case, **fixtures)
            except Exception as error:
                error.add_note(f"in the case: {case['name']}")
                raise

    wanted = [p for name, p in inspect.signature(check).parameters.items() if name not in _OF_A_CASE]
    mapping = inspect.Parameter("mapping", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    test.__name__, test.__module__ = check.__name__, check.__module__
    test.__signature__ = inspect.Signature([mapping, *wanted])  # type: ignore[attr-defined]
    return pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda one: one.name)(test)
