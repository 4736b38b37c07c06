"""Facets, entities and what a look-up of a dotted path finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.entity import Entity
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event, get_path
from watchfloor.core.facets import NUMBER_FACETS, TEXT_FACETS, facets, involved, plain_user


def event(ocsf: dict[str, Any]) -> Event:
    return Event(
        tenant="acme",
        uid="r-1",
        time=1,
        layer="endpoint",
        mapping="test",
        ocsf=ocsf,
        original={},
        source="x.json",
        position=0,
        unit="line",
        logsource={},
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b", 1),
        ("list.1.x", 3),
        ("list.x", 2),
        ("list.9.x", None),
        ("empty.x", None),
        ("a.b.c", None),
        ("missing", None),
    ],
)
def test_dotted_paths(path: str, value: Any) -> None:
    data = {"a": {"b": 1}, "list": [{"x": 2}, {"x": 3}], "empty": []}
    assert get_path(data, path) == value
    assert event(data).get(path) == value


def test_facets_are_read_in_their_normal_spelling() -> None:
    found = facets(
        event(
            {
                "class_uid": 1007,
                "actor": {"user": {"name": "ACME\\Alice"}, "process": {"name": "explorer.exe"}},
                "device": {"hostname": "WS-1.Acme.Example"},
                "process": {"name": "PowerShell.EXE", "cmd_line": "PowerShell -Enc AAA"},
                "email": {"to": ["Bob@Acme.example"]},
                "dst_endpoint": {"port": "443"},
            }
        )
    )
    assert found["user"] == "alice"
    assert found["host"] == "ws-1.acme.example"
    assert found["process"] == "powershell.exe"
    assert found["cmd_line"] == "PowerShell -Enc AAA"
    assert found["recipient"] == "bob@acme.example"
    assert found["class_uid"] == 1007
    assert found["dst_port"] is None
    assert set(found) == {*TEXT_FACETS, *NUMBER_FACETS}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["user", "name", "device", "hostname", "actor", "email", "to"]), inner)
    ),
)


@given(st.dictionaries(st.sampled_from(["actor", "user", "device", "email", "file", "resources"]), JSON))
def test_no_event_breaks_them(ocsf: dict[str, Any]) -> None:
    found = facets(event(ocsf))
    assert all(value is None or isinstance(value, str) for name, value in found.items() if name in TEXT_FACETS)
    entities = [one.entity for one in involved(event(ocsf))]
    assert len(entities) == len(set(entities))
    assert all(Entity.from_key(entity.key) == entity for entity in entities)


def test_nobody_in_particular_is_no_entity() -> None:
    found = involved(
        event(
            {
                "user": {"name": "-"},
                "device": {"hostname": "localhost"},
                "src_endpoint": {"ip": "127.0.0.1"},
                "dst_endpoint": {"ip": "203.0.113.7"},
            }
        )
    )
    assert [(one.entity.key, one.role) for one in found] == [("address:203.0.113.7", "destination")]


def test_a_user_that_is_actor_and_target_is_named_once() -> None:
    found = involved(event({"actor": {"user": {"name": "alice"}}, "user": {"name": "ACME\\ALICE"}}))
    assert [(one.entity.key, one.role) for one in found] == [("user:alice", "actor")]


def test_keys_part_at_the_first_colon_only() -> None:
    url = Entity(type="url", value="https://x.example:8443/a")
    assert url.key == "url:https://x.example:8443/a"
    assert Entity.from_key(url.key) == url
    with pytest.raises(WatchfloorError, match="not a valid Entity: type"):
        Entity.from_key("emperor:nero")


@given(st.text(), st.text(alphabet=st.characters(exclude_characters="\\", exclude_categories=["Cs"])))
def test_a_plain_user_is_plain(domain: str, user: str) -> None:
    once = plain_user(f"{domain}\\{user}")
    assert once == user.strip().lower()


@pytest.mark.parametrize(
    ("ocsf", "expected"),
    [
        ({"class_uid": 2004, "device": {"ip": "10.0.0.7"}}, ["address:10.0.0.7"]),
        ({"class_uid": 2004, "device": {"ip": "10.0.0.7", "hostname": "web1"}}, ["host:web1"]),
        ({"class_uid": 3002, "device": {"ip": "10.0.0.7"}}, []),
        ({"class_uid": 2004, "device": {"ip": 7}}, []),
    ],
)
def test_a_host_without_a_name_is_known_by_its_address(ocsf: dict[str, Any], expected: list[str]) -> None:
    assert [one.entity.key for one in involved(event(ocsf))] == expected


def test_an_alert_is_about_the_entities_of_all_its_evidences() -> None:
    began = 1_791_874_800_500
    alert = event(
        {
            "class_uid": 2004,
            "device": {"hostname": "DC1"},
            "evidences": [
                {"src_endpoint": {"ip": "203.0.113.5"}, "process": {"name": "a.exe", "pid": 7, "created_time": began}},
                {
                    "actor": {"user": {"name": "ACME\\Bob"}},
                    "src_endpoint": {"ip": "203.0.113.6"},
                    "email": {"uid": "n-1", "to": ["Bob@acme.example"]},
                    "process": {
                        "name": "b.exe",
                        "pid": 8,
                        "parent_process": {"name": "explorer.exe", "pid": 2, "created_time": began},
                    },
                },
                {"process": {"name": "c.exe", "parent_process": {"name": "a.exe", "pid": 7, "created_time": began}}},
                "no evidence",
            ],
        }
    )
    assert {f"{i.entity.key} {i.role}" for i in involved(alert)} == {
        "host:dc1 target",
        "user:bob actor",
        "address:203.0.113.5 source",
        "address:203.0.113.6 source",
        "mailbox:bob@acme.example target",
        "message:n-1 related",
        "process:dc1/7@2026-10-13T07:00:00.500Z related",
    }
