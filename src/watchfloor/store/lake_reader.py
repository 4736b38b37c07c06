"""History: counts over a tenant's events before a moment, answered from the lake's index.

A query costs what its matches cost, not what the history holds: see `lake_run`.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from watchfloor.core.clock import DAY, HOUR, SECOND
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.facets import FOLDED, NUMBER_FACETS, TEXT_FACETS, plain_user
from watchfloor.store.lake_run import Array, Facet, Key, Keys, Run, present

FACETS = frozenset({*TEXT_FACETS, *NUMBER_FACETS, "layer", "mapping"})
MEASURES = ("count", "first", "last", "idle_days", "days", "days_share", "hours", "hour_share", "rhythm")
MEASURES_OF = ("distinct", "top", "peers", "within", "fresh")
_FRESH = re.compile(r"(\d{1,5}):(\w+)", re.ASCII)
_TOP = 5
_IN_RHYTHM = 200
"""Events of which a rhythm is taken, the latest: enough to tell, and no more to read where there are millions."""
_EARLIEST, _LATEST = -(2**63), 2**63 - 1
_HOURS_A_DAY = DAY // HOUR
_REMEMBERED, _WHOLES = 4_096, 32
Value = str | int
Wanted = Mapping[str, frozenset[Value]]
Uids = Callable[[Sequence[tuple[Run, int]]], Sequence[str]]


class _Hit(NamedTuple):
    """The rows of a run that match: these, in order, or with None all from `low` to before `high`."""

    run: Run
    low: int
    high: int
    rows: Array | None = None

    def __len__(self) -> int:
        return self.high - self.low if self.rows is None else len(self.rows)

    @property
    def first(self) -> int:
        return int(self.run.times[self.low if self.rows is None else self.rows[0]])

    @property
    def last(self) -> int:
        return int(self.run.times[self.high - 1 if self.rows is None else self.rows[-1]])

    def since(self, time: int) -> int:
        """How many of the rows are no earlier."""
        at = int(self.run.times.searchsorted(time))
        return self.high - max(at, self.low) if self.rows is None else len(self) - _at(self.rows, at)

    def latest(self, most: int) -> Array:
        """The times of the last rows, no more than `most` of them."""
        rows = slice(max(self.low, self.high - most), self.high) if self.rows is None else self.rows[-most:]
        return self.run.times[rows]

    def codes(self, facet: Facet) -> Array:
        return facet.codes[self.low : self.high] if self.rows is None else facet.codes[self.rows]

    def hours(self) -> tuple[Array, Array]:
        """The hours (since the epoch) of the rows, and how many rows each has."""
        run = self.run
        if self.rows is not None and len(self.rows) < len(run.hours):
            return np.unique(run.times[self.rows] // HOUR, return_counts=True)
        starts = np.append(run.hour_starts, np.uint32(len(run)))
        at = starts.clip(self.low, self.high) if self.rows is None else self.rows.searchsorted(starts)
        counts = np.diff(at)
        there = np.flatnonzero(counts)
        return run.hours[there], counts[there]


class LakeReader:
    """One tenant's events as they were when it was made. Safe to share between threads."""

    def __init__(self, runs: Sequence[Run], keys: Keys, uids: Uids) -> None:
        self._runs, self._keys, self._uids = runs, keys, uids
        self._populations: OrderedDict[tuple[int, int], dict[str, int]] = OrderedDict()
        self._wholes: OrderedDict[tuple[str, ...], Array] = OrderedDict()
        self._lock = threading.Lock()

    def query(
        self, match: Mapping[str, Any], measures: Sequence[str], *, since: int, before: int, zone: tzinfo
    ) -> dict[str, Any]:
        """Measures of the events with since <= time < before (ms) whose facets have one of the wanted values.

        `match` maps facets to a value or a list of values. Measures: `count`; `first`, `last` (ms or None);
        `idle_days` since the last; `days` with such an event; `days_share` of all days with events; `hours` (24 counts
        by the hour of day in `zone`); `hour_share` (of events within an hour of the time of day at `before`); `rhythm`
        ({n, median (s), spread}: of gaps between the latest events, spread is the middle half's width by the median);
        `distinct:<facet>`; `top:<facet>` ([{value, count}], most frequent first); `peers:<facet>` (other values of a
        matched facet of which the rest of the match holds); `within:<n>` (count in the last n hours);
        `fresh:<n>:<facet>` (values that came up in the last n hours for the first time). The answer has
        `population`: events, hosts, users and days in the same time. Raises WatchfloorError for what it does not know.
        """
        wanted = {facet: _values(facet, value) for facet, value in match.items()}
        hits = self._hits(wanted, since, before)
        population = self._population(since, before)
        answer: dict[str, Any] = {"population": population}
        for measure in measures:
            name, _, of = measure.partition(":")
            if name in MEASURES and not of:
                answer[name] = _simple(name, hits, population, zone, before)
            elif name == "within" and of.isdecimal():
                recent = _clipped(before - int(of) * HOUR)
                answer[measure] = sum(hit.since(recent) for hit in hits)
            elif name == "fresh" and (fresh := _FRESH.fullmatch(of)) and fresh[2] in FACETS:
                older = self._hits(wanted, since, before - int(fresh[1]) * HOUR)
                answer[measure] = len(_distinct(fresh[2], hits)) - len(_distinct(fresh[2], older))
            elif name == "peers" and of in wanted:
                rest = {facet: values for facet, values in wanted.items() if facet != of}
                others = _distinct(of, self._hits(rest, since, before))
                mine = np.array([key[0] for key in self._keys_of(wanted[of])], np.uint64)
                answer[measure] = len(others) - int(np.isin(others, mine).sum())
            elif name in ("distinct", "top") and of in FACETS:
                answer[measure] = len(_distinct(of, hits)) if name == "distinct" else _top(of, hits)
            else:
                known = ", ".join((*MEASURES, *(f"{m}:..." for m in MEASURES_OF)))
                raise WatchfloorError(f"history has no measure {measure!r}", do=f"There are {known}")
        return answer

    def previous(self, match: Mapping[str, Any], *, before: int) -> str | None:
        """The uid of the last event before a time (ms) that matches, or None; of several, the last by uid."""
        wanted = {facet: _values(facet, value) for facet, value in match.items()}
        hits = self._hits(wanted, _EARLIEST, before)
        if not hits:
            return None
        last = max(hit.last for hit in hits)
        candidates = []
        for hit in hits:
            count = hit.since(last)
            rows = range(hit.high - count, hit.high) if hit.rows is None else hit.rows[len(hit) - count :].tolist()
            candidates += [(hit.run, row) for row in rows]
        return max(self._uids(candidates))

    def _hits(self, wanted: Wanted, since: int, before: int) -> list[_Hit]:
        """What matches, run by run."""
        keys = [(facet, self._keys_of(values)) for facet, values in wanted.items()]
        found = (_hit(run, keys, low, high) for run, low, high in self._between(since, before))
        return [hit for hit in found if hit is not None]

    def _between(self, since: int, before: int) -> Iterable[tuple[Run, int, int]]:
        since, before = _clipped(since), _clipped(before)
        for run in self._runs:
            if run.first < before and run.last >= since:
                low = 0 if run.first >= since else int(run.times.searchsorted(since))
                high = len(run) if run.last < before else int(run.times.searchsorted(before))
                if low < high:
                    yield run, low, high

    def _keys_of(self, values: Iterable[Value]) -> list[Key]:
        return [key for value in values if (key := self._keys.one(value)) is not None]

    def _population(self, since: int, before: int) -> dict[str, int]:
        with self._lock:
            held = self._populations.get((since, before))
        if held is None:
            hits = self._hits({}, since, before)
            held = {
                "events": sum(map(len, hits)),
                "hosts": self._seen("host", hits),
                "users": self._seen("user", hits),
                "days": _days(hits),
            }
            with self._lock:
                self._populations[since, before] = held
                while len(self._populations) > _REMEMBERED:
                    self._populations.popitem(last=False)
        return dict(held)

    def _seen(self, facet: str, hits: Sequence[_Hit]) -> int:
        """How many values of a facet these rows have. Runs that lie in a time as a whole are put together once."""
        whole = [hit for hit in hits if len(hit) == len(hit.run)]
        cut = _distinct(facet, [hit for hit in hits if len(hit) < len(hit.run)])
        names = (facet, *(hit.run.name for hit in whole))
        with self._lock:
            values = self._wholes.get(names)
        if values is None:
            values = _distinct(facet, whole)
            with self._lock:
                self._wholes[names] = values
                while len(self._wholes) > _WHOLES:
                    self._wholes.popitem(last=False)
        if not len(values):
            return len(cut)
        at = values.searchsorted(cut).clip(max=len(values) - 1)
        return len(values) + int((values[at] != cut).sum())


def _hit(run: Run, wanted: Sequence[tuple[str, list[Key]]], low: int, high: int) -> _Hit | None:
    """The rows in [low, high) that match: the rarest facet's, filtered by the others."""
    if not wanted:
        return _Hit(run, low, high)
    found: list[tuple[int, Facet, list[int]]] = []
    for name, keys in wanted:
        facet = run.facet(name)
        codes = [code for key in keys if (code := facet.code(key)) is not None] if facet else []
        if facet is None or not codes:
            return None
        found.append((sum(int(facet.starts[code + 1] - facet.starts[code]) for code in codes), facet, codes))
    found.sort(key=lambda one: one[0])
    (_, rarest, codes), *others = found
    rows = rarest.of(codes[0])
    if len(codes) > 1:
        rows = np.sort(np.concatenate([rarest.of(code) for code in codes]))
    if low > 0 or high < len(run):
        rows = rows[_at(rows, low) : _at(rows, high)]
    for _, facet, codes in others:
        theirs = facet.codes[rows]
        rows = rows[theirs == codes[0] if len(codes) == 1 else np.isin(theirs, codes)]
    return _Hit(run, low, high, rows) if len(rows) else None


def _at(rows: Array, row: int) -> int:
    """Where a row stands or would stand among rows."""
    return int(rows.searchsorted(np.uint32(row)))  # a plain number would make numpy copy all rows first


def _simple(name: str, hits: Sequence[_Hit], population: Mapping[str, int], zone: tzinfo, before: int) -> Any:
    if name == "count":
        return sum(map(len, hits))
    if name == "first":
        return min((hit.first for hit in hits), default=None)
    if name in ("last", "idle_days"):
        last = max((hit.last for hit in hits), default=None)
        return last if name == "last" or last is None else (before - last) // DAY
    if name == "hours":
        return _hours(hits, zone)
    if name == "hour_share":
        return _hour_share(hits, zone, before)
    if name == "rhythm":
        return _rhythm(hits)
    days, all_days = _days(hits), population["days"]
    return days if name == "days" else round(days / all_days, 3) if all_days else None


def _hour_share(hits: Sequence[_Hit], zone: tzinfo, at: int) -> float | None:
    """The share of events within an hour of a time's time of day; None of no event, or at no time of a calendar."""
    hours, total = _hours(hits, zone), sum(map(len, hits))
    try:
        hour = _hour_of_day(at // HOUR, zone)
    except (OverflowError, OSError, ValueError):
        return None
    return round(sum(hours[(hour + n) % 24] for n in (-1, 0, 1)) / total, 3) if total else None


def _rhythm(hits: Sequence[_Hit]) -> dict[str, Any]:
    """How evenly the latest events follow one another. Events of one second are one."""
    times = np.sort(np.concatenate([hit.latest(_IN_RHYTHM) for hit in hits]) if hits else np.empty(0, np.int64))
    gaps = np.diff(np.unique(times[-_IN_RHYTHM:] // SECOND))
    if not len(gaps):
        return {"n": 0, "median": None, "spread": None}
    low, median, high = (float(value) for value in np.percentile(gaps, (25, 50, 75)))
    return {"n": len(gaps), "median": round(median), "spread": round((high - low) / median, 3)}


def _days(hits: Sequence[_Hit]) -> int:
    days: set[int] = set()
    for hit in hits:
        days.update((hit.hours()[0] // _HOURS_A_DAY).tolist())
    return len(days)


def _hours(hits: Sequence[_Hit], zone: tzinfo) -> list[int]:
    totals: Counter[int] = Counter()
    for hit in hits:
        hours, of_each = hit.hours()
        for hour, count in zip(hours.tolist(), of_each.tolist(), strict=True):
            totals[hour] += count
    counts = [0] * 24
    for hour, count in totals.items():
        counts[_hour_of_day(hour, zone)] += count
    return counts


@lru_cache(maxsize=65_536)
def _hour_of_day(hour: int, zone: tzinfo) -> int:
    return datetime.fromtimestamp(hour * HOUR // SECOND, zone).hour


def _distinct(name: str, hits: Sequence[_Hit]) -> Array:
    """The values of a facet, each once, by 64 bits of their keys."""
    found = [facet.high[_there(facet, hit)] for hit in hits if (facet := hit.run.facet(name)) is not None]
    if len(found) == 1:
        return found[0]
    if not found:
        return np.empty(0, np.uint64)
    values = np.sort(np.concatenate(found))  # `np.unique` hashes, which takes fifteen times as long
    new = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return values[new]


def _there(facet: Facet, hit: _Hit) -> Array | slice:
    """The numbers of the values that the rows have."""
    if hit.rows is None and len(hit) == len(hit.run):
        return slice(None)
    if hit.rows is None:
        return facet.between(hit.low, hit.high)
    codes, none = hit.codes(facet), len(facet.high)
    if len(codes) < none // 8:
        there = np.unique(codes)
        return there[:-1] if len(there) and there[-1] == none else there
    return present(codes, none)


def _top(name: str, hits: Sequence[_Hit]) -> list[dict[str, Any]]:
    counts: list[Array] = []
    places: list[tuple[Facet, Array]] = []
    for hit in hits:
        if (facet := hit.run.facet(name)) is not None:
            there, of_each = np.unique(hit.codes(facet), return_counts=True)
            if there[-1] == len(facet.high):
                there, of_each = there[:-1], of_each[:-1]
            places.append((facet, there))
            counts.append(of_each)
    if not places:
        return []
    keys = np.concatenate([facet.high[codes] for facet, codes in places])
    _, first, same = np.unique(keys, return_index=True, return_inverse=True)
    totals = np.bincount(same, np.concatenate(counts)).astype(np.int64)
    # Values that are as frequent as the fifth are told apart by how they are spelled.
    least = np.partition(totals, -_TOP)[-_TOP] if len(totals) > _TOP else 0
    best = np.flatnonzero(totals >= least)
    found: list[tuple[int, str, Value]] = []
    start = 0
    for facet, codes in places:
        mine = best[(first[best] >= start) & (first[best] < start + len(codes))]
        values = facet.values(codes[first[mine] - start])
        found += [(-count, str(value), value) for count, value in zip(totals[mine].tolist(), values, strict=True)]
        start += len(codes)
    return [{"value": value, "count": -count} for count, _, value in sorted(found, key=lambda one: one[:2])[:_TOP]]


def _clipped(time: int) -> int:
    return min(max(time, _EARLIEST), _LATEST)


def _values(facet: str, wanted: Any) -> frozenset[Value]:
    """The wanted values as the facet spells them. Raises WatchfloorError for none, or for an unknown facet."""
    if facet not in FACETS:
        raise WatchfloorError(f"history has no facet {facet!r}", do=f"There are {', '.join(sorted(FACETS))}")
    values = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    if not values or not all(isinstance(v, (str, int)) and v != "" for v in values):
        raise WatchfloorError(f"no value to match {facet} with")
    return frozenset(_spelled(facet, value) for value in values)


def _spelled(facet: str, value: Value) -> Value:
    if facet in NUMBER_FACETS:
        try:
            return int(value)
        except ValueError:
            raise WatchfloorError(f"{facet} is a number, not {str(value)[:40]!r}") from None
    text = str(value)
    if facet in ("user", "target_user"):
        return plain_user(text)
    return text.lower() if facet in FOLDED else text
