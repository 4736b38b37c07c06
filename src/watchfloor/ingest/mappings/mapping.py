"""A mapping: one product's record types, compiled from its YAML document when they are first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from watchfloor.content import Document, documents, heads
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.mappings.code import Function, Module
from watchfloor.ingest.mappings.fields import Fields, compiled_pattern
from watchfloor.ingest.mappings.kind import Common, Kind
from watchfloor.ingest.mappings.names import USUAL, Names
from watchfloor.ingest.mappings.objects import Leaf
from watchfloor.ingest.mappings.problems import Problems
from watchfloor.ingest.mappings.values import ABSENT, Data, getter

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
        "names",
        "fields",
        "types",
        "tests",
    ]
)
HEAD = frozenset({"mapping", "shape", "rank", "when"})
_PARSE_KEYS = frozenset({"from", "patterns"})
SHAPES = ("json", "windows", "mail", "syslog")


class Mapping:
    """Which records it takes (`when`, `takes`), and the record type of each (`kind_of`).

    `rank` orders mappings that could take the same record: the lower goes first; generic ones have 90.
    """

    def __init__(self, head: Document, whole: Callable[[], Document] | None = None) -> None:
        """`head` may hold the keys of HEAD alone when `whole` loads all of the document."""
        data, where = head.data, head.where
        if not isinstance(data, dict) or "mapping" not in data:
            raise WatchfloorError("is no mapping", where=where, do="Add the key `mapping` with its name.")
        self._head, self._whole = head, whole
        self.name, self.where = str(data["mapping"]), where
        self.shape = str(data.get("shape", "json"))
        rank = data.get("rank", 50)
        self.rank: int = rank if isinstance(rank, int) else 50
        self.when: Any = data.get("when") or {}
        self._alternatives: list[tuple[Any, Callable[[Data], bool]]] | None = None

    @cached_property
    def document(self) -> Document:
        """All of the mapping."""
        return self._head if self._whole is None else self._whole()

    @property
    def _data(self) -> dict[str, Any]:
        return self.document.data  # type: ignore[no-any-return]

    @property
    def tests(self) -> list[dict[str, Any]]:
        """Records with what is expected of their events."""
        return self._data.get("tests") or []

    @cached_property
    def problems(self) -> Problems:
        """Mistakes, as far as the mapping was looked through."""
        found = Problems(self.document)
        found.keys((), self._data, _KEYS)
        found.choice(("shape",), "shape", self.shape, SHAPES)
        if not isinstance(self._data.get("rank", 50), int):
            found.add(("rank",), "is no whole number")
        return found

    def checked(self) -> Mapping:
        """This mapping, once all of it was looked through. Raises WatchfloorError that names every mistake."""
        self._written_takes(self.problems)
        self._written_choice()
        for kind in self.kinds:
            kind.written(flat=False)
        self.parsers, self.names  # noqa: B018 - for their mistakes
        self.problems.check()
        return self

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """The record types, in order; the last one takes what no other does."""
        data, common = self._data, self._common()
        specs = data.get("types") or [{}]
        kinds = [
            Kind(spec, common, ("types", index), self.problems)
            for index, spec in enumerate(specs)
            if isinstance(spec, dict)
        ]
        last = next((k for k in reversed(kinds) if k.keys is None), None)
        if last is None or last.when is not None:
            self.problems.add(("types",), "not every record has a type", "End with a type without `when`.")
        return tuple(kinds)

    def _common(self) -> Common:
        data = self._data
        fields = data.get("fields") or {}
        if not isinstance(fields, dict):
            self.problems.add(("fields",), "fields have to be a table of OCSF path: field")
            fields = {}
        leaves = [
            Leaf(f"metadata.product.{key}", f"={value}", ("product", key))
            for key, value in (data.get("product") or {}).items()
        ]
        if "log_name" in data:
            leaves.append(Leaf("metadata.log_name", data["log_name"], ("log_name",)))
        leaves += [Leaf(str(path), spec, ("fields", path)) for path, spec in fields.items()]
        once = {leaf.path: leaf for leaf in leaves}
        return Common(tuple(once.values()), data.get("time"), data.get("layer"), data.get("logsource") or {})

    @cached_property
    def takes(self) -> Callable[[Data], bool]:
        """Whether the mapping takes a record's data."""
        return self._written_takes(Problems(self._head)).compiled()["takes"]  # type: ignore[no-any-return]

    def because(self, data: Data) -> Any:
        """Which of the alternatives of `when` holds for a record: its condition, or None."""
        if self._alternatives is None:
            options = self.when if isinstance(self.when, list) else [self.when]
            problems = Problems(self._head)
            self._alternatives = [(o, self._written_takes(problems, o).compiled()["takes"]) for o in options]
        return next((option for option, holds in self._alternatives if holds(data)), None)

    def _written_takes(self, problems: Problems, when: Any = None) -> Module:
        module = Module(f"{self.where}: when")
        code = Function(module, "takes", flat=True)
        code.line(f"return {Fields(code, problems).condition(self.when if when is None else when, ('when',))}")
        module.add(code)
        return module

    @cached_property
    def kind_of(self) -> Callable[[Data], Kind]:
        """The first record type whose conditions hold; the last one always does."""
        return self._written_choice().compiled()["kind_of"]  # type: ignore[no-any-return]

    def _written_choice(self) -> Module:
        module = Module(f"{self.where}: types")
        code = Function(module, "kind_of", flat=True)
        self._choose(Fields(code, self.problems))
        module.add(code)
        return module

    def _choose(self, write: Fields) -> None:
        """Writes the choice of a record type: by the value of `dispatch` first, then in order."""
        code, module = write.code, write.code.module
        by_key: dict[str, list[Kind]] = {}
        for kind in self.kinds:
            for key in kind.keys or ():
                by_key.setdefault(key, []).append(kind)
        if "dispatch" in self._data:
            key = code.let(f"str({code.present(str(self._data['dispatch']))})")
            sure = {k: kinds[0] for k, kinds in by_key.items() if kinds[0].when is None}
            found = code.let(f"{module.bind(sure, 'SURE')}.get({key})")
            code.line(f"if {found} is not None: return {found}")
            groups: dict[tuple[int, ...], tuple[set[str], list[Kind]]] = {}
            for k, kinds in by_key.items():
                if k not in sure:
                    groups.setdefault(tuple(map(id, kinds)), (set(), kinds))[0].add(k)
            for keys, kinds in groups.values():
                with code.scope(), code.block(f"if {key} in {module.bind(frozenset(keys), 'KEYS')}:"):
                    self._first_of(write, kinds)
        elif by_key:
            self.problems.add(("types",), "has types by `is` without a `dispatch`", "Say which field `is` looks at.")
        rest = [kind for kind in self.kinds if kind.keys is None]
        self._first_of(write, rest)
        code.line(f"return {module.bind(rest[-1] if rest else None, 'KIND')}")

    def _first_of(self, write: Fields, kinds: list[Kind]) -> None:
        for kind in kinds:
            name = write.code.module.bind(kind, "KIND")
            if kind.when is None:
                write.code.line(f"return {name}")
                return
            holds = write.condition(kind.when, (*kind.place, "when"))
            write.code.line(f"if {holds}: return {name}")

    # Fields that stand in text

    @cached_property
    def parsers(self) -> list[Callable[[Data], Data | None]]:
        specs = self._data.get("parse") or []
        return [p for i, spec in enumerate(specs) if (p := self._parser(spec, i)) is not None]

    def parsed(self, data: Data) -> Data:
        """The record's data with the fields that `parse` finds in its text."""
        for parse in self.parsers:
            if found := parse(data):
                data = {**data, **found}
        return data

    @cached_property
    def names(self) -> Names | None:
        """What a mapping for any product looks for by usual names."""
        return Names(self._data["names"], ("names",), self.problems) if "names" in self._data else None

    def seen(self, data: Data) -> Data:
        """What the fields of a mapping see of a record: its data, and what stands in them under usual names."""
        return data if self.names is None else {**data, USUAL: self.names.found(data)}

    def _parser(self, spec: Any, index: int) -> Callable[[Data], Data | None] | None:
        """From data to the named groups of the first pattern that matches `from`; `pattern` is its name."""
        place = ("parse", index)
        if not isinstance(spec, dict) or spec.keys() != _PARSE_KEYS or not isinstance(spec["patterns"], dict):
            self.problems.add(place, "a parse has `from` and `patterns`")
            return None
        get = getter(str(spec["from"]))
        compiled = [
            (str(name), found)
            for name, pattern in spec["patterns"].items()
            if (found := compiled_pattern(pattern, (*place, "patterns", name), self.problems)) is not None
        ]

        def run(data: Data) -> Data | None:
            text = get(data)
            if not isinstance(text, str):
                return None
            for name, pattern in compiled:
                found = pattern.named(text)
                if found is not None:
                    return {**{k: v for k, v in found.items() if v not in ABSENT}, "pattern": name}
            return None

        return run


def load(path: Path, *, check: bool = True) -> list[Mapping]:
    """Every mapping of a file or folder, by rank. Raises WatchfloorError that names file, line and key.

    `check=False` leaves what is behind a mapping's head until it takes a record: for content that is known to be right.
    """
    if check:
        found = [Mapping(document).checked() for document in documents(path)]
    else:
        found = [Mapping(head, whole) for head, whole in heads(path, HEAD)]
    names = [m.name for m in found]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise WatchfloorError(f"two mappings are named {', '.join(sorted(twice))}", where=str(path))
    return sorted(found, key=lambda m: (m.rank, m.name))
