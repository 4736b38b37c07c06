"""Events that are OCSF already: they stay what they are, and what no event may hold is told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.content import folder
from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.ingest import Normalizer
from watchfloor.ingest.ocsf_record import AS_OCSF, with_ocsf
from watchfloor.ingest.trial import record_of

from .ocsf_schema import Schema, compact
from .own_cases import each_own_case

NORMALIZER = Normalizer.shipped()
NAMES = json.loads((folder("ocsf") / "schema.json").read_text())["attributes"]


@pytest.fixture(scope="session")
def schema(shared_data: Path) -> Schema:
    return Schema(shared_data / "ocsf-schema")


def again(ocsf: dict[str, Any]) -> Event:
    return NORMALIZER.event(record_of(ocsf))


@each_own_case
def test_an_event_of_ours_that_comes_back_is_the_same_event(
    name: str, shape: str, case: dict[str, Any], schema: Schema
) -> None:
    event = NORMALIZER.event(record_of(case["record"], shape))
    if event.ocsf["class_uid"] == 0:
        return
    back = again(event.ocsf)
    assert back.mapping == "ocsf"
    assert (back.ocsf["type_uid"], back.time) == (event.ocsf["type_uid"], event.time)
    assert facets(back) == facets(event)
    assert schema.problems(back.ocsf) == []


WRONG: dict[str, dict[str, Any]] = {
    "text for an object": {"actor": "alice", "src_endpoint": "203.0.113.5", "finding_info": "x"},
    "an object for a number": {"severity_id": {"a": 1}, "activity_id": [], "dst_endpoint": {"port": {"a": 1}}},
    "no address": {"src_endpoint": {"ip": "somewhere", "port": 99999}},
    "lists of anything": {"evidences": ["x", None, 7, {"src_endpoint": ["y"]}], "resources": [[["z"]]]},
    "no mail address": {"email": {"from": "nobody", "to": ["a@b.example", 7]}},
    "hashes": {"file": {"name": "a", "hashes": "abc"}},
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("class_uid", [1001, 2004, 4001, 4009, 6003])
def test_what_is_of_the_wrong_type_is_kept_apart(case: str, class_uid: int, schema: Schema) -> None:
    record = {"class_uid": class_uid, "category_uid": class_uid // 1000, "time": 1, "metadata": {"version": "1.4.0"}}
    event = again({**record, **WRONG[case]})
    assert "problem" not in event.ocsf.get("unmapped", {})
    assert event.ocsf["class_uid"] == class_uid
    facets(event)
    for attribute in ("actor", "src_endpoint", "device", "file", "email", "finding_info"):
        assert isinstance(event.ocsf.get(attribute, {}), dict)
    wrong = with_ocsf({**record, **WRONG[case]})[AS_OCSF]["misplaced"]
    assert wrong
    assert event.ocsf["unmapped"]["misplaced"] == wrong
    assert schema.problems(event.ocsf) == []


def test_what_is_no_ocsf_stays() -> None:
    for data in ({"class_uid": "2004", "metadata": {}}, {"class_uid": 2004}, {"class_uid": 2004, "metadata": {}}):
        assert with_ocsf(data) is data


def test_the_schema_that_records_are_checked_by_is_the_published_one(schema: Schema) -> None:
    shipped = json.loads((folder("ocsf") / "schema.json").read_text())
    assert shipped == json.loads(json.dumps(compact(schema)))


ATTRIBUTES = st.sampled_from(sorted(NAMES))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.just("203.0.113.5"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ATTRIBUTES, inner, max_size=3),
    max_leaves=12,
)


@given(
    st.sampled_from([0, 1001, 2004, 3002, 4001, 4009, 6003, 201001]), st.dictionaries(ATTRIBUTES, VALUES, max_size=8)
)
def test_whatever_calls_itself_ocsf_becomes_valid(schema: Schema, class_uid: int, data: dict[str, Any]) -> None:
    head = {"class_uid": class_uid, "category_uid": class_uid % 100_000 // 1000, "metadata": {"version": "1.4.0"}}
    event = again({**data, **head})
    assert schema.problems(event.ocsf) == []
    assert "problem" not in event.ocsf.get("unmapped", {})
