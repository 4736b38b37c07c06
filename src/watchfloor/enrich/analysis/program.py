"""Traits of a program that runs: where it lies, what it calls itself, who started it.

Answer: `{"program": "svchost", "path": text, "parent": "winword", "original_name": text, "place": "scratch" | "user" |
"system" | "program" | "share" | "", "signed": bool | null, "traits": [names]}`. Traits: system_name_elsewhere,
renamed, reader_starts_script, unlikely_parent, service_starts_shell, double_extension, odd_name,
remote_management, attack_tool, dual_use_tool. Names are without `.exe`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.text import clipped, whole
from watchfloor.enrich.analysis.files import double_extension
from watchfloor.enrich.analysis.patterns import compiled, table, text_at

_PATHS = ("process.file.path", "actor.process.file.path", "evidences.0.process.file.path", "evidences.0.file.path")
_HEX_OR_NO_VOWELS = re.compile(r"[0-9a-f]{8,}|[^aeiouy\W_]{7,}|\d{4,}\w?|[a-z0-9]")
_STARTED = 1007


class _Tables(NamedTuple):
    places: tuple[tuple[str, Any], ...]
    parents: Mapping[str, frozenset[str]]
    names: Mapping[str, frozenset[str]]


@cache
def _tables() -> _Tables:
    data = table("programs")
    return _Tables(
        tuple((one["place"], compiled(one["pattern"], "programs")) for one in data["places"]),
        {name: frozenset(parents) for name, parents in data["parents"].items()},
        {name: frozenset(names) for name, names in data.items() if name not in ("places", "parents")},
    )


def traits_of(event: Event) -> dict[str, Any] | None:
    """The traits of the program that an event is about, or None for an event that names none."""
    found = facets(event)
    path = next((value for one in _PATHS if isinstance(value := event.get(one), str)), "")
    path = whole(path or text_at(event.original, "Image", "NewProcessName"))
    name = whole(found["process"] or "") or path
    if not name:
        return None
    original = whole(text_at(event.original, "OriginalFileName"))
    signed = text_at(event.original, "Signed").lower()
    # Only of a start does the event know who started it; elsewhere the parent is whose act it is.
    parent = stem(whole(found["parent_process"] or "")) if event.ocsf.get("class_uid") == _STARTED else ""
    return {
        "program": clipped(stem(name), 120),
        "path": clipped(path, 300),
        "parent": clipped(parent, 120),
        "original_name": clipped(original, 120),
        "place": place_of(path),
        "signed": {"true": True, "false": False}.get(signed),
        "traits": sorted(_traits(stem(name), path, parent, stem(original), name)),
    }


def _traits(name: str, path: str, parent: str, original: str, shown: str) -> set[str]:
    tables, place = _tables(), place_of(path)
    names = tables.names
    known = names["system"] | names["script_hosts"] | names["attack"] | names["dual_use"]
    expected = tables.parents.get(name)
    told = {
        "system_name_elsewhere": name in names["system"] and place not in ("system", ""),
        "renamed": original in known and original != name and not name.startswith(original),
        "reader_starts_script": parent in names["readers"] and name in names["script_hosts"],
        "unlikely_parent": expected is not None and bool(parent) and parent not in expected,
        "service_starts_shell": parent in names["services"] and name in names["service_children"],
        "double_extension": double_extension(_last(shown)) or double_extension(_last(path)),
        "odd_name": place in ("scratch", "user") and _HEX_OR_NO_VOWELS.fullmatch(name) is not None,
        "remote_management": name in names["remote_management"],
        "attack_tool": name in names["attack"] or original in names["attack"],
        "dual_use_tool": name in names["dual_use"] or original in names["dual_use"],
    }
    return {trait for trait, held in told.items() if held}


def place_of(path: str) -> str:
    """What kind of folder a path lies in, empty where nothing tells."""
    plain = path.replace("\\", "/").strip('"').lower()
    if "/" not in plain:
        return ""
    return next((place for place, pattern in _tables().places if pattern.search(plain)), "")


def stem(program: str) -> str:
    """`C:\\Windows\\CMD.EXE` is `cmd`."""
    return _last(program).lower().removesuffix(".exe")


def _last(path: str) -> str:
    return re.split(r"[\\/]", path.strip('"'))[-1]
