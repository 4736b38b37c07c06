"""Facts: what sources state on entities, append-only, read as it was known at any time. Portable SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from watchfloor.core.errors import NotFoundError
from watchfloor.core.fact import FOREVER, Fact
from watchfloor.core.noun import canonical
from watchfloor.store.database import Database, write_rows
from watchfloor.store.schema import facts as table
from watchfloor.store.tenancy import checked, own

_COLUMNS = (
    "tenant", "uid", "entity", "attribute", "value", "source",
    "valid_from", "valid_to", "recorded_at", "recorded_by", "replaces", "retracted",
)  # fmt: skip
_READ = tuple(table.c[name] for name in _COLUMNS)


class FactStore:
    """Facts by tenant. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, tenant: str, facts: Sequence[Fact]) -> None:
        """Record facts; one that is there already stays as it is. Raises RefusedError for another tenant's."""
        checked(tenant)
        for fact in facts:
            own(tenant, fact)
        rows = [
            (
                f.tenant, f.uid, f.entity, f.attribute, canonical(f.value).decode(), f.source,
                f.valid_from, f.valid_to, f.recorded_at, f.recorded_by, f.replaces, f.retracted,
            )
            for f in facts
        ]  # fmt: skip
        with self._database.write() as connection:
            known = self._known(connection, tenant, [fact.uid for fact in facts])
            write_rows(connection, table, _COLUMNS, [row for row in rows if row[1] not in known])

    def known(self, tenant: str, at: int = FOREVER, *, source: str | None = None) -> list[Fact]:
        """Facts as they were known at a time (ms), in the order in which they were recorded: what was replaced by then
        is not among them."""
        later = table.alias("later")
        replaced = sa.exists().where(
            later.c.tenant == table.c.tenant, later.c.replaces == table.c.uid, later.c.recorded_at <= at
        )
        query = self._of(tenant).where(table.c.recorded_at <= at, table.c.retracted.is_(False), ~replaced)
        return self._read(query if source is None else query.where(table.c.source == source))

    def history(self, tenant: str, places: Sequence[tuple[str, str]]) -> list[Fact]:
        """Every fact ever recorded of these sources and entities, replaced ones and retractions too."""
        found = []
        for source, entity in places:
            found += self._read(self._of(tenant).where(table.c.source == source, table.c.entity == entity))
        return sorted(found, key=lambda fact: (fact.recorded_at, fact.uid))

    def get(self, tenant: str, uid: str) -> tuple[Fact, bool]:
        """A fact, and whether it still stands. Raises NotFoundError."""
        found = self._read(self._of(tenant).where(table.c.uid == uid))
        if not found:
            raise NotFoundError(f"there is no fact {uid}", do="`watchfloor context show ENTITY` lists them")
        query = sa.select(sa.func.count()).where(table.c.tenant == tenant, table.c.replaces == uid)
        with self._database.read() as connection:
            return found[0], not found[0].retracted and not connection.execute(query).scalar_one()

    def mark(self, tenant: str) -> int:
        """Grows with every fact: who has read up to it has read all."""
        query = sa.select(sa.func.max(table.c.n)).where(table.c.tenant == checked(tenant))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one() or 0)

    def earliest(self, tenant: str, after: int, upto: int) -> int | None:
        """From when (ms) facts hold of those recorded after one mark and up to another; None without any."""
        mine = (table.c.tenant == checked(tenant), table.c.n > after, table.c.n <= upto)
        with self._database.read() as connection:
            found = connection.execute(sa.select(sa.func.min(table.c.valid_from)).where(*mine)).scalar_one()
        return None if found is None else int(found)

    def _of(self, tenant: str) -> sa.Select[Any]:
        return sa.select(*_READ).where(table.c.tenant == checked(tenant)).order_by(table.c.n)

    def _read(self, query: sa.Select[Any]) -> list[Fact]:
        decode = msgspec.json.Decoder().decode
        with self._database.read() as connection:
            return [
                Fact(
                    tenant=row[0], uid=row[1], entity=row[2], attribute=row[3], value=decode(row[4]), source=row[5],
                    valid_from=row[6], valid_to=row[7], recorded_at=row[8], recorded_by=row[9], replaces=row[10],
                    retracted=bool(row[11]),
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def _known(self, connection: sa.Connection, tenant: str, uids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(uids), 500):
            some = uids[start : start + 500]
            query = sa.select(table.c.uid).where(table.c.tenant == tenant, table.c.uid.in_(some))
            found.update(connection.execute(query).scalars())
        return found
