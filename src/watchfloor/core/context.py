"""Business context: what the owner knows about hosts, people and announced activity."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from watchfloor.core.entity import Entity
from watchfloor.core.facets import plain_user
from watchfloor.core.noun import Noun

Criticality = Literal["low", "medium", "high", "critical"]
WindowKind = Literal["maintenance", "red_team", "scanner", "roll_out", "travel"]


class Company(Noun):
    """The organisation itself. `working_hours` are local, `["08:00", "18:00"]`, on `working_days` (0 is Monday)."""

    name: str = ""
    domains: tuple[str, ...] = ()
    mail_domains: tuple[str, ...] = ()
    windows_domain: str = ""
    tenant_id: str = ""
    """The directory's own id, for Entra ID and Microsoft 365."""
    internal_networks: tuple[str, ...] = ()
    egress_addresses: tuple[str, ...] = ()
    public_addresses: tuple[str, ...] = ()
    working_hours: tuple[str, str] = ("08:00", "18:00")
    working_days: tuple[int, ...] = (0, 1, 2, 3, 4)
    timezone: str = "UTC"
    countries: tuple[str, ...] = ()
    cloud_accounts: tuple[str, ...] = ()
    placeholders: dict[str, tuple[str, ...]] = {}
    """What `%name%` in Sigma rules with the `expand` modifier stands for."""

    @property
    def own_domains(self) -> tuple[str, ...]:
        """Its domains of any kind: others may imitate them."""
        return (*self.domains, *self.mail_domains)


class Asset(Noun):
    """A host. `tags` are free words such as `scanner`, `domain_controller`; `names` are its other spellings."""

    host: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    os: str = ""
    role: str = ""
    criticality: Criticality = "medium"
    owner: str = ""
    tags: tuple[str, ...] = ()


class Identity(Noun):
    """A person's or service's account. `aliases` are its other spellings in any product."""

    user: str
    mail: str = ""
    aliases: tuple[str, ...] = ()
    title: str = ""
    department: str = ""
    manager: str = ""
    privileged: bool = False
    service_account: bool = False
    leaving_on: str = ""


class Window(Noun):
    """An announced activity. `start`, `end` in milliseconds. Empty lists mean "not limited in this respect"."""

    id: str
    kind: WindowKind
    title: str
    start: int
    end: int
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    approved_by: str = ""
    ticket: str = ""


class Context(Noun):
    """All business context of one tenant."""

    company: Company = Company()
    assets: tuple[Asset, ...] = ()
    identities: tuple[Identity, ...] = ()
    windows: tuple[Window, ...] = ()

    @cached_property
    def _hosts(self) -> dict[str, Asset]:
        names = {n.lower(): a for a in self.assets for n in (*a.names, a.host)}
        short = {name.partition(".")[0]: a for name, a in names.items()}
        return {**short, **names}

    @cached_property
    def _addresses(self) -> dict[str, Asset]:
        return {address: a for a in self.assets for address in a.addresses}

    @cached_property
    def _users(self) -> dict[str, Identity]:
        spellings = {plain_user(s): i for i in self.identities for s in (*i.aliases, i.mail) if s}
        return {**spellings, **{i.user.lower(): i for i in self.identities}}

    def asset(self, entity: Entity) -> Asset | None:
        """The asset that a host or address entity is, if known."""
        if entity.type == "host":
            return self._hosts.get(entity.value) or self._hosts.get(entity.value.partition(".")[0])
        return self._addresses.get(entity.value) if entity.type == "address" else None

    def identity(self, entity: Entity) -> Identity | None:
        """The identity that a user or mailbox entity is, if known."""
        return self._users.get(plain_user(entity.value)) if entity.type in ("user", "mailbox") else None

    def resolve(self, entity: Entity) -> Entity:
        """The same entity in its one spelling: known users, mailboxes of users, hosts and their addresses."""
        if (asset := self.asset(entity)) is not None:
            return Entity(type="host", value=asset.host.lower())
        if (identity := self.identity(entity)) is not None:
            return Entity(type="user", value=identity.user.lower())
        return entity

    def spellings(self, entity: Entity) -> tuple[str, ...]:
        """Every spelling under which events may name this entity, sorted."""
        found = {entity.value}
        if (identity := self.identity(entity)) is not None:
            found |= {plain_user(s) for s in (identity.user, identity.mail, *identity.aliases) if s}
        if (asset := self.asset(entity)) is not None:
            names = [name.lower() for name in (asset.host, *asset.names)]
            found |= {*names, *(name.partition(".")[0] for name in names)}
        return tuple(sorted(found))
