"""Business context: one spelling for everything known, and every spelling under which events may name it."""

from __future__ import annotations

import pytest

from watchfloor.core.context import Asset, Context, Identity
from watchfloor.core.entity import Entity

CONTEXT = Context(
    assets=(
        Asset(host="DC1.acme.example", addresses=("10.0.0.5", "fd00::5"), tags=("domain_controller",)),
        Asset(host="ws-7", addresses=("10.0.0.7",)),
    ),
    identities=(
        Identity(user="Alice", mail="Alice.Doe@acme.example", aliases=("ACME\\adoe", "AIDA123")),
        Identity(user="svc-backup", service_account=True),
    ),
)


@pytest.mark.parametrize(
    ("key", "resolved"),
    [
        ("host:dc1.acme.example", "host:dc1.acme.example"),
        ("host:dc1", "host:dc1.acme.example"),
        ("address:10.0.0.5", "host:dc1.acme.example"),
        ("address:fd00::5", "host:dc1.acme.example"),
        ("host:ws-7.acme.example", "host:ws-7"),
        ("address:192.0.2.1", "address:192.0.2.1"),
        ("user:alice", "user:alice"),
        ("user:adoe", "user:alice"),
        ("user:aida123", "user:alice"),
        ("mailbox:alice.doe@acme.example", "user:alice"),
        ("mailbox:mallory@evil.example", "mailbox:mallory@evil.example"),
        ("user:stranger", "user:stranger"),
        ("domain:dc1.acme.example", "domain:dc1.acme.example"),
    ],
)
def test_an_entity_has_one_spelling(key: str, resolved: str) -> None:
    found = CONTEXT.resolve(Entity.from_key(key))
    assert found.key == resolved
    assert CONTEXT.resolve(found) == found


def test_every_spelling_is_known() -> None:
    assert CONTEXT.spellings(Entity.from_key("user:alice")) == ("adoe", "aida123", "alice", "alice.doe@acme.example")
    assert CONTEXT.spellings(Entity.from_key("host:dc1.acme.example")) == ("dc1", "dc1.acme.example")
    assert CONTEXT.spellings(Entity.from_key("user:stranger")) == ("stranger",)


def test_every_spelling_resolves_to_the_same_entity() -> None:
    for key in ("user:alice", "host:dc1.acme.example"):
        entity = Entity.from_key(key)
        for spelling in CONTEXT.spellings(entity):
            assert CONTEXT.resolve(Entity(type=entity.type, value=spelling)) == entity


def test_what_is_known_is_found() -> None:
    backup = CONTEXT.identity(Entity.from_key("user:svc-backup"))
    assert backup is not None
    assert backup.service_account
    controller = CONTEXT.asset(Entity.from_key("address:10.0.0.5"))
    assert controller is not None
    assert controller.tags == ("domain_controller",)
    assert CONTEXT.asset(Entity.from_key("user:alice")) is None
    assert CONTEXT.identity(Entity.from_key("host:ws-7")) is None


def test_an_empty_context_knows_nothing_and_changes_nothing() -> None:
    entity = Entity.from_key("host:ws-7")
    assert Context().resolve(entity) == entity
    assert Context().spellings(entity) == ("ws-7",)


def test_a_changed_copy_does_not_answer_from_what_was_cached() -> None:
    before = Context(assets=(Asset(host="a", criticality="low"),))
    host = Entity(type="host", value="a")
    known = before.asset(host)
    assert known is not None
    assert known.criticality == "low"
    after = before.model_copy(update={"assets": (Asset(host="a", criticality="critical"),)})
    changed = after.asset(host)
    assert changed is not None
    assert changed.criticality == "critical"
