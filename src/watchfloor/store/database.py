"""Database: one SQL file, opened so that what is committed survives a crash and readers never wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError

from watchfloor.core.errors import WatchfloorError
from watchfloor.store.schema import MAIN, Layout

BUSY_SECONDS = 30

_PRAGMAS = (
    f"busy_timeout={BUSY_SECONDS * 1000}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
)


class Database:
    """One SQLite file. Any number of threads and processes may read; writers take turns.

    `write()` inside `write()` of the same thread joins the outer transaction: several stores commit together.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(writes=True)
        self._turn = threading.Lock()
        self._mine = threading.local()

    @classmethod
    def open(cls, path: Path, layout: Layout = MAIN) -> Database:
        """Open a file, making or upgrading its tables.

        Raises WatchfloorError when it is not ours, cannot be written, or was made by a newer version.
        """
        database = cls(_engine(path))
        try:
            with database.write() as connection:
                _bring_up_to_date(connection, layout, str(path))
        except DatabaseError as error:
            database.close()
            raise WatchfloorError(
                f"cannot open the database: {error.orig}",
                where=str(path),
                do="Check that it is a Watchfloor database, that you may write to it, that the disk has room",
            ) from None
        except BaseException:
            database.close()
            raise
        return database

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view; inside `write()` it sees what that has written."""
        if (joined := self._joined()) is not None:
            yield joined
            return
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction: all of it is kept, or, when an exception leaves it, nothing."""
        if (joined := self._joined()) is not None:
            with joined.begin_nested():
                yield joined
            return
        with self._turn, self._writer.begin() as connection:
            self._mine.connection = connection
            try:
                yield connection
            finally:
                self._mine.connection = None

    def _joined(self) -> sa.Connection | None:
        return getattr(self._mine, "connection", None)

    def close(self) -> None:
        self.engine.dispose()


def write_rows(
    connection: sa.Connection,
    table: sa.Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    *,
    replace: bool = True,
) -> None:
    """Insert rows. One whose key is there already takes the new values; with `replace` False it stays.

    The statement goes to the driver as text: for thousands of rows that is faster than through the compiler.
    """
    if rows:
        statement, named = _upsert(table, columns, replace, connection.dialect.name)
        given = [dict(zip(columns, row, strict=True)) for row in rows] if named else list(rows)
        connection.exec_driver_sql(statement, given)


@cache
def _upsert(table: sa.Table, columns: tuple[str, ...], replace: bool, engine: str) -> tuple[str, bool]:
    """The one place that knows how an engine spells "insert or update", and whether it names parameters."""
    dialect: sa.Dialect = sqlite.dialect() if engine == "sqlite" else postgresql.dialect()  # type: ignore[no-untyped-call]
    insert = sqlite.insert if engine == "sqlite" else postgresql.insert
    unique = next((c for c in table.constraints if isinstance(c, sa.UniqueConstraint)), table.primary_key)
    keys = {column.name for column in unique.columns}
    statement = insert(table).values({c: sa.bindparam(c) for c in columns})
    changed = {c: statement.excluded[c] for c in columns if c not in keys}
    if replace:
        statement = statement.on_conflict_do_update(index_elements=sorted(keys), set_=changed)
    else:
        statement = statement.on_conflict_do_nothing()
    compiled = statement.compile(dialect=dialect)
    return str(compiled), compiled.positiontup is None


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", max_overflow=40)

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The driver's own transaction control is switched off: it begins late and never IMMEDIATE.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _bring_up_to_date(connection: sa.Connection, layout: Layout, where: str) -> None:
    present = set(sa.inspect(connection).get_table_names())
    if not present:
        layout.tables.create_all(connection)
        connection.exec_driver_sql("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        connection.execute(_SET, {"version": layout.version})
        return
    if "schema_version" not in present:
        raise WatchfloorError("this is a database of something else", where=where, do="Name another home folder")
    version = connection.exec_driver_sql("SELECT version FROM schema_version").scalar_one()
    if version > layout.version:
        raise WatchfloorError(
            f"made by a newer Watchfloor (schema {version}; this one knows {layout.version})",
            where=where,
            do="Install that version or a later one, or use another home folder",
        )
    if version < layout.version:
        for upgrade in layout.upgrades[version - 1 :]:
            upgrade(connection)
        connection.exec_driver_sql("DELETE FROM schema_version")
        connection.execute(_SET, {"version": layout.version})


_SET = sa.text("INSERT INTO schema_version (version) VALUES (:version)")
