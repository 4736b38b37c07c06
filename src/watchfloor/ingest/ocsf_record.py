"""Records that are OCSF already: what they say is kept, and what no OCSF event may hold is told apart.

Another product's events come with gaps and with wrong types, and anybody can write one. Parts whose type is not that of
their attribute go under `misplaced`; what an object has to hold and does not is filled with "unknown".
"""

from __future__ import annotations

from typing import Any

from watchfloor.core.ocsf import NEEDS
from watchfloor.ingest.mappings.convert import CONVERTERS
from watchfloor.ingest.mappings.objects import natural

Data = dict[str, Any]
AS_OCSF = "as_ocsf"
_OBJECTS = NEEDS.keys() | {
    "attacks", "authorizations", "compliance", "enrichments", "evidences", "finding_info", "hashes", "http_response",
    "location", "malware", "metadata", "observables", "osint", "product", "query_info", "resources", "session",
    "traffic", "vulnerabilities", "web_resources",
}  # fmt: skip
_MOST = 1_000


def with_ocsf(data: Data) -> Data:
    """An OCSF event with its checked form as `as_ocsf`; any other record as it is."""
    if type(data.get("class_uid")) is not int or not isinstance(metadata := data.get("metadata"), dict):
        return data
    if "version" not in metadata and "category_uid" not in data:
        return data
    misplaced: Data = {}
    checked = _object(data, "", misplaced)
    if misplaced:
        checked["misplaced"] = misplaced
    return {**data, AS_OCSF: checked}


def _object(data: Data, at: str, misplaced: Data) -> Data:
    found: Data = {}
    for name, value in data.items():
        place = f"{at}{name}"
        if name in ("unmapped", "data", "raw_data"):
            found[name] = value
        elif value is not None and (kept := _value(name, value, place, misplaced)) is not None:
            found[name] = kept
    for need in NEEDS.get(at.rpartition(".")[0].rpartition(".")[2], ()):
        if not any(key in found for key in need.any_of):
            found.update(need.filler)
    return found


def _value(name: str, value: Any, place: str, misplaced: Data) -> Any:
    if isinstance(value, dict):
        return _object(value, f"{place}.", misplaced) if natural(name) == "text" else _refused(value, place, misplaced)
    if isinstance(value, list):
        return [kept for item in value[:_MOST] if (kept := _value(name, item, place, misplaced)) is not None]
    if name in _OBJECTS:
        return _refused(value, place, misplaced)
    kind = natural(name)
    if kind == "text":  # names do not tell all types apart; a text, a number or a yes stays
        return value
    kept = CONVERTERS[kind](value)
    return _refused(value, place, misplaced) if kept is None else kept


def _refused(value: Any, place: str, misplaced: Data) -> None:
    if len(misplaced) < _MOST:
        misplaced[place] = value
