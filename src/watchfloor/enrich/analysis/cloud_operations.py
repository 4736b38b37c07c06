"""What operations of clouds and services do: the tables of `content/traits/cloud_api.yaml`, ready to be looked up."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from watchfloor.enrich.analysis.patterns import compiled, table

_NAME = "cloud_api"


class Parameter(NamedTuple):
    """A parameter that shows what an operation is for: patterns for operation, path and value."""

    category: str
    operation: Any
    path: Any
    value: Any


@cache
def _categories() -> dict[str, str]:
    return {name.lower(): kind for kind, names in table(_NAME)["operations"].items() for name in names}


@cache
def _sentences() -> tuple[tuple[str, str], ...]:
    return tuple((one["begins"], one["category"]) for one in table(_NAME)["sentences"])


@cache
def parameters() -> tuple[Parameter, ...]:
    """Every parameter that shows what a call is for."""
    return tuple(
        Parameter(one["category"], *(compiled(one[key], _NAME) for key in ("operation", "parameter", "value")))
        for one in table(_NAME)["parameters"]
    )


@cache
def _agents() -> tuple[tuple[str, Any], ...]:
    return tuple((one["agent"], compiled(one["pattern"], _NAME)) for one in table(_NAME)["agents"])


def category_of(operation: str) -> str:
    """The category of an operation, or empty."""
    name = operation.strip().lower()
    return _categories().get(name) or next((kind for text, kind in _sentences() if name.startswith(text)), "")


def agent_of(user_agent: str) -> str:
    """What a user agent is: the first kind that fits, `other` where none does, empty without one."""
    kinds = (kind for kind, pattern in _agents() if pattern.search(user_agent))
    return next(kinds, "other" if user_agent else "")
