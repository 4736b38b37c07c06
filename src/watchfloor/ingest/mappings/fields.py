"""Field specifications and conditions of the mapping format, written as Python.

A field is one of: text `path` (dotted source path) · `=text` (a constant) · a number or boolean (a constant) · a list
(alternatives, the first present one counts) · a dictionary with `from` (a path, a rule or alternatives) or `text` (a
template with `{path}`), and any of `as` (converter or list of them), `match` (a regular expression whose first group
counts), `map` (a table), `default`, `when` (a condition on the record), or `each` + `fields` (a list of objects), or
`items` (a list of specifications).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import re2

from watchfloor.ingest.mappings import runtime
from watchfloor.ingest.mappings.code import Function
from watchfloor.ingest.mappings.convert import CONVERTERS, TEXTS, text
from watchfloor.ingest.mappings.patterns import Pattern
from watchfloor.ingest.mappings.problems import Place, Problems
from watchfloor.ingest.mappings.values import ABSENT

KEYS = frozenset({"from", "text", "as", "map", "default", "when", "each", "fields", "items", "value", "match"})
_PLACE = re.compile(r"\{([^{}]+)\}")


class Value(NamedTuple):
    """An expression without effects, `None` where there is no value; whether it is text (or None) for certain."""

    source: str
    is_text: bool = False


NO_VALUE = Value("None")
# Of so many paths whose values may well be none that a converter reads, each is tried in line.
_FEW = 3
_REMEMBERED = 256  # texts that a table does not hold as they are, of each table
# What a converter leaves as it is.
_AS_THEY_ARE = {
    "int": "type({0}) is int and -(2**63) <= {0} < 2**63",
    "port": "type({0}) is int and 0 <= {0} <= 65535",
    "pid": "type({0}) is int and 0 <= {0} < 2**32",
    "bool": "type({0}) is bool",
}
Option = tuple[str, ...] | Callable[[], Value]
"""One of several alternatives: paths, or what writes another one."""


def constant(spec: Any) -> bool:
    """Whether a specification takes nothing from the record."""
    return (
        isinstance(spec, (bool, int, float))
        or (isinstance(spec, str) and spec.startswith("="))
        or (isinstance(spec, dict) and "value" in spec and not spec.keys() & {"when", "each", "items"})
    )


def constant_value(spec: Any) -> Any:
    """The value of a constant specification."""
    if isinstance(spec, str):
        return spec[1:]
    if not isinstance(spec, dict):
        return spec
    value = spec["value"]
    return runtime.mapped(value, *_tables(spec["map"]), spec.get("default")) if "map" in spec else value


class Fields:
    """Writes the fields of one function."""

    def __init__(self, code: Function, problems: Problems) -> None:
        self.code, self.problems = code, problems
        self._patterns: dict[str, str] = {}

    def field(self, spec: Any, natural: str, place: Place) -> Value:
        """Writes how a field's value comes about. `natural` is the converter where `as` does not name one."""
        if isinstance(spec, dict):
            self.problems.keys(place, spec, KEYS)
        if constant(spec):
            return self._literal(constant_value(spec))
        if isinstance(spec, str):
            return self._converted(spec, (natural,))
        if isinstance(spec, list):
            options = [
                tuple(group) if plain else partial(self.field, s, natural, (*place, i))
                for plain, group, i, s in _runs(spec, lambda s: isinstance(s, str) and not s.startswith("="))
            ]
            return self._first(options, (natural,), place)
        if isinstance(spec, dict):
            return self._rule(spec, natural, place)
        self.problems.add(place, f"cannot read the field {spec!r}", "Give a path, a constant or a rule.")
        return NO_VALUE

    def _literal(self, value: Any) -> Value:
        return Value(self.code.module.literal(value), isinstance(value, str))

    def _rule(self, spec: dict[str, Any], natural: str, place: Place) -> Value:
        if "when" not in spec:
            return self._unconditional(spec, natural, place)
        holds = self.condition(spec["when"], (*place, "when"))
        found = self.code.let("None")
        with self.code.scope(), self.code.block(f"if {holds}:"):
            value = self._unconditional(spec, natural, place)
            self.code.line(f"{found} = {value.source}")
        return Value(found, value.is_text)

    def _unconditional(self, spec: dict[str, Any], natural: str, place: Place) -> Value:
        value = self._source(spec, natural, place)
        if "map" in spec:
            return self._mapped(value, spec, place)
        if spec.get("default") is not None:
            default = self._literal(spec["default"])
            v = self.code.named(value.source)
            found = self.code.let(f"{default.source} if {v} is None else {v}")
            return Value(found, value.is_text and default.is_text)
        return value

    def _source(self, spec: dict[str, Any], natural: str, place: Place) -> Value:
        converters = self._converters(spec.get("as"), (*place, "as"))
        if "each" in spec:
            return self._each(spec, place)
        if "items" in spec:
            return self._items(spec["items"], natural, (*place, "items"))
        if "value" in spec:
            return self._literal(spec["value"])
        if "text" in spec:
            return self._template(str(spec["text"]))
        if "from" not in spec:
            self.problems.add(place, "says not where the value comes from", "Add `from` or `value`.")
            return NO_VALUE
        options = spec["from"] if isinstance(spec["from"], list) else [spec["from"]]
        chain = converters or (() if "map" in spec else (natural,))
        search = self._pattern(spec["match"], (*place, "match")) if "match" in spec else None

        def option(index: int, one: Any) -> Value:
            at = (*place, "from", index)
            if isinstance(one, dict):
                return self._refined(self.field(one, "raw", at), chain, search)
            if not _is_path(one):
                self.problems.add(at, f"{one!r} is no path", "Give a path or a rule.")
                return NO_VALUE
            return self._converted(str(one), chain, search)

        runs = _runs(options, lambda one: search is None and _is_path(one))
        written = [tuple(map(str, group)) if plain else partial(option, i, one) for plain, group, i, one in runs]
        return self._first(written, chain, place)

    def _converters(self, names: Any, place: Place) -> tuple[str, ...]:
        wanted = [] if names is None else names if isinstance(names, list) else [names]
        return tuple(n for n in wanted if self.problems.choice(place, "converter", n, CONVERTERS))

    def _first(self, options: Sequence[Option], chain: tuple[str, ...], place: Place) -> Value:
        """The first of several values that is there; several paths in a row by the same converters."""
        if not options:
            self.problems.add(place, "an empty list of alternatives", "Give at least one.")
            return NO_VALUE
        code = self.code
        value = self._option(options[0], chain)
        if len(options) == 1:
            return value
        found, is_text = code.let(value.source), value.is_text
        with code.scope():
            for option in options[1:]:
                with code.block(f"if {found} is None:"):
                    value = self._option(option, chain)
                    code.line(f"{found} = {value.source}")
                is_text = is_text and value.is_text
        return Value(found, is_text)

    def _option(self, option: Option, chain: tuple[str, ...]) -> Value:
        if callable(option):
            return option()
        if len(option) == 1:
            return self._converted(option[0], chain)
        if len(option) > _FEW or chain == ("text",):
            return self._first_path(option, chain)
        return self._first([partial(self._converted, path, chain) for path in option], chain, ())

    def _first_path(self, paths: tuple[str, ...], chain: tuple[str, ...]) -> Value:
        """The first path at which something is; only where that says nothing or is not read, all are tried in turn."""
        code = self.code
        known = code.known((paths, chain))
        if known is not None:
            return Value(known, bool(TEXTS & {*chain[-1:]}))
        raw = code.let(code.raw(paths[0]))
        with code.scope():
            for path in paths[1:]:
                with code.block(f"if {raw} is None:"):
                    code.line(f"{raw} = {code.raw(path)}")
        v = code.let(raw)
        as_text = chain[:1] == ("text",)
        if as_text:
            code.make_text(v)
        else:
            code.make_present(v)
        value = Value(v, as_text)
        for name in chain:
            value = self._one(name, value)
        again = code.module.bind(runtime.first_converted(paths, chain), "again")
        found = code.let(value.source)
        code.line(f"if {found} is None and {raw} is not None: {found} = {again}(data)")
        code.keep((paths, chain), found)
        return Value(found, value.is_text)

    # Converting

    def _converted(self, path: str, chain: tuple[str, ...], search: str | None = None) -> Value:
        """The value at a path, by its converters; what was converted before is at hand."""
        if search is not None:
            group = self.code.known((path, search))
            if group is None:
                group = self._refined(Value(self.code.text(path), True), (), search).source
                self.code.keep((path, search), group)
            return self._refined(Value(group, True), chain, None)
        known = self.code.known((path, *chain))
        if known is not None:
            return Value(known, bool(TEXTS & {*chain[-1:]}))
        as_text = chain[:1] == ("text",)
        value = Value(self.code.text(path), True) if as_text else Value(self.code.present(path))
        value = self._refined(value, chain, None)
        self.code.keep((path, *chain), value.source)
        return value

    def _refined(self, value: Value, chain: tuple[str, ...], search: str | None) -> Value:
        if search is not None:
            found = value.source if value.is_text else self.code.let(f"key({value.source})")
            value = Value(self.code.let(f"{search}[{found}] if {found} else None"), True)
        for name in chain:
            value = self._one(name, value)
        return value

    def _one(self, name: str, value: Value) -> Value:
        v = value.source
        if name == "raw" or (name == "text" and value.is_text):
            return value
        if name == "ip":
            found = self.code.let(f"known_ip[{v}] if type({v}) is str else None")
        elif name in runtime.KNOWN and value.is_text:
            found = self.code.let(f"None if {v} is None else known_{name}[{v}]")
        elif name in runtime.KNOWN:
            found = self.code.let(f"known_{name}[{v}] if type({v}) is str else None if {v} is None else to_{name}({v})")
        elif name in _AS_THEY_ARE and not value.is_text:
            found = self.code.let(f"{v} if {v} is None or {_AS_THEY_ARE[name].format(v)} else to_{name}({v})")
        else:
            found = self.code.let(f"None if {v} is None else to_{name}({v})")
        return Value(found, name in TEXTS)

    def _pattern(self, pattern: Any, place: Place) -> str | None:
        if str(pattern) not in self._patterns:
            compiled = compiled_pattern(pattern, place, self.problems)
            if compiled is None:
                return None
            if not compiled.groups:
                self.problems.add(place, "the pattern has no group", "Put what counts into (...).")
            self._patterns[str(pattern)] = self.code.module.bind(compiled.first_group, "search")
        return self._patterns[str(pattern)]

    def _mapped(self, value: Value, spec: dict[str, Any], place: Place) -> Value:
        table, default = spec["map"], spec.get("default")
        if not isinstance(table, dict):
            self.problems.add((*place, "map"), "is no table", "Give value: result.")
            return NO_VALUE
        code, v = self.code, self.code.named(value.source)
        exact, folded = _tables(table)
        known = runtime.Known(lambda one: runtime.mapped(one, exact, folded, default), len(exact) + _REMEMBERED)
        other = f"{code.module.literal(default)} if {v} is None else "
        by_value = code.module.bind(known, "MAP")
        if value.is_text:
            found = code.let(f"{other}{by_value}[{v}]")
        else:
            found = code.let(f"{by_value}[{v}] if type({v}) is str else {other}{by_value}.convert({v})")
        texts = [default, *exact.values()]
        return Value(found, all(t is None or isinstance(t, str) for t in texts))

    def _items(self, specs: Any, natural: str, place: Place) -> Value:
        if not isinstance(specs, list):
            self.problems.add(place, "is no list of fields")
            return NO_VALUE
        found = self.code.let("[]")
        for index, spec in enumerate(specs):
            v = self.code.let(self.field(spec, natural, (*place, index)).source)
            self.code.line(f"if {v} is not None: {found}.append({v})")
        return Value(self.code.let(f"{found} or None"))

    def _each(self, spec: dict[str, Any], place: Place) -> Value:
        from watchfloor.ingest.mappings.objects import write_object

        module = self.code.module
        name = module.fresh("each")
        inner = Fields(Function(module, name, flat=True), self.problems)
        objects = "fields" in spec
        if objects:
            made = write_object(inner, spec["fields"], (*place, "fields"), _attribute(place))
        else:
            rest = {k: v for k, v in spec.items() if k not in ("each", "default", "when", "map")}
            made = inner._unconditional(
                {**rest, **({"map": spec["map"]} if "map" in spec else {})}, "text", place
            ).source
        inner.code.line(f"return {made}")
        module.add(inner.code)
        items = self.code.present(str(spec["each"]))
        return Value(self.code.let(f"None if {items} is None else collected({items}, {name}, objects={objects})"))

    def _template(self, template: str) -> Value:
        """Text with places; None when one of them is absent."""
        code, pieces = self.code, _PLACE.split(template)
        variables = {path: code.text(path) for path in pieces[1::2]}
        whole = " + ".join(variables[p] if i % 2 else code.module.literal(p) for i, p in enumerate(pieces) if p)
        if not variables:
            return Value(whole or "''", True)
        if whole in variables.values():
            return Value(whole, True)
        absent = " or ".join(f"{v} is None" for v in variables.values())
        return Value(code.let(f"None if {absent} else {whole}"), True)

    # Conditions

    def condition(self, spec: Any, place: Place) -> str:
        """An expression for a condition: a dictionary (all hold) of path -> value, or a list of them (one holds).

        A value is a constant, a list of them (any), or text with `*` at either end; `*` alone asks for presence,
        `null` for absence. The key `not` holds a condition that must not hold.
        """
        if isinstance(spec, list):
            options = [self.condition(s, (*place, i)) for i, s in enumerate(spec)]
            return f"({' or '.join(options) or 'False'})"
        if not isinstance(spec, dict):
            self.problems.add(place, f"cannot read the condition {spec!r}", "Give path: value.")
            return "False"
        tests = [
            f"(not {self.condition(wanted, (*place, 'not'))})" if path == "not" else self._test(str(path), wanted)
            for path, wanted in spec.items()
        ]
        return f"({' and '.join(tests) or 'True'})"

    def _test(self, path: str, wanted: Any) -> str:
        code = self.code
        known = code.known(("present", path))
        if wanted is None or wanted == "*":
            holds = "is None" if wanted is None else "is not None"
            if known:
                return f"({known} {holds})"
            v = code.module.fresh("t")
            if wanted is None:
                return f"(({v} := {code.raw(path)}) is None or present({v}) is None)"
            there = f"({v} not in ABSENT if type({v}) is str else present({v}) is not None)"
            return f"(({v} := {code.raw(path)}) is not None and {there})"
        exact, others = _wanted(wanted)
        v = code.module.fresh("t")
        value = known or code.raw(path)
        if others:
            holds = " or ".join(
                [f"{v} in {code.module.bind(exact, 'ANY')}" if exact else "", *others(code, v)]
            ).removeprefix(" or ")
            return f"(({v} := key({value})) is not None and ({holds}))"
        if len(exact) == 1:
            one = code.module.literal(next(iter(exact)))
            return f"(({v} := {value}) == {one} or {v} is not None and type({v}) is not str and key({v}) == {one})"
        any_of = code.module.bind(exact, "ANY")
        return f"({v} in {any_of} if type({v} := {value}) is str else {v} is not None and key({v}) in {any_of})"


def _wanted(wanted: Any) -> tuple[frozenset[str], Callable[[Function, str], list[str]] | None]:
    """The exact texts of a condition's value, and what writes the tests for its texts with `*`."""
    options = wanted if isinstance(wanted, list) else [wanted]
    wild = [o for o in options if isinstance(o, str) and "*" in (o[:1], o[-1:])]
    exact = frozenset(t for o in options if o not in wild and (t := text(o)) is not None and t not in ABSENT)
    if not wild:
        return exact, None
    heads = tuple(o[:-1] for o in wild if not o.startswith("*"))
    tails = tuple(o[1:] for o in wild if not o.endswith("*"))
    inner = [o[1:-1] for o in wild if o.startswith("*") and o.endswith("*")]

    def tests(code: Function, v: str) -> list[str]:
        written = [f"{v}.startswith({code.module.bind(heads, 'HEADS')})"] if heads else []
        written += [f"{v}.endswith({code.module.bind(tails, 'TAILS')})"] if tails else []
        return written + [f"{code.module.literal(part)} in {v}" for part in inner]

    return exact, tests


def _attribute(place: Place) -> str:
    """The OCSF attribute that a field is, by where it is stated."""
    keys = [key for key in place if isinstance(key, str) and key not in ("from", "items")]
    return keys[-1].rpartition(".")[2] if keys else ""


def _is_path(spec: Any) -> bool:
    return isinstance(spec, (str, int)) and not isinstance(spec, bool)


def _runs(specs: list[Any], plain: Callable[[Any], bool]) -> Iterator[tuple[bool, list[Any], int, Any]]:
    """Specifications in a row that are plain, together; any other by itself: (plain, the row, its index, the first)."""
    index = 0
    for is_plain, group in groupby(specs, plain):
        row = list(group)
        if is_plain:
            yield True, row, index, row[0]
        else:
            yield from ((False, [one], index + i, one) for i, one in enumerate(row))
        index += len(row)


def _tables(table: dict[Any, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    exact = {str(k): v for k, v in table.items()}
    return exact, {k.lower(): v for k, v in exact.items()}


def compiled_pattern(pattern: Any, place: Place, problems: Problems) -> Pattern | None:
    """The pattern; a mistake where it is none."""
    try:
        return Pattern(str(pattern))
    except re2.error as error:
        problems.add(place, f"not a regular expression: {error}")
        return None
