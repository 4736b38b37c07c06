"""Every public call of every store names its tenant first: there is no way to ask for "everything"."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest

import watchfloor.ledger.ledger
import watchfloor.store
from watchfloor.store.database import Database
from watchfloor.store.home import Home
from watchfloor.store.lake_reader import LakeReader
from watchfloor.store.lake_run import Facet, Keys, Run

# They hold no tenant's data themselves: a folder's places, and the connection that the stores share. A reader is
# made by `Lake.reader(tenant)` from the files of one tenant's index and can reach no others.
EXEMPT: set[type] = {Home, Database, LakeReader, Run, Facet, Keys}
# Opening, closing, and what belongs to the installation.
PLAIN = {"open", "close", "public_key"}


def stores() -> list[type]:
    modules = [
        importlib.import_module(f"watchfloor.store.{found.name}")
        for found in pkgutil.iter_modules(watchfloor.store.__path__)
    ]
    return [
        cls
        for module in (*modules, watchfloor.ledger.ledger)
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and cls.__module__ == module.__name__ and not name.startswith("_")
        if cls not in EXEMPT and "__init__" in vars(cls) and not issubclass(cls, Exception)
        if not getattr(cls, "_is_protocol", False)
    ]


def calls() -> list[Any]:
    return [
        pytest.param(member, id=f"{cls.__name__}.{name}")
        for cls in stores()
        for name, member in vars(cls).items()
        if callable(member) and not name.startswith("_") and name not in PLAIN
    ]


def test_the_stores_are_found() -> None:
    names = {cls.__name__ for cls in stores()}
    assert {"Documents", "EvidenceStore", "Accounts", "Lake", "Ledger"} <= names


@pytest.mark.parametrize("call", calls())
def test_the_tenant_comes_first(call: Callable[..., object]) -> None:
    parameters = list(inspect.signature(call).parameters.values())
    assert parameters[1].name == "tenant"
    assert parameters[1].default is inspect.Parameter.empty
