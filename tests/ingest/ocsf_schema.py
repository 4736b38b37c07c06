"""A validator of OCSF events against the published schema files (the project has none of its own to trust).

Reads categories, dictionary, events, objects, profiles and the Windows extension. Checks: the class is known, its uids
agree, required attributes are there, every name is known to its class or object, types and enumerated values are right,
`at_least_one` and `just_one` hold. Works through nested objects.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from watchfloor.core.ocsf import CLASSES

WINDOWS = 2
_ANY = {"object", "json_t"}


class Schema:
    """The compiled schema: `problems(event)` lists what is wrong, each with its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        dictionary = _load(folder / "dictionary.json")
        windows = folder / "extensions" / "windows"
        self.dictionary: dict[str, Any] = dict(dictionary["attributes"])
        self.types: dict[str, Any] = dictionary["types"]["attributes"]
        for name, attribute in _load(windows / "dictionary.json")["attributes"].items():
            self.dictionary.setdefault(name, attribute)
        self.types.update(_load(windows / "dictionary.json").get("types", {}).get("attributes", {}))
        self.categories = {k: v["uid"] for k, v in _load(folder / "categories.json")["attributes"].items()}
        self._objects: dict[str, list[dict[str, Any]]] = {}
        for root in (folder, windows, folder / "extensions" / "linux", folder / "extensions" / "macos"):
            for file in sorted((root / "objects").glob("*.json")):
                data = _load(file)
                self._objects.setdefault(data.get("name") or data["extends"], []).append(data)
        self.observable_types = {"0", "99", *self._observable_types()}
        self._events: dict[str, dict[str, Any]] = {}
        for file in sorted((folder / "events").rglob("*.json")):
            data = _load(file)
            self._events[data["name"]] = data
        for file in sorted((windows / "events").rglob("*.json")):
            data = _load(file)
            self._events[data["name"]] = {**data, "extension": WINDOWS}
        self.classes: dict[int, tuple[dict[str, Any], int]] = {}
        for name, data in self._events.items():
            if "uid" in data or name == "base_event":
                category = self.categories.get(self._inherited(name, "category"), 0)
                uid = category * 1000 + data.get("uid", 0) + data.get("extension", 0) * 100_000
                self.classes[uid] = (self._event_attributes(name), category)
        self._names = {
            uid: name
            for name, data in self._events.items()
            for uid in [
                self.categories.get(self._inherited(name, "category"), 0) * 1000
                + data.get("uid", 0)
                + data.get("extension", 0) * 100_000
            ]
            if "uid" in data or name == "base_event"
        }

    def problems(self, event: dict[str, Any]) -> list[str]:
        """What is wrong with an event, as `path: what`; empty when it is valid."""
        uid = event.get("class_uid")
        if not isinstance(uid, int) or uid not in self.classes:
            return [f"class_uid: {uid} is no OCSF class"]
        attributes, category = self.classes[uid]
        found: list[str] = []
        if event.get("category_uid") != category:
            found.append(f"category_uid: {event.get('category_uid')} is not {category}")
        if event.get("type_uid") != uid * 100 + event.get("activity_id", -1):
            found.append(f"type_uid: {event.get('type_uid')} does not fit class and activity")
        self._check(event, attributes, self._event_constraints(uid), "", found)
        return found

    def _check(
        self,
        data: dict[str, Any],
        attributes: dict[str, Any],
        constraints: list[dict[str, Any]],
        at: str,
        found: list[str],
    ) -> None:
        for name, attribute in attributes.items():
            if attribute.get("requirement") == "required" and data.get(name) is None and name != "class_uid":
                found.append(f"{at}{name}: required and absent")
        for constraint in constraints:
            for names in [constraint.get("at_least_one")]:
                if names and not any(_reach(data, n) is not None for n in names):
                    found.append(f"{at}: needs at least one of {names}")
        for name, value in data.items():
            attribute = attributes.get(name)
            if attribute is None:
                found.append(f"{at}{name}: not known here")
            else:
                self._check_value(value, attribute, name, at + name, found)

    def _check_value(self, value: Any, attribute: dict[str, Any], name: str, at: str, found: list[str]) -> None:
        if attribute.get("is_array"):
            if not isinstance(value, list):
                found.append(f"{at}: has to be a list")
                return
            for index, item in enumerate(value):
                self._check_one(item, attribute, name, f"{at}.{index}", found)
        else:
            self._check_one(value, attribute, name, at, found)

    def _check_one(self, value: Any, attribute: dict[str, Any], name: str, at: str, found: list[str]) -> None:
        kind = attribute["type"]
        if kind in _ANY:
            return
        if kind in self._objects:
            if not isinstance(value, dict):
                found.append(f"{at}: has to be an object {kind}")
                return
            self._check(value, self.object_attributes(kind), self._object_constraints(kind), at + ".", found)
            return
        reason = self._wrong_scalar(kind, value)
        if reason:
            found.append(f"{at}: {reason}, got {value!r:.60}")
        enum = attribute.get("enum")
        if name == "category_uid":
            return
        if at.startswith("observables.") and name == "type_id":
            enum = self.observable_types
        if enum and name.endswith(("_id", "_uid")) and name != "class_uid" and str(value) not in enum:
            found.append(f"{at}: {value!r} is none of its values")

    def _wrong_scalar(self, kind: str, value: Any) -> str:
        base = self.types[kind].get("type", kind)
        if base == "boolean_t":
            return "" if isinstance(value, bool) else "has to be true or false"
        if base in ("integer_t", "long_t"):
            if isinstance(value, bool) or not isinstance(value, int):
                return f"has to be a whole number ({kind})"
            if kind == "port_t" and not 0 <= value <= 65535:
                return "is no port"
            return "" if -(2**63) <= value < 2**63 else "is out of range"
        if base == "float_t":
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return "" if number else "has to be a number"
        if not isinstance(value, str):
            return f"has to be text ({kind})"
        if kind == "ip_t":
            try:
                ipaddress.ip_address(value.partition("%")[0])
            except ValueError:
                return "is no address"
        if kind == "email_t" and "@" not in value:
            return "is no mail address"
        return ""

    @cache  # noqa: B019 - one schema lives as long as the test run
    def object_attributes(self, name: str) -> dict[str, Any]:
        """Every attribute of an object, with those it inherits and those of extensions and profiles."""
        merged: dict[str, Any] = {}
        for data in self._objects[name]:
            parent = data.get("extends")
            if parent and parent != name:
                merged.update({k: v for k, v in self.object_attributes(parent).items() if k not in merged})
            merged.update(self._own(data, merged))
        return merged

    def _object_constraints(self, name: str) -> list[dict[str, Any]]:
        """The object's own constraints replace the parent's; an extension's replace those of the core."""
        for data in reversed(self._objects[name]):
            if "constraints" in data:
                return [data["constraints"]]
        parents = [d.get("extends") for d in self._objects[name] if d.get("extends") not in (None, name)]
        return self._object_constraints(parents[0]) if parents else []

    def _event_attributes(self, name: str) -> dict[str, Any]:
        data = self._events[name]
        parent = data.get("extends")
        merged = dict(self._event_attributes(parent)) if parent else {}
        merged.update(self._own(data, merged))
        return merged

    def _event_constraints(self, uid: int) -> list[dict[str, Any]]:
        name: str | None = self._names[uid]
        while name:
            if "constraints" in self._events[name]:
                return [self._events[name]["constraints"]]
            name = self._events[name].get("extends")
        return []

    def _inherited(self, name: str, key: str) -> Any:
        data = self._events[name]
        while key not in data and "extends" in data:
            data = self._events[data["extends"]]
        return data.get(key)

    def _observable_types(self) -> set[str]:
        """Every `observable` number stated by a type, an attribute of the dictionary, an object or its attribute."""
        stated = [*self.types.values(), *self.dictionary.values()]
        for files in self._objects.values():
            for data in files:
                stated += [data, *(a for a in data.get("attributes", {}).values() if isinstance(a, dict))]
        return {str(item["observable"]) for item in stated if "observable" in item}

    def _find(self, include: str) -> Path:
        roots = [self.folder, *sorted((self.folder / "extensions").iterdir())]
        return next(root / include for root in roots if (root / include).is_file())

    def _own(self, data: dict[str, Any], inherited: dict[str, Any]) -> dict[str, Any]:
        """The attributes that a file states, joined with the dictionary's and the parent's."""
        stated: dict[str, Any] = {}
        own = dict(data.get("attributes", {}))
        included = own.pop("$include", [])
        for include in [included] if isinstance(included, str) else included:
            profile = _load(self._find(include))["attributes"]
            own = {**{k: {**v, "requirement": "optional"} for k, v in profile.items()}, **own}
        for profile_name in data.get("profiles", []):
            file = self.folder / "profiles" / f"{profile_name}.json"
            if file.is_file():
                profile = _load(file)["attributes"]
                own = {**{k: {**v, "requirement": "optional"} for k, v in profile.items()}, **own}
        for key, attribute in own.items():
            name = key.rpartition("/")[2]
            base = {**self.dictionary.get(name, {}), **inherited.get(name, {})}
            enum = {**base.get("enum", {}), **(attribute.get("enum") or {})}
            merged = {**base, **attribute}
            if enum:
                merged["enum"] = enum
            if name == "observables":
                merged.pop("requirement", None)
            stated[name] = merged
        return stated


def _load(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _reach(data: Any, path: str) -> Any:
    for part in path.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    return data


def compact(schema: Schema) -> dict[str, Any]:
    """What `ingest.ocsf_record` needs of the schema: `python -m tests.ingest.ocsf_schema FOLDER FILE` writes it.

    attributes: name -> kind (an object's is its name), `[]` behind it for lists. objects and classes: name or uid ->
    has (the attributes), needs (required ones), any_of; values: attribute -> its numbers where they are few.
    """
    kinds: dict[str, str] = {}

    def part(attributes: dict[str, Any], constraints: list[dict[str, Any]]) -> dict[str, Any]:
        kinds.update({name: _kind(schema, attribute) for name, attribute in attributes.items()})
        needs = [name for name, a in attributes.items() if a.get("requirement") == "required"]
        any_of = next((c["at_least_one"] for c in constraints if "at_least_one" in c), [])
        values = {n: sorted(map(int, a["enum"])) for n, a in attributes.items() if a.get("enum") and n.endswith("_id")}
        found = {"has": sorted(attributes), "needs": sorted(needs), "any_of": any_of, "values": values}
        return {key: value for key, value in found.items() if value}

    classes = {
        str(uid): part(attributes, schema._event_constraints(uid))
        for uid, (attributes, _) in sorted(schema.classes.items())
        if uid in {one.uid for one in CLASSES.values()}
    }
    objects = {
        name: part(schema.object_attributes(name), schema._object_constraints(name)) for name in sorted(schema._objects)
    }
    objects["observable"]["values"]["type_id"] = sorted(map(int, schema.observable_types))
    return {"attributes": dict(sorted(kinds.items())), "objects": objects, "classes": classes}


def _kind(schema: Schema, attribute: dict[str, Any]) -> str:
    kind = attribute["type"]
    if kind in _ANY:
        base = "any"
    elif kind in schema._objects:
        base = kind
    elif kind in _TOLD_APART:
        base = _TOLD_APART[kind]
    else:
        base = _BASES[schema.types[kind].get("type", kind)]
    return base + ("[]" if attribute.get("is_array") else "")


_TOLD_APART = {"timestamp_t": "time", "ip_t": "ip", "email_t": "mail", "port_t": "port"}
_BASES = {"string_t": "text", "boolean_t": "bool", "integer_t": "int", "long_t": "int", "float_t": "float"}


if __name__ == "__main__":
    text = json.dumps(compact(Schema(Path(sys.argv[1]))), separators=(",", ":"))
    Path(sys.argv[2]).write_text(text.replace("},", "},\n") + "\n")
