"""One record type of a mapping: its class, activity, severity, status, fields and observables, compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

from watchfloor.core.errors import WatchfloorError
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
from watchfloor.ingest.mappings.convert import integer, text
from watchfloor.ingest.mappings.spec import compile_field, condition, constant
from watchfloor.ingest.mappings.tree import Build, build
from watchfloor.ingest.mappings.values import Data, Getter

KEYS = frozenset(
    ["name", "is", "when", "class", "activity", "severity", "status", "layer", "logsource", "fields", "observables"]
)
# Profiles by the attributes that they bring.
_PROFILES = {"actor": "host", "device": "host", "cloud": "cloud", "api": "cloud"}
_FINDING_STATUS = {0: "Unknown", 1: "New", 2: "In Progress", 3: "Suppressed", 4: "Resolved", 5: "Archived"}


class Observed(NamedTuple):
    """Where an observable stands in the made event (or, with `get`, in the record)."""

    name: str
    parts: tuple[str, ...]
    type: str
    type_id: int
    get: Getter | None = None


class Kind:
    """A compiled record type. `make(data)` gives the OCSF event without time, metadata uid and raw data."""

    def __init__(self, spec: dict[str, Any], common: dict[str, Any], where: str) -> None:
        unknown = set(spec) - KEYS
        if unknown:
            raise WatchfloorError(
                f"unknown key {', '.join(sorted(map(str, unknown)))}",
                where=where,
                do=f"Known are: {', '.join(sorted(KEYS))}.",
            )
        self.name = str(spec.get("name", "any"))
        self.when = condition(spec["when"], f"{where}.when") if "when" in spec else None
        self.ocsf_class = _class(spec.get("class", "base_event"), where)
        self.layer: Layer = spec["layer"] if spec.get("layer") in LAYERS else "endpoint"
        if spec.get("layer") not in LAYERS:
            raise WatchfloorError("no such layer", where=f"{where}.layer", do=f"One of {', '.join(LAYERS)}.")
        self.logsource: dict[str, str] = {k: str(v) for k, v in (spec.get("logsource") or {}).items()}
        fields = _without_absent({**common, **(spec.get("fields") or {})})
        self._build: Build = build(fields, f"{where}.fields")
        self._activity = _enumerated(spec.get("activity", UNKNOWN), self.ocsf_class.activities, f"{where}.activity")
        self._severity = _enumerated(spec.get("severity", "Informational"), _turned(SEVERITIES), f"{where}.severity")
        statuses = _FINDING_STATUS if self.ocsf_class.uid // 1000 == 2 else STATUSES
        self._statuses = {**statuses, OTHER: "Other"}
        self._status = (
            _enumerated(spec["status"], _turned(self._statuses), f"{where}.status") if "status" in spec else None
        )
        self._heads: dict[int, dict[str, Any]] = {}
        self._profiles = _profiles(fields, self.ocsf_class)
        self._observed = _observed(fields) + _stated(spec.get("observables") or [], f"{where}.observables")

    def make(self, data: Data) -> dict[str, Any]:
        """The OCSF event of a record's data; every required attribute is there."""
        made = self._build(data)
        activity = self._activity(data) or UNKNOWN
        severity = self._severity(data) or UNKNOWN
        made.update(self._head(activity))
        made["severity_id"], made["severity"] = severity, SEVERITIES[severity]
        status = self._status(data) if self._status else None
        if status is not None:
            made["status_id"], made["status"] = status, self._statuses[status]
        for attribute in self.ocsf_class.required:
            if attribute not in made:
                made[attribute] = required_filler(attribute)
        metadata = made.setdefault("metadata", {})
        metadata["version"] = OCSF_VERSION
        if self._profiles:
            metadata["profiles"] = self._profiles
        if self.ocsf_class.uid >= 100_000:
            metadata["extensions"] = [{"name": "win", "uid": str(WINDOWS_EXTENSION), "version": OCSF_VERSION}]
        if observables := self._observables(made, data):
            made["observables"] = observables
        return made

    def _head(self, activity: int) -> dict[str, Any]:
        head = self._heads.get(activity)
        if head is None:
            klass = self.ocsf_class
            names = {number: caption for caption, number in klass.activities.items()}
            caption = names.get(activity, "Other")
            head = {
                "activity_id": activity,
                "activity_name": caption,
                "category_uid": klass.category_uid,
                "category_name": CATEGORIES[klass.category_uid],
                "class_uid": klass.uid,
                "class_name": klass.caption,
                "type_uid": klass.uid * 100 + activity,
                "type_name": f"{klass.caption}: {caption}",
            }
            self._heads[activity] = head
        return head

    def _observables(self, made: dict[str, Any], data: Data) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        seen: set[tuple[int, str]] = set()
        for observed in self._observed:
            value = observed.get(data) if observed.get else _reach(made, observed.parts)
            for one in value if isinstance(value, list) else (value,):
                shown = one.get("value") if isinstance(one, dict) else one
                if not isinstance(shown, str) or (observed.type_id, shown) in seen or len(found) >= 200:
                    continue
                seen.add((observed.type_id, shown))
                found.append(
                    {
                        "name": observed.name,
                        "type": observed.type,
                        "type_id": observed.type_id,
                        "value": shown,
                    }
                )
        return found


def _class(name: Any, where: str) -> OcsfClass:
    if name not in CLASSES:
        raise WatchfloorError(f"no class {name!r}", where=f"{where}.class", do=f"There are: {', '.join(CLASSES)}.")
    return CLASSES[name]


def _without_absent(fields: dict[str, Any]) -> dict[str, Any]:
    return {path: spec for path, spec in fields.items() if spec is not None}


def _turned(table: dict[int, str]) -> dict[str, int]:
    return {caption: number for number, caption in table.items()}


def _enumerated(spec: Any, table: dict[str, int], where: str) -> Getter:
    """A caption, or a field whose values are captions; a value that OCSF has not is Other."""
    for caption in _captions(spec):
        if caption not in table:
            raise WatchfloorError(f"no {caption!r} here", where=where, do=f"There are: {', '.join(table)}.")
    if isinstance(spec, str):
        fixed = table[spec]
        return lambda _: fixed
    get = compile_field(spec, text, where)
    if constant(spec):
        number = get({})
        return lambda _: number

    def run(data: Data) -> Any:
        value = get(data)
        if value is None:
            return None
        number = table.get(str(value))
        if number is None:
            number = integer(value)
        return number if number in table.values() else OTHER

    return run


def _captions(spec: Any) -> list[str]:
    """Every caption that a specification states, so that a misspelt one is found when compiling."""
    if isinstance(spec, str):
        return [spec]
    if isinstance(spec, list):
        return [c for s in spec if isinstance(s, dict) for c in _captions(s)]
    if isinstance(spec, dict):
        stated = [*(spec.get("map") or {}).values(), spec.get("default"), spec.get("value")]
        return [c for c in stated if isinstance(c, str)]
    return []


def _profiles(fields: dict[str, Any], klass: OcsfClass) -> list[str]:
    firsts = {path.partition(".")[0] for path in fields} - set(klass.required)
    return sorted({profile for first, profile in _PROFILES.items() if first in firsts})


def _observed(fields: dict[str, Any]) -> list[Observed]:
    found = []
    for path in fields:
        parts = tuple(path.split("."))
        if parts[0] in ("unmapped", "metadata"):
            continue
        for ending, (caption, number) in OBSERVABLES.items():
            if path == ending or path.endswith("." + ending):
                found.append(Observed(path, parts, caption, number))
        if parts[-1] == "hashes":
            found.append(Observed(f"{path}[].value", parts, "Hash", 8))
    return found


def _stated(specs: list[Any], where: str) -> list[Observed]:
    captions = dict(OBSERVABLES.values())
    found = []
    for index, spec in enumerate(specs):
        kind = spec.get("type")
        if kind not in captions:
            raise WatchfloorError(f"no observable type {kind!r}", where=f"{where}.{index}")
        get = compile_field(
            {k: v for k, v in spec.items() if k not in ("name", "type")},
            lambda v: v,
            f"{where}.{index}",
        )
        found.append(Observed(str(spec["name"]), (), kind, captions[kind], get))
    return found


def _reach(data: Any, parts: tuple[str, ...]) -> Any:
    for part in parts:
        if isinstance(data, list):
            data = data[int(part)] if part.isdigit() and int(part) < len(data) else None
        elif isinstance(data, dict):
            data = data.get(part)
        else:
            return None
    return data
