"""Documents: the nouns that lists and pages show, as canonical bytes with the columns that lists ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Protocol, Self, TypeVar

import sqlalchemy as sa

from watchfloor.core.errors import NotFoundError
from watchfloor.store import case_lines
from watchfloor.store.database import Database, write_rows
from watchfloor.store.schema import documents as table
from watchfloor.store.tenancy import checked, own

_COLUMNS = ("tenant", "kind", "uid", "time", "status", "case_uid", "body")
# Of one `IN (...)`: far below what any engine takes.
_CHUNK = 500
# Kinds of which the newest is the one that was written last: their time is that of what they rest on, which may be less
# than before, and the same may come again after another.
_DECIDED = ("verdict", "plan")


class Document(Protocol):
    """What can be kept: a noun of a tenant with an id and a time. `status` (or a verdict's `disposition`) and
    `case_uid` can be filtered by where it has them."""

    @property
    def tenant(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def time(self) -> int: ...
    def canonical(self) -> bytes: ...
    @classmethod
    def from_json(cls, data: bytes | str) -> Self: ...


D = TypeVar("D", bound=Document)


class Documents:
    """Nouns by tenant, kind and uid. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def put(self, tenant: str, *nouns: Document) -> None:
        """Keep nouns, all or none; one with a known uid takes the place of the former. Lines of cases follow.

        Raises RefusedError when one belongs to another tenant.
        """
        checked(tenant)
        for noun in nouns:
            own(tenant, noun)
        rows = [_row(noun) for noun in nouns]
        with self.database.write() as connection:
            _forget_decided(connection, tenant, nouns)
            write_rows(connection, table, _COLUMNS, rows)
            case_lines.follow(connection, tenant, nouns)

    def remove(self, tenant: str, type_: type[D], uids: Sequence[str]) -> None:
        """Let go of nouns, as far as they are there. For working state only: what was decided stays."""
        with self.database.write() as connection:
            for chunk in _chunks(uids):
                where = (table.c.tenant == checked(tenant), table.c.kind == kind_of(type_), table.c.uid.in_(chunk))
                connection.execute(sa.delete(table).where(*where))

    def get(self, tenant: str, type_: type[D], uid: str) -> D:
        """One noun. Raises NotFoundError."""
        return self.get_many(tenant, type_, (uid,))[0]

    def get_many(self, tenant: str, type_: type[D], uids: Sequence[str]) -> list[D]:
        """Nouns in the order of their uids. Raises NotFoundError for the first that is absent."""
        found: dict[str, bytes] = {}
        with self.database.read() as connection:
            for chunk in _chunks(uids):
                query = _of(tenant, type_, table.c.uid, table.c.body).where(table.c.uid.in_(chunk))
                found.update((uid, body) for uid, body in connection.execute(query))
        for uid in uids:
            if uid not in found:
                raise NotFoundError(f"there is no {kind_of(type_)} {uid}")
        return [type_.from_json(found[uid]) for uid in uids]

    def known(self, tenant: str, type_: type[D], uids: Sequence[str]) -> set[str]:
        """Those of these uids that the tenant has."""
        with self.database.read() as connection:
            return {
                uid
                for chunk in _chunks(uids)
                for uid in connection.scalars(_of(tenant, type_, table.c.uid).where(table.c.uid.in_(chunk)))
            }

    def find(
        self,
        tenant: str,
        type_: type[D],
        *,
        status: str | None = None,
        case_uid: str | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int | None = 100,
        newest_first: bool = True,
    ) -> list[D]:
        """Nouns by time: `since` <= time < `before` (ms); `limit` None gives all."""
        query = _of(tenant, type_, table.c.body)
        for column, value in ((table.c.status, status), (table.c.case_uid, case_uid)):
            if value is not None:
                query = query.where(column == value)
        if since is not None:
            query = query.where(table.c.time >= since)
        if before is not None:
            query = query.where(table.c.time < before)
        order = (table.c.time.desc(), table.c.n.desc()) if newest_first else (table.c.time, table.c.n)
        with self.database.read() as connection:
            bodies = connection.execute(query.order_by(*order).limit(limit)).scalars().all()
        return [type_.from_json(body) for body in bodies]

    def count(self, tenant: str, type_: type[D], *, status: str | None = None) -> int:
        query = _of(tenant, type_, sa.func.count())
        if status is not None:
            query = query.where(table.c.status == status)
        with self.database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def tally(self, tenant: str, type_: type[D], path: str) -> dict[str, tuple[int, int]]:
        """Of each text at a path of their body (`detection.uid`): how many nouns have it, and the newest time (ms)."""
        value = sa.func.json_extract(sa.cast(table.c.body, sa.Text), f"$.{path}")
        query = _of(tenant, type_, value, sa.func.count(), sa.func.max(table.c.time)).group_by(value)
        with self.database.read() as connection:
            return {str(text): (count, last) for text, count, last in connection.execute(query)}

    def latest(self, tenant: str, type_: type[D], case_uid: str) -> D | None:
        """The newest of a case, by time and then by order of writing; of verdicts and plans the last written."""
        return self.latest_each(tenant, type_, (case_uid,)).get(case_uid)

    def latest_each(self, tenant: str, type_: type[D], case_uids: Iterable[str]) -> dict[str, D]:
        """The newest of each case that has one: what a list of cases shows, in one query."""
        by_time = () if kind_of(type_) in _DECIDED else (table.c.time.desc(),)
        rank = sa.func.row_number().over(partition_by=table.c.case_uid, order_by=(*by_time, table.c.n.desc()))
        found: dict[str, D] = {}
        with self.database.read() as connection:
            for chunk in _chunks(list(case_uids)):
                of = _of(tenant, type_, table.c.case_uid, table.c.body, rank.label("rank"))
                ranked = of.where(table.c.case_uid.in_(chunk)).subquery()
                query = sa.select(ranked.c.case_uid, ranked.c.body).where(ranked.c.rank == 1)
                found.update((case_uid, type_.from_json(body)) for case_uid, body in connection.execute(query))
        return found


@cache
def kind_of(type_: type[Document]) -> str:
    """`dead_letter` for DeadLetter."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type_.__name__).lower()


def _of(tenant: str, type_: type[Document], *columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).where(table.c.tenant == checked(tenant), table.c.kind == kind_of(type_))


def _row(noun: Document) -> tuple[Any, ...]:
    status = getattr(noun, "status", None) or getattr(noun, "disposition", None)
    case_uid = getattr(noun, "case_uid", None) or None
    return (noun.tenant, kind_of(type(noun)), noun.uid, noun.time, status, case_uid, noun.canonical())


def _forget_decided(connection: sa.Connection, tenant: str, nouns: Sequence[Document]) -> None:
    """Let what is decided again be written as the last."""
    for kind in _DECIDED:
        uids = [noun.uid for noun in nouns if kind_of(type(noun)) == kind]
        for chunk in _chunks(uids):
            same = (table.c.tenant == tenant, table.c.kind == kind, table.c.uid.in_(chunk))
            connection.execute(sa.delete(table).where(*same))


def _chunks(uids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(uids), _CHUNK):
        yield uids[start : start + _CHUNK]
