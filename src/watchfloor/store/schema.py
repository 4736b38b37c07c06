"""The tables, one layout per database file, and the steps that bring an older file up to date.

A new file is made from the tables as they stand here. An older one runs the `upgrades` that it has not seen,
in order, inside one transaction. A database inside one product needs no more than that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

Upgrade = Callable[[sa.Connection], None]


class Layout(NamedTuple):
    """The tables of one database file. Its version is one more than the number of its upgrades."""

    tables: sa.MetaData
    upgrades: tuple[Upgrade, ...] = ()

    @property
    def version(self) -> int:
        return 1 + len(self.upgrades)


_main = sa.MetaData()
_contents = sa.MetaData()
_lake = sa.MetaData()

# `n` is the order of first writing: it tells the later of two documents of the same time.
documents = sa.Table(
    "documents",
    _main,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text),
    sa.Column("case_uid", sa.Text),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("tenant", "kind", "uid"),
)
# One index a list view: by time, by status, of a case. Without them a page of 50 costs a scan of everything.
sa.Index("documents_by_time", *(documents.c[c] for c in ("tenant", "kind", "time")))
for _column in ("status", "case_uid"):
    _present = documents.c[_column].is_not(None)
    sa.Index(
        f"documents_by_{_column}",
        *(documents.c[c] for c in ("tenant", "kind", _column, "time")),
        sqlite_where=_present,
        postgresql_where=_present,
    )

# What a list of cases shows, derived from cases, findings and verdicts: store/case_lines.py.
case_lines = sa.Table(
    "case_lines",
    _main,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("tenant", "uid")),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("time", "last_time")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("title", "title_key", "status")),
    sa.Column("severity", sa.Integer, nullable=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("assignee", "detection_class")),
    sa.Column("findings", sa.Integer, nullable=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("layers", "tactics", "techniques", "entities")),
    sa.Column("involved", sa.Integer, nullable=False),
    sa.Column("case_words", sa.Text, nullable=False),
    *(sa.Column(name, sa.Text) for name in ("disposition", "hypothesis", "verdict")),
    sa.Column("probability", sa.Float, nullable=False, server_default="0"),
    sa.Column("probability_words", sa.Text, nullable=False, server_default=""),
    sa.Column("sentence", sa.Text, nullable=False, server_default=""),
    sa.Column("could_not_check", sa.Text, nullable=False, server_default="[]"),
    sa.Column("verdict_words", sa.Text, nullable=False, server_default=""),
    # Plain columns: SQLite counts from no index alone that has a generated one.
    sa.Column("tab", sa.Text, nullable=False, server_default="queue"),
    sa.Column("pressing", sa.Integer, nullable=False, server_default="2"),
    # From 0 to 100; absent where it was not reckoned yet.
    sa.Column("risk", sa.Integer),
)
# The orders of a list of cases: columns, and whether they run downwards. One index for a tab and one for all tabs.
CASE_ORDERS: dict[str, tuple[tuple[str, bool], ...]] = {
    "pressing": (("pressing", False), ("probability", True), ("severity", True), ("uid", False)),
    "probability": (("probability", True), ("severity", True), ("uid", False)),
    "severity": (("severity", True), ("probability", True), ("uid", False)),
    "risk": (("risk", True), ("probability", True), ("uid", False)),
    "age": (("last_time", True), ("uid", False)),
    "title": (("title_key", False), ("uid", False)),
}
for _name, _order in CASE_ORDERS.items():
    _sorted = [case_lines.c[c].desc() if down else case_lines.c[c] for c, down in _order]
    sa.Index(f"case_lines_by_{_name}", case_lines.c.tenant, case_lines.c.tab, *_sorted)
    sa.Index(f"case_lines_all_by_{_name}", case_lines.c.tenant, *_sorted)

accounts = sa.Table(
    "accounts",
    _main,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("user", sa.Text, primary_key=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("locked_until", sa.BigInteger, nullable=False, server_default="0"),
)

sessions = sa.Table(
    "sessions",
    _main,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("token_digest", sa.Text, primary_key=True),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("opened_at", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(["tenant", "user"], ["accounts.tenant", "accounts.user"], ondelete="CASCADE"),
)

entries = sa.Table(
    "entries",
    _main,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
sa.Index("entries_by_subject", *(entries.c[c] for c in ("tenant", "subject", "seq")))

heads = sa.Table(
    "heads",
    _main,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

# Where the ledger of a tenant stands: derived from its entries, so that an append need not read them.
edges = sa.Table(
    "edges",
    _main,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("edge", sa.LargeBinary, nullable=False),
)

# Threat intelligence that came live: the objects of each feed, and what those that hold name.
intel_objects = sa.Table(
    "intel_objects",
    _main,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("tenant", "source", "uid")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "part_of", "state", "name")),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("modified", "added", "seen")),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
sa.Index("intel_objects_by_part", *(intel_objects.c[c] for c in ("tenant", "source", "part_of", "seen")))
# `n` grows and is never given twice: who knows what stood there up to a number reads on from it.
indicators = sa.Table(
    "indicators",
    _main,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "source", "object", "type", "value")),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index("indicators_by_number", *(indicators.c[c] for c in ("tenant", "n")))
sa.Index("indicators_by_value", *(indicators.c[c] for c in ("tenant", "type", "value")))
sa.Index("indicators_by_object", *(indicators.c[c] for c in ("tenant", "source", "object")))

# What anomaly detectors hold usual, by the shelf of a detector and the entity: store/usual.py.
usual = sa.Table(
    "usual",
    _main,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("tenant", "shelf", "key")),
    sa.Column("n", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

# What is stated on entities, each row for ever: a correction is a row that replaces another. See core/fact.py.
facts = sa.Table(
    "facts",
    _main,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "uid", "entity", "attribute", "value", "source")),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("valid_from", "valid_to", "recorded_at")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("recorded_by", "replaces")),
    sa.Column("retracted", sa.Boolean, nullable=False),
    sa.UniqueConstraint("tenant", "uid"),
)
sa.Index("facts_by_number", facts.c.tenant, facts.c.n)
sa.Index("facts_by_replaced", facts.c.tenant, facts.c.replaces)
sa.Index("facts_by_source", facts.c.tenant, facts.c.source, facts.c.entity)

contents = sa.Table(
    "contents",
    _contents,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

# The lake's manifest: each file of events with what it holds, and the files of the index (store/lake_manifest.py).
segments = sa.Table(
    "segments",
    _lake,
    sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("class_uid", "day")),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("rows", "bytes", "first", "last")),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("since", "arrived")),
    sa.UniqueConstraint("tenant", "file"),
    # A number stands in the index for as long as that lasts: it is never given again.
    sqlite_autoincrement=True,
)
sa.Index("segments_by_part", *(segments.c[c] for c in ("tenant", "state", "class_uid", "day")))
sa.Index("segments_by_arrival", *(segments.c[c] for c in ("tenant", "arrived", "first")))

runs = sa.Table(
    "runs",
    _lake,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("tenant", "name")),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("rows", "bytes", "first", "last")),
)

# `generation` tells other processes that something changed; `secret` keys the hashes of the index.
lakes = sa.Table(
    "lakes",
    _lake,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
)


def _append_only(table: sa.Table, *key: str) -> None:
    """Let SQLite itself refuse to change, delete or replace a row."""
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    exists = f"EXISTS (SELECT 1 FROM {table.name} WHERE {same})"  # noqa: S608 - names from this file
    for verb, when in (("UPDATE", ""), ("DELETE", ""), ("INSERT", f"WHEN {exists}")):
        trigger = sa.DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name} {when} "
            f"BEGIN SELECT RAISE(ABORT, '{table.name} are append-only'); END"
        )
        sa.event.listen(table, "after_create", trigger.execute_if(dialect="sqlite"))


_append_only(entries, "tenant", "seq")
_append_only(heads, "tenant", "size")
_append_only(facts, "tenant", "uid")


def _add_case_lines(connection: sa.Connection) -> None:
    from watchfloor.store.case_lines import fill

    _main.create_all(connection, tables=[case_lines])
    fill(connection)


def _add_intel(connection: sa.Connection) -> None:
    _main.create_all(connection, tables=[intel_objects, indicators])


def _add_usual(connection: sa.Connection) -> None:
    _main.create_all(connection, tables=[usual])


def _add_risk(connection: sa.Connection) -> None:
    if "risk" not in {column["name"] for column in sa.inspect(connection).get_columns("case_lines")}:
        connection.exec_driver_sql("ALTER TABLE case_lines ADD COLUMN risk INTEGER")
    for index in case_lines.indexes:
        index.create(connection, checkfirst=True)


def _add_facts(connection: sa.Connection) -> None:
    _main.create_all(connection, tables=[facts])


MAIN = Layout(_main, (_add_case_lines, _add_intel, _add_usual, _add_risk, _add_facts))
CONTENTS = Layout(_contents)
LAKE = Layout(_lake)
