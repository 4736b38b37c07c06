"""The lake's manifest: which files hold which events, and which files the index is made of.

A segment is written and synced first and named here second: what a crash leaves is a file without a name, never a name
without a file. Whoever writes holds the manifest's transaction meanwhile, so that two processes write in turn.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import sqlalchemy as sa

from watchfloor.store.database import Database
from watchfloor.store.schema import LAKE
from watchfloor.store.schema import lakes as lake_table
from watchfloor.store.schema import runs as run_table
from watchfloor.store.schema import segments as table
from watchfloor.store.tenancy import checked

State = Literal["live", "replaced", "expired"]
"""`replaced`: its events are in a larger segment, and it goes when nobody can be reading it; `expired`: its events are
no longer kept."""
_CHUNK = 500


class Segment(NamedTuple):
    """One Parquet file. `file` is relative to the tenant's folder; `first`, `last`, `since` (of its state) are ms."""

    file: str
    class_uid: str
    day: str
    rows: int
    bytes: int
    first: int
    last: int
    digest: str
    state: State = "live"
    since: int = 0
    n: int = 0
    arrived: int = 0
    """The number of the newest segment whose events are in this one: its own, unless others were put together in it."""

    @property
    def part(self) -> str:
        return f"{self.class_uid}/{self.day}"


class RunFile(NamedTuple):
    """One file of the index."""

    name: str
    rows: int
    bytes: int
    first: int
    last: int


class Lakes(NamedTuple):
    """Where a tenant's lake stands."""

    generation: int
    secret: bytes


_SEGMENT = tuple(table.c[name] for name in Segment._fields)
_RUN = tuple(run_table.c[name] for name in RunFile._fields)


class Manifest:
    """The manifests of all tenants, in one database."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @cached_property
    def _database(self) -> Database:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Database.open(self._file, LAKE)

    def close(self) -> None:
        if "_database" in vars(self):
            self._database.close()

    @contextmanager
    def writing(self, tenant: str) -> Iterator[None]:
        """A block in which nobody else writes; what it changes is kept as a whole, or not at all."""
        checked(tenant)
        with self._database.write():
            yield

    def lake(self, tenant: str) -> Lakes:
        """The tenant's lake; one that is not there has generation 0."""
        with self._database.read() as connection:
            query = sa.select(lake_table.c.generation, lake_table.c.secret).where(lake_table.c.tenant == tenant)
            row = connection.execute(query).one_or_none()
        return Lakes(*row) if row else Lakes(0, b"")

    def segments(self, tenant: str, state: State | None = "live", part: str = "") -> list[Segment]:
        """Segments of a state, or of all, in the order of their files; of one `<class>/<day>` where it is named."""
        query = sa.select(*_SEGMENT).where(table.c.tenant == checked(tenant)).order_by(table.c.file)
        if state is not None:
            query = query.where(table.c.state == state)
        if part:
            class_uid, _, day = part.partition("/")
            query = query.where(table.c.class_uid == class_uid, table.c.day == day)
        with self._database.read() as connection:
            return [Segment(*row) for row in connection.execute(query)]

    def earliest_since(self, tenant: str, mark: int) -> tuple[int, int | None]:
        """How far segments go now, and the time (ms) of the earliest event that can have come after `mark`; None where
        none has."""
        of = table.c.tenant == checked(tenant)
        query = sa.select(sa.func.max(table.c.arrived), sa.func.min(table.c.first)).where(of, table.c.arrived > mark)
        with self._database.read() as connection:
            newest, earliest = connection.execute(query).one()
        return newest or mark, earliest

    def holding(self, tenant: str, part: str, time: int) -> list[str]:
        """The files of a `<class>/<day>` that may hold an event of a time (ms)."""
        class_uid, _, day = part.partition("/")
        query = sa.select(table.c.file).where(
            table.c.tenant == checked(tenant),
            table.c.state == "live",
            table.c.class_uid == class_uid,
            table.c.day == day,
            table.c.first <= time,
            table.c.last >= time,
        )
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def files(self, tenant: str, numbers: Collection[int]) -> dict[int, str]:
        """The files of segments by number; those that are gone are left out."""
        found: dict[int, str] = {}
        wanted = sorted(numbers)
        with self._database.read() as connection:
            for start in range(0, len(wanted), _CHUNK):
                some = table.c.n.in_(wanted[start : start + _CHUNK])
                query = sa.select(table.c.n, table.c.file).where(table.c.tenant == checked(tenant), some)
                found.update((n, file) for n, file in connection.execute(query))
        return found

    def runs(self, tenant: str) -> list[RunFile]:
        """The files of the index, the earliest events first."""
        query = sa.select(*_RUN).where(run_table.c.tenant == checked(tenant))
        with self._database.read() as connection:
            return [RunFile(*row) for row in connection.execute(query.order_by(run_table.c.first, run_table.c.name))]

    # What follows belongs inside `writing`, and joins its transaction.

    def made(self, tenant: str) -> Lakes:
        """The tenant's lake, made where there is none."""
        now = self.lake(tenant)
        if not now.generation:
            now = Lakes(1, secrets.token_bytes(32))
            with self._joined() as connection:
                connection.execute(lake_table.insert().values(tenant=tenant, **now._asdict()))
        return now

    def changed(self, tenant: str) -> int:
        """Tell everybody that something changed; gives the new generation."""
        with self._joined() as connection:
            of = lake_table.c.tenant == tenant
            connection.execute(lake_table.update().where(of).values(generation=lake_table.c.generation + 1))
        return self.lake(tenant).generation

    def add(self, tenant: str, segment: Segment) -> int:
        """Name a segment; gives its number. One of the same events that was no longer kept gives way."""
        values = {name: value for name, value in segment._asdict().items() if name != "n"}
        with self._joined() as connection:
            former = (table.c.tenant == checked(tenant), table.c.file == segment.file, table.c.state != "live")
            connection.execute(table.delete().where(*former))
            result = connection.execute(table.insert().values(tenant=checked(tenant), **values))
            n = int(result.inserted_primary_key[0])  # type: ignore[index]  # a table with a key always has one
            if not segment.arrived:
                connection.execute(table.update().where(table.c.n == n).values(arrived=n))
            return n

    def mark(self, tenant: str, numbers: Collection[int], state: State, since: int) -> None:
        """Set the state of segments."""
        for some in _chunks(numbers):
            with self._joined() as connection:
                connection.execute(table.update().where(*_those(tenant, some)).values(state=state, since=since))

    def forget(self, tenant: str, numbers: Collection[int]) -> None:
        """Drop the names of segments whose files are removed."""
        for some in _chunks(numbers):
            with self._joined() as connection:
                connection.execute(table.delete().where(*_those(tenant, some)))

    def add_run(self, tenant: str, run: RunFile) -> None:
        with self._joined() as connection:
            connection.execute(run_table.insert().values(tenant=checked(tenant), **run._asdict()))

    def forget_runs(self, tenant: str, names: Collection[str]) -> None:
        with self._joined() as connection:
            of = run_table.delete().where(run_table.c.tenant == checked(tenant), run_table.c.name.in_(list(names)))
            connection.execute(of)

    def _joined(self) -> AbstractContextManager[sa.Connection]:
        return self._database.read()  # which is the transaction itself, and no savepoint in it


def _those(tenant: str, numbers: Sequence[int]) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.tenant == checked(tenant), table.c.n.in_(numbers)


def _chunks(numbers: Collection[int]) -> Iterator[Sequence[int]]:
    wanted = sorted(numbers)
    for start in range(0, len(wanted), _CHUNK):
        yield wanted[start : start + _CHUNK]
