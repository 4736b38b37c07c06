"""Live threat intelligence: the newest version of each feed's objects, and the indicators that hold.

A feed is known by its source. What one feed revokes or leaves out withdraws its own indicators only: nobody can take
back what another feed says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa

from watchfloor.core.errors import NotFoundError
from watchfloor.core.intel import Indicator
from watchfloor.core.intel_object import IntelObject, Whole
from watchfloor.core.noun import canonical, digest_of
from watchfloor.store.database import Database, write_rows
from watchfloor.store.schema import indicators, intel_objects
from watchfloor.store.tenancy import checked, own

_OBJECT = ("tenant", "source", "uid", "kind", "part_of", "state", "name", "modified", "added", "seen", "digest", "body")
_INDICATOR = ("tenant", "source", "object", "type", "value", "body")
# Of one `IN (...)`: far below what any engine takes.
_CHUNK = 500


class Change(NamedTuple):
    """What came of writing objects: by source how many were new or newer, and how many had come before."""

    fresh: dict[str, int]
    repeats: dict[str, int]
    changed: bool
    """Whether any indicator came or went."""

    @property
    def came(self) -> int:
        """How many objects there were."""
        return sum(self.fresh.values()) + sum(self.repeats.values())


class Feed(NamedTuple):
    """What is held of one feed. Times in ms: when an object last came, and when the last new one did."""

    source: str
    indicators: int
    objects: int
    withdrawn: int
    seen: int
    added: int


class Held(NamedTuple):
    """An indicator with the feed and the object that it stands in."""

    source: str
    object: str
    added: int
    indicator: Indicator


class IntelStore:
    """Objects and indicators by tenant. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, tenant: str, items: Sequence[IntelObject | Whole]) -> Change:
        """Keep objects in the order in which they came; all or nothing. Doing it again changes nothing.

        An object takes the place of an older version; an older version than the kept one is a repeat.
        """
        checked(tenant)
        objects: list[IntelObject] = []
        fresh: Counter[str] = Counter()
        repeats: Counter[str] = Counter()
        changed = False
        with self._database.write() as connection:
            for item in items:
                own(tenant, item)
                if isinstance(item, IntelObject):
                    objects.append(item)
                    continue
                changed |= self._keep(connection, objects, fresh, repeats)
                objects = []
                changed |= _withdraw(connection, item)
            changed |= self._keep(connection, objects, fresh, repeats)
        return Change(dict(fresh), dict(repeats), changed)

    def _keep(
        self,
        connection: sa.Connection,
        objects: Sequence[IntelObject],
        fresh: Counter[str],
        repeats: Counter[str],
    ) -> bool:
        if not objects:
            return False
        known = _known(connection, objects)
        taken: dict[tuple[str, str], IntelObject] = {}
        again: dict[tuple[str, str], IntelObject] = {}
        changed = False
        for one in objects:
            key, digest = (one.source, one.uid), _digest(one)
            modified, state, before = known.get(key, (-1, "", ""))
            if one.modified < modified or (one.modified, one.state, digest) == (modified, state, before):
                repeats[one.source] += 1
                again[key] = one
            else:
                fresh[one.source] += 1
                taken[key] = one
                changed |= "active" in (one.state, state)
                known[key] = (one.modified, one.state, digest)
        _touch(connection, [one for key, one in again.items() if one.part_of and key not in taken])
        _replace(connection, list(taken.values()))
        return changed

    def forget(self, tenant: str, source: str) -> int:
        """Remove all of a feed; returns how many indicators that were. Raises NotFoundError."""
        with self._database.write() as connection:
            gone = connection.execute(sa.delete(intel_objects).where(*_of(intel_objects, tenant, source))).rowcount
            named = connection.execute(sa.delete(indicators).where(*_of(indicators, tenant, source))).rowcount
        if not gone:
            raise NotFoundError(f"there is no feed {source}", do="Run: watchfloor intel list")
        return int(named)

    def names(self, tenant: str, source: str) -> dict[str, str]:
        """What the feed's identities and markings are called, by id."""
        c = intel_objects.c
        query = sa.select(c.uid, c.name).where(*_of(intel_objects, tenant, source), c.state == "context", c.name != "")
        with self._database.read() as connection:
            return {row.uid: row.name for row in connection.execute(query)}

    def naming(self, tenant: str, type_: str, value: str) -> list[Held]:
        """The indicators of a value in its normal spelling, in order of arrival."""
        given = {"tenant": checked(tenant), "type": type_, "value": value}
        with self._database.read() as connection:
            rows = connection.execute(_NAMING, given).all()
        return [Held(source, uid, added, Indicator.from_json(body)) for source, uid, added, body in rows]

    def after(self, tenant: str, n: int) -> Iterator[tuple[int, str, str]]:
        """Number, type and value of each indicator with a higher number, in order. They may be withdrawn meanwhile."""
        c = indicators.c
        query = sa.select(c.n, c.type, c.value).where(c.n > n, c.tenant == checked(tenant)).order_by(c.n)
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=10_000).execute(query):
                yield row.n, row.type, row.value

    def last(self, tenant: str) -> int:
        """The highest number that an indicator has; 0 without any."""
        query = sa.select(indicators.c.n).where(indicators.c.tenant == checked(tenant)).order_by(indicators.c.n.desc())
        with self._database.read() as connection:
            return int(connection.execute(query.limit(1)).scalar_one_or_none() or 0)

    def count(self, tenant: str) -> int:
        with self._database.read() as connection:
            query = sa.select(sa.func.count()).select_from(indicators).where(indicators.c.tenant == checked(tenant))
            return int(connection.execute(query).scalar_one())

    def feeds(self, tenant: str) -> list[Feed]:
        """What is held of each feed, by name."""
        i, o = indicators.c, intel_objects.c
        named = sa.select(i.source, sa.func.count()).where(i.tenant == checked(tenant)).group_by(i.source)
        withdrawn = sa.func.sum(sa.case((o.state == "withdrawn", 1), else_=0))
        held = (
            sa.select(o.source, sa.func.count(), withdrawn, sa.func.max(o.seen), sa.func.max(o.added))
            .where(o.tenant == tenant)
            .group_by(o.source)
            .order_by(o.source)
        )
        with self._database.read() as connection:
            counts = dict(map(tuple, connection.execute(named)))
            rows = connection.execute(held).all()
        return [Feed(source, counts.get(source, 0), *map(int, rest)) for source, *rest in rows]


def _naming() -> sa.Select[Any]:
    i, o = indicators.c, intel_objects.c
    same = (o.tenant == i.tenant) & (o.source == i.source) & (o.uid == i.object)
    wanted = (i[name] == sa.bindparam(name) for name in ("tenant", "type", "value"))
    return sa.select(i.source, i.object, o.added, i.body).join(intel_objects, same).where(*wanted).order_by(i.n)


# Built once: it is asked for every value that may be named.
_NAMING = _naming()


def _of(table: sa.Table, tenant: str, source: str) -> tuple[Any, Any]:
    return table.c.tenant == checked(tenant), table.c.source == source


def _digest(one: IntelObject) -> str:
    """Of what the object says, without who says it and when it came."""
    said = [one.kind, one.part_of, one.name, [i.digest() for i in one.indicators], one.body.hex()]
    return digest_of(canonical(said))


def _known(connection: sa.Connection, objects: Iterable[IntelObject]) -> dict[tuple[str, str], tuple[int, str, str]]:
    c = intel_objects.c
    found: dict[tuple[str, str], tuple[int, str, str]] = {}
    for tenant, source, uids in _by_source(objects):
        query = sa.select(c.uid, c.modified, c.state, c.digest).where(*_of(intel_objects, tenant, source))
        for uid, *rest in connection.execute(query.where(c.uid.in_(uids))):
            found[source, uid] = (rest[0], rest[1], rest[2])
    return found


def _touch(connection: sa.Connection, objects: Sequence[IntelObject]) -> None:
    """Say that objects came again: what is not said so of a whole is withdrawn."""
    for at, some in groupby(objects, key=lambda one: one.at):
        for tenant, source, uids in _by_source(some):
            where = (*_of(intel_objects, tenant, source), intel_objects.c.uid.in_(uids))
            connection.execute(sa.update(intel_objects).where(*where).values(seen=at))


def _replace(connection: sa.Connection, objects: Sequence[IntelObject]) -> None:
    for tenant, source, uids in _by_source(objects):
        where = (*_of(indicators, tenant, source), indicators.c.object.in_(uids))
        connection.execute(sa.delete(indicators).where(*where))
    rows = [
        (o.tenant, o.source, o.uid, o.kind, o.part_of, o.state, o.name, o.modified, o.at, o.at, _digest(o), o.body)
        for o in objects
    ]
    write_rows(connection, intel_objects, _OBJECT, rows)
    named = [
        (o.tenant, o.source, o.uid, i.type, i.value, i.canonical())
        for o in objects
        if o.state == "active"
        for i in dict.fromkeys(o.indicators)
    ]
    write_rows(connection, indicators, _INDICATOR, named, replace=False)


def _withdraw(connection: sa.Connection, whole: Whole) -> bool:
    """Withdraw what is part of a whole and did not come with it. Its version stays: the same again would count."""
    c = intel_objects.c
    where = (*_of(intel_objects, whole.tenant, whole.source), c.part_of == whole.part_of, c.seen != whole.at)
    gone = sa.select(c.uid).where(*where, c.state == "active")
    lost = sa.delete(indicators).where(*_of(indicators, whole.tenant, whole.source), indicators.c.object.in_(gone))
    connection.execute(lost)
    changed = connection.execute(sa.update(intel_objects).where(*where, c.state == "active").values(state="withdrawn"))
    return bool(changed.rowcount)


def _by_source(objects: Iterable[IntelObject]) -> Iterator[tuple[str, str, list[str]]]:
    """Ids by tenant and source, a bounded number at a time."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in objects:
        groups[one.tenant, one.source].append(one.uid)
    for (tenant, source), uids in groups.items():
        for start in range(0, len(uids), _CHUNK):
            yield tenant, source, uids[start : start + _CHUNK]
