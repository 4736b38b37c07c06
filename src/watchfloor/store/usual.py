"""What anomaly detectors hold usual, a row for each entity of each of their shelves: only what changed is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from watchfloor.store.database import Database, write_rows
from watchfloor.store.schema import usual as table
from watchfloor.store.tenancy import checked

_COLUMNS = ("tenant", "shelf", "key", "n", "body")


class Row(NamedTuple):
    """One entity of a shelf. `n` is the order in which rows of a shelf changed; a row without a body is let go of."""

    shelf: str
    key: str
    n: int
    body: bytes | None


class UsualStore:
    """The rows of all tenants. Inside `Database.write()` they commit with all else, or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, tenant: str) -> list[Row]:
        """All rows of a tenant, each shelf in its order of change."""
        query = sa.select(table.c.shelf, table.c.key, table.c.n, table.c.body).where(table.c.tenant == checked(tenant))
        with self._database.read() as connection:
            return [Row(*row) for row in connection.execute(query.order_by(table.c.n))]

    def put(self, tenant: str, rows: Sequence[tuple[str, str, int, bytes | None]]) -> None:
        """Keep rows in place of the former; those without a body go."""
        checked(tenant)
        kept = [(tenant, *row) for row in rows if row[3] is not None]
        gone = [row[:2] for row in rows if row[3] is None]
        with self._database.write() as connection:
            write_rows(connection, table, _COLUMNS, kept)
            _remove(connection, tenant, gone)

    def clear(self, tenant: str) -> None:
        """Forget everything of a tenant."""
        with self._database.write() as connection:
            connection.execute(sa.delete(table).where(table.c.tenant == checked(tenant)))


def _remove(connection: sa.Connection, tenant: str, keys: Iterable[tuple[str, str]]) -> None:
    where = (
        table.c.tenant == tenant,
        table.c.shelf == sa.bindparam("a_shelf"),
        table.c.key == sa.bindparam("a_key"),
    )
    given = [{"a_shelf": one, "a_key": two} for one, two in keys]
    if given:
        connection.execute(sa.delete(table).where(*where), given)
