"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, int, "int | None"], None]
"""`report(phase, done, total)`; total is None where it is not known."""


def silent(_phase: str, _done: int, _total: int | None) -> None:
    """Tells nobody."""
