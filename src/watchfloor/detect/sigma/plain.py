"""The plain path: Python, on any machine.

What is worked out once is remembered, in tables whose keys are the real values: the keys of a record give its shape, a
field's value gives the rules with a witness that holds (its class), the classes give the candidates, and candidates
with the values that they read give the matches. Only what was never seen is evaluated. The tables are dictionaries of
texts, which Python hashes with a secret seed and compares in full; they are bounded and start afresh when full.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import Any, NamedTuple

import msgspec
import orjson

from watchfloor.core.event import Event
from watchfloor.detect.sigma.fields import Field, View
from watchfloor.detect.sigma.index import Index, Keywords, Rules
from watchfloor.detect.sigma.logsource import Discriminator, LogSource, LogSources
from watchfloor.detect.sigma.matchers import Test, compile_node
from watchfloor.detect.sigma.memory import ENTRY, LONGEST, Memory
from watchfloor.detect.sigma.nodes import Leaf, leaves_of
from watchfloor.detect.sigma.path import Cost, Form, Scanned
from watchfloor.detect.sigma.rules import Rule
from watchfloor.detect.sigma.seen import Seen
from watchfloor.detect.sigma.values import text_of
from watchfloor.detect.sigma.witness import popularity, witnesses

_MOST_PLANS = 5_000
_MOST_KEYS = 500
"""Keys of a record whose shape is remembered."""
_MISSING: Any = object()


class Line(msgspec.Struct):
    """One line of JSON as rules see it."""

    original: dict[str, Any]
    ocsf: dict[str, Any]
    logsource: Mapping[str, str]


class _Class:
    """Rules with a witness that holds for a value. Values with the same rules share one: it keys by identity."""

    __slots__ = ("rules",)

    def __init__(self, rules: Rules) -> None:
        self.rules = rules


class _FieldMemo:
    """One field's values and their classes; None: no witness holds."""

    def __init__(self, field: Field, entries: Sequence[tuple[Leaf, Rules]], memory: Memory) -> None:
        self.field = field
        self._index = Index(entries, memory)
        self._memory = memory
        self.known: dict[str, _Class | None] = memory.table()
        self._classes: dict[Rules, _Class] = memory.table()
        self.absent = self._class(self._index.absent)
        self._present = self._class(self._index.present)

    def of_text(self, text: str) -> _Class | None:
        """The class of a text that is not known yet."""
        rules = self._index.rules(text)
        found = self._class((*rules, *self._index.present)) if rules else self._present
        if len(text) <= LONGEST:
            self._memory.take(sys.getsizeof(text) + ENTRY)
            self.known[text] = found
        return found

    def of_values(self, values: Sequence[Any]) -> _Class | None:
        """The class of several values, or of one that is no text."""
        if not values:
            return self.absent
        rules: list[int] = []
        for value in values:
            text = value if value.__class__ is str else text_of(value)
            if text is None:
                rules += (*self._index.null, *self._index.present)
                continue
            found = self.known.get(text, _MISSING)
            if found is _MISSING:
                found = self.of_text(text)
            if found is not None:
                rules += found.rules
        return self._class(tuple(rules))

    def _class(self, rules: Rules) -> _Class | None:
        if not rules:
            return None
        key = tuple(sorted(set(rules)))
        found = self._classes.get(key)
        if found is None:
            self._memory.take(len(key) * 8 + ENTRY)
            found = self._classes[key] = _Class(key)
        return found


class _Plan:
    """The rules that apply to events of one kind, by their witnesses."""

    def __init__(self, numbers: Sequence[int], rules: Sequence[Rule], memory: Memory) -> None:
        always: list[int] = []
        entries: dict[Field | None, dict[Leaf, list[int]]] = defaultdict(lambda: defaultdict(list))
        popular = popularity(rules[number].node for number in numbers)
        for number in numbers:
            found = witnesses(rules[number].node, popular)
            if found is None:
                always.append(number)
            for leaf in found or ():
                entries[leaf.field][leaf].append(number)
        plain = {field: [(leaf, tuple(some)) for leaf, some in of.items()] for field, of in entries.items()}
        words = plain.pop(None, None)
        self.keywords = Keywords(words) if words else None
        self.fields = [_FieldMemo(field, some, memory) for field, some in plain.items() if field is not None]
        self.always = _Class(tuple(always)) if always else None


class _Candidates(NamedTuple):
    """Rules to ask, and where in records of this shape the values stand that they read (None: not only in keys)."""

    rules: Rules
    keys: tuple[str, ...] | None
    results: dict[tuple[Any, ...], list[int]]


class _Route:
    """A plan for records of one shape: which of its fields stand under a key, which have to be looked for."""

    def __init__(self, plan: _Plan, keys: frozenset[str], only_keys: bool) -> None:
        self._keys, self._only_keys = keys, only_keys
        self.plan = plan
        self.direct: list[tuple[str, dict[str, _Class | None], _FieldMemo]] = []
        self.sought: list[_FieldMemo] = []
        self.given = [] if plan.always is None else [plan.always]
        for memo in plan.fields:
            key = self.place(memo.field)
            if key is _MISSING:
                self.sought.append(memo)
            elif key is not None:
                self.direct.append((key, memo.known, memo))
            elif memo.absent is not None:
                self.given.append(memo.absent)
        self.candidates: dict[tuple[_Class, ...], _Candidates] = {}

    def place(self, field: Field | None) -> Any:
        """The key of a field's values, None when records of this shape do not have it, _MISSING when it depends."""
        if field is None:
            return _MISSING
        for kind, path in field.places:
            if kind == "original":
                if path in self._keys:
                    return path
                if "." not in path:
                    continue
                if not any(path.startswith(key + ".") for key in self._keys):
                    continue
            elif kind == "ocsf" and self._only_keys:
                continue
            return _MISSING
        return None


class _Shape:
    """Records with the same keys, and without or with OCSF: how their log source is read, and the routes from there."""

    __slots__ = ("direct", "key_set", "only_keys", "routes")

    def __init__(self, keys: tuple[str, ...], only_keys: bool, places: Sequence[str]) -> None:
        self.key_set, self.only_keys = frozenset(keys), only_keys
        self.routes: dict[tuple[Any, ...], _Route] = {}
        self.direct: tuple[str, ...] | None = ()
        direct: list[str] = []
        for place in places:
            kind, _, path = place.partition(".")
            if not path or (kind == "ocsf" and only_keys):
                continue
            if kind == "original" and path in self.key_set:
                direct.append(path)
            elif kind == "ocsf" or path.split(".")[0] in self.key_set:
                self.direct = None  # it has to be looked for
                return
        self.direct = tuple(direct)


class PlainPath:
    """See EnginePath."""

    name = "plain"

    def __init__(self, rules: Sequence[Rule], sources: LogSources) -> None:
        self._rules = rules
        self._by_source: dict[LogSource, list[int]] = {}
        for number, rule in enumerate(rules):
            self._by_source.setdefault(rule.logsource, []).append(number)
        self._alternatives = {source: sources.alternatives(source) for source in self._by_source}
        self._discriminator = Discriminator([a for some in self._alternatives.values() for a in some])
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._shared: dict[tuple[LogSource, ...], _Plan] = {}
        self._memory = Memory()
        self._shapes: dict[tuple[Any, ...], _Shape] = self._memory.table()
        self._tests: dict[int, Test] = {}
        self._reads: dict[int, frozenset[Field | None]] = {}
        self.looked_at = 0
        self._evaluated = [0] * len(rules)
        self._nanoseconds = [0] * len(rules)

    def matches(self, event: Event) -> list[int]:
        self.looked_at += 1
        return self._matches(event)

    def scan(self, data: bytes, logsource: Mapping[str, str], form: Form = "record") -> list[Scanned]:
        found: list[Scanned] = []
        for number, line in enumerate(data.split(b"\n")):
            if not line or line.isspace():
                continue
            self.looked_at += 1
            try:
                matched = self._matches(line_of(orjson.loads(line), logsource, form), line)
            except ValueError as error:
                found.append(Scanned(number, (), f"not a JSON object: {error}"))
                continue
            if matched:
                found.append(Scanned(number, tuple(matched)))
        return found

    def costs(self) -> list[Cost]:
        return list(map(Cost, self._evaluated, self._nanoseconds))

    def _matches(self, event: Seen, line: bytes = b"") -> list[int]:
        """`line`: the event as it is written, where it comes from one."""
        original = event.original
        route = self._route(event)
        hits = list(route.given)
        for key, known, memo in route.direct:
            value = original[key]
            if value.__class__ is int:
                value = text_of(value)
            if value.__class__ is str:
                found = known.get(value, _MISSING)
                if found is _MISSING:
                    found = memo.of_text(value)
            else:
                found = memo.of_values(View(event).values(memo.field))
            if found is not None:
                hits.append(found)
        plan = route.plan
        keywords = plan.keywords
        worded = keywords is not None and (not line or keywords.may_be_in(line))
        if not hits and not route.sought and not worded:
            return []
        view = View(event)
        for memo in route.sought:
            found = memo.of_values(view.values(memo.field))
            if found is not None:
                hits.append(found)
        if keywords is not None and worded and (words := keywords.rules(view.blob())):
            rules = {*words, *(rule for each in hits for rule in each.rules)}
            return self._ask(sorted(rules), view)
        return self._remembered(route, hits, view) if hits else []

    def _remembered(self, route: _Route, hits: list[_Class], view: View) -> list[int]:
        """What the rules of these classes say, from memory where they said it of the same values before."""
        key = tuple(hits)
        candidates = route.candidates.get(key)
        if candidates is None:
            candidates = self._candidates(route, hits)
            self._memory.take(ENTRY + 8 * len(candidates.rules))
            route.candidates[key] = candidates
        if candidates.keys is None:
            return self._ask(candidates.rules, view)
        original = view.event.original
        size = ENTRY
        values: list[Any] = []
        for name in candidates.keys:
            value = original[name]
            if value.__class__ is not str:
                value = (value.__class__, repr(value))  # 1, 1.0 and true are one key, and not one value
                size += len(value[1])
            else:
                size += len(value)
            values.append(value)
        if size > LONGEST:
            return self._ask(candidates.rules, view)
        told = tuple(values)
        result = candidates.results.get(told)
        if result is None:
            result = self._ask(candidates.rules, view)
            self._memory.take(2 * size)
            candidates.results[told] = result
        return result

    def _ask(self, rules: Sequence[int], view: View) -> list[int]:
        """The rules that match, each evaluated, and what that took."""
        found: list[int] = []
        before = perf_counter_ns()
        for number in rules:
            test = self._tests.get(number)
            if test is None:
                test = self._tests[number] = compile_node(self._rules[number].node)
            if test(view):
                found.append(number)
            after = perf_counter_ns()
            self._evaluated[number] += 1
            self._nanoseconds[number] += after - before
            before = after
        return found

    def _candidates(self, route: _Route, hits: Sequence[_Class]) -> _Candidates:
        rules = tuple(sorted({rule for each in hits for rule in each.rules}))
        keys: set[str] = set()
        for rule in rules:
            for field in self._read_by(rule):
                place = route.place(field)
                if place is _MISSING:
                    return _Candidates(rules, None, {})
                if place is not None:
                    keys.add(place)
        return _Candidates(rules, tuple(sorted(keys)), {})

    def _read_by(self, rule: int) -> frozenset[Field | None]:
        found = self._reads.get(rule)
        if found is None:
            nodes = list(leaves_of(self._rules[rule].node))
            others = (leaf.data[0] for leaf in nodes if leaf.kind == "fieldref")
            found = self._reads[rule] = frozenset({*(leaf.field for leaf in nodes), *others})
        return found

    def _route(self, event: Seen) -> _Route:
        original, source = event.original, event.logsource
        keys = tuple(original) if not event.ocsf else (None, *original)
        shape = self._shapes.get(keys)
        if shape is None:
            shape = _Shape(tuple(original), not event.ocsf, self._discriminator.places)
            if len(keys) <= _MOST_KEYS:
                self._memory.take(ENTRY * 4 + sum(map(sys.getsizeof, original)))
                self._shapes[keys] = shape
        told: tuple[Any, ...]
        if shape.direct is None:
            told = self._discriminator.key(event)
        else:
            read = [original[key] for key in shape.direct]
            texts = [value if value.__class__ is str else text_of(value) for value in read]
            told = (source.get("product"), source.get("category"), source.get("service"), *texts)
        route = shape.routes.get(told)
        if route is None:
            route = _Route(self._plan(self._discriminator.key(event)), shape.key_set, shape.only_keys)
            self._memory.take(ENTRY * 4 + 200 * len(route.direct) + sum(map(sys.getsizeof, told)))
            if sum(len(text) for text in told if text) <= LONGEST:
                shape.routes[told] = route
        return route

    def _plan(self, key: tuple[str, ...]) -> _Plan:
        plan = self._plans.get(key)
        if plan is None:
            fits = self._discriminator.fits
            meant = tuple(s for s, rows in self._alternatives.items() if any(fits(key, row) for row in rows))
            plan = self._shared.get(meant)
            if len(self._plans) >= _MOST_PLANS:
                self._forget_plans()
            if plan is None:
                plan = _Plan([n for s in meant for n in self._by_source[s]], self._rules, self._memory)
            self._plans[key] = self._shared[meant] = plan
        return plan

    def _forget_plans(self) -> None:
        """There are many more kinds of events to make up than a network has."""
        self._plans.clear()
        self._shared.clear()
        self._shapes.clear()
        self._memory.tables[:] = [self._shapes]


def line_of(data: Any, logsource: Mapping[str, str], form: Form) -> Line:
    """What a line says. Raises ValueError for what is no object of this form."""
    if not isinstance(data, dict):
        raise ValueError(f"it is {type(data).__name__}")  # noqa: TRY004 - orjson's errors are ValueErrors, too
    if form == "record":
        return Line(data, {}, logsource)
    if form == "ocsf":
        return Line({}, data, logsource)
    parts = [data.get(part) or {} for part in ("original", "ocsf", "logsource")]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError("original, ocsf and logsource have to be objects")
    if not all(isinstance(value, str) for value in parts[2].values()):
        raise ValueError("a log source's parts have to be texts")
    return Line(parts[0], parts[1], parts[2] or logsource)
