"""A mapping: one product's record types, compiled from its YAML document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watchfloor.content import Document, documents
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.mappings.convert import time_ms
from watchfloor.ingest.mappings.kind import Kind
from watchfloor.ingest.mappings.spec import compile_field, compile_pattern, condition
from watchfloor.ingest.mappings.values import Data, getter, present

_KEYS = frozenset(
    [
        "mapping",
        "shape",
        "rank",
        "product",
        "layer",
        "logsource",
        "log_name",
        "time",
        "when",
        "parse",
        "dispatch",
        "groups",
        "fields",
        "types",
        "tests",
    ]
)
SHAPES = ("json", "windows", "mail", "syslog", "row")


class Mapping:
    """`kind_of(data)` chooses the record type; `time_of(data)` reads the time in milliseconds, or None.

    `rank` orders mappings that could take the same record: the lower goes first; generic ones have 90.
    """

    def __init__(self, document: Document) -> None:
        data, where = document.data, document.where
        if not isinstance(data, dict) or "mapping" not in data:
            raise WatchfloorError("is no mapping", where=where, do="Add the key `mapping` with its name.")
        unknown = set(data) - _KEYS
        if unknown:
            raise WatchfloorError(f"unknown key {', '.join(sorted(map(str, unknown)))}", where=where)
        self.name = str(data["mapping"])
        self.where = where
        self.shape = str(data.get("shape", "json"))
        if self.shape not in SHAPES:
            raise WatchfloorError("no such shape", where=f"{where}: shape", do=f"One of {', '.join(SHAPES)}.")
        self.rank = int(data.get("rank", 50))
        self.tests: list[dict[str, Any]] = data.get("tests") or []
        self.when = condition(data.get("when") or {}, f"{where}: when")
        self.time_paths = data.get("time") or []
        self._time = compile_field(self.time_paths or ["time"], time_ms, f"{where}: time")
        self._parse = [_parser(p, f"{where}: parse.{i}") for i, p in enumerate(data.get("parse") or [])]
        self._dispatch = getter(data["dispatch"]) if "dispatch" in data else None
        self._by_key: dict[str, list[Kind]] = {}
        self._rest: list[Kind] = []
        self._compile(data, where)

    def _compile(self, data: dict[str, Any], where: str) -> None:
        product = data.get("product") or {}
        common: dict[str, Any] = {f"metadata.product.{key}": f"={value}" for key, value in product.items()}
        if "log_name" in data:
            common["metadata.log_name"] = data["log_name"]
        common.update(data.get("fields") or {})
        for index, spec in enumerate(data.get("types") or [{}]):
            logsource = {**(data.get("logsource") or {}), **(spec.get("logsource") or {})}
            whole = {"layer": data.get("layer"), **spec, "logsource": logsource}
            kind = Kind(whole, common, f"{where}: types.{spec.get('name', index)}")
            keys = spec.get("is")
            if keys is None:
                self._rest.append(kind)
            for key in keys if isinstance(keys, list) else [] if keys is None else [keys]:
                self._by_key.setdefault(str(key), []).append(kind)
        if not self._rest or self._rest[-1].when is not None:
            raise WatchfloorError(
                "not every record has a type", where=f"{where}: types", do="End with a type without `when`."
            )

    def parsed(self, data: Data) -> Data:
        """The record's data with the fields that `parse` finds in its text."""
        if not self._parse:
            return data
        for parse in self._parse:
            data = {**data, **parse(data)}
        return data

    def kind_of(self, data: Data) -> Kind:
        """The first record type whose conditions hold; the last one always does."""
        if self._dispatch is not None:
            for kind in self._by_key.get(str(self._dispatch(data)), ()):
                if kind.when is None or kind.when(data):
                    return kind
        for kind in self._rest:
            if kind.when is None or kind.when(data):
                return kind
        return self._rest[-1]

    def time_of(self, data: Data) -> int | None:
        found = self._time(data)
        return found if isinstance(found, int) else None


def _parser(spec: Any, where: str) -> Any:
    """A function from data to the named groups of the first pattern that matches `from`; `pattern` is its name."""
    if not isinstance(spec, dict) or "from" not in spec or "patterns" not in spec:
        raise WatchfloorError("a parse has `from` and `patterns`", where=where)
    get = getter(spec["from"])
    patterns = [(str(name), compile_pattern(pattern, f"{where}.{name}")) for name, pattern in spec["patterns"].items()]

    def run(data: Data) -> Data:
        text = get(data)
        if not isinstance(text, str):
            return {}
        for name, pattern in patterns:
            found = pattern.search(text)
            if found:
                groups = {k: v for k, v in found.groupdict().items() if present(v) is not None}
                return {**groups, "pattern": name}
        return {}

    return run


def load(path: Path) -> list[Mapping]:
    """Every mapping of a file or folder, by rank. Raises WatchfloorError that names file and key."""
    found = [Mapping(document) for document in documents(path)]
    names = [m.name for m in found]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise WatchfloorError(f"two mappings are named {', '.join(sorted(twice))}", where=str(path))
    return sorted(found, key=lambda m: (m.rank, m.name))
