"""Which records are one: by stated identifiers, with the reason; what is claimed by two joins nobody; a person's word
goes before. And the contexts that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.chronicle import Chronicle
from watchfloor.core.context import Context
from watchfloor.core.entity import Entity
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.fact import BEGINNING, FOREVER, Fact, as_known, checked
from watchfloor.core.resolution import records_of, resolve

Said = tuple[str, str, dict[str, Any]]


def facts(*said: Said, start: int = BEGINNING, end: int = FOREVER, at: int = 1) -> list[Fact]:
    """(source, entity, attributes); a list is several values."""
    return [
        Fact(
            tenant="acme",
            uid=f"{source}|{entity}|{attribute}|{value}|{start}",
            entity=entity,
            attribute=attribute,
            value=checked(entity, attribute, value),
            source=source,
            valid_from=start,
            valid_to=end,
            recorded_at=at,
            recorded_by=source.partition("/")[2],
        )
        for source, entity, attributes in said
        for attribute, values in attributes.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def groups(some: Sequence[Fact]) -> set[frozenset[str]]:
    found = resolve(records_of(some)).entities
    return {frozenset(record.place for record in records) for records in found}


OKTA: Said = ("okta/users", "user:00u1", {"okta_id": "00u1", "upn": "Alice@Acme.example", "employee_id": "7"})
ENTRA: Said = ("entra/users", "user:6f1c", {"object_id": "6F1C", "upn": "alice@acme.example", "sid": "S-1-5-21-1"})
AD: Said = ("ad/users", "user:s-1-5-21-1", {"sid": "S-1-5-21-1", "name": "alice", "account": "ACME\\alice"})
MAIL: Said = ("exchange/mailboxes", "user:11-22", {"object_id": "6f1c", "mail_alias": ["SMTP:a.doe@acme.example"]})
CLOUD: Said = ("aws/iam-users", "user:arn:x", {"principal": "arn:x", "alias": "anna"})
LOCAL: Said = ("edr/local", "user:ws-7-alice", {"account": "WS-7\\alice", "display_name": "Alice Doe"})


def test_one_user_of_four_directories_with_each_reason_and_no_join_by_likeness() -> None:
    everything = facts(OKTA, ENTRA, AD, MAIL, CLOUD, LOCAL)
    found = resolve(records_of(everything))
    assert sorted(len(one) for one in found.entities) == [1, 1, 4]
    assert not found.conflicts
    assert {(join.because, join.value) for join in found.joins} == {
        ("address", "alice@acme.example"),
        ("SID", "s-1-5-21-1"),
        ("object id", "6f1c"),
    }
    assert all("okta/users#user:00u1" in j.sentence for j in found.joins if j.because == "address")
    chronicle = Chronicle(everything)
    assert chronicle.at(5).resolve(Entity(type="user", value="alice")) == Entity(type="user", value="alice")
    assert [one.partition(":")[0] for one in chronicle.conflicts(5)] == ["user"], "an account of a host and one of all"
    assert "user:alice could be" in chronicle.conflicts(5)[0]
    context = Chronicle(facts(OKTA, ENTRA, AD, MAIL, CLOUD)).at(5)
    for spelling in ("alice", "acme\\alice", "alice@acme.example", "a.doe@acme.example", "s-1-5-21-1", "6f1c", "00u1"):
        assert context.resolve(Entity(type="user", value=spelling)).key == "user:alice", spelling
    assert context.resolve(Entity(type="user", value="anna")).key != "user:alice"


def test_one_host_of_sensor_lease_inventory_directory_and_cloud() -> None:
    some = facts(
        (
            "crowdstrike/hosts",
            "host:7ab1",
            {"agent_id": "crowdstrike:7ab1", "mac": "4C-CC-6A-01-02-03", "name": "WS-7"},
        ),
        ("dhcp/isc", "interface:4c:cc:6a:01:02:03", {"mac": "4ccc6a010203"}),
        ("dhcp/isc", "interface:4c:cc:6a:01:02:04", {"mac": "4ccc6a010204"}),
        ("servicenow/cmdb", "host:5f2a", {"serial": "PF3", "mac": ["4c:cc:6a:01:02:03", "4c:cc:6a:01:02:04"]}),
        ("ad/computers", "host:s-2", {"sid": "s-2", "fqdn": "ws-7.acme.example", "name": "WS-7"}),
        ("defender/machines", "host:1e", {"agent_id": "defender:1e", "fqdn": "WS-7.acme.example.", "serial": "pf3"}),
        ("aws/instances", "host:i-1", {"instance_id": "i-1", "name": "WS-7"}),
    )
    assert sorted(map(len, groups(some))) == [1, 6]
    assert frozenset({"aws/instances#host:i-1"}) in groups(some), "the same name alone is no reason"


def test_what_two_of_one_directory_claim_joins_nobody_and_is_shown() -> None:
    other: Said = ("okta/users", "user:00u2", {"okta_id": "00u2", "mail": "alice@acme.example"})
    found = resolve(records_of(facts(OKTA, other, ENTRA, AD)))
    assert groups(facts(OKTA, other, ENTRA, AD)) == {
        frozenset({"okta/users#user:00u1"}),
        frozenset({"okta/users#user:00u2"}),
        frozenset({"entra/users#user:6f1c", "ad/users#user:s-1-5-21-1"}),
    }
    (conflict,) = found.conflicts
    assert "alice@acme.example is claimed by" in conflict.conflict
    context = Chronicle(facts(OKTA, other, ENTRA, AD)).at(5)
    assert context.resolve(Entity(type="mailbox", value="alice@acme.example")).key == "mailbox:alice@acme.example"
    assert context.resolve(Entity(type="user", value="alice")).key == "user:alice"


def test_identifiers_that_are_sound_alone_and_contradict_together_join_nobody() -> None:
    first: Said = ("okta/users", "user:1", {"okta_id": "1", "mail": "a@acme.example"})
    second: Said = ("okta/users", "user:2", {"okta_id": "2", "employee_id": "42"})
    both: Said = ("ad/users", "user:s", {"sid": "s", "mail": "a@acme.example", "employee_id": "42"})
    found = resolve(records_of(facts(first, second, both)))
    assert [len(one) for one in found.entities] == [1, 1, 1]
    assert {c.because for c in found.conflicts} == {"address", "employee id"}


def test_a_firm_identifier_goes_before_one_that_may_be_given_on() -> None:
    gone: Said = ("okta/users", "user:1", {"okta_id": "1", "mail": "a@acme.example"})
    one: Said = ("entra/users", "user:o1", {"object_id": "o1", "sid": "s1"})
    other: Said = ("ad/users", "user:s1", {"sid": "s1", "mail": "a@acme.example"})
    third: Said = ("entra/users", "user:o2", {"object_id": "o2", "mail": "a@acme.example"})
    found = groups(facts(gone, one, other, third))
    assert frozenset({"entra/users#user:o1", "ad/users#user:s1"}) in found
    assert len(found) == 3


def test_the_owners_names_join_and_what_two_entries_claim_is_nobodys() -> None:
    listed: Said = ("context/identities.yaml", "user:alice", {"name": "alice", "alias": ["anna", "alice@acme.example"]})
    assert groups(facts(listed, OKTA, CLOUD)) == {
        frozenset({"context/identities.yaml#user:alice", "okta/users#user:00u1", "aws/iam-users#user:arn:x"})
    }
    again: Said = ("context/identities.yaml", "user:bob", {"name": "bob", "alias": "anna"})
    context = Chronicle(facts(listed, again, CLOUD)).at(5)
    assert context.resolve(Entity(type="user", value="anna")).key == "user:anna"
    assert context.resolve(Entity(type="user", value="alice@acme.example")).key == "user:alice"


def test_a_persons_word_goes_before_identifiers_and_its_retraction_undoes_it() -> None:
    word: Said = ("person/ana", "user:okta/users#user:00u1", {"different_from": "entra/users#user:6f1c"})
    parted = resolve(records_of(facts(OKTA, ENTRA, AD, word)))
    assert sorted(len(one) for one in parted.entities) == [1, 2]
    assert any("ana says" in join.sentence for join in parted.joins)
    assert len(parted.conflicts) == 1
    admin: Said = ("ad/users", "user:s-9", {"sid": "s-9", "name": "adm-alice"})
    same: Said = ("person/ana", "user:alice", {"same_as": "user:adm-alice"})
    assert sorted(map(len, groups(facts(AD, admin, same)))) == [2]
    assert sorted(map(len, groups(facts(AD, admin)))) == [1, 1]
    lost = resolve(records_of(facts(AD, ("person/ana", "user:alice", {"same_as": "user:gone"}))))
    assert "nothing is known of user:gone" in lost.conflicts[0].conflict


def lease(address: str, mac: str, start: int, end: int, source: str = "dhcp/isc") -> list[Fact]:
    return facts((source, f"interface:{mac}", {"address": address}), start=start, end=end)


ONE, TWO = "02:00:00:00:00:01", "02:00:00:00:00:02"
HOSTS = facts(
    ("crowdstrike/hosts", "host:1", {"agent_id": "1", "mac": ONE, "name": "WS-1"}),
    ("crowdstrike/hosts", "host:2", {"agent_id": "2", "mac": TWO, "name": "WS-2"}),
    ("dhcp/isc", f"interface:{ONE}", {"mac": ONE}),
    ("dhcp/isc", f"interface:{TWO}", {"mac": TWO}),
)
IP = Entity(type="address", value="10.0.0.7")


def test_a_lease_holds_for_its_time_only() -> None:
    chronicle = Chronicle([*HOSTS, *lease("10.0.0.7", ONE, 100, 200), *lease("10.0.0.7", TWO, 150, 300)])
    held = {time: chronicle.at(time).resolve(IP).key for time in (99, 100, 149, 150, 199, 299, 300)}
    assert held == {
        99: "address:10.0.0.7", 100: "host:ws-1", 149: "host:ws-1", 150: "host:ws-2",
        199: "host:ws-2", 299: "host:ws-2", 300: "address:10.0.0.7",
    }  # fmt: skip
    assert chronicle.at(100).at(150).resolve(IP).key == "host:ws-2"


def test_an_address_that_two_have_is_nobodys() -> None:
    static = facts(("servicenow/cmdb", "host:c2", {"mac": TWO, "address": "10.0.0.7"}))
    chronicle = Chronicle([*HOSTS, *static, *lease("10.0.0.7", ONE, 100, 200)])
    held = {time: chronicle.at(time).resolve(IP).key for time in (99, 100, 200)}
    assert held == {99: "host:ws-2", 100: "address:10.0.0.7", 200: "host:ws-2"}
    assert chronicle.conflicts(150) == ["the address 10.0.0.7 is claimed by WS-2, ws-1"]
    assert chronicle.conflicts(99) == []
    two_servers = Chronicle([*HOSTS, *lease("10.0.0.7", ONE, 100, 200), *lease("10.0.0.7", TWO, 100, 200, "dhcp/b")])
    assert two_servers.at(150).resolve(IP) == IP


def test_an_interface_that_no_host_is_known_to_have_names_none() -> None:
    stranger = "02:00:00:00:00:99"
    named = facts(("dhcp/isc", f"interface:{stranger}", {"mac": stranger, "client_name": "WS-1"}))
    chronicle = Chronicle([*HOSTS, *named, *lease("10.0.0.7", stranger, 100, 200)])
    assert chronicle.at(150).resolve(IP) == IP, "what a client calls itself is no name of a host"
    assert len(chronicle.at(150).assets) == 2


def test_the_owners_word_counts_else_the_gravest_and_the_newest() -> None:
    some = facts(
        ("servicenow/cmdb", "host:c1", {"mac": ONE, "criticality": "low", "owner": "ann"}),
        ("defender/machines", "host:d1", {"mac": ONE, "criticality": "high"}),
    )
    later = facts(("crowdstrike/hosts", "host:1", {"owner": "bob"}), start=50)
    asset = Chronicle([*HOSTS, *some, *later]).at(60).asset(Entity(type="host", value="ws-1"))
    assert asset is not None
    assert (asset.criticality, asset.owner) == ("high", "bob")
    owned = facts(("context/assets.yaml", "host:ws-1", {"name": "ws-1", "criticality": "medium", "owner": "eve"}))
    asset = Chronicle([*HOSTS, *some, *later, *owned]).at(60).asset(Entity(type="host", value="ws-1"))
    assert asset is not None
    assert (asset.host, asset.criticality, asset.owner) == ("ws-1", "medium", "eve")


def test_peers_manager_and_tools_by_group() -> None:
    some = facts(
        ("context/identities.yaml", "user:ann", {"department": "Finance", "manager": "bob", "group": "admins"}),
        ("context/identities.yaml", "user:bob", {"department": "finance", "approved_tool": "anydesk"}),
        ("context/identities.yaml", "user:cy", {"department": "IT", "group": ["Admins"]}),
        ("context/groups.yaml", "group:Admins", {"approved_tool": ["psexec", "rclone"]}),
    )
    context, ann = Chronicle(some).at(1), Entity(type="user", value="ann")
    assert context.peers(ann) == ("bob",)
    manager = context.manager_of(ann)
    assert manager is not None
    assert manager.user == "bob"
    assert context.approved_tools(ann) == ("psexec", "rclone")
    assert context.approved_tools(Entity(type="user", value="bob")) == ("anydesk",)
    assert context.approved_tools(Entity(type="user", value="nobody")) == ()


@pytest.mark.parametrize(
    ("entity", "attribute", "value"),
    [
        ("user:x", "mail", "a b@c"), ("user:x", "account", "alice"), ("host:x", "mac", "12"), ("host:x", "fqdn", "w"),
        ("host:x", "fqdn", "10.0.0.1"), ("host:x", "address", "10.0.0.300"), ("user:x", "privileged", "perhaps"),
        ("user:x", "serial", "1"), ("user:x", "colour", "red"), ("nobody", "mail", "a@b.c"), ("user:", "mail", "a@b.c"),
        ("user:a\nb", "mail", "a@b.c"), ("host:x", "name", "x" * 3_000), ("user:x", "leaving_on", "soon"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_fact_is_a_clear_error(entity: str, attribute: str, value: str) -> None:
    with pytest.raises(WatchfloorError):
        checked(entity, attribute, value)


_NAMES = st.sampled_from(["a@acme.example", "b@acme.example", "c@acme.example"])
_IDS = st.sampled_from(["1", "2", "3"])
_RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["okta/users", "entra/users", "ad/users", "context/identities.yaml"]),
        st.sampled_from(["user:p", "user:q", "user:r"]),
        st.fixed_dictionaries({}, optional={"upn": _NAMES, "sid": _IDS, "employee_id": _IDS, "name": _IDS}),
    ),
    max_size=12,
)


@given(_RECORDS, st.integers(0, 1_000))
def test_the_outcome_does_not_hang_on_the_order_and_never_makes_one_of_two_of_a_source(
    said: list[Said], seed: int
) -> None:
    some = list({fact.uid: fact for fact in facts(*said)}.values())
    mixed = some.copy()
    Random(seed).shuffle(mixed)
    assert groups(some) == groups(mixed)
    for one in groups(some):
        sources = [place.partition("#")[0] for place in one]
        assert len(sources) == len(set(sources))
    first, second = resolve(records_of(some)), resolve(records_of(mixed))
    claims = [{(c.because, c.value, frozenset(c.places)) for c in found.conflicts} for found in (first, second)]
    assert claims[0] == claims[1]


@given(
    st.lists(st.tuples(st.sampled_from([ONE, TWO]), st.integers(0, 50), st.integers(1, 50)), max_size=8),
    st.integers(0, 110),
)
def test_who_has_an_address_is_the_same_however_it_is_asked(spans: list[tuple[str, int, int]], time: int) -> None:
    some = [*HOSTS, *(f for mac, start, length in spans for f in lease("10.0.0.7", mac, start + 1, start + 1 + length))]
    chronicle = Chronicle(some)
    for other in (0, 60, time):  # what was asked before changes no answer
        chronicle.at(other).resolve(IP)
    assert chronicle.at(time).resolve(IP) == Chronicle(as_known(some, 5)).at(time).resolve(IP)
    holders = {lease.entity for lease in chronicle.holders("10.0.0.7", time)}
    assert (chronicle.at(time).resolve(IP) != IP) == (len(holders) == 1)


def test_what_was_known_is_read_again() -> None:
    (old,) = facts(("context/assets.yaml", "host:a", {"criticality": "low"}), at=10)
    new = Fact(
        tenant="acme", uid="new", entity="host:a", attribute="criticality", value="high", source=old.source,
        recorded_at=20, replaces=old.uid,
    )  # fmt: skip
    taken = Fact(
        tenant="acme", uid="taken", entity="host:a", attribute="criticality", value="high", source=old.source,
        recorded_at=30, replaces="new", retracted=True,
    )  # fmt: skip
    known = {at: [f.value for f in as_known([old, new, taken], at)] for at in (9, 10, 19, 20, 29, 30)}
    assert known == {9: [], 10: ["low"], 19: ["low"], 20: ["high"], 29: ["high"], 30: []}
    assert Chronicle(as_known([old, new, taken], 9)).at(5) == Context()
