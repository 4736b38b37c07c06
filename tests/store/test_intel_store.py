"""Live intelligence: the newest version counts, what is revoked or left out is withdrawn, and each feed is its own."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.app.intel import TenantIntel
from watchfloor.core.clock import DAY
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.intel import Indicator, Intel
from watchfloor.core.intel_object import IntelObject, Whole
from watchfloor.store.database import Database
from watchfloor.store.home import Home
from watchfloor.store.intel import IntelStore

T, FEED, AT = "acme", "taxii/cert", 1_792_000_000_000


def obj(uid: str, *values: str, modified: int = 1, at: int = AT, **more: Any) -> IntelObject:
    named = tuple(Indicator(type="domain", value=value, source="cert") for value in values)
    fields: dict[str, Any] = {"state": "active", "source": FEED, "kind": "indicator", **more}
    return IntelObject(tenant=T, uid=uid, modified=modified, indicators=named, at=at, **fields)


@pytest.fixture
def store(database: Database) -> IntelStore:
    return IntelStore(database)


def domains(store: IntelStore, tenant: str = T) -> set[str]:
    return {value for _, _, value in store.after(tenant, 0)}


def test_the_newest_version_counts_in_whatever_order_they_come(store: IntelStore) -> None:
    change = store.put(T, [obj("a", "old.example"), obj("a", "new.example", modified=3), obj("a", "x.example")])
    assert (change.fresh, change.repeats, change.changed) == ({FEED: 2}, {FEED: 1}, True)
    assert domains(store) == {"new.example"}
    again = store.put(T, [obj("a", "new.example", modified=3), obj("a", "older.example", modified=2)])
    assert (again.fresh, again.repeats, again.changed) == ({}, {FEED: 2}, False)
    assert domains(store) == {"new.example"}


def test_what_is_revoked_stays_so_until_a_newer_version_says_otherwise(store: IntelStore) -> None:
    store.put(T, [obj("a", "evil.example")])
    assert store.put(T, [obj("a", modified=2, state="withdrawn")]).changed
    assert domains(store) == set()
    assert not store.put(T, [obj("a", "evil.example")]).changed
    assert store.put(T, [obj("a", "evil.example", modified=3)]).changed
    assert domains(store) == {"evil.example"}


def test_of_a_whole_what_does_not_come_again_is_withdrawn_and_may_come_back(store: IntelStore) -> None:
    def whole(at: int, *uids: str) -> bool:
        objects = [obj(uid, f"{uid}.example", modified=0, at=at, part_of="list") for uid in uids]
        return store.put(T, [*objects, Whole(tenant=T, source=FEED, at=at, part_of="list")]).changed

    store.put(T, [obj("other", "other.example")])
    assert whole(AT, "a", "b")
    assert not whole(AT + 1, "a", "b")
    assert whole(AT + 2, "b", "c")
    assert domains(store) == {"b.example", "c.example", "other.example"}
    assert whole(AT + 3, "a", "b", "c")
    assert domains(store) == {"a.example", "b.example", "c.example", "other.example"}


def test_nobody_takes_back_what_another_feed_says(store: IntelStore) -> None:
    store.put(T, [obj("a", "evil.example")])
    store.put(T, [obj("a", modified=9, state="withdrawn", source="misp/other")])
    assert domains(store) == {"evil.example"}


def test_a_feed_is_counted_and_can_be_forgotten(store: IntelStore) -> None:
    store.put(T, [obj("a", "a.example", "b.example"), obj("c", "c.example", at=AT + 5), obj("i", state="context")])
    store.put(T, [obj("c", modified=2, state="withdrawn", at=AT + 9)])
    (feed,) = store.feeds(T)
    assert feed == (FEED, 2, 3, 1, AT + 9, AT + 9)
    assert store.forget(T, FEED) == 2
    assert store.feeds(T) == []
    with pytest.raises(NotFoundError):
        store.forget(T, FEED)


def test_another_tenant_sees_nothing_and_cannot_write(store: IntelStore) -> None:
    store.put(T, [obj("a", "evil.example")])
    assert domains(store, "other") == set()
    assert store.naming("other", "domain", "evil.example") == []
    assert store.feeds("other") == []
    with pytest.raises(RefusedError):
        store.put("other", [obj("b", "b.example")])
    with pytest.raises(NotFoundError):
        store.forget("other", FEED)


def test_numbers_are_never_given_twice(store: IntelStore) -> None:
    store.put(T, [obj("a", "a.example")])
    first = store.last(T)
    store.put(T, [obj("a", modified=2, state="withdrawn")])
    store.put(T, [obj("b", "b.example")])
    assert [value for _, _, value in store.after(T, first)] == ["b.example"]


VALUES = {
    "address": ["203.0.113.7", "203.0.113.0/24", "2001:db8::1", "2001:db8::/32", "198.51.100.9"],
    "domain": ["evil.example", "a.evil.example", "example", "other.example"],
    "url": ["https://evil.example/x", "http://203.0.113.7/y"],
    "mailbox": ["eve@evil.example"],
    "file": ["a" * 64],
}
ASKED = [
    *((kind, value) for kind, values in VALUES.items() for value in values if "/" not in value or kind == "url"),
    ("address", "::ffff:203.0.113.7"), ("domain", "deep.a.evil.example"), ("url", "https://b.evil.example/?q"),
    ("mailbox", "x@sub.evil.example"), ("address", "not an address"), ("url", "https://203.0.113.99/z"),
]  # fmt: skip


@given(seed=st.integers(0, 10_000))
def test_live_intelligence_matches_as_files_do(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    chosen = [
        Indicator(
            type=kind, value=value, source="s", confidence=chance.randrange(101), valid_from=AT - chance.randrange(9)
        )
        for kind, values in VALUES.items()
        for value in values
        if chance.random() < 0.5
    ]
    database = Database.open(Home.open(tmp_path_factory.mktemp("h")).database)
    try:
        store = IntelStore(database)
        live = TenantIntel(Intel(), store, T, 0)
        live.refresh()
        some = [
            IntelObject(tenant=T, source=FEED, at=AT, uid=str(n), kind="x", modified=0, state="active", indicators=(i,))
            for n, i in enumerate(chosen)
        ]
        store.put(T, some)
        live.refresh()
        files = Intel(indicators=tuple(chosen))
        for kind, value in ASKED:
            assert live.known(kind, value) == files.known(kind, value)
            assert live.matches(kind, value, AT - 4) == files.matches(kind, value, AT - 4)
        assert live.counts == files.counts
    finally:
        database.close()


def test_an_indicator_reaches_back_so_many_days_and_not_beyond_its_end(store: IntelStore) -> None:
    one = Indicator(type="domain", value="evil.example", source="s", valid_from=AT, valid_until=AT + DAY)
    store.put(
        T, [IntelObject(tenant=T, source=FEED, at=AT, uid="a", kind="x", modified=0, state="active", indicators=(one,))]
    )
    intel = TenantIntel(Intel(indicators=(one.model_copy(update={"value": "file.example"}),)), store, T, 30)
    intel.refresh()
    for value in ("evil.example", "file.example"):
        times = (AT - 30 * DAY - 1, AT - 30 * DAY, AT, AT + DAY - 1, AT + DAY)
        assert [bool(intel.matches("domain", value, at)) for at in times] == [False, True, True, True, False]
