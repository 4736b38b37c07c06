"""Field specifications and conditions of the mapping format, compiled into closures.

A field is one of: text `path` (dotted source path) · `=text` (a constant) · a number or boolean (a constant) · a list
(alternatives, the first present one counts) · a dictionary with `from` (path or alternatives) or `text` (a template
with `{path}`), and any of `as` (converter or list of them), `match` (a regular expression whose first group counts),
`map` (a table), `default`, `when` (a condition on the record), or `each` + `fields` (a list of objects), or `items`
(a list of specifications).
"""

from __future__ import annotations

import re
from typing import Any

import re2

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.mappings.convert import CONVERTERS, Converter, text
from watchfloor.ingest.mappings.values import Data, Getter, getter

_KEYS = frozenset({"from", "text", "as", "map", "default", "when", "each", "fields", "items", "value", "match"})


def constant(spec: Any) -> bool:
    """Whether a specification takes nothing from the record."""
    return (
        isinstance(spec, (bool, int, float))
        or (isinstance(spec, str) and spec.startswith("="))
        or (isinstance(spec, dict) and "value" in spec and "when" not in spec)
    )


def compile_field(spec: Any, natural: Converter, where: str) -> Getter:
    """A function from a record to the field's value. `natural` converts when `as` does not say how."""
    if isinstance(spec, (bool, int, float)):
        return lambda _: spec
    if isinstance(spec, str):
        if spec.startswith("="):
            fixed = spec[1:]
            return lambda _: fixed
        return _converted(getter(spec), natural)
    if isinstance(spec, list):
        return _alternatives([compile_field(s, natural, f"{where}.{i}") for i, s in enumerate(spec)], where)
    if isinstance(spec, dict):
        return _compile_dict(spec, natural, where)
    raise WatchfloorError(f"cannot read the field {spec!r}", where=where, do="Give a path, a constant or a rule.")


def _compile_dict(spec: dict[str, Any], natural: Converter, where: str) -> Getter:
    unknown = set(spec) - _KEYS
    if unknown:
        raise WatchfloorError(
            f"unknown key {', '.join(map(str, sorted(unknown)))}",
            where=where,
            do=f"Known are: {', '.join(sorted(_KEYS))}.",
        )
    converters = _converters(spec.get("as"), where)
    if "each" in spec:
        found = _each(spec, where)
    elif "items" in spec:
        found = _items([compile_field(s, natural, f"{where}.{i}") for i, s in enumerate(spec["items"])])
    elif "value" in spec:
        value = spec["value"]
        found = lambda _: value  # noqa: E731
    elif "text" in spec:
        found = _template(spec["text"])
    elif "from" in spec:
        paths = spec["from"] if isinstance(spec["from"], list) else [spec["from"]]
        getters = [getter(p) for p in paths]
        if "match" in spec:
            getters = [_matched(g, spec["match"], where) for g in getters]
        one = converters or ([] if "map" in spec else [natural])
        found = _alternatives([_chain(g, one) for g in getters], where)
    else:
        raise WatchfloorError("says not where the value comes from", where=where, do="Add `from` or `value`.")
    if "map" in spec:
        found = _mapped(found, spec["map"], spec.get("default"))
    elif "default" in spec:
        found = _defaulted(found, spec["default"])
    if "when" in spec:
        found = _conditional(found, condition(spec["when"], where + ".when"))
    return found


def _converters(names: Any, where: str) -> list[Converter]:
    wanted = [] if names is None else names if isinstance(names, list) else [names]
    for name in wanted:
        if name not in CONVERTERS:
            raise WatchfloorError(f"no converter {name!r}", where=where, do=f"There are: {', '.join(CONVERTERS)}.")
    return [CONVERTERS[name] for name in wanted]


def _converted(get: Getter, convert: Converter) -> Getter:
    def run(data: Data) -> Any:
        value = get(data)
        return None if value is None else convert(value)

    return run


def _chain(get: Getter, converters: list[Converter]) -> Getter:
    for convert in converters:
        get = _converted(get, convert)
    return get


def _alternatives(getters: list[Getter], where: str) -> Getter:
    if not getters:
        raise WatchfloorError("an empty list of alternatives", where=where)
    if len(getters) == 1:
        return getters[0]
    if len(getters) == 2:
        first, second = getters

        def either(data: Data) -> Any:
            value = first(data)
            return second(data) if value is None else value

        return either

    def run(data: Data) -> Any:
        for get in getters:
            value = get(data)
            if value is not None:
                return value
        return None

    return run


def _items(getters: list[Getter]) -> Getter:
    def run(data: Data) -> Any:
        return [value for get in getters if (value := get(data)) is not None] or None

    return run


def _each(spec: dict[str, Any], where: str) -> Getter:
    from watchfloor.ingest.mappings.tree import build

    items = getter(spec["each"])
    convert = CONVERTERS["doubled_json"]
    if "fields" in spec:
        make = build(spec["fields"], where + ".fields")
    else:
        make = compile_field({k: v for k, v in spec.items() if k not in ("each", "default", "when")}, text, where)
    is_object = "fields" in spec

    def run(data: Data) -> Any:
        value = convert(items(data))
        if isinstance(value, dict):
            value = [value]
        if not isinstance(value, list):
            return None
        found = []
        for item in value[:1000]:
            one = make(item if isinstance(item, dict) else {"item": item})
            if one is not None and not (is_object and not one):
                found.append(one)
        return found or None

    return run


_PLACE = re.compile(r"\{([^{}]+)\}")


def _template(template: str) -> Getter:
    names = _PLACE.findall(template)
    getters = [(f"{{{name}}}", getter(name)) for name in names]

    def run(data: Data) -> Any:
        filled = template
        for place, get in getters:
            value = get(data)
            if value is None:
                return None
            filled = filled.replace(place, text(value) or "", 1)
        return filled

    return run


def _matched(get: Getter, pattern: str, where: str) -> Getter:
    compiled = compile_pattern(pattern, where)

    def run(data: Data) -> Any:
        value = text(get(data))
        found = compiled.search(value) if value else None
        return found.group(1) if found else None

    return run


def compile_pattern(pattern: str, where: str) -> Any:
    """A linear-time regular expression (RE2): the text is hostile. Raises WatchfloorError."""
    try:
        return re2.compile(pattern)
    except re2.error as error:
        raise WatchfloorError(f"not a regular expression: {error}", where=where) from None


def _mapped(get: Getter, table: dict[Any, Any], default: Any) -> Getter:
    exact = {str(k): v for k, v in table.items()}
    folded = {k.lower(): v for k, v in exact.items()}

    def run(data: Data) -> Any:
        value = get(data)
        if value is None:
            return default
        key = text(value) or ""
        found = exact.get(key)
        return folded.get(key.lower(), default) if found is None else found

    return run


def _defaulted(get: Getter, default: Any) -> Getter:
    def run(data: Data) -> Any:
        value = get(data)
        return default if value is None else value

    return run


def _conditional(get: Getter, holds: Getter) -> Getter:
    return lambda data: get(data) if holds(data) else None


def condition(spec: Any, where: str) -> Getter:
    """A condition on a record: a dictionary (all hold) of path -> value, or a list of them (one holds).

    A value is a constant, a list of them (any), or text with `*` at either end; `*` alone asks for presence, `null`
    for absence. The key `not` holds a condition that must not hold.
    """
    if isinstance(spec, list):
        options = [condition(s, f"{where}.{i}") for i, s in enumerate(spec)]
        return lambda data: any(option(data) for option in options)
    if not isinstance(spec, dict):
        raise WatchfloorError(f"cannot read the condition {spec!r}", where=where, do="Give path: value.")
    tests: list[Getter] = []
    for path, wanted in spec.items():
        if path == "not":
            denied = condition(wanted, where + ".not")
            tests.append(lambda data, d=denied: not d(data))  # type: ignore[misc]
        else:
            tests.append(_test(getter(str(path)), wanted))
    if len(tests) == 1:
        return tests[0]
    return lambda data: all(test(data) for test in tests)


def _test(get: Getter, wanted: Any) -> Getter:
    if wanted == "*":
        return lambda data: get(data) is not None
    if wanted is None:
        return lambda data: get(data) is None
    options = wanted if isinstance(wanted, list) else [wanted]
    exact = frozenset(text(o) for o in options if not (isinstance(o, str) and ("*" in (o[:1], o[-1:]))))
    wild = [o for o in options if isinstance(o, str) and "*" in (o[:1], o[-1:])]
    heads = tuple(o[:-1] for o in wild if not o.startswith("*"))
    tails = tuple(o[1:] for o in wild if not o.endswith("*"))
    inner = tuple(o[1:-1] for o in wild if o.startswith("*") and o.endswith("*"))

    def run(data: Data) -> bool:
        value = get(data)
        if value is None:
            return False
        key = value if isinstance(value, str) else text(value) or ""
        return (
            key in exact
            or bool(heads and key.startswith(heads))
            or bool(tails and key.endswith(tails))
            or any(part in key for part in inner)
        )

    return run
