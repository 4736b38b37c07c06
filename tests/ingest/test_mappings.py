"""Every mapping file's own test records, and what the compiler says of a wrong mapping."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any

import pytest

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import get_path
from watchfloor.core.ocsf import CATEGORIES
from watchfloor.ingest.mappings import load
from watchfloor.ingest.normalizer import Normalizer
from watchfloor.ingest.trial import record_of

from .own_cases import MAPPINGS, each_own_case


@pytest.fixture(scope="session")
def normalizer() -> Normalizer:
    return Normalizer.shipped()


@each_own_case
def test_a_mapping_does_what_its_own_tests_say(
    normalizer: Normalizer, name: str, shape: str, case: dict[str, Any]
) -> None:
    record = record_of(case["record"], shape)
    event = normalizer.event(record)
    assert event.mapping == name, normalizer.explain(record)
    for path, wanted in case["expect"].items():
        assert event.get(path) == wanted, f"{path} in {event.ocsf}"
    assert event.ocsf["type_uid"] == event.ocsf["class_uid"] * 100 + event.ocsf["activity_id"]
    assert event.ocsf["category_uid"] in CATEGORIES
    assert event.ocsf["metadata"]["uid"] == record.uid
    assert "problem" not in event.ocsf.get("unmapped", {})


def test_every_mapping_has_tests() -> None:
    assert [m.name for m in MAPPINGS if not m.tests] == []


WRONG = {
    "unknown class": ("mapping: x\nlayer: cloud\ntypes: [{class: nonsense}]", "class"),
    "unknown converter": (
        "mapping: x\nlayer: cloud\nfields: {message: {from: a, as: nonsense}}",
        "message",
    ),
    "unknown key": ("mapping: x\nlayer: cloud\nfield: {}", "field"),
    "unknown caption": (
        "mapping: x\nlayer: cloud\ntypes: [{class: api_activity, activity: Fly}]",
        "activity",
    ),
    "no layer": ("mapping: x\ntypes: [{class: api_activity}]", "layer"),
    "bad pattern": ("mapping: x\nlayer: cloud\nfields: {message: {from: a, match: '('}}", "message"),
    "value and object": ("mapping: x\nlayer: cloud\nfields: {user: a, user.name: b}", "user"),
    "type missing": ("mapping: x\nlayer: cloud\ntypes: [{when: {a: 1}}]", "types"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_mapping_is_named_with_file_and_key(case: str, tmp_path: Path) -> None:
    document, key = WRONG[case]
    file = tmp_path / "wrong.yaml"
    file.write_text(document)
    with pytest.raises(WatchfloorError) as raised:
        load(file)
    assert "wrong.yaml" in str(raised.value)
    assert key in str(raised.value)


def test_a_mapping_that_fails_keeps_the_record_as_base_event(normalizer: Normalizer) -> None:
    data = {"eventSource": "s3.amazonaws.com", "eventName": "X", "awsRegion": "r", "userIdentity": {"arn": 1}}
    data["eventTime"] = "2026-10-13T07:01:02Z"
    record = record_of(data)
    broken = copy(normalizer.only("aws_cloudtrail").mappings[0])  # mappings are those of the whole process
    broken.kind_of = lambda _: 1 / 0  # type: ignore[assignment,return-value]
    event = Normalizer([broken], normalizer.base).event(record)
    assert event.mapping == "base"
    assert "ZeroDivisionError" in event.ocsf["unmapped"]["problem"]
    assert event.time == 1791874862000
    assert get_path(event.ocsf, "raw_data") == record.raw.decode()
    assert normalizer.event(record).mapping == "aws_cloudtrail"
