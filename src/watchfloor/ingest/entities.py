"""Alerts whose entities stand in one mixed list: the first of each type by its name, as mappings reach them.

Microsoft's alerts name users, hosts, processes, files, addresses and mails in one list, each item saying its type:
Sentinel's `Entities` (a list, or its JSON quoted up to twice), Graph's `evidence`, `entities` of the Defender APIs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from watchfloor.ingest.mappings.convert import doubled_json

Data = dict[str, Any]
BY_TYPE = "entities_by_type"
_MOST = 1_000


class _Listed(NamedTuple):
    """The key of the list, the key of an item's type, and what else the alert has to have."""

    items: str
    type: str
    mark: str


_KINDS = (
    _Listed("Entities", "Type", "SystemAlertId"),
    _Listed("evidence", "@odata.type", "detectionSource"),
    _Listed("entities", "entityType", "alertId"),
    _Listed("entities", "type", "systemAlertId"),
    _Listed("relatedEntities", "kind", "incidentNumber"),
)


def with_entities(data: Data) -> Data:
    """The alert with `entities_by_type`: type in lower case -> its first entity; any other record as it is."""
    inner = data.get("properties")  # where Azure's resource manager keeps all of a resource
    for holder in (data, inner) if isinstance(inner, dict) else (data,):
        for kind in _KINDS:
            if kind.items in holder and kind.mark in holder:
                items = doubled_json(holder[kind.items])
                if isinstance(items, list) and (found := _by_type(items[:_MOST], kind.type)):
                    return {**data, BY_TYPE: found}
    return data


def _by_type(items: list[Any], named: str) -> dict[str, Data]:
    entities = [item for item in items if isinstance(item, dict)]
    ids = {item["$id"]: item for item in entities if isinstance(item.get("$id"), str)}
    found: dict[str, Data] = {}
    for item in entities:
        if isinstance(name := item.get(named), str) and name:
            # `#microsoft.graph.security.userEvidence` is a user.
            short = name.rpartition(".")[2].removesuffix("Evidence").lower()
            found.setdefault(short, {key: _resolved(value, ids) for key, value in item.items()})
    return found


def _resolved(value: Any, ids: dict[str, Data]) -> Any:
    """What `{"$ref": "5"}` stands for; one step, so that entities may name each other."""
    if isinstance(value, dict) and isinstance(reference := value.get("$ref"), str):
        return ids.get(reference, value)
    return value
