"""Entity: a user, host, address, domain, file, URL, mailbox or cloud resource."""

from __future__ import annotations

from typing import Literal

from watchfloor.core.noun import Noun

EntityType = Literal[
    "user",
    "host",
    "address",
    "domain",
    "file",
    "url",
    "mailbox",
    "cloud_resource",
    "access_key",
    "message",
    "process",
]
Role = Literal["actor", "target", "source", "destination", "related"]


class Entity(Noun):
    """`type` and `value`, the value in its one normal spelling (lower case; domain\\user as user)."""

    type: EntityType
    value: str

    @property
    def key(self) -> str:
        """`user:alice`: the spelling that plans, claims and pages use."""
        return f"{self.type}:{self.value}"

    @classmethod
    def from_key(cls, key: str) -> Entity:
        kind, _, value = key.partition(":")
        return cls.from_dict({"type": kind, "value": value})


class Involvement(Noun):
    """An entity and the part that it plays in a finding or case."""

    entity: Entity
    role: Role
