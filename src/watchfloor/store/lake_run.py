"""Runs: the lake's index. A run is one file, mapped into memory, with what look-ups ask of up to a million events.

Rows are events in order of time. A facet has its values (in order of a keyed hash of theirs), the value's number for
each row, and the rows of each value; uids are 128 bits of the same hash, in order. So a value's events within a time
are two binary searches away, and another facet of theirs one look-up a row. Eight runs of like size become one, until
they hold a million events: a look-up asks few runs, and what it costs does not grow with the history outside its time.

A run is derived from segments alone and can be made again. Arrays are little-endian and begin at multiples of 64.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from watchfloor.core.clock import HOUR
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.facets import NUMBER_FACETS, TEXT_FACETS
from watchfloor.store.lake_table import write_whole

Array = NDArray[Any]
Arrays = dict[str, Array]
Key = tuple[np.uint64, np.uint64]

TEXTS = (*TEXT_FACETS, "layer", "mapping", "source")
COLUMNS = ("uid", "time", *TEXTS, *NUMBER_FACETS)
"""The columns of a segment that a run is made of."""
PART = "part"
"""A facet of runs only: `<class>/<day>`, the folder that an event's segment lies in."""
_MAGIC = b"wf-run-1"
_BLOCK = 1 << 16
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class Piece(NamedTuple):
    """A segment that a run is made of: its number, `<class>/<day>`, and its rows (with `COLUMNS`)."""

    number: int
    part: str
    table: pa.Table


class Facet:
    """The values of one facet in a run. `codes` has a row's value by number; the number of values stands for none."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.high, self.codes, self.starts, self.rows = (arrays[n] for n in ("high", "codes", "starts", "rows"))
        self.low: Array | None = arrays.get("low")
        self.words: pa.LargeStringArray | None = None
        if self.low is not None:
            offsets, blob = pa.py_buffer(arrays["offsets"]), pa.py_buffer(arrays["blob"])
            self.words = pa.LargeStringArray.from_buffers(len(self.high), offsets, blob)

    def code(self, key: Key) -> int | None:
        """The number of a value, None where the run has no such."""
        high, low = key
        at = int(self.high.searchsorted(high))
        while at < len(self.high) and self.high[at] == high:
            if self.low is None or self.low[at] == low:
                return at
            at += 1
        return None

    def of(self, code: int) -> Array:
        """The rows of a value, in order."""
        return self.rows[self.starts[code] : self.starts[code + 1]]

    def between(self, low: int, high: int) -> Array:
        """The numbers of the values that rows from `low` to before `high` have, in order."""
        first, end = -(-low // _BLOCK), high // _BLOCK
        if first >= end:
            return present(self.codes[low:high], len(self.high))
        codes, starts = self._blocks
        edges = self.codes[low : first * _BLOCK], self.codes[end * _BLOCK : high]
        return present(np.concatenate((codes[starts[first] : starts[end]], *edges)), len(self.high))

    @cached_property
    def _blocks(self) -> tuple[Array, Array]:
        """The values of each block of rows, so that what many rows have is told without a look at each of them."""
        starts = range(0, len(self.codes), _BLOCK)
        blocks = [present(self.codes[at : at + _BLOCK], len(self.high)) for at in starts]
        return np.concatenate(blocks).astype(self.codes.dtype), np.cumsum([0, *map(len, blocks)])

    def values(self, codes: Array) -> list[Any]:
        """Values by number."""
        if self.words is None:
            return self.high[codes].view(np.int64).tolist()  # type: ignore[no-any-return]
        return self.words.take(pa.array(codes)).to_pylist()  # type: ignore[no-any-return]


class Run:
    """One file of the index, mapped. Its pages are the page cache's: memory holds what look-ups touch."""

    def __init__(self, file: Path) -> None:
        self.file, self.name = file, file.stem
        data = np.memmap(file, dtype=np.uint8, mode="r").view(np.ndarray)
        if bytes(data[:8]) != _MAGIC:
            raise WatchfloorError("not an index of the lake", where=str(file), do="Run: watchfloor lake compact")
        (size,) = struct.unpack("<Q", data[8:16].tobytes())
        self._places: dict[str, Any] = orjson.loads(data[16 : 16 + size].tobytes())
        self._data = data
        self._facets: dict[str, Facet | None] = {}
        self.times = self._array("times")
        self.hours, self.hour_starts = self._array("hours"), self._array("hour_starts")
        self.first, self.last = int(self.times[0]), int(self.times[-1])

    def __len__(self) -> int:
        return len(self.times)

    def facet(self, name: str) -> Facet | None:
        """A facet, None where no event of the run has it."""
        if name not in self._facets:
            parts = self._places["facets"].get(name)
            self._facets[name] = Facet({part: self._view(*at) for part, at in parts.items()}) if parts else None
        return self._facets[name]

    @cached_property
    def uids(self) -> tuple[Array, Array, Array]:
        """Uids as high and low half of their keys, in order of the high half, and their rows."""
        return self._array("uid_high"), self._array("uid_low"), self._array("uid_rows")

    @cached_property
    def segments(self) -> Array:
        """By row: the number of the segment that the event was written into. It may be in another since."""
        return self._array("segments")

    @cached_property
    def places(self) -> Array:
        """By row: the event's row in that segment."""
        return self._array("places")

    def find(self, high: Array, low: Array) -> Array:
        """The rows of uids by their keys, -1 for those that are not here."""
        highs, lows, rows = self.uids
        found = np.full(len(high), -1, np.int64)
        at = highs.searchsorted(high)
        open_ = np.flatnonzero(at < len(highs))
        while len(open_):  # one turn, but for two uids that agree in 64 of the 128 bits
            open_ = open_[highs[at[open_]] == high[open_]]
            same = lows[at[open_]] == low[open_]
            found[open_[same]] = rows[at[open_[same]]]
            open_ = open_[~same]
            at[open_] += 1
            open_ = open_[at[open_] < len(highs)]
        return found

    def key(self, row: int) -> Key:
        """The key of the uid of a row."""
        highs, lows, rows = self.uids
        at = int(np.flatnonzero(rows == row)[0])
        return highs[at], lows[at]

    def part(self, row: int) -> str:
        """`<class>/<day>` of a row."""
        facet = self.facet(PART)
        assert facet is not None
        return str(facet.values(facet.codes[row : row + 1])[0])

    def has_part(self, parts: Collection[str]) -> bool:
        """Whether an event of the run lies in one of some `<class>/<day>`."""
        facet = self.facet(PART)
        assert facet is not None
        return any(part in parts for part in facet.values(np.arange(len(facet.high))))

    def _array(self, name: str) -> Array:
        return self._view(*self._places["arrays"][name])

    def _view(self, kind: str, start: int, size: int) -> Array:
        return self._data[start : start + size].view(kind)


class Keys:
    """Makes the keys of values and uids: 128 bits of BLAKE2b under a lake's own secret, so that nobody outside can make
    two of them alike."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def many(self, texts: Iterable[str]) -> tuple[Array, Array]:
        """High and low halves of texts' keys."""
        secret = self._secret
        data = b"".join(blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16, key=secret).digest() for t in texts)
        halves = np.frombuffer(data, "<u8").reshape(-1, 2)
        return halves[:, 0].copy(), halves[:, 1].copy()

    def one(self, value: str | int) -> Key | None:
        """The key of a text or a number; None for a number that no row can have."""
        if isinstance(value, str):
            high, low = self.many((value,))
            return high[0], low[0]
        if not _SMALLEST <= value <= _LARGEST:
            return None
        return np.int64(value).view(np.uint64), np.uint64(0)


def present(codes: Array, none: int) -> Array:
    """The numbers under `none` among these, each once, in order."""
    seen = np.zeros(none + 1, bool)
    seen[codes.astype(np.intp)] = True  # three times as fast as with short numbers
    return np.flatnonzero(seen[:none])


def made(pieces: Sequence[Piece], keys: Keys) -> Arrays:
    """The arrays of a run of these segments. At least one row."""
    table = pa.concat_tables([piece.table for piece in pieces])
    sizes = [piece.table.num_rows for piece in pieces]
    times = table["time"].to_numpy()
    order = np.argsort(times, kind="stable")
    arrays = _spine(times[order])
    arrays["segments"] = np.repeat(np.array([p.number for p in pieces], np.uint32), sizes)[order]
    arrays["places"] = np.concatenate([np.arange(size, dtype=np.uint32) for size in sizes])[order]
    high, low = keys.many(table["uid"].to_pylist())
    _put_uids(arrays, high[order], low[order], np.arange(len(order)))
    for name in NUMBER_FACETS:
        column = table[name]
        if column.null_count < len(column):
            valid = column.is_valid().to_numpy()[order]
            values = column.fill_null(0).to_numpy().view(np.uint64)[order]
            high, codes = np.unique(values[valid], return_inverse=True)
            all_codes = np.full(len(order), len(high))
            all_codes[valid] = codes
            _put_facet(arrays, name, all_codes, high)
    parts = pa.chunked_array([pa.array(np.repeat([piece.part for piece in pieces], sizes).tolist(), pa.string())])
    for name in (*TEXTS, PART):
        column = parts if name == PART else table[name]
        if column.null_count < len(column):
            _put_texts(arrays, name, column.combine_chunks(), order, keys)
    return arrays


def merged(runs: Sequence[Run], without: Iterable[str] = ()) -> Arrays | None:
    """The arrays of one run of all these, without the events of some `<class>/<day>`; None when no event is left."""
    kept = np.concatenate([_kept(run, without) for run in runs])
    times = np.concatenate([run.times for run in runs])
    order = np.argsort(times, kind="stable")
    order = order[kept[order]]
    if not len(order):
        return None
    arrays = _spine(times[order])
    arrays["segments"] = np.concatenate([run.segments for run in runs])[order]
    arrays["places"] = np.concatenate([run.places for run in runs])[order]
    now_at = np.full(len(times), -1, np.int64)
    now_at[order] = np.arange(len(order))
    high, low, rows = zip(*(run.uids for run in runs), strict=True)
    befores = np.cumsum([0, *map(len, runs)])
    rows_now = now_at[np.concatenate([own + before for own, before in zip(rows, befores, strict=False)])]
    alive = rows_now >= 0
    _put_uids(arrays, np.concatenate(high)[alive], np.concatenate(low)[alive], rows_now[alive])
    for name in (*NUMBER_FACETS, *TEXTS, PART):
        found = [run.facet(name) for run in runs]
        if any(found):
            _merge_facet(arrays, name, found, [len(run) for run in runs], order)
    return arrays


def write(file: Path, arrays: Arrays) -> None:
    """Write a run. Raises WatchfloorError when the disk refuses."""
    places: dict[str, Any] = {"arrays": {}, "facets": {}}
    start = 0
    for name, array in arrays.items():
        at = [array.dtype.newbyteorder("<").str, start, array.nbytes]
        facet, _, part = name.partition(".")
        if part:
            places["facets"].setdefault(facet, {})[part] = at
        else:
            places["arrays"][name] = at
        start += -(-array.nbytes // 64) * 64
    # The header's own length moves what follows it, so it is padded to hold the places that come of that.
    base = -(-(16 + len(orjson.dumps(places)) + 32 * len(arrays)) // 64) * 64
    for at in (*places["arrays"].values(), *(at for parts in places["facets"].values() for at in parts.values())):
        at[1] += base
    header = orjson.dumps(places).ljust(base - 16)

    def put(out: BinaryIO) -> None:
        out.write(_MAGIC + struct.pack("<Q", len(header)) + header)
        for array in arrays.values():
            data = np.ascontiguousarray(array).tobytes()
            out.write(data.ljust(-(-len(data) // 64) * 64, b"\0"))

    write_whole(file, put)


def _spine(times: Array) -> Arrays:
    hours, starts = np.unique(times // HOUR, return_index=True)
    return {"times": times, "hours": hours, "hour_starts": starts.astype(np.uint32)}


def _put_uids(arrays: Arrays, high: Array, low: Array, rows: Array) -> None:
    order = np.argsort(high)
    arrays["uid_high"], arrays["uid_low"] = high[order], low[order]
    arrays["uid_rows"] = rows[order].astype(np.uint32)


def _put_texts(arrays: Arrays, name: str, column: Any, order: Array, keys: Keys) -> None:
    encoded = column.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    high, low = keys.many(encoded.dictionary.to_pylist())
    by_key = np.lexsort((low, high))
    ranks = np.empty(len(high) + 1, np.int64)
    ranks[by_key], ranks[-1] = np.arange(len(high)), len(high)
    codes = ranks[encoded.indices.fill_null(len(high)).to_numpy(zero_copy_only=False)][order]
    _put_facet(arrays, name, codes, high[by_key], (low[by_key], encoded.dictionary.take(pa.array(by_key))))


def _merge_facet(arrays: Arrays, name: str, found: Sequence[Facet | None], sizes: Sequence[int], order: Array) -> None:
    there = [facet for facet in found if facet is not None]
    high = np.concatenate([facet.high for facet in there])
    spelled: tuple[Array, Any] | None = None
    if there[0].low is None:
        unique, renamed = np.unique(high, return_inverse=True)
    else:
        low = np.concatenate([facet.low for facet in there])
        by_key = np.lexsort((low, high))
        new = np.ones(len(high), bool)
        new[1:] = (np.diff(high[by_key]) != 0) | (np.diff(low[by_key]) != 0)
        renamed = np.empty(len(high), np.int64)
        renamed[by_key] = np.cumsum(new) - 1
        first = by_key[new]
        unique = high[first]
        spelled = low[first], pa.concat_arrays([facet.words for facet in there]).take(pa.array(first))
    none, before = len(unique), 0
    codes = []
    for facet, size in zip(found, sizes, strict=True):
        if facet is None:
            codes.append(np.full(size, none))
        else:
            after = before + len(facet.high)
            codes.append(np.append(renamed[before:after], none)[facet.codes])
            before = after
    all_codes = np.concatenate(codes)[order]
    used = np.zeros(none + 1, bool)
    used[all_codes] = True
    used[none] = False
    if not used.any():
        return
    if not used[:none].all():  # their events are gone
        all_codes = np.append(np.cumsum(used[:none]) - 1, used.sum())[all_codes]
        left = np.flatnonzero(used)
        unique = unique[left]
        if spelled is not None:
            spelled = spelled[0][left], spelled[1].take(pa.array(left))
    _put_facet(arrays, name, all_codes, unique, spelled)


def _put_facet(arrays: Arrays, name: str, codes: Array, high: Array, spelled: tuple[Array, Any] | None = None) -> None:
    """Put a facet's arrays; `spelled` are the low halves of the keys and the words of a text's values."""
    none = len(high)
    small = codes.astype(np.uint8 if none < 2**8 else np.uint16 if none < 2**16 else np.uint32)
    counts = np.bincount(small, minlength=none + 1)[:none]
    rows = np.argsort(small, kind="stable")[: int(counts.sum())]
    arrays[f"{name}.high"], arrays[f"{name}.codes"] = high, small
    arrays[f"{name}.starts"] = np.concatenate(([0], np.cumsum(counts))).astype(np.uint32)
    arrays[f"{name}.rows"] = rows.astype(np.uint32)
    if spelled is not None:
        low, words = spelled
        arrays[f"{name}.low"] = low
        large = words.cast(pa.large_string())
        _, offsets, blob = large.buffers()
        arrays[f"{name}.offsets"] = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
        arrays[f"{name}.blob"] = np.frombuffer(blob or b"", np.uint8)[: arrays[f"{name}.offsets"][-1]]


def _kept(run: Run, without: Iterable[str]) -> Array:
    kept = np.ones(len(run), bool)
    facet = run.facet(PART)
    if facet is not None and (gone := set(without)):
        codes = [code for code, part in enumerate(facet.values(np.arange(len(facet.high)))) if part in gone]
        kept[np.isin(facet.codes, codes)] = False
    return kept
