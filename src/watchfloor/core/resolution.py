"""Which records of directories, inventories and lists are one user or host: by stated identifiers, never by likeness.

Two records that state the same object id, SID, mail address, serial number, ... are one, and each join says why. Firm
identifiers are read first, then those that may be given on, then the names that the owner states. An identifier that
would make one entity of two records of the same source is claimed by two: it joins nobody, and is shown.
A person's word (`same_as`, `different_from`) goes before all of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from watchfloor.core.facets import plain_user
from watchfloor.core.fact import ATTRIBUTES, OWNERS, Fact

SPELLING = "owner's word"
_WORDS = frozenset({"same_as", "different_from"})
_SPACES = {(name, one.firm): one.identifies for name, one in ATTRIBUTES.items() if one.identifies}
_NAMING = frozenset({"name", "alias", *(name for name, _ in _SPACES)})


class Record:
    """What one source says of one entity, by attribute. `kind` is `user` or `host`, of which an interface is a part."""

    __slots__ = ("facts", "key", "kind", "owners", "source")

    def __init__(self, source: str, key: str) -> None:
        self.source, self.key = source, key
        self.facts: dict[str, list[Fact]] = {}
        kind = key.partition(":")[0]
        self.kind = "host" if kind == "interface" else kind
        self.owners = source.startswith(OWNERS)

    @property
    def place(self) -> str:
        """`okta/users#user:00u1`: the record itself, whatever it is resolved to."""
        return f"{self.source}#{self.key}"

    @property
    def whole(self) -> bool:
        """Whether it stands for an entity: of a host's interfaces, one source has several."""
        return not self.key.startswith("interface:")

    @property
    def states(self) -> bool:
        """Whether it says anything but that others are the same, or are not."""
        return not self.facts.keys() <= _WORDS

    def values(self, attribute: str) -> list[Any]:
        return [fact.value for fact in self.facts.get(attribute, ())]

    def identifiers(self, *, firm: bool) -> Iterable[tuple[str, str]]:
        """Its identifiers with the spaces in which they identify."""
        for attribute, facts in self.facts.items():
            if (space := _SPACES.get((attribute, firm))) is not None:
                for fact in facts:
                    yield space, str(fact.value)

    def said(self) -> set[str]:
        """The names by which the owner says that it is known."""
        if not self.owners or not self.states:
            return set()
        key = self.key.partition(":")[2]
        return {plain_user(key) if self.kind == "user" else key.lower(), *spellings_of(self, ("name", "alias"))}

    def spellings(self) -> set[str]:
        """Under which events may name it."""
        return spellings_of(self, self.facts.keys() & _NAMING) | self.said()


def spellings_of(record: Record, attributes: Iterable[str]) -> set[str]:
    """The values of some attributes as events spell them."""
    found = set()
    for attribute in attributes:
        for value in map(str, record.values(attribute)):
            found.add(plain_user(value) if record.kind == "user" else value.lower())
    return found - {""}


class Join(NamedTuple):
    """Why records are one: what they share (`address`, `SID`, ...), the `owner's word`, or what a `person` says.

    As a conflict: what is claimed by two, and joins nobody.
    """

    because: str
    value: str
    records: tuple[Record, ...]
    said: str = ""
    """What a person says, where it is that."""

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(record.place for record in self.records)

    @property
    def sentence(self) -> str:
        """Why these are one."""
        if self.because == SPELLING:
            return f"the owner says that {self.value} is its name: {', '.join(self.places)}"
        return self.said or f"the same {self.because} {self.value} in {', '.join(self.places)}"

    @property
    def conflict(self) -> str:
        """Why these are not."""
        what = f"the name {self.value}" if self.because == SPELLING else f"the {self.because} {self.value}"
        return self.said or f"{what} is claimed by {', '.join(self.places)}, which cannot all be one"


class Resolution(NamedTuple):
    """`entities` are records that are one, in the order in which they were first stated."""

    entities: list[list[Record]]
    joins: list[Join]
    conflicts: list[Join]


def records_of(facts: Iterable[Fact]) -> list[Record]:
    """Facts by source and entity, in the order in which they come."""
    found: dict[tuple[str, str], Record] = {}
    for fact in facts:
        place = (fact.source, fact.entity)
        record = found.get(place)
        if record is None:
            record = found[place] = Record(*place)
        record.facts.setdefault(fact.attribute, []).append(fact)
    return list(found.values())


def resolve(records: Sequence[Record]) -> Resolution:
    """Records put together. The outcome does not hang on their order, but for the order of what comes out."""
    forest = _Forest(records)
    joins: list[Join] = []
    conflicts: list[Join] = []
    _by_word(records, forest, joins, conflicts)
    for firm in (True, False):
        _join(forest, _claims(records, firm=firm), joins, conflicts)
    _join(forest, _names(records), joins, conflicts)
    entities: dict[int, list[Record]] = {}
    for index, record in enumerate(records):
        if record.states:
            entities.setdefault(forest.root(index), []).append(record)
    return Resolution(list(entities.values()), joins, conflicts)


_Claims = dict[tuple[str, str, str], list[int]]


def _claims(records: Sequence[Record], *, firm: bool) -> _Claims:
    found: _Claims = defaultdict(list)
    for index, record in enumerate(records):
        for space, value in record.identifiers(firm=firm):
            found[record.kind, space, value].append(index)
    return found


def _names(records: Sequence[Record]) -> _Claims:
    """Names that an owner states, with the records that bear them."""
    said = {(record.kind, name) for record in records for name in record.said()}
    found: _Claims = defaultdict(list)
    for index, record in enumerate(records) if said else ():
        for name in record.spellings():
            if (record.kind, name) in said:
                found[record.kind, SPELLING, name].append(index)
    return found


class _Edge(NamedTuple):
    """A claim that would make one of several sets of records."""

    claim: tuple[str, str, str]
    members: list[int]
    roots: tuple[int, ...]


def _join(forest: _Forest, claims: _Claims, joins: list[Join], conflicts: list[Join]) -> None:
    """Join by one kind of claims at once, so that none goes before another."""
    edges: list[_Edge] = []
    for claim, indices in sorted((c for c in claims.items() if len(c[1]) > 1), key=lambda c: c[0]):
        members = list(dict.fromkeys(indices))
        roots = tuple(sorted({forest.root(index) for index in members}))
        if len(roots) > 1 and forest.clash(roots):
            conflicts.append(_join_of(forest, claim, members))
        elif len(roots) > 1:
            edges.append(_Edge(claim, members, roots))
        elif len(members) > 1:
            joins.append(_join_of(forest, claim, members))
    broken = _broken(forest, edges)
    for edge in edges:
        (conflicts if edge.claim in broken else joins).append(_join_of(forest, edge.claim, edge.members))
    for edge in edges:
        if edge.claim not in broken:
            forest.merge(edge.roots)


def _broken(forest: _Forest, edges: Sequence[_Edge]) -> set[tuple[str, str, str]]:
    """Claims of which each is sound by itself, and which together would make one of what may not be one: which of
    them is wrong cannot be told."""
    chains = _Union()
    for edge in edges:
        for root in edge.roots[1:]:
            chains.join(edge.roots[0], root)
    ends: dict[int, set[int]] = defaultdict(set)
    for edge in edges:
        ends[chains.root(edge.roots[0])].update(edge.roots)
    wrong = {chain for chain, roots in ends.items() if forest.clash(tuple(sorted(roots)))}
    return {edge.claim for edge in edges if chains.root(edge.roots[0]) in wrong}


def _join_of(forest: _Forest, claim: tuple[str, str, str], members: Sequence[int]) -> Join:
    return Join(claim[1], claim[2], tuple(forest.records[index] for index in members))


# A person's word


def _by_word(records: Sequence[Record], forest: _Forest, joins: list[Join], conflicts: list[Join]) -> None:
    words = [fact for record in records for name in sorted(_WORDS) for fact in record.facts.get(name, ())]
    if not words:
        return
    find = finder(records)
    for fact in sorted(words, key=lambda f: (f.recorded_at, f.uid)):
        sides = [find(fact.kind, end) for end in (fact.entity, str(fact.value))]
        meant = tuple(records[index] for side in sides for index in sorted(side))
        named, who = f"{fact.entity} and {fact.value}", fact.recorded_by
        if not all(sides):
            missing = fact.entity if not sides[0] else str(fact.value)
            said = f"{who} speaks of {named}, and nothing is known of {missing}"
            conflicts.append(Join("person", named, meant, said))
        elif fact.attribute == "same_as":
            forest.merge(index for side in sides for index in side)
            joins.append(Join("person", named, meant, f"{who} says that {named} are the same"))
        else:
            forest.part(sides[0], sides[1])
            joins.append(Join("person", named, meant, f"{who} says that {named} are not the same"))


def finder(records: Sequence[Record]) -> Callable[[str, str], set[int]]:
    """Finds the records that a person means: by place, by key, or by any spelling."""

    by_place = {record.place: index for index, record in enumerate(records) if record.states}
    by_name: dict[tuple[str, str], set[int]] = defaultdict(set)
    for index, record in enumerate(records):
        key = record.key.partition(":")[2]
        own = {plain_user(key) if record.kind == "user" else key.lower()}
        for name in (record.spellings() | own) if record.states else ():
            by_name[record.kind, name].add(index)

    def find(kind: str, end: str) -> set[int]:
        value = end.partition(":")[2]
        for place in (end, value):
            if place in by_place:
                return {by_place[place]}
        return by_name.get((kind, plain_user(value) if kind == "user" else value.lower()), set())

    return find


class _Union:
    """Plain union-find over numbers; the smallest of a set is its root."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def root(self, one: int) -> int:
        path = []
        while (parent := self._parent.get(one, one)) != one:
            path.append(one)
            one = parent
        for step in path:
            self._parent[step] = one
        return one

    def join(self, one: int, other: int) -> None:
        one, other = self.root(one), self.root(other)
        self._parent[max(one, other)] = min(one, other)


class _Forest(_Union):
    """Sets of records, with what may not come together: two of one source, and those that a person parted."""

    def __init__(self, records: Sequence[Record]) -> None:
        super().__init__()
        self.records = records
        self._sources: dict[int, frozenset[str]] = {}
        self._parted: list[tuple[set[int], set[int]]] = []

    def sources(self, root: int) -> frozenset[str]:
        """The sources of a set, each of which has one record of an entity at most."""
        found = self._sources.get(root)
        if found is None:
            record = self.records[root]
            counts = record.whole and not record.source.startswith(OWNERS[0])
            found = self._sources[root] = frozenset((record.source,) if counts else ())
        return found

    def merge(self, roots: Iterable[int]) -> None:
        now = sorted({self.root(root) for root in roots})
        sources = frozenset[str]().union(*(self.sources(root) for root in now))
        for root in now[1:]:
            self.join(now[0], root)
        self._sources[now[0]] = sources

    def part(self, some: set[int], others: set[int]) -> None:
        self._parted.append((some, others))

    def clash(self, roots: tuple[int, ...]) -> bool:
        """Whether these may not be one entity."""
        seen: set[str] = set()
        for root in roots:
            sources = self.sources(root)
            if not seen.isdisjoint(sources):
                return True
            seen |= sources
        together = set(roots)
        for some, others in self._parted:
            left, right = {self.root(i) for i in some} & together, {self.root(i) for i in others} & together
            if left and right and left != right:
                return True
        return False
