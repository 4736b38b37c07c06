"""Which mappings may take a record, found from the keys it has instead of by asking each of them.

A condition can only hold where the keys that it looks at are there. So each alternative of a mapping's `when` is filed
under one key that it needs, the rarest one; a record's keys lead to few mappings, which are then asked in their order.
Records of one kind have the same keys, so what was found for these is remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from watchfloor.ingest.mappings.convert import text
from watchfloor.ingest.mappings.mapping import Mapping
from watchfloor.ingest.mappings.values import Data

Found = TypeVar("Found")
_REMEMBERED = 1024
_LONGEST = 4096
Keys = tuple[str, ...]
"""The keys of a record, in their order."""


class ByKeys(dict[Keys, Found]):
    """What was found for records of the same keys, by these. It forgets everything when it is full; long keys are not
    kept."""

    def __init__(self, find: Callable[[Keys], Found]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, keys: Keys) -> Found:
        found = self._find(keys)
        if sum(map(len, keys)) + len(keys) <= _LONGEST:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[keys] = found
        return found


class _Alternative(NamedTuple):
    """One way for a mapping (by its number) to take a record: what it needs, each as keys of which one has to be there;
    and the texts that a top-level key must hold one of."""

    mapping: int
    needs: tuple[frozenset[str], ...]
    values: dict[str, frozenset[str]]


class Candidates(NamedTuple):
    """What may take records of the same keys: where their value under `key` is text, those of `by_value` alone."""

    dotted: bool
    every: tuple[Mapping, ...]
    key: str | None
    by_value: dict[str, tuple[Mapping, ...]]
    other: tuple[Mapping, ...]

    def of(self, data: Data) -> tuple[Mapping, ...]:
        """The mappings to ask, in their order."""
        if self.key is None:
            return self.every
        value = data[self.key]
        return self.by_value.get(value, self.other) if type(value) is str else self.every


class Selection:
    """Chooses among mappings, which are asked in the order given."""

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self._mappings = tuple(mappings)
        self._known = ByKeys(self._found)
        alternatives = [a for number, m in enumerate(mappings) for a in _alternatives(number, m.when)]
        used = Counter(key for a in alternatives for need in a.needs for key in need)
        self._filed: dict[str, list[_Alternative]] = {}
        self._always: list[_Alternative] = []
        for alternative in alternatives:
            if not alternative.needs:
                self._always.append(alternative)
                continue
            for key in min(alternative.needs, key=lambda need: sum(used[k] for k in need)):
                self._filed.setdefault(key, []).append(alternative)

    def candidates(self, data: Data) -> Candidates:
        """Every mapping that may take a record, by its keys."""
        return self._known[tuple(data)]

    def taking(self, data: Data) -> tuple[Mapping | None, bool]:
        """The first mapping that takes a record, and whether a key of the record holds dots."""
        candidates = self._known[tuple(data)]
        for mapping in candidates.every if candidates.key is None else candidates.of(data):
            if mapping.takes(data):
                return mapping, candidates.dotted
        return None, candidates.dotted

    def _found(self, keys: Keys) -> Candidates:
        there = frozenset(keys)
        possible = list(self._always)
        for key in there:
            for alternative in self._filed.get(key, ()):
                if not any(need.isdisjoint(there) for need in alternative.needs):
                    possible.append(alternative)
        dotted = any("." in key for key in keys)
        every = self._ordered(possible)
        told = Counter(key for a in possible for key in a.values)
        if len(every) < 2 or not told:
            return Candidates(dotted, every, None, {}, ())
        key = max(told, key=lambda k: (told[k], k))
        other = [a for a in possible if key not in a.values]
        values = {value for a in possible for value in a.values.get(key, ())}
        by_value = {v: self._ordered([*other, *(a for a in possible if v in a.values.get(key, ()))]) for v in values}
        return Candidates(dotted, every, key, by_value, self._ordered(other))

    def _ordered(self, alternatives: list[_Alternative]) -> tuple[Mapping, ...]:
        return tuple(self._mappings[number] for number in sorted({a.mapping for a in alternatives}))


def _alternatives(number: int, when: Any) -> Iterator[_Alternative]:
    if isinstance(when, list):
        for option in when:
            yield from _alternatives(number, option)
        return
    needs: list[frozenset[str]] = []
    values: dict[str, frozenset[str]] = {}
    for path, wanted in when.items() if isinstance(when, dict) else ():
        name = str(path)
        if name == "not" or wanted is None or name.startswith("*"):
            continue
        needs.append(frozenset({name, name.partition(".")[0]}))
        exact = _exact(wanted)
        if "." not in name and exact is not None:
            values[name] = exact
    yield _Alternative(number, tuple(needs), values)


def _exact(wanted: Any) -> frozenset[str] | None:
    """The texts of which a value has to be one; None where a `*` leaves it open."""
    options = wanted if isinstance(wanted, list) else [wanted]
    if any(isinstance(o, str) and "*" in (o[:1], o[-1:]) for o in options):
        return None
    return frozenset(t for o in options if (t := text(o)) is not None)
