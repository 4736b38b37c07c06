"""History: counts over a tenant's events before a moment, answered from posting lists in time order.

DuckDB reads the Parquet once; a facet's posting lists are made when a query first names it. From then on a query costs
what its matches cost, not what the history holds.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from watchfloor.core.clock import DAY, HOUR, SECOND
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.facets import FOLDED, NUMBER_FACETS, TEXT_FACETS, plain_user

FACETS = frozenset({*TEXT_FACETS, *NUMBER_FACETS, "layer", "mapping"})
MEASURES = ("count", "first", "last", "days", "days_share", "hours")
MEASURES_OF = ("distinct", "top", "peers", "within")
_TOP = 5
Value = str | int
Wanted = Mapping[str, frozenset[Value]]
Rows = Sequence[int]


class LakeReader:
    """One tenant's events as they were when it was made. Safe to share between threads."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = [str(file) for file in files]
        self._columns: dict[str, list[Value | None]] = {}
        self._postings: dict[str, dict[Value, list[int]]] = {}
        self._populations: dict[tuple[int, int], dict[str, int]] = {}
        self._lock = threading.Lock()

    def query(
        self, match: Mapping[str, Any], measures: Sequence[str], *, since: int, before: int, zone: tzinfo
    ) -> dict[str, Any]:
        """Measures of the events with since <= time < before (ms) whose facets have one of the wanted values.

        `match` maps facets to a value or a list of values. Measures: `count`; `first`, `last` (ms or None); `days` with
        such an event; `days_share` of all days with events; `hours` (24 counts by the hour of day in `zone`);
        `distinct:<facet>`; `top:<facet>` ([{value, count}], most frequent first); `peers:<facet>` (other values of a
        matched facet of which the rest of the match holds); `within:<n>` (count in the last n hours). The answer has
        `population`: events, hosts, users and days in the same time. Raises WatchfloorError for what it does not know.
        """
        with self._lock:
            return self._query(match, measures, since, before, zone)

    def previous(self, match: Mapping[str, Any], *, before: int) -> str | None:
        """The uid of the last event before a time (ms) that matches, or None."""
        with self._lock:
            wanted = {facet: _values(facet, value) for facet, value in match.items()}
            rows = self._rows(wanted, 0, bisect_left(self._times, before))
            return self._uids[rows[-1]] if rows else None

    def _query(
        self, match: Mapping[str, Any], measures: Sequence[str], since: int, before: int, zone: tzinfo
    ) -> dict[str, Any]:
        wanted = {facet: _values(facet, value) for facet, value in match.items()}
        low, high = bisect_left(self._times, since), bisect_left(self._times, before)
        rows = self._rows(wanted, low, high)
        population = self._population(low, high)
        answer: dict[str, Any] = {"population": population}
        for measure in measures:
            name, _, of = measure.partition(":")
            if name in MEASURES and not of:
                answer[name] = self._simple(name, rows, population, zone)
            elif name == "within" and of.isdigit():
                recent = bisect_left(rows, bisect_left(self._times, before - int(of) * HOUR))
                answer[measure] = len(rows) - recent
            elif name == "peers" and of in wanted:
                rest = {facet: values for facet, values in wanted.items() if facet != of}
                others = self._distinct(of, self._rows(rest, low, high)) - wanted[of]
                answer[measure] = len(others)
            elif name in ("distinct", "top") and of in FACETS:
                answer[measure] = len(self._distinct(of, rows)) if name == "distinct" else self._top(of, rows)
            else:
                known = ", ".join((*MEASURES, *(f"{m}:..." for m in MEASURES_OF)))
                raise WatchfloorError(f"history has no measure {measure!r}", do=f"There are {known}")
        return answer

    def _simple(self, name: str, rows: Rows, population: Mapping[str, int], zone: tzinfo) -> Any:
        if name in ("days", "days_share"):
            days = len({self._times[row] // DAY for row in rows})
            all_days = population["days"]
            return days if name == "days" else round(days / all_days, 3) if all_days else None
        if name == "hours":
            return self._hours(rows, zone)
        if name == "count":
            return len(rows)
        return self._times[rows[0 if name == "first" else -1]] if rows else None

    def _hours(self, rows: Rows, zone: tzinfo) -> list[int]:
        counts = [0] * 24
        for hour, count in Counter(self._times[row] // HOUR for row in rows).items():
            counts[datetime.fromtimestamp(hour * HOUR // SECOND, zone).hour] += count
        return counts

    def _distinct(self, facet: str, rows: Rows) -> set[Value | None]:
        return set(map(self._column(facet).__getitem__, rows)) - {None}

    def _top(self, facet: str, rows: Rows) -> list[dict[str, Any]]:
        counts = Counter(map(self._column(facet).__getitem__, rows))
        del counts[None]
        ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
        return [{"value": value, "count": count} for value, count in ordered[:_TOP]]

    def _rows(self, wanted: Wanted, low: int, high: int) -> Rows:
        """The rows, in time order, in [low, high) that match: the rarest facet's postings, filtered by the others."""
        if not wanted:
            return range(low, high)
        found = {facet: self._slices(facet, values, low, high) for facet, values in wanted.items()}
        rarest = min(found, key=lambda facet: sum(map(len, found[facet])))
        slices = found[rarest]
        rows = slices[0] if len(slices) == 1 else sorted(row for part in slices for row in part)
        for facet, values in wanted.items():
            if facet != rarest:
                column = self._column(facet)
                rows = [row for row in rows if column[row] in values]
        return rows

    def _slices(self, facet: str, values: frozenset[Value], low: int, high: int) -> list[list[int]]:
        postings = self._posting(facet)
        rows_of = (postings[value] for value in values if value in postings)
        return [rows[bisect_left(rows, low) : bisect_left(rows, high)] for rows in rows_of]

    def _population(self, low: int, high: int) -> dict[str, int]:
        held = self._populations.get((low, high))
        if held is None:
            held = {
                "events": high - low,
                "hosts": self._values_between("host", low, high),
                "users": self._values_between("user", low, high),
                "days": self._days_between(low, high),
            }
            self._populations[low, high] = held
        return dict(held)

    def _values_between(self, facet: str, low: int, high: int) -> int:
        count = 0
        for rows in self._posting(facet).values():
            at = bisect_left(rows, low)
            count += at < len(rows) and rows[at] < high
        return count

    def _days_between(self, low: int, high: int) -> int:
        count = 0
        while low < high:
            next_day = (self._times[low] // DAY + 1) * DAY
            low = bisect_left(self._times, next_day, low, high)
            count += 1
        return count

    @cached_property
    def _table(self) -> Callable[[str], list[Any]]:
        """Reads one column (`time`, `uid` or a facet) of all events, each event once, in order of time."""
        names = sorted(FACETS)
        connection = duckdb.connect(":memory:", config={"threads": 2})
        listed = ", ".join(f'"{name}"' for name in names)
        connection.execute(
            f"create table events as select time, uid, {listed} from read_parquet(?, union_by_name = true) "  # noqa: S608
            "qualify row_number() over (partition by uid order by file_row_number) = 1 order by time, uid",
            [self._files],
        )

        def column(name: str) -> list[Any]:
            encoded = connection.sql(f'select "{name}" from events').to_arrow_table()  # noqa: S608
            values = encoded.column(0).combine_chunks().dictionary_encode()
            words = values.dictionary.to_pylist()
            return [None if index is None else words[index] for index in values.indices.to_pylist()]

        return column

    def _read(self, name: str) -> list[Any]:
        return self._table(name) if self._files else []

    @cached_property
    def _times(self) -> list[int]:
        return self._read("time")

    @cached_property
    def _uids(self) -> list[str]:
        return self._read("uid")

    def _column(self, facet: str) -> list[Value | None]:
        if facet not in self._columns:
            self._columns[facet] = self._read(facet)
        return self._columns[facet]

    def _posting(self, facet: str) -> dict[Value, list[int]]:
        if facet not in self._postings:
            postings: dict[Value, list[int]] = defaultdict(list)
            for row, value in enumerate(self._column(facet)):
                if value is not None:
                    postings[value].append(row)
            self._postings[facet] = dict(postings)
        return self._postings[facet]


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
