"""Usual names of usual things, however they are spelled: for records of products that no mapping knows.

`sourceIPAddress`, `source_ip_address` and `source: {ip-address: ...}` are one name: the letters and digits of the keys
on the way to a value. Keys that only hold others together (`data`, `requestMetadata`, `properties`) do not count, nor
does one around everything (`event`, `record`). What stands higher goes first; of a list the first item counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchfloor.ingest.mappings.convert import CONVERTERS
from watchfloor.ingest.mappings.problems import Place, Problems
from watchfloor.ingest.mappings.runtime import Known
from watchfloor.ingest.mappings.values import Data, present

USUAL = "usual"
"""The key under which a mapping's fields reach what was found by name."""
_MOST, _DEEPEST = 400, 4
_KEYS = frozenset({"as", "of"})
_HOLDERS = ("payload", "metadata", "info", "context", "details", "detail", "data", "properties", "attributes", "fields")
_AROUND = frozenset({"event", "record", "log", "audit", "entry", "object", "item", "body", "message", "evt", "json"})

_letters = Known(lambda key: "".join(filter(str.isalnum, key.lower())))


class Names:
    """Roles (`actor`, `source_address`) with the names under which they are usual, and what reads their value."""

    def __init__(self, spec: Any, place: Place, problems: Problems) -> None:
        self._roles: list[tuple[str, Callable[[Any], Any], tuple[str, ...]]] = []
        if not isinstance(spec, dict):
            problems.add(place, "is no table of roles")
            return
        for role, rule in spec.items():
            at = (*place, role)
            if not isinstance(rule, dict) or not isinstance(rule.get("of"), list):
                problems.add(at, "says not under which names it stands", "Give `of`, a list of names.")
                continue
            problems.keys(at, rule, _KEYS)
            if problems.choice((*at, "as"), "converter", rule.get("as", "text"), CONVERTERS):
                names = tuple(letters(str(name)) for name in rule["of"])
                self._roles.append((str(role), CONVERTERS[rule.get("as", "text")], names))

    def found(self, data: Data) -> Data:
        """The roles of a record: for each the value of the first name that its converter can read."""
        values = places(data)
        roles: Data = {}
        for role, convert, names in self._roles:
            for name in names:
                there = values.get(name)
                if there is not None and (made := convert(there[1])) is not None:
                    roles[role] = made
                    break
        return roles


def letters(name: str) -> str:
    """A name without its spelling: `source_ip-Address` and `sourceIPAddress` are one."""
    return str(_letters[name])


def places(data: Data) -> dict[str, tuple[str, Any]]:
    """Every value of a record with its path, by its name."""
    found: dict[str, tuple[str, Any]] = {}
    level: list[tuple[str, str, Data]] = [("", "", data)]
    for depth in range(_DEEPEST):
        below: list[tuple[str, str, Data]] = []
        for prefix, above, holder in level:
            for key, item in holder.items():
                name = _letters[str(key)]
                whole = name if prefix and name.startswith(prefix) else prefix + name  # `user.user_name`
                value, path = item, f"{above}{key}"
                if isinstance(item, list) and item:
                    value, path = item[0], f"{path}.0"
                if isinstance(value, dict):
                    below.append((prefix if name.endswith(_HOLDERS) else whole, f"{path}.", value))
                    if not depth and name in _AROUND:
                        below.append(("", f"{path}.", value))
                elif present(value) is not None and len(found) < _MOST:
                    found.setdefault(whole, (path, value))
        level = below[:_MOST]
    return found
