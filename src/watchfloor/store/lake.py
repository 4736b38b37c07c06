"""The event lake: Parquet by tenant, class and day, one column a facet, readable by any engine as it lies.

`<folder>/<tenant>/<class_uid>/<day>/<segment>.parquet`. A segment's name is a function of its events' uids, so writing
the same events again writes nothing. The manifest (`lake_manifest`) says which segments count; the index (`lake_run`)
answers look-ups, and is made of segments alone. Nothing here holds a thing for each event in memory.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa

from watchfloor.core.clock import DAY, day_of
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.event import Event, Layer
from watchfloor.core.noun import digest_of
from watchfloor.store import lake_run
from watchfloor.store.lake_manifest import Lakes, Manifest, RunFile, Segment, State
from watchfloor.store.lake_reader import LakeReader
from watchfloor.store.lake_run import COLUMNS, Keys, Piece, Run
from watchfloor.store.lake_table import (
    ROWS_A_GROUP,
    read_events,
    read_table,
    table_of,
    uids_at,
    uids_of,
    write_table,
)
from watchfloor.store.tenancy import checked

SMALL_SEGMENTS, SMALL_BYTES, TOGETHER_BYTES = 64, 8 << 20, 32 << 20
REPLACED_SECONDS = 3_600
RUNS_OF_A_SIZE, MOST_ROWS = 8, 1 << 20
"""So many runs of like size become one; a run has no more rows than that, which bounds what a merge takes."""
INDEX = "_index"
_AT_ONCE = 1 << 18
T = TypeVar("T")


class SourceCount(NamedTuple):
    """Events kept from one source; `last` is the time (ms) of the newest."""

    source: str
    mappings: tuple[str, ...]
    events: int
    last: int


class KindCount(NamedTuple):
    """Events of one kind; `uid` is one of them, `last` the time (ms) of the newest."""

    mapping: str
    layer: Layer
    uid: str
    events: int
    last: int


class _Open(NamedTuple):
    """A tenant's index as it was at one generation of the manifest."""

    generation: int
    keys: Keys
    runs: tuple[Run, ...]


class _Change:
    """What one block of `Lake._writing` does to a tenant's index, and the files that go when it is kept."""

    def __init__(self, tenant: str, keys: Keys, runs: Iterable[Run]) -> None:
        self.tenant, self.keys, self.runs = tenant, keys, list(runs)
        self.made = False
        self.gone: list[Path] = []

    @property
    def index(self) -> _Open:
        return _Open(0, self.keys, tuple(self.runs))


class Lake:
    """The events of all tenants under one folder. Writers and readers may be different processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = Manifest(folder / "manifest.db")
        self._open: dict[str, _Open] = {}
        self._settled: set[str] = set()
        self._lock = threading.RLock()

    def close(self) -> None:
        self._manifest.close()

    # Writing

    def write(self, tenant: str, events: Sequence[Event]) -> int:
        """Store events durably; returns how many of them the tenant did not have before.

        Raises WatchfloorError when an event is another tenant's or the disk refuses.
        """
        for event in events:
            if event.tenant != tenant:
                raise WatchfloorError(f"event of tenant {event.tenant!r} for {tenant!r}", where=event.uid)
        by_uid = {event.uid: event for event in reversed(events)}
        part_of = {uid: (_class_of(event), _day(event.time // DAY)) for uid, event in by_uid.items()}
        with self._writing(tenant) as change:
            known = {uid for uid, _ in _found(change.index, by_uid)}
            parts: dict[tuple[str, str], list[Event]] = defaultdict(list)
            for uid, event in by_uid.items():
                if uid not in known:
                    parts[part_of[uid]].append(event)
            pieces = [
                self._write_segment(tenant, class_uid, day, sorted(part, key=lambda e: (e.time, e.uid)))
                for (class_uid, day), part in parts.items()
            ]
            self._index(change, pieces)
        return len(by_uid) - len(known)

    def _write_segment(self, tenant: str, class_uid: str, day: str, events: list[Event]) -> Piece:
        return self._keep(tenant, f"{class_uid}/{day}", table_of(events))

    def _keep(self, tenant: str, part: str, table: pa.Table, arrived: int = 0) -> Piece:
        """Write a segment and name it."""
        file = _file(part, table["uid"].to_pylist())
        write_table(table, self._of(tenant) / file)
        return self._named(tenant, file, table, arrived)

    def _named(self, tenant: str, file: str, table: pa.Table, arrived: int = 0) -> Piece:
        data = (self._of(tenant) / file).read_bytes()
        class_uid, day, _ = file.split("/")
        times = table["time"].to_numpy()
        first, last = int(times.min()), int(times.max())
        segment = Segment(
            file,
            class_uid,
            day,
            table.num_rows,
            len(data),
            first,
            last,
            digest_of(data),
            "live",
            _now(),
            arrived=arrived,
        )
        return Piece(self._manifest.add(tenant, segment), segment.part, table.select(list(COLUMNS)))

    def _index(self, change: _Change, pieces: Sequence[Piece]) -> None:
        """Make the index of new segments, and one run of many of like size."""
        if pieces:
            self._add_run(change, lake_run.made(pieces, change.keys))
            while some := _like(change.runs):
                self._replace_runs(change, some, lake_run.merged(some))

    def _add_run(self, change: _Change, arrays: lake_run.Arrays) -> None:
        path = self._of(change.tenant) / INDEX / f"{uuid4().hex}.run"
        lake_run.write(path, arrays)
        run = Run(path)
        file = RunFile(run.name, len(run), path.stat().st_size, run.first, run.last)
        self._manifest.add_run(change.tenant, file)
        change.runs.append(run)
        change.made = True

    def _replace_runs(self, change: _Change, runs: Sequence[Run], arrays: lake_run.Arrays | None) -> None:
        if arrays is not None:
            self._add_run(change, arrays)
        self._manifest.forget_runs(change.tenant, [run.name for run in runs])
        change.runs = [run for run in change.runs if run not in runs]
        change.gone += [run.file for run in runs]
        change.made = True

    def compact(self, tenant: str) -> int:
        """Put many small segments of a class and day together; returns how many took the place of others.

        A stream writes a small one every few seconds, and each costs a reader an opening. What was put together is
        read no more, and removed an hour later: who began to read before is done by then.
        """
        self._remove(tenant, "replaced", _now() - REPLACED_SECONDS * 1_000)
        counts = Counter(segment.part for segment in self.segments(tenant) if segment.bytes < SMALL_BYTES)
        return sum(self._compact(tenant, part) for part, count in counts.items() if count >= SMALL_SEGMENTS)

    def _compact(self, tenant: str, part: str) -> int:
        with self._writing(tenant):
            small = _small(self._manifest.segments(tenant, part=part))
            if len(small) < SMALL_SEGMENTS:
                return 0
            tables = [read_table(self._of(tenant) / segment.file) for segment in small]
            together = pa.concat_tables(tables).sort_by([("time", "ascending"), ("uid", "ascending")])
            self._keep(tenant, part, together, max(segment.arrived for segment in small))
            self._manifest.mark(tenant, [segment.n for segment in small], "replaced", _now())
            return 1

    def _remove(self, tenant: str, state: State, before: int) -> None:
        """Remove the files of segments that came into a state before a time (ms)."""
        with self._writing(tenant) as change:
            old = [segment for segment in self._manifest.segments(tenant, state) if segment.since < before]
            change.gone += [self._of(tenant) / segment.file for segment in old]
            self._manifest.forget(tenant, [segment.n for segment in old])

    def expire(self, tenant: str, parts: Collection[str]) -> None:
        """Keep the events of some `<class>/<day>` no longer: no look-up knows them from now on. Their files lie there,
        in the list of `expired`, until `remove_expired`."""
        with self._writing(tenant) as change:
            segments = [s for state in ("live", "replaced") for s in self._manifest.segments(tenant, state)]
            gone = [segment.n for segment in segments if segment.part in parts]
            for run in list(change.runs):
                if run.has_part(parts):
                    self._replace_runs(change, [run], lake_run.merged([run], parts))
            self._manifest.mark(tenant, gone, "expired", _now())

    def expired(self, tenant: str) -> list[Segment]:
        """Segments whose events are no longer kept and whose files are still there."""
        self._settle(tenant)
        return self._manifest.segments(tenant, "expired")

    def remove_expired(self, tenant: str) -> None:
        """Remove the files of `expired`."""
        self._remove(tenant, "expired", _now() + 1)

    # Looking up

    def earliest_since(self, tenant: str, mark: int) -> tuple[int, int | None]:
        """A new mark, and the time (ms) of the earliest event that can have come since `mark` (0 at first); None where
        none has."""
        return self._manifest.earliest_since(tenant, mark)

    def known(self, tenant: str, uids: Iterable[str]) -> set[str]:
        """Those of these uids that the tenant has an event of."""
        return {uid for uid, _ in _found(self._now_open(tenant), set(uids))}

    def parts_of(self, tenant: str, uids: Iterable[str]) -> dict[str, str]:
        """`<class>/<day>` of the events of these uids that are there."""
        return {uid: run.part(row) for uid, (run, row) in _found(self._now_open(tenant), set(uids))}

    def event(self, tenant: str, uid: str) -> Event:
        """One event. Raises NotFoundError."""
        found = self.events(tenant, (uid,))
        if uid not in found:
            raise NotFoundError(f"tenant {tenant} has no event {uid}")
        return found[uid]

    def events(self, tenant: str, uids: Iterable[str]) -> dict[str, Event]:
        """The events of these uids by uid; the ones that are not there are left out."""
        wanted = list(dict.fromkeys(uids))
        found = self._again(lambda: self._events(tenant, wanted))
        return {uid: found[uid] for uid in wanted if uid in found}

    def _events(self, tenant: str, uids: Sequence[str]) -> dict[str, Event]:
        rows = dict(_found(self._now_open(tenant), uids))
        files = self._manifest.files(tenant, {int(run.segments[row]) for run, row in rows.values()})
        groups: dict[tuple[str, int], list[int]] = defaultdict(list)
        for uid, (run, row) in rows.items():
            file, place = files.get(int(run.segments[row])), int(run.places[row])
            if file is None:
                file, place = self._moved(tenant, run, row, uid)
            groups[file, place // ROWS_A_GROUP].append(place % ROWS_A_GROUP)
        found: dict[str, Event] = {}
        for (file, group), some in groups.items():
            found.update((e.uid, e) for e in read_events(tenant, self._of(tenant) / file, group, some))
        return found

    def _moved(self, tenant: str, run: Run, row: int, uid: str | None = None) -> tuple[str, int]:
        """File and row of an event whose segment was put together with others. Raises WatchfloorError."""
        when, keys = int(run.times[row]), self._now_open(tenant).keys
        for file in self._manifest.holding(tenant, run.part(row), when):
            for theirs, place in uids_at(self._of(tenant) / file, when):
                if theirs == uid or (uid is None and keys.one(theirs) == run.key(row)):
                    return file, place
        raise WatchfloorError("an event of the lake is gone", where=uid or f"{run.name}:{row}", do="Run doctor")

    def _uids(self, tenant: str, rows: Sequence[tuple[Run, int]]) -> list[str]:
        files = self._manifest.files(tenant, {int(run.segments[row]) for run, row in rows})
        places: dict[str, list[int]] = defaultdict(list)
        for run, row in rows:
            file, place = files.get(int(run.segments[row])), int(run.places[row])
            if file is None:
                file, place = self._moved(tenant, run, row)
            places[file].append(place)
        return [uid for file, some in places.items() for uid in uids_of(self._of(tenant) / file, some)]

    def reader(self, tenant: str) -> LakeReader:
        """A reader of the tenant's events as they are now; what is written later is not in it."""
        index = self._now_open(tenant)
        return LakeReader(index.runs, index.keys, lambda rows: self._again(partial(self._uids, tenant, rows)))

    def segments(self, tenant: str) -> list[Segment]:
        """The files that hold the tenant's events, each event once."""
        self._settle(tenant)
        return self._manifest.segments(tenant)

    def problems(self, tenant: str) -> list[str]:
        """What is wrong with the files of the tenant's events, a line each: they are read to the last byte."""
        found = []
        for segment in self.segments(tenant):
            path = self._of(tenant) / segment.file
            try:
                if digest_of(path.read_bytes()) != segment.digest:
                    found.append(f"{path} is not as it was written: {segment.rows:,} events cannot be relied on")
            except FileNotFoundError:
                if segment in self.segments(tenant):  # and not put together with others meanwhile
                    found.append(f"{path} is missing, with {segment.rows:,} events")
        return found + [f"{self._of(tenant) / file} is not ours, or cannot be read" for file in self._unnamed(tenant)]

    def sources(self, tenant: str) -> list[SourceCount]:
        """What is kept from each source."""
        events: dict[str, int] = defaultdict(int)
        last: dict[str, int] = {}
        mappings: dict[str, set[str]] = defaultdict(set)
        for run in self._now_open(tenant).runs:
            of, by = run.facet("source"), run.facet("mapping")
            assert of is not None
            assert by is not None
            names = of.values(np.arange(len(of.high)))
            for code, name in enumerate(names):
                rows = of.of(code)
                events[name] += len(rows)
                last[name] = max(last.get(name, int(run.times[rows[-1]])), int(run.times[rows[-1]]))
            known = by.values(np.arange(len(by.high)))
            pairs = np.unique(of.codes.astype(np.int64) * len(known) + by.codes)
            for pair in pairs.tolist():
                mappings[names[pair // len(known)]].add(known[pair % len(known)])
        return [SourceCount(name, tuple(sorted(mappings[name])), count, last[name]) for name, count in events.items()]

    def kinds(self, tenant: str, places: Sequence[str]) -> list[KindCount]:
        """The kinds of events that are kept: those of one mapping and layer that agree at `places`.

        A place is a path into the event, `original.EventID` or `ocsf.class_uid`. All of one kind agree in log source.
        """
        read = [_json_path(place) for place in places if "." in place]
        by = ", ".join(["mapping", "layer", "logsource", *(text for text, _ in read)])
        query = (
            "select mapping, layer, any_value(uid), count(*), max(time) "  # noqa: S608  paths are bound
            f"from read_parquet(?, union_by_name = true) group by {by} order by mapping, layer, 3"
        )
        given = [path for _, paths in read for path in paths]

        def ask() -> list[KindCount]:
            files = [self._of(tenant) / segment.file for segment in self.segments(tenant)]
            if not files:
                return []
            with duckdb.connect(":memory:") as connection:
                try:
                    rows = connection.execute(query, [list(map(str, files)), *given]).fetchall()
                except duckdb.IOException as error:
                    if missing := next((file for file in files if not file.exists()), None):
                        raise FileNotFoundError(2, "", str(missing)) from None
                    raise WatchfloorError(f"the lake cannot be read: {error}", do="Run: watchfloor doctor") from None
            return [KindCount(*row) for row in rows]

        return self._again(ask)

    # The index as it is now

    def _of(self, tenant: str) -> Path:
        return self.folder / checked(tenant)

    def _now_open(self, tenant: str) -> _Open:
        """The tenant's index, brought up to date with what other processes wrote."""
        self._settle(tenant)
        return self._again(lambda: self._opened(tenant, self._manifest.lake(tenant)))

    def _opened(self, tenant: str, now: Lakes) -> _Open:
        generation, secret = now
        held = self._open.get(tenant)
        if held is None or held.generation != generation:
            before = {run.name: run for run in held.runs} if held else {}
            runs = (
                before.get(file.name) or Run(self._of(tenant) / INDEX / f"{file.name}.run")
                for file in self._manifest.runs(tenant)
            )
            held = self._open[tenant] = _Open(generation, Keys(secret), tuple(runs))
        return held

    def _again(self, read: Callable[[], T]) -> T:
        """What was put together by another process may be gone when it is opened: then the newer list names others."""
        for last in (False, False, True):
            try:
                return read()
            except FileNotFoundError as error:
                if last:
                    raise WatchfloorError(
                        f"a file of the lake is missing: {error}", where=str(self.folder), do="Run: watchfloor doctor"
                    ) from None
        raise AssertionError

    @contextmanager
    def _writing(self, tenant: str) -> Iterator[_Change]:
        """A block in which nobody else writes to the tenant's lake. What it leaves with an error is as if it had not
        been; files without a name are found again by `_settle`."""
        self._settle(tenant)
        with self._lock:
            try:
                with self._manifest.writing(tenant):
                    held = self._opened(tenant, self._manifest.made(tenant))
                    change = _Change(tenant, held.keys, held.runs)
                    yield change
                    generation = self._manifest.changed(tenant) if change.made else held.generation
            except BaseException:
                self._open.pop(tenant, None)  # it may hold what was taken back
                self._settled.discard(tenant)
                raise
            self._open[tenant] = _Open(generation, change.keys, tuple(change.runs))
            for path in change.gone:
                path.unlink(missing_ok=True)

    # After a crash

    def _settle(self, tenant: str) -> None:
        """Once in a process: take up segments that have no name yet, and make the index anew where it is not whole."""
        if tenant in self._settled:
            return
        with self._lock:
            if tenant in self._settled:
                return
            self._settled.add(tenant)
            if self._of(tenant).exists() and (self._unnamed(tenant) or self._broken_index(tenant)):
                with self._manifest.writing(tenant):
                    self._forget_broken(tenant)
                with self._writing(tenant) as change:
                    self._tidy(change)

    def _unnamed(self, tenant: str) -> list[str]:
        """Segments, and files that were being written, that the manifest does not name."""
        folder = self._of(tenant)
        found = {
            path.relative_to(folder).as_posix()
            for path in folder.glob("*/*/*")
            if path.suffix in (".parquet", ".tmp") and path.parts[-3] != INDEX
        }
        return sorted(found.difference(segment.file for segment in self._manifest.segments(tenant, None)))

    def _broken_index(self, tenant: str) -> bool:
        folder = self._of(tenant) / INDEX
        there = {path.name: path.stat().st_size for path in folder.glob("*")}
        return there != {f"{run.name}.run": run.bytes for run in self._manifest.runs(tenant)}

    def _forget_broken(self, tenant: str) -> None:
        """An index of which a file is not there as it was written is of no use: forget all of it."""
        named = {run.name: run.bytes for run in self._manifest.runs(tenant)}
        there = {path.stem: path.stat().st_size for path in (self._of(tenant) / INDEX).glob("*.run")}
        if not named.items() <= there.items():
            self._manifest.forget_runs(tenant, list(named))
            self._manifest.changed(tenant)

    def _tidy(self, change: _Change) -> None:
        """Nobody else writes now: what is half written stays so, and what is whole and not named is from a crash."""
        tenant, named = change.tenant, {run.file.name for run in change.runs}
        change.gone += [path for path in (self._of(tenant) / INDEX).glob("*") if path.name not in named]
        if not named:
            self._index_all(change, map(partial(self._piece, tenant), self._manifest.segments(tenant)))
        self._index_all(change, self._adopted(change))

    def _piece(self, tenant: str, segment: Segment) -> Piece:
        return Piece(segment.n, segment.part, read_table(self._of(tenant) / segment.file, COLUMNS))

    def _index_all(self, change: _Change, pieces: Iterable[Piece]) -> None:
        some: list[Piece] = []
        for piece in pieces:
            some.append(piece)
            if sum(one.table.num_rows for one in some) >= _AT_ONCE:
                self._index(change, some)
                some = []
        self._index(change, some)

    def _adopted(self, change: _Change) -> Iterator[Piece]:
        """Segments without a name, with what is nowhere else. One that cannot be read stays, for doctor to name."""
        tenant, waiting = change.tenant, set[str]()
        made: set[str] = set()
        for file in self._unnamed(tenant):
            path = self._of(tenant) / file
            if path.suffix == ".tmp":
                change.gone.append(path)
                continue
            try:
                table = read_table(path)
            except WatchfloorError:
                continue
            uids = table["uid"].to_pylist()
            known = {uid for uid, _ in _found(change.index, set(uids))} | waiting
            fresh = {uid: row for row, uid in reversed(list(enumerate(uids))) if uid not in known}
            waiting |= fresh.keys()
            if len(fresh) == len(uids):
                yield self._named(tenant, file, table)
            elif fresh:
                part = file.rpartition("/")[0]
                made.add(_file(part, fresh))
                yield self._keep(tenant, part, table.take(sorted(fresh.values())))
            # What was just made may have the name of one that waits here: the same events.
            if len(fresh) < len(uids) and file not in made:
                change.gone.append(path)


def _found(index: _Open, uids: Collection[str]) -> Iterator[tuple[str, tuple[Run, int]]]:
    """Run and row of each uid that is there."""
    texts = list(uids)
    if not texts:
        return
    high, low = index.keys.many(texts)
    for run in index.runs:
        rows = run.find(high, low)
        for at in np.flatnonzero(rows >= 0).tolist():
            yield texts[at], (run, int(rows[at]))


def _like(runs: Sequence[Run]) -> list[Run]:
    """Runs of like size that should become one, the smallest of those that are enough; none when there are few."""
    sizes: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        sizes[len(run).bit_length() // 3].append(run)
    for _, alike in sorted(sizes.items()):
        some: list[Run] = []
        if len(alike) >= RUNS_OF_A_SIZE:
            for run in sorted(alike, key=len):
                if sum(map(len, some)) + len(run) <= MOST_ROWS:
                    some.append(run)
        if len(some) > 1:
            return some
    return []


def _small(segments: Iterable[Segment]) -> list[Segment]:
    """The small ones among segments, the smallest first, as many as memory should hold at one time."""
    found: list[Segment] = []
    total = 0
    for segment in sorted(segments, key=lambda segment: segment.bytes):
        total += segment.bytes
        if segment.bytes >= SMALL_BYTES or total > TOGETHER_BYTES:
            break
        found.append(segment)
    return found


def _json_path(place: str) -> tuple[str, tuple[str, str]]:
    """An expression for the text at `original.a.b` or `ocsf.a.b`, and its two paths: one key with dots, or a walk."""
    column, _, path = place.partition(".")
    walk = ".".join(f'"{part}"' for part in path.split("."))
    text = f"coalesce(json_extract_string({column}, ?), json_extract_string({column}, ?))"
    return text, (f'$."{path}"', f"$.{walk}")


def _file(part: str, uids: Iterable[str]) -> str:
    return f"{part}/{digest_of(chr(10).join(sorted(uids)).encode())[7:39]}.parquet"


def _class_of(event: Event) -> str:
    value = event.ocsf.get("class_uid")
    return str(value) if type(value) is int and value >= 0 else "0"


@lru_cache(4_096)
def _day(number: int) -> str:
    return day_of(number * DAY)


def _now() -> int:
    return time.time_ns() // 1_000_000
