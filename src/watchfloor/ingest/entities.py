"""Alerts whose entities stand in one mixed list: by their type, as mappings reach them; first the first of each type,
then the second of each, and so on.

Microsoft's alerts name users, hosts, processes, files, addresses and mails in one list, each item saying its type:
Sentinel's `Entities` (a list, or its JSON quoted up to twice), Graph's `evidence`, `entities` of the Defender APIs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from watchfloor.ingest.mappings.convert import doubled_json

Data = dict[str, Any]
BY_TYPE, RANKED = "entities_by_type", "entities_ranked"
_MOST, _MOST_RANKS = 1_000, 32


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
    """The alert with `entities_by_type`: type in lower case -> its first entity, and `entities_ranked`: a list of such
    tables, in which the second of each type stands in the second. Any other record as it is."""
    inner = data.get("properties")  # where Azure's resource manager keeps all of a resource
    for holder in (data, inner) if isinstance(inner, dict) else (data,):
        for kind in _KINDS:
            if kind.items in holder and kind.mark in holder:
                items = doubled_json(holder[kind.items])
                if isinstance(items, list) and (found := _ranked(items[:_MOST], kind.type)):
                    return {**data, BY_TYPE: found[0], RANKED: found}
    return data


def _ranked(items: list[Any], named: str) -> list[Data]:
    entities = [item for item in items if isinstance(item, dict)]
    ids: dict[str, Data] = {}
    for item in entities:
        _register(item, ids, 4)
    found: list[Data] = []
    ranks: dict[str, int] = {}
    for listed in entities:
        item = _resolved(listed, ids)
        if not (isinstance(name := item.get(named), str) and name):
            continue
        # `#microsoft.graph.security.userEvidence` is a user.
        short = name.rpartition(".")[2].removesuffix("Evidence").lower()
        if item is not listed and short != "process":
            continue  # a process's image, listed again: what belongs to an entity is none of its own
        rank = ranks[short] = ranks.get(short, -1) + 1
        if rank < _MOST_RANKS:
            found += [{}] if rank == len(found) else []
            found[rank][short] = {key: _resolved(value, ids) for key, value in item.items()}
    return found


def _register(item: Data, ids: dict[str, Data], depth: int) -> None:
    """Notes what references within an alert mean: entities stand within others, too."""
    if isinstance(item.get("$id"), str):
        ids.setdefault(item["$id"], item)
    for value in item.values() if depth else ():
        for inner in value if isinstance(value, list) else (value,):
            if isinstance(inner, dict):
                _register(inner, ids, depth - 1)


def _resolved(value: Any, ids: dict[str, Data]) -> Any:
    """What `{"$ref": "5"}` stands for; one step, so that entities may name each other."""
    if isinstance(value, dict) and isinstance(reference := value.get("$ref"), str):
        return ids.get(reference, value)
    return value
