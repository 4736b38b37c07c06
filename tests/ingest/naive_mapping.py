"""The mapping format as a small interpreter, which walks the YAML for each record: compiled code has to equal it."""

from __future__ import annotations

import re
from typing import Any

import re2

from watchfloor.core.ocsf import NEEDS
from watchfloor.ingest.mappings.convert import CONVERTERS, doubled_json, text
from watchfloor.ingest.mappings.objects import natural
from watchfloor.ingest.mappings.values import getter

Data = dict[str, Any]


def field(spec: Any, data: Data, convert: str) -> Any:
    """The value of a field."""
    if isinstance(spec, str):
        return spec[1:] if spec.startswith("=") else converted(getter(spec)(data), [convert])
    if isinstance(spec, list):
        return next((v for s in spec if (v := field(s, data, convert)) is not None), None)
    if not isinstance(spec, dict):
        return spec
    if "when" in spec and not holds(spec["when"], data):
        return None
    value = source(spec, data, convert)
    if "map" in spec:
        return mapped(value, spec["map"], spec.get("default"))
    return spec.get("default") if value is None else value


def source(spec: Data, data: Data, convert: str) -> Any:
    names = spec.get("as", [])
    chain = names if isinstance(names, list) else [names]
    if "each" in spec:
        return each(spec, data)
    if "items" in spec:
        return [v for s in spec["items"] if (v := field(s, data, convert)) is not None] or None
    if "value" in spec:
        return spec["value"]
    if "text" in spec:
        parts = re.split(r"\{([^{}]+)\}", spec["text"])
        values = [text(getter(p)(data)) if i % 2 else p for i, p in enumerate(parts)]
        return None if None in values else "".join(map(str, values))
    chain = chain or ([] if "map" in spec else [convert])
    for one in spec["from"] if isinstance(spec["from"], list) else [spec["from"]]:
        value = field(one, data, "raw") if isinstance(one, dict) else getter(str(one))(data)
        if "match" in spec:
            found = re2.search(str(spec["match"]), text(value) or "") if text(value) else None
            value = found.group(1) if found else None
        if (value := converted(value, chain)) is not None:
            return value
    return None


def converted(value: Any, chain: list[str]) -> Any:
    for name in chain:
        value = None if value is None else CONVERTERS[name](value)
    return value


def mapped(value: Any, table: Data, default: Any) -> Any:
    exact = {str(k): v for k, v in table.items()}
    folded = {k.lower(): v for k, v in exact.items()}
    if value is None:
        return default
    found = exact.get(text(value) or "")
    return folded.get((text(value) or "").lower(), default) if found is None else found


def each(spec: Data, data: Data) -> Any:
    items = doubled_json(getter(spec["each"])(data))
    items = [items] if isinstance(items, dict) else items
    if not isinstance(items, list):
        return None
    made = []
    for item in items[:1000]:
        inner = item if isinstance(item, dict) else {"item": item}
        rest = {k: v for k, v in spec.items() if k not in ("each", "when")}
        value = table(spec["fields"], inner) or None if "fields" in spec else field(rest, inner, "text")
        made += [] if value is None else [value]
    return made or None


def holds(spec: Any, data: Data) -> bool:
    """Whether a condition holds."""
    if isinstance(spec, list):
        return any(holds(s, data) for s in spec)
    return all(not holds(w, data) if p == "not" else fits(getter(str(p))(data), w) for p, w in spec.items())


def fits(value: Any, wanted: Any) -> bool:
    if wanted is None or value is None:
        return (wanted is None) == (value is None)
    shown = value if isinstance(value, str) else text(value) or ""
    return wanted == "*" or any(alike(shown, w) for w in (wanted if isinstance(wanted, list) else [wanted]))


def alike(shown: str, wanted: Any) -> bool:
    if not isinstance(wanted, str):
        return shown == text(wanted)
    if wanted.startswith("*") and wanted.endswith("*"):
        return wanted[1:-1] in shown
    if wanted.startswith("*"):
        return shown.endswith(wanted[1:])
    return shown.startswith(wanted[:-1]) if wanted.endswith("*") else shown == wanted


def table(fields: Data, data: Data) -> Data:
    """The object of a table of `path: field`."""
    return node([(str(p).split("."), s, str(p)) for p, s in fields.items() if s is not None], "", data)[0]


def node(leaves: list[tuple[list[str], Any, str]], name: str, data: Data) -> tuple[Data, bool]:
    made: Data = {}
    constants: Data = {}
    below: dict[str, list[tuple[list[str], Any, str]]] = {}
    for (key, *rest), spec, path in leaves:
        if rest:
            below.setdefault(key, []).append((rest, spec, path))
        elif (value := field(spec, data, natural(path))) is not None:
            (constants if fixed(spec) else made)[key] = value
    for key, inner in below.items():
        value = listed(inner, key, data) if all(p[0].isdigit() for p, _, _ in inner) else node(inner, key, data)[0]
        if value:
            made[key] = value
    if made or not name or (constants and len(constants) == len(leaves)):
        made.update(constants)
        for need in NEEDS.get(name, ()):
            if not any(key in made for key in need.any_of):
                made.update(need.filler)
    return made, bool(made)


def listed(leaves: list[tuple[list[str], Any, str]], key: str, data: Data) -> list[Any]:
    made = []
    for index in sorted({parts[0] for parts, _, _ in leaves}):
        mine = [(parts[1:], spec, path) for parts, spec, path in leaves if parts[0] == index]
        whole = not mine[0][0]
        value = field(mine[0][1], data, natural(mine[0][2].rpartition(".")[0])) if whole else node(mine, key, data)[0]
        made += [value] if value is not None and value != {} else []
    return made


def fixed(spec: Any) -> bool:
    """Whether a field takes nothing from the record."""
    if isinstance(spec, dict):
        return "value" in spec and not spec.keys() & {"when", "each", "items"}
    return not isinstance(spec, (str, list)) or (isinstance(spec, str) and spec.startswith("="))
