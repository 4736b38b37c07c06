"""Peers: whose work is alike by what the owner says, so that what one of them does can be held against the others."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from watchfloor.core.context import Context
from watchfloor.core.entity import Entity
from watchfloor.core.errors import WatchfloorError

_MOST = 200
"""Of a great department so many are asked about, by name: enough to tell what is usual there."""


class Group(NamedTuple):
    """Those who are alike: what makes them so, the facet that names them, and all their spellings."""

    of: str
    facet: str
    known: int
    spellings: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        return {"of": self.of, "known": self.known}


class Peers:
    """Users of one department, hosts of one role. Made once for a context."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._members: dict[tuple[str, str], list[Entity]] = defaultdict(list)
        for identity in context.identities:
            self._members["user", identity.department.lower()].append(Entity(type="user", value=identity.user.lower()))
        for asset in context.assets:
            self._members["host", asset.role.lower()].append(Entity(type="host", value=asset.host.lower()))

    def of(self, entity: Entity) -> Group:
        """The others of an entity's group; nobody where the owner says nothing. Raises WatchfloorError."""
        me = self._context.resolve(entity)
        identity, asset = self._context.identity(entity), self._context.asset(entity)
        if me.type == "user":
            word, name = "department", identity.department if identity else ""
        elif me.type == "host":
            word, name = "role", asset.role if asset else ""
        else:
            raise WatchfloorError(f"only users and hosts have peers, not {entity.type}")
        if not name:
            return Group("", me.type, 0, ())
        others = [one for one in self._members[me.type, name.lower()] if one != me]
        asked = sorted(others, key=lambda one: one.value)[:_MOST]
        spellings = sorted({s for one in asked for s in self._context.spellings(one)})
        return Group(f"{word} {name}", me.type, len(others), tuple(spellings))
