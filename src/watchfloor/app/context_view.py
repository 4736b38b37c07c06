"""All that is known of one entity, for the console, the API and the command line alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from watchfloor.app.context import DIFFERENT, SAME, Change, ContextBook, How
from watchfloor.app.parts import Parts
from watchfloor.core.chronicle import Chronicle, Moment
from watchfloor.core.context import Context, Window
from watchfloor.core.entity import Entity
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.fact import BEGINNING, Fact, Statement, checked
from watchfloor.core.resolution import Record

_PLAIN = ("user", "host", "address", "mailbox")


class FactLine(NamedTuple):
    """A fact with what became of it: `stands` until another one replaced it, `holds` at the time asked about."""

    fact: Fact
    stands: bool
    holds: bool

    @property
    def state(self) -> str:
        """In a word."""
        if not self.stands:
            return "taken back" if self.fact.retracted else "replaced"
        return "holds" if self.holds else "not then"


class EntityView(NamedTuple):
    """An entity at a time, as known at a time. `conflicts` are what hinders its records from being told apart or put
    together; `several` the entities that bear the name, where it cannot be told which is meant."""

    entity: Entity
    resolved: Entity
    spellings: tuple[str, ...]
    records: tuple[Record, ...]
    facts: tuple[FactLine, ...]
    joins: tuple[str, ...]
    conflicts: tuple[str, ...]
    several: tuple[str, ...]
    windows: tuple[Window, ...]
    manager: str
    peers: tuple[str, ...]
    approved_tools: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether anything is stated of it."""
        return bool(self.facts or self.several or self.windows)


def view_of(book: ContextBook, entity: Entity, *, true: int, known: int | None = None) -> EntityView:
    """What was known of an entity at a time (now by default), and was true at another (ms)."""
    chronicle = book.chronicle() if known is None else book.as_known(known)
    moment, context = chronicle.moment(true), chronicle.at(true)
    resolved = context.resolve(entity)
    meant = _meant(chronicle, moment, entity, resolved, true)
    records = tuple(record for one in meant for record in one) if len(meant) == 1 else ()
    places = {record.place for one in meant for record in one}
    return EntityView(
        entity=entity,
        resolved=resolved,
        spellings=context.spellings(resolved) if resolved.type in _PLAIN else (resolved.value,),
        records=records,
        facts=tuple(_lines(book, [record for one in meant for record in one], true, known)),
        joins=tuple(j.sentence for j in moment.resolution.joins if len(meant) == 1 and places.issuperset(j.places)),
        conflicts=tuple(c.conflict for c in moment.resolution.conflicts if not places.isdisjoint(c.places)),
        several=tuple(" + ".join(record.place for record in one) for one in meant) if len(meant) > 1 else (),
        windows=tuple(w for w in context.windows if _names(w, resolved, context)),
        manager=manager.user if (manager := context.manager_of(resolved)) else "",
        peers=context.peers(resolved),
        approved_tools=context.approved_tools(resolved),
    )


def _meant(chronicle: Chronicle, moment: Moment, entity: Entity, resolved: Entity, true: int) -> list[list[Record]]:
    """The entities, as records, that a name or an address stands for."""
    if entity.type == "address" and resolved == entity:
        leases = chronicle.holders(entity.value, true)
        held = {(lease.source, lease.entity) for lease in leases}
        return [
            one
            for one in moment.resolution.entities
            if any((r.source, r.key) in held or entity.value in r.values("address") for r in one)
        ]
    kind = "user" if resolved.type in ("user", "mailbox") else resolved.type
    if kind not in ("user", "host"):
        return []
    return moment.meant(kind, resolved.key) or moment.meant(kind, entity.key)


def _lines(book: ContextBook, records: list[Record], true: int, known: int | None) -> list[FactLine]:
    """Every fact ever recorded of these, the newest last, as far as it was known then."""
    history = book.history([(record.source, record.key) for record in records])
    if known is not None:
        history = [fact for fact in history if fact.recorded_at <= known]
    replaced = {fact.replaces for fact in history if fact.replaces}
    found = []
    for fact in history:
        stands = not fact.retracted and fact.uid not in replaced
        found.append(FactLine(fact, stands, stands and fact.valid_from <= true < fact.valid_to))
    return sorted(
        found, key=lambda line: (not line.stands, line.fact.source, line.fact.attribute, line.fact.valid_from)
    )


def _names(window: Window, entity: Entity, context: Context) -> bool:
    """Whether an announced activity names an entity."""
    if entity.type == "user":
        return any(context.resolve(Entity(type="user", value=name.lower())) == entity for name in window.users)
    if entity.type == "host":
        hosts = any(context.resolve(Entity(type="host", value=name.lower())) == entity for name in window.hosts)
        return hosts or any(context.resolve(Entity(type="address", value=a)) == entity for a in window.addresses)
    return entity.type == "address" and entity.value in window.addresses


class Entities:
    """Entities for the console and the API: look, state, relate, take back. Cases are decided by `triage` after it."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._book = parts, parts.context_book

    def view(self, key: str, *, true: int | None = None, known: int | None = None) -> EntityView:
        """Raises WatchfloorError for a key that names no entity."""
        entity = Entity.from_key(key)
        return view_of(self._book, entity, true=self._parts.clock() if true is None else true, known=known)

    def conflicts(self, true: int | None = None) -> list[str]:
        """What is claimed by two at a time, now by default."""
        return self._book.chronicle().conflicts(self._parts.clock() if true is None else true)

    def state(self, said: Sequence[Statement], *, by: str, source: str = "", full: bool = False) -> Change:
        """Facts in somebody's name, or in that of a source which tells by the API: all of them or none.

        With `full`, what the source no longer says ends. Raises WatchfloorError for the first that cannot be one.
        """
        plain = []
        for number, one in enumerate(said, 1):
            try:
                value = checked(one.entity, one.attribute, one.value)
            except WatchfloorError as error:
                raise WatchfloorError(str(error), where=f"fact {number}") from None
            if one.attribute in (SAME, DIFFERENT) or value is None:
                raise WatchfloorError("it says nothing that can be recorded", where=f"fact {number}: {one.attribute}")
            if one.valid_to is not None and one.valid_to <= (one.valid_from or BEGINNING):
                raise WatchfloorError("it ends before it begins", where=f"fact {number}")
            plain.append(one._replace(value=value))
        how = How(self._parts.clock(), whole=full, full=full)
        return self._book.take(f"api/{source}" if source else f"person/{by}", plain, how, by=by)

    def relate(self, one: str, other: str, *, same: bool, by: str) -> Change:
        """Say that two are the same, or are not. Raises WatchfloorError where it cannot be told which are meant."""
        return self._book.relate(one, other, same=same, by=by)

    def retract(self, uid: str, by: str) -> Fact:
        """Take a fact back. Raises NotFoundError, RefusedError."""
        return self._book.retract(uid, by)
