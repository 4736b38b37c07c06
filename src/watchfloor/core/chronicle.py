"""Chronicle: facts as they are known, and the business context that they were at any time.

Between two times at which something lasting changes, the context is one and the same, and is built once. Leases change
all the time: who has an address is looked up for the very moment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from watchfloor.core.context import Asset, Company, Context, Group, Identity, Window
from watchfloor.core.fact import BEGINNING, CRITICALITY, FOREVER, OWNERS, Fact, as_true
from watchfloor.core.resolution import Record, Resolution, finder, records_of, resolve

_SEGMENTS = 8
_NAMING = ("upn", "mail_alias", "account", "sid", "object_id", "okta_id", "principal")


class Lease(NamedTuple):
    """An address that a record's entity has from a time to a time (ms, the end excluded)."""

    start: int
    end: int
    source: str
    entity: str


class Moment(NamedTuple):
    """A context, and how it came to be. `hosts` are the names of the hosts that records are, by source and entity."""

    context: Context
    resolution: Resolution
    hosts: dict[tuple[str, str], str]

    def meant(self, kind: str, end: str) -> list[list[Record]]:
        """The entities that somebody can mean by `user:alice`, any spelling of it, or a record's place."""
        some = [(record, entity) for entity in self.resolution.entities for record in entity]
        found = finder([record for record, _ in some])(kind, end)
        return list({id(some[index][1]): some[index][1] for index in sorted(found)}.values())


class Chronicle:
    """The contexts of facts that are known at one time, in the order in which they were recorded. Pure; what it builds
    it keeps, as far as it is asked again."""

    def __init__(self, known: Sequence[Fact]) -> None:
        dated = [fact for fact in known if _is_lease(fact)]
        self._lasting = [fact for fact in known if not _is_lease(fact)]
        self._leases = _leases(dated)
        self._breaks = sorted({t for fact in self._lasting for t in (fact.valid_from, fact.valid_to)})
        self._moments: OrderedDict[int, Moment] = OrderedDict()

    def at(self, true: int) -> Context:
        """The context as it was true at a time (ms)."""
        moment = self.moment(true)
        if not self._leases:
            return moment.context
        return moment.context.seen(self.at, lambda address: self.holder(address, true))

    def moment(self, true: int) -> Moment:
        """The context without leases, and what it was made of."""
        segment = bisect_right(self._breaks, true)
        found = self._moments.get(segment)
        if found is None:
            found = _moment(as_true(self._lasting, true))
            context = found.context.seen(self.at)
            found = self._moments[segment] = found._replace(context=context)
            if len(self._moments) > _SEGMENTS:
                self._moments.popitem(last=False)
        return found

    def span(self, true: int) -> tuple[int, int]:
        """From when to when (ms, the end excluded) the lasting context is what it is at a time."""
        segment = bisect_right(self._breaks, true)
        return (
            self._breaks[segment - 1] if segment else BEGINNING,
            self._breaks[segment] if segment < len(self._breaks) else FOREVER,
        )

    def holder(self, address: str, true: int) -> str | None:
        """The name of the host that has an address by a lease; empty when two have it or its host is not known; None
        without a lease."""
        held = self.holders(address, true)
        if not held:
            return None
        hosts = self.moment(true).hosts
        names = {hosts.get((lease.source, lease.entity), "") for lease in held}
        return names.pop() if len(names) == 1 else ""

    def holders(self, address: str, true: int) -> list[Lease]:
        """Leases of an address that hold at a time."""
        return [lease for lease in self._leases.get(address, ()) if lease.start <= true < lease.end]

    def conflicts(self, true: int) -> list[str]:
        """What is claimed by two at a time, a sentence each: identifiers, and addresses."""
        moment = self.moment(true)
        claims: dict[str, set[str]] = defaultdict(set)
        for asset in moment.context.assets:
            for address in asset.addresses:
                claims[address].add(asset.host)
        for address, leases in self._leases.items():
            for lease in leases:
                if lease.start <= true < lease.end:
                    claims[address].add(moment.hosts.get((lease.source, lease.entity), "") or lease.entity)
        shared = [(address, sorted(some)) for address, some in sorted(claims.items()) if len(some) > 1]
        told = {one.value for one in moment.resolution.conflicts}
        names = [item for item in moment.context.shared_names().items() if item[0].partition(":")[2] not in told]
        return [
            *(one.conflict for one in moment.resolution.conflicts),
            *(f"{name} could be {' or '.join(some)}: what names it is nobody's" for name, some in names),
            *(f"the address {address} is claimed by {', '.join(some)}" for address, some in shared),
        ]


def _is_lease(fact: Fact) -> bool:
    return fact.attribute == "address" and (fact.valid_from > BEGINNING or fact.valid_to < FOREVER)


def _leases(facts: Iterable[Fact]) -> dict[str, list[Lease]]:
    """By address. A server leases an address to one at a time: what it leases later ends what it leased before."""
    found: dict[str, list[Lease]] = defaultdict(list)
    for fact in facts:
        found[str(fact.value)].append(Lease(fact.valid_from, fact.valid_to, fact.source, fact.entity))
    for address, leases in found.items():
        cut = []
        later: dict[str, Lease] = {}
        for lease in sorted(leases, key=lambda one: (one.start, one.end), reverse=True):
            after = later.get(lease.source)
            server = lease.entity.startswith("interface:")
            if server and after is not None and after.entity != lease.entity and after.start > lease.start:
                lease = lease._replace(end=min(lease.end, after.start))  # noqa: PLW2901
            later[lease.source] = lease
            cut.append(lease)
        found[address] = cut
    return dict(found)


def _moment(facts: Sequence[Fact]) -> Moment:
    whole = [fact for fact in facts if fact.kind in ("company", "window", "group")]
    resolution = resolve(records_of(fact for fact in facts if fact.kind in ("user", "host", "interface")))
    users = [sorted(some, key=_rank) for some in resolution.entities if some[0].kind == "user"]
    hosts = [sorted(some, key=_rank) for some in resolution.entities if some[0].kind == "host"]
    hosts = [some for some in hosts if any(record.whole for record in some)]
    names = _canonical(hosts, ("name", "fqdn"))
    context = Context(
        company=_company(whole),
        assets=tuple(_asset(name, some) for name, some in zip(names, hosts, strict=True)),
        identities=tuple(map(_identity, _canonical(users, ("name", "upn", "mail")), users)),
        windows=tuple(Window.from_dict(fact.value) for fact in whole if fact.attribute == "window"),
        groups=_groups(whole),
    )
    places = {(r.source, r.key): name.lower() for name, some in zip(names, hosts, strict=True) for r in some}
    return Moment(context, resolution, places)


def _weight(source: str) -> int:
    """The owner's own words first."""
    return next((n for n, begin in enumerate(OWNERS) if source.startswith(begin)), len(OWNERS))


def _rank(record: Record) -> int:
    """By weight; what remains keeps its order."""
    return _weight(record.source) if record.owners else len(OWNERS)


def _canonical(entities: Sequence[Sequence[Record]], attributes: Sequence[str]) -> list[str]:
    """The one name of each entity: the first that no other bears; the owner's goes before others'."""
    wanted = []
    for records in entities:
        names: dict[str, None] = {}
        for record in records if records[0].owners else ():
            if record.owners:
                names.update(dict.fromkeys((*map(str, record.values("name")), record.key.partition(":")[2])))
        for attribute in attributes:
            for record in records:
                names.update(dict.fromkeys(map(str, record.values(attribute))))
        wanted.append(list(names) or [records[0].key.partition(":")[2]])
    bearers = Counter(name for names in wanted for name in {name.lower() for name in names})
    return [
        next((name for name in names if bearers[name.lower()] == 1), names[0] if some[0].owners else some[0].place)
        for names, some in zip(wanted, entities, strict=True)
    ]


_Facts = dict[str, list[Fact]]


def _together(records: Sequence[Record]) -> _Facts:
    """All that sources say of an entity, by attribute, the weightiest source first."""
    if len(records) == 1:
        return records[0].facts
    found: _Facts = {}
    for record in records:
        for attribute, facts in record.facts.items():
            found.setdefault(attribute, []).extend(facts)
    return found


def _text(facts: _Facts, attribute: str) -> str:
    """Where sources disagree: the owner's word, and else what became true, and was recorded, last."""
    some = facts.get(attribute)
    if not some:
        return ""
    if len(some) == 1:
        return str(some[0].value)
    return str(max(some, key=lambda f: (-_weight(f.source), f.valid_from, f.recorded_at, f.uid)).value)


def _gravest(facts: _Facts, attribute: str, order: Sequence[Any]) -> Any:
    """The owner's word where there is one; else the gravest that any source states; None where none does."""
    some = facts.get(attribute)
    if not some:
        return None
    if some[0].source.startswith(OWNERS):
        first = [f for f in some if f.source == some[0].source]
        return max(first, key=lambda f: (f.valid_from, f.recorded_at, f.uid)).value
    return max((f.value for f in some), key=order.index)


def _many(facts: _Facts, *attributes: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(f.value) for name in attributes for f in facts.get(name, ())))


def _identity(name: str, records: Sequence[Record]) -> Identity:
    facts = _together(records)
    mail = _text(facts, "mail") or _text(facts, "upn")
    stated = (*_many(facts, "alias", "name"), *_many(facts, *_NAMING), *_many(facts, "mail"))
    return Identity(
        user=name,
        mail=mail,
        aliases=tuple(alias for alias in dict.fromkeys(stated) if alias not in (name, mail)),
        title=_text(facts, "title"),
        department=_text(facts, "department"),
        manager=_text(facts, "manager"),
        privileged=bool(_gravest(facts, "privileged", (False, True))),
        service_account=bool(_gravest(facts, "service_account", (False, True))),
        leaving_on=_text(facts, "leaving_on"),
        groups=_many(facts, "group"),
        approved_tools=_many(facts, "approved_tool"),
    )


def _asset(name: str, records: Sequence[Record]) -> Asset:
    facts = _together(records)
    return Asset(
        host=name,
        names=tuple(n for n in _many(facts, "alias", "name", "fqdn") if n.lower() != name.lower()),
        addresses=_many(facts, "address"),
        os=_text(facts, "os"),
        role=_text(facts, "role"),
        criticality=_gravest(facts, "criticality", CRITICALITY) or "medium",
        owner=_text(facts, "owner"),
        department=_text(facts, "department"),
        tags=_many(facts, "tag"),
        groups=_many(facts, "group"),
        approved_tools=_many(facts, "approved_tool"),
    )


def _company(facts: Iterable[Fact]) -> Company:
    """What the weightiest source says goes before what others do, key by key."""
    said = [fact for fact in facts if fact.attribute == "company"]
    merged: dict[str, Any] = {}
    for fact in sorted(said, key=lambda f: -_weight(f.source)):
        merged |= fact.value
    return Company.from_dict(merged)


def _groups(facts: Iterable[Fact]) -> tuple[Group, ...]:
    tools: dict[str, dict[str, None]] = defaultdict(dict)
    for fact in facts:
        if fact.kind == "group":
            tools[fact.entity.partition(":")[2]].setdefault(str(fact.value))
    return tuple(Group(name=name, approved_tools=tuple(some)) for name, some in sorted(tools.items()))
