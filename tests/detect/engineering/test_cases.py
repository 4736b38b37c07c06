"""Test cases inside rules: run, and explained where they fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.detect.helpers import detector, event
from watchfloor.detect.engineering.cases import Case, cases_of, event_of, try_case
from watchfloor.detect.engineering.explain import explain

RULE = yaml.safe_load("""
title: Shadow copies deleted
id: 5f0f9a0e-3c1e-4b0c-9f5b-1f0a5e8a7c11
logsource: {product: windows}
detection:
  selection:
    Image|endswith: '\\vssadmin.exe'
    CommandLine|contains: [delete, resize]
  filter:
    User: backup
  condition: selection and not filter
tests:
  match:
    - {Image: 'C:\\vssadmin.exe', CommandLine: delete shadows}
  no_match:
    - {Image: 'C:\\vssadmin.exe', CommandLine: delete shadows, User: backup}
""")


def tried(where: Path, data: dict[str, Any]) -> list[tuple[str, bool, tuple[str, ...]]]:
    found = detector(where, yaml.safe_dump(data))
    return [(c.name, r.passed, r.why) for c in cases_of(data) for r in [try_case(found, data, data["id"], c)]]


def test_cases_pass(tmp_path: Path) -> None:
    assert tried(tmp_path, RULE) == [("match 1", True, ()), ("no_match 1", True, ())]


def test_a_case_that_fails_says_which_selection_holds_and_what_the_others_lack(tmp_path: Path) -> None:
    data = {**RULE, "tests": {"match": [{"Image": "C:\\cmd.exe", "CommandLine": "list"}], "no_match": []}}
    ((name, passed, why),) = tried(tmp_path, data)
    assert (name, passed) == ("match 1", False)
    assert why == (
        "selection: does not hold: Image|endswith is not '\\\\vssadmin.exe'; the event has 'C:\\\\cmd.exe'; "
        "CommandLine|contains is none of 'delete', 'resize'; the event has 'list'",
        "filter: does not hold: User is not 'backup'; the event has no such field",
        "condition: selection and not filter",
    )


def test_a_case_of_what_must_not_match(tmp_path: Path) -> None:
    data = {**RULE, "tests": {"no_match": [RULE["tests"]["match"][0]]}}
    ((_, passed, why),) = tried(tmp_path, data)
    assert not passed
    assert why[0] == "selection: holds"


def test_a_rule_that_only_counts_for_others_can_be_tested(tmp_path: Path) -> None:
    many = {
        "title": "Many", "id": "1b0f7a52-6f0c-4f0a-9a55-0f6f3c1d2e11", "level": "low",
        "correlation": {"type": "event_count", "rules": [RULE["id"]], "group-by": ["User"], "timespan": "1h",
                        "condition": {"gte": 3}},
        "tests": {"match": [[{"times": 3, "every": "5m", "event": {"Image": "x\\vssadmin.exe", "CommandLine": "delete",
                                                                   "User": "ana"}}]],
                  "no_match": [[{"times": 3, "every": "31m", "event": {"Image": "x\\vssadmin.exe", "CommandLine":
                                                                       "delete", "User": "ana"}}],
                               [{"times": 3, "event": {"Image": "x\\vssadmin.exe", "CommandLine": "delete", "User":
                                                       "ana{n}"}}]]},
    }  # fmt: skip
    found = detector(tmp_path, yaml.safe_dump(RULE), yaml.safe_dump(many))
    assert all(try_case(found, RULE, RULE["id"], case).passed for case in cases_of(RULE))
    assert [try_case(found, many, many["id"], case).passed for case in cases_of(many)] == [True, True, True]
    wrong = Case("no_match", 0, many["tests"]["match"][0])  # type: ignore[index]
    told = try_case(found, many, str(many["id"]), wrong)
    assert not told.passed
    assert "it says: 3 times" in told.why[0]


@pytest.mark.parametrize(
    "tests", [[], {"match": {}}, {"matches": []}, {"match": [[{"event": {}, "times": 10**9}]]}, {"match": ["text"]}]
)
def test_cases_that_are_none_are_said(tests: Any, tmp_path: Path) -> None:
    if tests == []:
        assert cases_of({"tests": tests}) == []
        return
    data = {**RULE, "tests": tests}
    with pytest.raises(ValueError, match=r"match|map"):
        tried(tmp_path, data)


def test_an_ocsf_event_is_one() -> None:
    assert event_of({"ocsf": {"a": 1}, "original": {"b": 2}}, {}).original == {"b": 2}
    assert event_of({"b": 2}, {"product": "x"}).logsource == {"product": "x"}


def test_what_cannot_be_taken_apart_is_said() -> None:
    assert "cannot be taken apart" in explain({"title": "x", "detection": 7}, event({}))[0]
