"""The database file: durable settings, one writer at a time, joined transactions, versions and upgrades."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from watchfloor.core.case import Comment
from watchfloor.core.errors import WatchfloorError
from watchfloor.store.database import Database, write_rows
from watchfloor.store.documents import Documents
from watchfloor.store.schema import CONTENTS, MAIN, Layout, contents


def comment(n: int, text: str = "seen") -> Comment:
    return Comment(tenant="acme", uid=f"c-{n}", case_uid="case-1", time=n, author="alice", text=text)


def test_settings_that_keep_what_is_committed(database: Database) -> None:
    with database.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_write_that_fails_leaves_nothing(database: Database, documents: Documents) -> None:
    def act() -> None:
        with database.write():
            documents.put("acme", comment(1))
            assert documents.count("acme", Comment) == 1
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        act()
    assert documents.count("acme", Comment) == 0


def test_a_joined_write_that_fails_leaves_the_outer_one_whole(database: Database, documents: Documents) -> None:
    def inner() -> None:
        with database.write():
            documents.put("acme", comment(2))
            raise RuntimeError("inner")

    with database.write():
        documents.put("acme", comment(1))
        with pytest.raises(RuntimeError, match="inner"):
            inner()
    assert [c.uid for c in documents.find("acme", Comment)] == ["c-1"]


def test_readers_do_not_wait_for_a_writer(database: Database, documents: Documents) -> None:
    documents.put("acme", comment(1))
    with database.write(), ThreadPoolExecutor(1) as other:
        documents.put("acme", comment(2))
        assert other.submit(documents.count, "acme", Comment).result(timeout=5) == 1
    assert documents.count("acme", Comment) == 2


def test_many_threads_write_and_read(documents: Documents) -> None:
    def work(k: int) -> int:
        documents.put("acme", *(comment(100 * k + i) for i in range(20)))
        return documents.count("acme", Comment)

    with ThreadPoolExecutor(8) as pool:
        assert min(pool.map(work, range(16))) >= 20
    assert documents.count("acme", Comment) == 320


def test_another_process_may_write_at_the_same_time(database: Database, documents: Documents, home: object) -> None:
    path = database.engine.url.database
    code = (
        "import pathlib,sys\n"
        "from watchfloor.core.case import Comment\n"
        "from watchfloor.store.database import Database\n"
        "from watchfloor.store.documents import Documents\n"
        "d = Documents(Database.open(pathlib.Path(sys.argv[1])))\n"
        "for n in range(50):\n"
        "    d.put('acme', Comment(tenant='acme', uid=f'o-{n}', case_uid='x', time=n, author='b', text='t'))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)]) as other:
        for n in range(50):
            documents.put("acme", comment(n))
        assert other.wait(timeout=60) == 0
    assert documents.count("acme", Comment) == 100


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is certainly not a database " * 50)
    with pytest.raises(WatchfloorError, match=r"x\.db: cannot open the database: file is not a database"):
        Database.open(tmp_path / "x.db")


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    with pytest.raises(WatchfloorError, match="a database of something else"):
        Database.open(tmp_path / "x.db")


def _add_note(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE documents ADD COLUMN note TEXT NOT NULL DEFAULT 'none'")


def _add_index(connection: sa.Connection) -> None:
    connection.exec_driver_sql("CREATE INDEX documents_by_note ON documents (note)")


def _break(connection: sa.Connection) -> None:
    connection.exec_driver_sql("DELETE FROM documents")
    raise RuntimeError("power cut")


def version(path: Path) -> int:
    with sqlite3.connect(path) as reader:
        found = int(reader.execute("SELECT version FROM schema_version").fetchone()[0])
    reader.close()
    return found


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A database of the layout as it is today, which is an older one to the layouts below."""
    path = tmp_path / "old.db"
    database = Database.open(path)
    Documents(database).put("acme", comment(1), comment(2))
    database.close()
    return path


def test_an_older_database_is_upgraded_and_keeps_its_data(older: Path) -> None:
    for upgrades in ((_add_note,), (_add_note, _add_index)):
        layout = Layout(MAIN.tables, (*MAIN.upgrades, *upgrades))
        database = Database.open(older, layout)
        assert documents_of(database) == [comment(1), comment(2)]
        with database.read() as connection:
            assert connection.exec_driver_sql("SELECT DISTINCT note FROM documents").scalars().all() == ["none"]
        database.close()
        assert version(older) == layout.version == MAIN.version + len(upgrades)


def documents_of(database: Database) -> list[Comment]:
    return Documents(database).find("acme", Comment, newest_first=False)


def test_an_upgrade_that_fails_changes_nothing(older: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        Database.open(older, Layout(MAIN.tables, (*MAIN.upgrades, _add_note, _break)))
    assert version(older) == MAIN.version
    database = Database.open(older)
    assert documents_of(database) == [comment(1), comment(2)]
    database.close()


def test_a_newer_database_is_refused(older: Path) -> None:
    Database.open(older, Layout(MAIN.tables, (*MAIN.upgrades, _add_note))).close()
    with pytest.raises(WatchfloorError, match="made by a newer Watchfloor"):
        Database.open(older)
    assert version(older) == MAIN.version + 1


def test_upserts_are_right_for_postgresql_too() -> None:
    """What the PostgreSQL dialect gets: named parameters and ON CONFLICT, checked without a server."""
    seen: list[tuple[str, object]] = []

    class Dialect:
        name = "postgresql"

    class Connection:
        dialect = Dialect()

        def exec_driver_sql(self, statement: str, rows: object) -> None:
            seen.append((statement, rows))

    write_rows(Connection(), contents, ("digest", "data"), [("d", b"x")])  # type: ignore[arg-type]
    statement, rows = seen[0]
    assert "ON CONFLICT (digest) DO UPDATE SET data = excluded.data" in statement
    assert rows == [{"digest": "d", "data": b"x"}]


@pytest.mark.parametrize("layout", [MAIN, CONTENTS])
def test_the_tables_are_portable(layout: Layout) -> None:
    """The very statements that PostgreSQL would get, with its types, compiled without a server."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    tables = layout.tables.tables.values()
    made = [str(CreateTable(table).compile(dialect=dialect)) for table in tables]
    made += [str(CreateIndex(index).compile(dialect=dialect)) for table in tables for index in table.indexes]
    assert "BYTEA" in "".join(made)
    assert sum("CREATE TABLE" in statement for statement in made) == len(tables)
