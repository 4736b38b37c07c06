"""Spool: what live sources handed in and nobody has worked off yet, in one SQLite file of its own.

How a source hands over: it collects the bytes of one or many records into a `Parcel` and calls `put`. It may tell its
sender "I have it" only when the future that `put` returns has a result: then the parcel is on the disk, and neither
`kill -9` nor a power cut loses it. When `put` raises SpoolFullError the source takes nothing more in: over HTTP it
answers 429 with Retry-After, over TCP it stops reading, from a queue it stops fetching. A sender that heard nothing
sends again; records that come twice count once, for a live record is known by its source and its bytes.

One process has the file; any number of its threads put, one takes. Parcels are worked off in the order of arrival.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from watchfloor.core.errors import WatchfloorError
from watchfloor.store.tenancy import checked

MOST_PARCELS = 2_000_000
MOST_BYTES = 4 * 1024**3
_VERSION = 1
_LAST = 2**63 - 1
_VACUUM_FROM = 16_384  # free pages: 64 MiB
_TABLES = (
    "CREATE TABLE IF NOT EXISTS parcels (seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, "
    "source TEXT NOT NULL, form TEXT NOT NULL, received_at INTEGER NOT NULL, content BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS given (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO given VALUES (1, 0)",
)
# Many rows in one statement: between two statements another thread may take the interpreter, and for long.
_INSERT = "INSERT INTO parcels (seq, tenant, source, form, received_at, content) VALUES (?, ?, ?, ?, ?, ?)"
_INSERTS = {rows: _INSERT + ", (?, ?, ?, ?, ?, ?)" * (rows - 1) for rows in (256, 32, 4, 1)}


class SpoolFullError(WatchfloorError):
    """The spool holds as much as it may; nothing was taken. The sender should come again later."""


class Parcel(NamedTuple):
    """What a live source hands in at one time: the bytes of one record or of many.

    `source` names it as records will (`hec/firewalls`); `received_at` is in milliseconds; `form` names the reader for
    `content` (`hec`, `ndjson`, `otlp`, or any of `ingest.readers.READERS`), empty where the content has to tell.
    """

    source: str
    received_at: int
    content: bytes
    form: str = ""


class Taken(NamedTuple):
    """A parcel and its number, which grows with the order of arrival and is never given twice."""

    seq: int
    parcel: Parcel


class Waiting(NamedTuple):
    """What is committed or about to be, and not worked off."""

    parcels: int
    size: int


class _Job(NamedTuple):
    """Rows to insert or numbers to delete; one commit carries many."""

    tenant: str
    parcels: Sequence[Parcel]
    seqs: Sequence[int]
    future: Future[int]


class Spool:
    """Parcels by tenant. Safe to share between threads."""

    def __init__(
        self, path: Path, *, after: int = 0, most_parcels: int = MOST_PARCELS, most_bytes: int = MOST_BYTES
    ) -> None:
        """Open the file, making it where there is none. Numbers given from now on are greater than `after`: who keeps
        account of numbers elsewhere stays right when the file is lost or comes from a backup.

        Raises WatchfloorError when another process has it, or it cannot be read.
        """
        self._most_parcels, self._most_bytes = most_parcels, most_bytes
        self._lock_file = claim(path)
        try:
            self._writing, self._reading = _connect(path), _connect(path)
            self._waiting: dict[str, Waiting] = defaultdict(lambda: Waiting(0, 0))
            for tenant, count, size in self._writing.execute(
                "SELECT tenant, count(*), sum(length(content)) FROM parcels GROUP BY tenant"
            ):
                self._waiting[tenant] = Waiting(count, size)
            self._last: int = max(after, self._writing.execute("SELECT last FROM given").fetchone()[0])
        except sqlite3.DatabaseError as error:
            self._lock_file.close()
            raise WatchfloorError(
                f"cannot open the spool: {error}", where=str(path), do="Check rights and room; restore it if damaged"
            ) from None
        self._jobs: list[_Job] = []
        self._closing = False
        self._changed = threading.Condition()
        self._arrived = threading.Condition()
        self._read_turn = threading.Lock()
        self._writer = threading.Thread(target=self._write, name="spool writer", daemon=True)
        self._writer.start()

    def put(self, tenant: str, *parcels: Parcel) -> Future[int]:
        """Take parcels in, all or none. The future's result, the last one's number, comes after the commit.

        Raises SpoolFullError when they are more than the spool may hold, and then nothing was taken.
        """
        size = sum(len(parcel.content) for parcel in parcels)
        future = _promise()
        with self._changed:
            held = self._waiting[checked(tenant)]
            full = held.parcels + len(parcels) > self._most_parcels or held.size + size > self._most_bytes
            if full or self._closing:
                raise SpoolFullError(
                    "the spool is closing" if self._closing else f"the spool is full: {held.parcels:,} parcels wait",
                    do="Send again later",
                )
            self._waiting[tenant] = Waiting(held.parcels + len(parcels), held.size + size)
            self._jobs.append(_Job(tenant, parcels, (), future))
            self._changed.notify()
        return future

    def take(self, tenant: str, most: int, most_bytes: int = 1 << 24, *, upto: int = 0) -> list[Taken]:
        """The oldest parcels, `most` of them and, but for the first, no more than `most_bytes`; or, with `upto`, all up
        to that number. They stay until `done`."""
        query = (
            "SELECT seq, source, received_at, content, form FROM parcels "
            "WHERE tenant = ? AND seq <= ? ORDER BY seq LIMIT ?"
        )
        taken: list[Taken] = []
        size = 0
        with self._read_turn:
            for seq, *fields in self._reading.execute(query, (checked(tenant), upto or _LAST, -1 if upto else most)):
                parcel = Parcel(*fields)
                size += len(parcel.content)
                if taken and size > most_bytes and not upto:
                    break
                taken.append(Taken(seq, parcel))
        return taken

    def done(self, tenant: str, taken: Iterable[Taken]) -> None:
        """Let go of what has been worked off; returns after the commit."""
        gone = list(taken)
        future = _promise()
        with self._changed:
            if self._closing:
                raise WatchfloorError("the spool is closing")
            self._jobs.append(_Job(checked(tenant), (), [one.seq for one in gone], future))
            self._changed.notify()
        future.result()
        with self._changed:
            held = self._waiting[tenant]
            size = sum(len(one.parcel.content) for one in gone)
            self._waiting[tenant] = Waiting(held.parcels - len(gone), held.size - size)

    @property
    def last(self) -> int:
        """The highest number that was committed."""
        return self._last

    def waiting(self, tenant: str) -> Waiting:
        """How much waits."""
        with self._changed:
            return self._waiting[checked(tenant)]

    def full(self, tenant: str) -> bool:
        """Whether it takes nothing more."""
        held = self.waiting(tenant)
        return held.parcels >= self._most_parcels or held.size >= self._most_bytes

    def wait(self, tenant: str, seconds: float) -> bool:
        """Sleep until there is something to take, so long at most. False when there is nothing."""
        with self._arrived:
            return self._arrived.wait_for(lambda: self.waiting(tenant).parcels > 0 or self._closing, seconds)

    def close(self) -> None:
        """Commit what is under way and let the file go."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join()
        with self._arrived:
            self._arrived.notify_all()
        with self._read_turn:
            self._reading.close()
        self._writing.close()
        self._lock_file.close()

    def _write(self) -> None:
        """The one writer: everything that came while the last commit was under way goes into the next."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closing)
                jobs, self._jobs = self._jobs, []
            if not jobs:
                return
            try:
                lasts = self._commit(jobs)
            except Exception as error:  # whatever it is, the senders hear of it and this thread goes on
                with suppress(sqlite3.Error):
                    self._writing.execute("ROLLBACK")
                self._give_up(jobs, error)
                continue
            for job, last in zip(jobs, lasts, strict=True):
                job.future.set_result(last)
            with self._arrived:
                self._arrived.notify_all()

    def _commit(self, jobs: Sequence[_Job]) -> list[int]:
        execute = self._writing.execute
        execute("BEGIN IMMEDIATE")
        last = self._last
        rows: list[tuple[int, str, str, str, int, bytes]] = []
        gone: list[tuple[int, str]] = []
        lasts: list[int] = []
        for job in jobs:
            for parcel in job.parcels:
                last += 1
                rows.append((last, job.tenant, parcel.source, parcel.form, parcel.received_at, parcel.content))
            gone += [(seq, job.tenant) for seq in job.seqs]
            lasts.append(last)
        start = 0
        for size, insert in _INSERTS.items():
            while len(rows) - start >= size:
                execute(insert, [value for row in rows[start : start + size] for value in row])
                start += size
        if rows:
            execute("UPDATE given SET last = ?", (last,))
        self._writing.executemany("DELETE FROM parcels WHERE seq = ? AND tenant = ?", gone)
        execute("COMMIT")
        self._last = last
        if gone and execute("PRAGMA freelist_count").fetchone()[0] > _VACUUM_FROM:
            execute(f"PRAGMA incremental_vacuum({_VACUUM_FROM})").fetchall()
        return lasts

    def _give_up(self, jobs: Sequence[_Job], error: Exception) -> None:
        problem = WatchfloorError(f"the spool cannot be written: {error}", do="Check that the disk has room")
        for job in jobs:
            with self._changed:
                held, size = self._waiting[job.tenant], sum(len(parcel.content) for parcel in job.parcels)
                self._waiting[job.tenant] = Waiting(held.parcels - len(job.parcels), held.size - size)
            job.future.set_exception(problem)


def _promise() -> Future[int]:
    future: Future[int] = Future()
    future.set_running_or_notify_cancel()  # nobody can take back what is on its way to the disk
    return future


def claim(path: Path) -> IO[bytes]:
    """The lock that says whose the file is; it falls with the process. Raises WatchfloorError when another has it."""
    file = path.with_suffix(".lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise WatchfloorError(
            "another process works off this spool", where=str(path), do="Stop the other `watchfloor serve` first"
        ) from None
    return file


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL", "journal_size_limit=67108864"):
        connection.execute(f"PRAGMA {pragma}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        connection.close()
        raise WatchfloorError("made by a newer Watchfloor", where=str(path), do="Install that version or a later one")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={_VERSION}")
    return connection
