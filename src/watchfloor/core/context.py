"""Business context at one time: what the owner knows about hosts, people and announced activity.

What two claim (an address, a name) is nobody's: an entity is resolved by what is stated of one alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Literal, TypeVar

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
    department: str = ""
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    approved_tools: tuple[str, ...] = ()


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
    groups: tuple[str, ...] = ()
    approved_tools: tuple[str, ...] = ()


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


class Group(Noun):
    """A group of users or hosts, with the tools that its members may use."""

    name: str
    approved_tools: tuple[str, ...] = ()


class Context(Noun):
    """All business context of one tenant, as it was true at one time. `at` gives the same knowledge at another time."""

    company: Company = Company()
    assets: tuple[Asset, ...] = ()
    identities: tuple[Identity, ...] = ()
    windows: tuple[Window, ...] = ()
    groups: tuple[Group, ...] = ()

    def at(self, time: int) -> Context:
        """What is known now, as it was true at a time (ms)."""
        over_time: Callable[[int], Context] | None = self.__dict__.get("over_time")
        return over_time(time) if over_time else self

    def shared_names(self) -> dict[str, list[str]]:
        """Names that two bear, with who: an event that names one of them could mean either, and means neither."""
        found: dict[str, list[str]] = {}
        for kind, claims in (("user", self._user_claims()), ("host", self._host_claims())):
            bearers: dict[str, set[str]] = {}
            for name, one in claims:
                bearers.setdefault(name, set()).add(one.user if isinstance(one, Identity) else one.host)
            found |= {f"{kind}:{name}": sorted(some) for name, some in bearers.items() if len(some) > 1}
        return dict(sorted(found.items()))

    def _user_claims(self) -> Iterator[tuple[str, Identity]]:
        return ((plain_user(s), i) for i in self.identities for s in (i.user, i.mail, *i.aliases) if s)

    def _host_claims(self) -> Iterator[tuple[str, Asset]]:
        return ((name, asset) for asset in self.assets for name in _names_of(asset))

    @property
    def empty(self) -> bool:
        """Whether nothing at all is known."""
        return not (self.assets or self.identities or self.windows or self.groups) and self.company == Company()

    def scans(self, entity: Entity) -> bool:
        """Whether it is a known scanner."""
        asset = self.asset(entity)
        return asset is not None and "scanner" in asset.tags

    def seen(self, over_time: Callable[[int], Context], holder: Callable[[str], str | None] | None = None) -> Context:
        """This context as one moment of many. `holder` tells which host has an address by a lease: its name, empty when
        that cannot be told, None without a lease. Neither is part of what it says: they are no fields."""
        view = self.model_copy()
        for name in ("_hosts", "_addresses", "_users"):
            view.__dict__[name] = getattr(self, name)
        view.__dict__.update(over_time=over_time, holder=holder)
        return view

    @cached_property
    def _hosts(self) -> dict[str, Asset | None]:
        return _unique(self._host_claims())

    @cached_property
    def _addresses(self) -> dict[str, Asset | None]:
        return _unique((address, a) for a in self.assets for address in a.addresses)

    @cached_property
    def _users(self) -> dict[str, Identity | None]:
        return _unique(self._user_claims())

    def asset(self, entity: Entity) -> Asset | None:
        """The asset that a host or address entity is, if known; of an address, the one that has it at this time."""
        if entity.type == "host":
            return self._host(entity.value)
        if entity.type != "address":
            return None
        holder: Callable[[str], str | None] | None = self.__dict__.get("holder")
        leased = holder(entity.value) if holder else None
        if leased is None:
            return self._addresses.get(entity.value)
        if not leased:
            return None
        found = self._hosts.get(leased)
        # An address that stands in the inventory of another host, too, is claimed by two.
        return found if self._addresses.get(entity.value, found) is found else None

    def _host(self, name: str) -> Asset | None:
        if name in self._hosts:
            return self._hosts[name]
        short, _, domain = name.partition(".")
        found = self._hosts.get(short)
        # A host whose full names are known is not another one of the same first label.
        full = found is not None and domain and any("." in one for one in (found.host, *found.names))
        return None if full or short.isdigit() else found

    def identity(self, entity: Entity) -> Identity | None:
        """The identity that a user or mailbox entity is, if known."""
        return self._users.get(plain_user(entity.value)) if entity.type in ("user", "mailbox") else None

    def peers(self, entity: Entity) -> tuple[str, ...]:
        """Users of the same department, or hosts of the same role (without one, department), sorted; without itself."""
        if (identity := self.identity(entity)) is not None:
            mine = identity.department.casefold()
            same = {i.user.lower() for i in self.identities if mine and i.department.casefold() == mine}
            return tuple(sorted(same - {identity.user.lower()}))
        if (asset := self.asset(entity)) is not None:
            by = "role" if asset.role else "department"
            mine = getattr(asset, by).casefold()
            same = {a.host.lower() for a in self.assets if mine and getattr(a, by).casefold() == mine}
            return tuple(sorted(same - {asset.host.lower()}))
        return ()

    def manager_of(self, entity: Entity) -> Identity | None:
        """The identity of a user's manager, where both are known."""
        identity = self.identity(entity)
        return self._users.get(plain_user(identity.manager)) if identity and identity.manager else None

    def approved_tools(self, entity: Entity) -> tuple[str, ...]:
        """The tools that a user or host may use, by itself or by its groups, sorted."""
        found = self.identity(entity) or self.asset(entity)
        if found is None:
            return ()
        mine = {group.casefold() for group in found.groups}
        of_groups = (tool for g in self.groups if g.name.casefold() in mine for tool in g.approved_tools)
        return tuple(sorted({*found.approved_tools, *of_groups}))

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
            mine = {plain_user(s) for s in (identity.user, identity.mail, *identity.aliases) if s}
            found |= {name for name in mine if self._users.get(name) is identity}
        if (asset := self.asset(entity)) is not None:
            names = [name.lower() for name in (asset.host, *asset.names)]
            found |= {name for name in names if self._hosts.get(name) is asset}
            found |= {short for name in names if self._hosts.get(short := name.partition(".")[0]) is asset}
        return tuple(sorted(found))


T = TypeVar("T", Asset, Identity)


def _unique(claims: Iterable[tuple[str, T]]) -> dict[str, T | None]:
    """What each name stands for; None for what two claim."""
    found: dict[str, T | None] = {}
    for name, one in claims:
        found[name] = one if found.get(name, one) is one else None
    return found


def _names_of(asset: Asset) -> set[str]:
    names = {name.lower() for name in (asset.host, *asset.names)}
    return names | {short for name in names if not (short := name.partition(".")[0]).isdigit()}
