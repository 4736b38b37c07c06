"""One record type of a mapping: its class, activity, severity, status, fields and observables, as one function."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

from watchfloor.core.event import LAYERS, OCSF_VERSION, Layer
from watchfloor.core.ocsf import (
    CATEGORIES,
    CLASSES,
    OBSERVABLES,
    OTHER,
    SEVERITIES,
    STATUSES,
    UNKNOWN,
    WINDOWS_EXTENSION,
    OcsfClass,
    required_filler,
)
from watchfloor.ingest.mappings.code import Function, Module
from watchfloor.ingest.mappings.fields import Fields, constant, constant_value
from watchfloor.ingest.mappings.objects import Leaf, Objects, Tree, tree_of
from watchfloor.ingest.mappings.problems import Place, Problems
from watchfloor.ingest.mappings.values import Data

KEYS = frozenset(
    ["name", "is", "when", "class", "activity", "severity", "status", "layer", "logsource", "fields", "observables"]
)
# Profiles by the attributes that they bring.
_PROFILES = {"actor": "host", "device": "host", "cloud": "cloud", "api": "cloud", "verdict_id": "incident"}
_FINDING_STATUS = {0: "Unknown", 1: "New", 2: "In Progress", 3: "Suppressed", 4: "Resolved", 5: "Archived"}
_SEVERITIES = {caption: number for number, caption in SEVERITIES.items()}

Make = Callable[[Data, str, str], tuple[dict[str, Any], int | None]]


class Observed(NamedTuple):
    """Where an observable stands in the made event, or the field of the record that it is."""

    name: str
    parts: tuple[str, ...]
    type: str
    type_id: int
    spec: Any = None
    place: Place = ()


class Common(NamedTuple):
    """What all record types of a mapping share: fields, where the time stands, layer, logsource."""

    leaves: tuple[Leaf, ...]
    time: Any
    layer: Any
    logsource: dict[str, Any]


class Kind:
    """A record type. Its code is written when it is first needed, and compiled for either form of data then."""

    def __init__(self, spec: dict[str, Any], common: Common, place: Place, problems: Problems) -> None:
        problems.keys(place, spec, KEYS)
        self.name = str(spec.get("name", "any"))
        self.when = spec.get("when")
        keys = spec.get("is")
        self.keys = None if keys is None else tuple(map(str, keys if isinstance(keys, list) else [keys]))
        self.where = f"{problems.where}: {self.name}"
        self.place = place
        self._spec, self._common, self._problems = spec, common, problems
        name = spec.get("class", "base_event")
        self.class_known = problems.choice((*place, "class"), "class", name, CLASSES)
        self.ocsf_class: OcsfClass = CLASSES[name] if self.class_known else CLASSES["base_event"]
        layer = spec.get("layer", common.layer)
        known = problems.choice((*place, "layer"), "layer", layer, LAYERS)
        self.layer: Layer = layer if known else LAYERS[0]
        self.logsource = {k: str(v) for k, v in {**common.logsource, **(spec.get("logsource") or {})}.items()}

    @cached_property
    def nested(self) -> Make:
        """`(data, uid, raw) -> (OCSF event, time in ms or None)` for data without dots in its keys."""
        return self.written(flat=False).compiled()["make"]  # type: ignore[no-any-return]

    @cached_property
    def flat(self) -> Make:
        """The same for any data."""
        return self.written(flat=True).compiled()["make"]  # type: ignore[no-any-return]

    def make(self, data: Data, uid: str, raw: str, *, flat: bool = True) -> tuple[dict[str, Any], int | None]:
        """The OCSF event of a record's data, and its time in milliseconds or None."""
        return self.flat(data, uid, raw) if flat else self.nested(data, uid, raw)

    def written(self, *, flat: bool) -> Module:
        """The code of this record type. Mistakes in the specification go to the mapping's problems."""
        return _Writer(self, self._spec, self._common, self._problems, flat=flat).module


class _Writer:
    """Writes `make` of one record type."""

    def __init__(self, kind: Kind, spec: dict[str, Any], common: Common, problems: Problems, *, flat: bool) -> None:
        self.kind, self.klass, self.place = kind, kind.ocsf_class, kind.place
        self.problems = problems
        self.module = Module(kind.where)
        self.code = Function(self.module, "make", "uid", "raw", flat=flat)
        self.fields = Fields(self.code, problems)
        self.objects = Objects(self.fields)
        self.leaves = self._leaves(spec, common)
        self._write(spec, common.time)
        self.module.add(self.code)

    def _leaves(self, spec: dict[str, Any], common: Common) -> list[Leaf]:
        """The fields of the mapping and of the record type, whose own go first; `null` takes one away."""
        own = spec.get("fields") or {}
        if not isinstance(own, dict):
            self.problems.add((*self.place, "fields"), "fields have to be a table of OCSF path: field")
            own = {}
        found = {leaf.path: leaf for leaf in common.leaves}
        found.update({str(path): Leaf(str(path), s, (*self.place, "fields", path)) for path, s in own.items()})
        return [leaf for leaf in found.values() if leaf.spec is not None]

    def _write(self, spec: dict[str, Any], time: Any) -> None:
        code = self.code
        head, status = self._head(spec)
        tree = tree_of(self.leaves, self.fields)
        metadata = self._metadata(tree)
        for key in (*_HEAD, "time", "raw_data", *(("status_id", "status") if self.fixed_status else ())):
            tree.pop(key, None)
        made = self.objects.node(tree, "", "", start=f"{head}.copy()").source
        if status:
            code.line(f"if {status[0]} is not None:")
            code.line(f"    {made}['status_id'] = {status[0]}; {made}['status'] = {status[1]}[{status[0]}]")
        for attribute in self.klass.required:
            if attribute not in tree:
                code.line(f"{made}[{attribute!r}] = {required_filler(attribute)!r}")
            else:
                code.line(f"if {attribute!r} not in {made}: {made}[{attribute!r}] = {required_filler(attribute)!r}")
        inner = self.objects.node(metadata, "", "metadata", start=self._stamp()).source
        if not self._certain(metadata.get("product")):
            code.line(f"if 'product' not in {inner}: {inner}['product'] = {{'name': 'unknown'}}")
        code.line(f"{inner}['uid'] = uid")
        code.line(f"{made}['metadata'] = {inner}")
        self._observables(spec, made)
        when = code.let(self.fields.field(time or ["time"], "time", ("time",)).source)
        code.line(f"if type({when}) is not int: {when} = None")
        code.line(f"{made}['time'] = {when} or 0")
        code.line(f"{made}['raw_data'] = raw")
        code.line(f"return {made}, {when}")

    def _head(self, spec: dict[str, Any]) -> tuple[str, tuple[str, str] | None]:
        """An expression for the dictionary of class, activity, severity and fixed status; where a status varies, it."""
        klass, bind = self.klass, self.module.bind
        severity = self._number(spec.get("severity", "Informational"), _SEVERITIES, "severity")
        stated = spec.get("activity", UNKNOWN) if self.kind.class_known else UNKNOWN
        activity = self._number(stated, klass.activities, "activity")
        status, fixed = None, {}
        if "status" in spec:
            captions = {**(_FINDING_STATUS if klass.uid // 1000 == 2 else STATUSES), OTHER: "Other"}
            number = self._number(spec["status"], {c: n for n, c in captions.items()}, "status")
            if isinstance(number, int):
                fixed = {"status_id": number, "status": captions[number]}
            elif number is not None:
                status = (number, bind(captions, "STATUSES"))
        self.fixed_status = bool(fixed)
        if isinstance(severity, int) and isinstance(activity, int):
            return bind(_head(klass, activity, severity) | fixed, "HEAD"), status
        numbers = set(klass.activities.values()) | {UNKNOWN, OTHER}
        activities = [activity] if isinstance(activity, int) else sorted(numbers)
        severities = [severity] if isinstance(severity, int) else sorted(SEVERITIES)
        heads = {(a, s): _head(klass, a, s) | fixed for a in activities for s in severities}
        return f"{bind(heads, 'HEADS')}[{activity or 0} or 0, {severity or 0} or 0]", status

    def _number(self, spec: Any, table: dict[str, int], key: str) -> int | str | None:
        """A caption's number, or the variable that holds it: of a field whose values are captions."""
        place = (*self.place, key)
        for caption in _captions(spec):
            self.problems.choice(place, "caption", caption, table)
        if isinstance(spec, str):
            return table.get(spec, UNKNOWN)
        if constant(spec):
            value = constant_value(spec)
            return value if isinstance(value, int) and value in table.values() else table.get(str(value), UNKNOWN)
        value = self.fields.field(spec, "text", place)
        names, v = self.module.bind(table, "NUMBERS"), self.code.named(value.source)
        number = self.code.let(f"{names}.get({v}) if type({v}) is str else None")
        self.code.line(f"if {number} is None: {number} = None if {v} is None else numbered({v}, {names})")
        return number

    def _metadata(self, tree: Tree) -> Tree:
        """The fields of `metadata`, which every event has, without those that are stamped."""
        metadata = tree.pop("metadata", {})
        if isinstance(metadata, Leaf):
            self.problems.add(metadata.place, "is an object", "Give fields such as metadata.event_code.")
            return {}
        return {k: v for k, v in metadata.items() if k not in ("uid", *self._stamps())}

    @staticmethod
    def _certain(product: Leaf | Tree | None) -> bool:
        return isinstance(product, dict) and all(isinstance(c, Leaf) and constant(c.spec) for c in product.values())

    def _stamps(self) -> dict[str, Any]:
        stamps: dict[str, Any] = {"version": OCSF_VERSION}
        firsts = {leaf.path.partition(".")[0] for leaf in self.leaves} - set(self.klass.required)
        if profiles := sorted({profile for first, profile in _PROFILES.items() if first in firsts}):
            stamps["profiles"] = profiles
        if self.klass.uid >= 100_000:
            stamps["extensions"] = [{"name": "win", "uid": str(WINDOWS_EXTENSION), "version": OCSF_VERSION}]
        return stamps

    def _stamp(self) -> str:
        return f"{self.module.bind(self._stamps(), 'STAMP')}.copy()"

    def _observables(self, spec: dict[str, Any], made: str) -> None:
        """Writes the list of observables, each value once."""
        code = self.code
        observed = [*_observed(self.leaves), *self._stated(spec.get("observables") or [])]
        if not observed:
            return
        found, seen = code.let("[]"), ""
        earlier: dict[int, list[str]] = {}
        sources = [self._value_of(o, made) for o in observed]
        lists = {o.type_id for o, (_, is_text) in zip(observed, sources, strict=True) if not is_text}
        for one, (source, _) in zip(observed, sources, strict=True):
            name, caption, number = map(code.module.literal, (one.name, one.type, one.type_id))
            if one.type_id in lists:
                seen = seen or code.let("set()")
                code.line(f"if {source} is not None: observe({found}, {seen}, ({name}, {caption}, {number}), {source})")
                continue
            others = "".join(f" and {source} != {other}" for other in earlier.get(one.type_id, ()))
            item = f"{{'name': {name}, 'type': {caption}, 'type_id': {number}, 'value': {source}}}"
            code.line(f"if {source} is not None{others}: {found}.append({item})")
            earlier.setdefault(one.type_id, []).append(source)
        code.line(f"if {found}: {made}['observables'] = {found}")

    def _value_of(self, observed: Observed, made: str) -> tuple[str, bool]:
        if observed.spec is not None:
            value = self.fields.field(observed.spec, "raw", observed.place)
            return self.code.named(value.source), value.is_text
        variable = self.objects.variables.get(".".join(observed.parts))
        if variable is not None and self._direct(observed.parts):
            return self.code.named(variable[0]), variable[1]
        return self.code.let(f"reach({made}, {self.module.bind(observed.parts, 'PARTS')})"), False

    def _direct(self, parts: tuple[str, ...]) -> bool:
        """Whether a leaf stands in the event where its path says: items of lists close up over missing ones."""
        heads = [parts[:i] for i, part in enumerate(parts) if part.isdigit()]
        return all(
            other.path.split(".")[: len(head) + 1] == [*head, "0"]
            for head in heads
            for other in self.leaves
            if tuple(other.path.split(".")[: len(head)]) == head
        )

    def _stated(self, specs: Any) -> list[Observed]:
        captions = dict(OBSERVABLES.values())
        found = []
        for index, spec in enumerate(specs):
            place = (*self.place, "observables", index)
            if not isinstance(spec, dict):
                self.problems.add(place, "is no observable", "Give name, type and from.")
            elif self.problems.choice(place, "observable type", spec.get("type"), captions):
                rest = {k: v for k, v in spec.items() if k not in ("name", "type")}
                name = str(spec.get("name", ""))
                found.append(Observed(name, (), spec["type"], captions[spec["type"]], rest, place))
        return found


_HEAD = (
    *("activity_id", "activity_name", "category_uid", "category_name", "class_uid", "class_name", "type_uid"),
    *("type_name", "severity_id", "severity"),
)


def _head(klass: OcsfClass, activity: int, severity: int) -> dict[str, Any]:
    captions = {number: caption for caption, number in klass.activities.items()}
    caption = captions.get(activity, "Other")
    return {
        "activity_id": activity,
        "activity_name": caption,
        "category_uid": klass.category_uid,
        "category_name": CATEGORIES[klass.category_uid],
        "class_uid": klass.uid,
        "class_name": klass.caption,
        "type_uid": klass.uid * 100 + activity,
        "type_name": f"{klass.caption}: {caption}",
        "severity_id": severity,
        "severity": SEVERITIES[severity],
    }


def _captions(spec: Any) -> list[str]:
    """Every caption that a specification states, so that a misspelt one is found when compiling."""
    if isinstance(spec, str):
        return [spec]
    if isinstance(spec, list):
        return [c for s in spec if isinstance(s, dict) for c in _captions(s)]
    if isinstance(spec, dict):
        table = spec.get("map")
        stated = [*(table.values() if isinstance(table, dict) else ()), spec.get("default"), spec.get("value")]
        return [c for c in stated if isinstance(c, str)]
    return []


def _observed(leaves: list[Leaf]) -> list[Observed]:
    found = []
    for leaf in leaves:
        path, parts = leaf.path, tuple(leaf.path.split("."))
        if parts[0] in ("unmapped", "metadata"):
            continue
        for ending, (caption, number) in OBSERVABLES.items():
            if path == ending or path.endswith("." + ending):
                found.append(Observed(path, parts, caption, number))
        if parts[-1] == "hashes":
            found.append(Observed(f"{path}[].value", parts, "Hash", 8))
    return found
