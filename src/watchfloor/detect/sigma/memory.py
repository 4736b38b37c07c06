"""What the plain path remembers, in tables that are bounded together."""

from __future__ import annotations

from typing import Any

MEMORY = 96 << 20
"""Bytes that all tables together may take, roughly."""
ENTRY = 250
"""Bytes that an entry takes besides its key."""
LONGEST = 1 << 16
"""Characters of a value that is remembered."""


class Memory:
    """Counts what the tables hold."""

    def __init__(self) -> None:
        self.used = 0
        self.tables: list[dict[Any, Any]] = []

    def table(self) -> dict[Any, Any]:
        self.tables.append({})
        return self.tables[-1]

    def take(self, size: int) -> None:
        """Make room for an entry: when there is none, everything is forgotten."""
        self.used += size
        if self.used > MEMORY:
            self.used = size
            for table in self.tables:
                table.clear()
