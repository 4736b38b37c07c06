"""Records that are OCSF already: what they say is kept, and what no OCSF event may hold is told apart.

Another product's events come with gaps and with wrong types, and anybody can write one. What is not known at its place
or not of its attribute's type goes under `misplaced`; what an object has to hold and does not is filled with "unknown".
"""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from watchfloor.content import folder
from watchfloor.core.ocsf import NEEDS, OTHER, UNKNOWN
from watchfloor.ingest.mappings.convert import CONVERTERS, text

Data = dict[str, Any]
AS_OCSF = "as_ocsf"
_MOST = 1_000
_DEEPEST = 40
_WORD = "unknown"
# What the mapping says of the record itself, and parts that are the product's own.
_AS_IT_IS = frozenset({"unmapped", "raw_data", "class_uid", "category_uid", "type_uid", "time"})
_FILLERS: Data = {"text": _WORD, "int": UNKNOWN, "time": 0, "bool": False, "float": 0.0, "any": {}}


class _Part:
    """A class or an object: its attributes, which it has to hold, of which it needs one, and their few numbers."""

    def __init__(self, spec: Data) -> None:
        self.has = frozenset(spec.get("has", ()))
        self.needs: tuple[str, ...] = tuple(spec.get("needs", ()))
        self.any_of: tuple[str, ...] = tuple(spec.get("any_of", ()))
        self.values = {name: frozenset(numbers) for name, numbers in spec.get("values", {}).items()}


class _Schema:
    """The published schema in the little that is asked of it (`content/ocsf/schema.json`)."""

    def __init__(self) -> None:
        data = orjson.loads((folder("ocsf") / "schema.json").read_bytes())
        self.kinds: dict[str, str] = data["attributes"]
        self.objects = {name: _Part(spec) for name, spec in data["objects"].items()}
        self.classes = {int(uid): _Part(spec) for uid, spec in data["classes"].items()}


_schema = cache(_Schema)


def with_ocsf(data: Data) -> Data:
    """An OCSF event with its checked form as `as_ocsf`; any other record as it is."""
    if type(data.get("class_uid")) is not int or not isinstance(metadata := data.get("metadata"), dict):
        return data
    if "version" not in metadata and "category_uid" not in data:
        return data
    schema, misplaced = _schema(), Data()
    part = schema.classes.get(data["class_uid"], schema.classes[0])
    checked = _Checked(schema, misplaced).part(data, part, "", 0)
    if misplaced:
        checked["misplaced"] = misplaced
    return {**data, AS_OCSF: checked}


class _Checked:
    """One event in work; what is refused goes to `misplaced`."""

    def __init__(self, schema: _Schema, misplaced: Data) -> None:
        self.schema, self.misplaced = schema, misplaced

    def part(self, data: Data, part: _Part, at: str, depth: int) -> Data:
        """What a class or object may hold of this, without what it needs."""
        found: Data = {}
        for name, value in data.items():
            if not at and name in _AS_IT_IS:
                found[name] = value
            elif value is not None and name not in part.has:
                self.refused(f"{at}{name}", value)
            elif value is not None:
                kept = self.value(name, value, f"{at}{name}", depth)
                few = part.values.get(name)
                if kept is not None and few is not None and kept not in few:
                    self.refused(f"{at}{name}", kept)
                    kept = OTHER if OTHER in few else None
                if kept is not None:
                    found[name] = kept
        return found

    def value(self, name: str, value: Any, at: str, depth: int) -> Any:
        kind = self.schema.kinds[name]
        if not kind.endswith("[]"):
            return self.one(name, kind, value, at, depth)
        if not isinstance(value, list):
            return self.refused(at, value)
        kind = kind.removesuffix("[]")
        items = (
            self.one(name, kind, item, f"{at}.{i}", depth) for i, item in enumerate(value[:_MOST]) if item is not None
        )
        return [item for item in items if item is not None]

    def one(self, name: str, kind: str, value: Any, at: str, depth: int) -> Any:
        """A single value as its attribute has it, or None, told apart."""
        if kind == "any":
            return value
        if kind in self.schema.objects:
            return self.object(name, kind, value, at, depth + 1)
        if isinstance(value, (dict, list)) or (kind == "text" and not isinstance(value, (str, int, float))):
            return self.refused(at, value)
        kept = text(value) if kind == "text" else CONVERTERS[kind](value)
        return self.refused(at, value) if kept is None else kept

    def object(self, name: str, kind: str, value: Any, at: str, depth: int) -> Any:
        if not isinstance(value, dict) or depth > _DEEPEST:
            return self.refused(at, value)
        part = self.schema.objects[kind]
        found = self.part(value, part, f"{at}.", depth)
        if not found and value:
            return None  # all of it is told apart already
        for need in NEEDS.get(name, ()):
            if not any(key in found for key in need.any_of):
                found.update(need.filler)
        for key in part.needs:
            if key not in found:
                found[key] = self.filler(key, depth)
        if part.any_of and not any(key in found for key in part.any_of):
            key = next((k for k in part.any_of if self.schema.kinds[k] == "text"), part.any_of[0])
            found[key] = self.filler(key, depth)
        return found

    def filler(self, name: str, depth: int) -> Any:
        """What stands for an attribute that has to be there and is not."""
        kind = self.schema.kinds[name]
        if kind.endswith("[]"):
            return []
        return (
            self.object(name, kind, {}, name, depth + 1) if kind in self.schema.objects else _FILLERS.get(kind, _WORD)
        )

    def refused(self, at: str, value: Any) -> Any:
        """Tells a value apart; None."""
        if len(self.misplaced) < _MOST:
            self.misplaced[at] = value
