"""Each modifier and value of the Sigma specification, one line a case: (search, record, whether it matches)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.detect import naive
from tests.detect.helpers import detector, event, hit, rule_text
from watchfloor.core.context import Company

ENCODED = base64.b64encode(b"xxhttp://evil").decode()
WIDE = base64.b64encode("ab".encode("utf-16-le")).decode()

CASES: list[tuple[Any, dict[str, Any], bool]] = [
    # plain values: whole value, without case
    ({"a": "Foo"}, {"a": "fOO"}, True),
    ({"a": "foo"}, {"a": "foobar"}, False),
    ({"a": "foo"}, {}, False),
    ({"a": ["x", "foo"]}, {"a": "FOO"}, True),
    ({"a": 4688}, {"a": "4688"}, True),
    ({"a": "4688"}, {"a": 4688}, True),
    ({"a": 4688}, {"a": 4688.0}, True),
    ({"a": 1.5}, {"a": 1.5}, True),
    ({"a": 1}, {"a": True}, False),
    ({"a": True}, {"a": "True"}, True),
    ({"a": "true"}, {"a": True}, True),
    ({"a": False}, {"a": True}, False),
    # null, empty, missing
    ({"a": None}, {}, True),
    ({"a": None}, {"a": None}, True),
    ({"a": None}, {"a": ""}, False),
    ({"a": ""}, {"a": ""}, True),
    ({"a": ""}, {"a": None}, False),
    ({"a": ""}, {}, False),
    ({"a": ["", None]}, {}, True),
    ({"a|exists": True}, {"a": ""}, True),
    ({"a|exists": True}, {}, False),
    ({"a|exists": False}, {}, True),
    ({"a|exists": False}, {"a": 1}, False),
    # wildcards and escaping
    ({"a": "f*r"}, {"a": "foobar"}, True),
    ({"a": "f?o"}, {"a": "foo"}, True),
    ({"a": "f?o"}, {"a": "fo"}, False),
    ({"a": "*"}, {"a": ""}, True),
    ({"a": "*"}, {}, False),
    ({"a": "f*"}, {"a": "f\nx"}, True),
    ({"a": r"f\*r"}, {"a": "f*r"}, True),
    ({"a": r"f\*r"}, {"a": "foor"}, False),
    ({"a": r"f\?"}, {"a": "f?"}, True),
    ({"a": r"C:\Windows\*"}, {"a": r"C:\Windows*"}, True),
    ({"a": r"C:\Windows\*"}, {"a": r"C:\Windows\x"}, False),
    ({"a": r"C:\Windows\\*"}, {"a": r"C:\Windows\x"}, True),
    ({"a": r"\\server\share"}, {"a": r"\server\share"}, True),
    ({"a": r"\\\\server\share"}, {"a": r"\\server\share"}, True),
    ({"a": "a.c"}, {"a": "abc"}, False),
    # contains, startswith, endswith, all, cased
    ({"a|contains": "oba"}, {"a": "fooBAr"}, True),
    ({"a|contains": "o?a"}, {"a": "fooXar"}, True),
    ({"a|startswith": "foo"}, {"a": "FOObar"}, True),
    ({"a|startswith": "oo"}, {"a": "foo"}, False),
    ({"a|endswith": r"\cmd.exe"}, {"a": r"C:\W\CMD.EXE"}, True),
    ({"a|contains|all": ["x", "y"]}, {"a": "y and x"}, True),
    ({"a|contains|all": ["x", "z"]}, {"a": "y and x"}, False),
    ({"a|cased": "Foo"}, {"a": "Foo"}, True),
    ({"a|cased": "Foo"}, {"a": "foo"}, False),
    ({"a|contains|cased": "Oo"}, {"a": "foo"}, False),
    ({"a|contains|cased": "Oo"}, {"a": "fOo"}, True),
    # lists in the record
    ({"a": "x"}, {"a": ["y", "X"]}, True),
    ({"a|contains|all": ["x", "y"]}, {"a": ["x", "y"]}, True),
    ({"a": "z"}, {"a": ["y", "x"]}, False),
    ({"a.b": "x"}, {"a": [{"b": "y"}, {"b": ["z", "x"]}]}, True),
    ({"a": "x"}, {"a": []}, False),
    # names with dots, nested and literal; objects as text
    ({"id.orig_h": "x"}, {"id.orig_h": "x"}, True),
    ({"id.orig_h": "x"}, {"id": {"orig_h": "x"}}, True),
    ({"a.b.c": "x"}, {"a.b": {"c": "x"}}, True),
    ({"a|contains": '"k":"v"'}, {"a": {"k": "v"}}, True),
    # regular expressions: anywhere, with case
    ({"a|re": "o+b"}, {"a": "foobar"}, True),
    ({"a|re": "^b"}, {"a": "foobar"}, False),
    ({"a|re": "FOO"}, {"a": "foo"}, False),
    ({"a|re|i": "FOO"}, {"a": "foo"}, True),
    ({"a|re": "a.b"}, {"a": "a\nb"}, False),
    ({"a|re|s": "a.b"}, {"a": "a\nb"}, True),
    ({"a|re": "^b"}, {"a": "a\nb"}, False),
    ({"a|re|m": "^b"}, {"a": "a\nb"}, True),
    ({"a|re|i|s": "A.B"}, {"a": "a\nb"}, True),
    ({"a|re": r"\d{3}\\x\*"}, {"a": r"123\x*"}, True),
    ({"a|re": ["zz", "o$"]}, {"a": "foo"}, True),
    ({"a|re|contains": "o|x"}, {"a": "foo"}, True),
    ({"a|re": r"(?=foo)f"}, {"a": "foo"}, True),  # RE2 has no look-ahead
    # cidr
    ({"a|cidr": "10.0.0.0/8"}, {"a": "10.1.2.3"}, True),
    ({"a|cidr": "10.0.0.0/8"}, {"a": "11.1.2.3"}, False),
    ({"a|cidr": "10.0.0.0/8"}, {"a": "10.1.2"}, False),
    ({"a|cidr": ["192.168.0.0/16", "10.0.0.0/8"]}, {"a": ["x", "10.1.2.3"]}, True),
    ({"a|cidr": "2001:db8::/32"}, {"a": "2001:0DB8::1"}, True),
    # encodings
    ({"a|base64": "foo"}, {"a": "Zm9v"}, True),
    ({"a|base64|contains": "foo"}, {"a": "x Zm9v y"}, True),
    ({"a|base64offset|contains": "http://"}, {"a": ENCODED}, True),
    ({"a|base64offset|contains": "https://"}, {"a": ENCODED}, False),
    ({"a|wide|base64": "ab"}, {"a": WIDE}, True),
    ({"a|utf16le|base64": "ab"}, {"a": WIDE}, True),
    ({"a|utf16be|base64": "ab"}, {"a": base64.b64encode("ab".encode("utf-16-be")).decode()}, True),
    ({"a|utf16|base64": "ab"}, {"a": base64.b64encode(b"\xff\xfea\0b\0").decode()}, True),
    ({"a|windash|contains": " -ma "}, {"a": "x /ma y"}, True),
    ({"a|windash|contains": " -ma "}, {"a": "x –ma y"}, True),
    ({"a|windash|contains": " -ma "}, {"a": "x +ma y"}, False),
    ({"a|contains|all|windash": ["-a", "-b"]}, {"a": "/a /b"}, True),
    ({"a|contains|windash": "a-b"}, {"a": "a/b"}, False),
    # comparisons
    ({"a|lt": 5}, {"a": 4}, True),
    ({"a|lt": 5}, {"a": "5"}, False),
    ({"a|lte": 5}, {"a": "5"}, True),
    ({"a|gt": 5}, {"a": "5.5"}, True),
    ({"a|gte": 5}, {"a": "x"}, False),
    ({"a|gte": 5}, {}, False),
    ({"a|neq": "x"}, {"a": "y"}, True),
    ({"a|neq": "x"}, {"a": "X"}, False),
    ({"a|neq": ["x", "y"]}, {"a": "z"}, True),
    ({"a|contains|neq": "x"}, {"a": "axa"}, False),
    # other fields
    ({"a|fieldref": "b"}, {"a": "X", "b": "x"}, True),
    ({"a|fieldref": "b"}, {"a": "x", "b": "y"}, False),
    ({"a|fieldref": "b"}, {"a": "x"}, False),
    ({"a|fieldref|startswith": "b"}, {"a": "xyz", "b": "xy"}, True),
    ({"a|fieldref|endswith": "b"}, {"a": "xyz", "b": "YZ"}, True),
    ({"a|fieldref|contains": "b"}, {"a": "xyz", "b": "y"}, True),
    ({"a|fieldref|endswith": "b"}, {"a": "xyz", "b": "y"}, False),
    # parts of a time
    ({"a|hour": 12}, {"a": "2020-12-11T12:28:01.2990045Z"}, True),
    ({"a|hour": 10}, {"a": "2020-12-11T12:28:01+02:00"}, True),
    ({"a|minute": 28}, {"a": "2020-12-11 12:28:01.132"}, True),
    ({"a|day": 11}, {"a": 1607689681}, True),
    ({"a|week": 50}, {"a": 1607689681000}, True),
    ({"a|month": 12}, {"a": "2020-12-11"}, True),
    ({"a|year": 2021}, {"a": "2020-12-11"}, False),
    ({"a|hour": 12}, {"a": "noon"}, False),
    ({"a|hour|gte": 12}, {"a": "2020-12-11T13:00:00Z"}, True),
    # keywords: anywhere in any value
    ("needle", {"a": {"b": ["x", "a Needle here"]}}, True),
    ("needle", {"needle": "x"}, False),
    (["x1", "x2"], {"a": "has x2"}, True),
    ("ne*le", {"a": "the needle"}, True),
    ({"|all": ["x1", "x2"]}, {"a": "x1", "b": "x2"}, True),
    ({"|all": ["x1", "x3"]}, {"a": "x1", "b": "x2"}, False),
    ({"|re": "x[0-9]"}, {"a": {"b": "x7"}}, True),
    ([{"a": "x"}, {"b": "y"}], {"b": "y"}, True),
    ({"a": "x", "b": "y"}, {"b": "y"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("search", "record", "expected"), CASES)
def test_values_and_modifiers(tmp_path: Path, search: Any, record: dict[str, Any], expected: bool) -> None:
    detection = {"sel": search}
    assert hit(tmp_path, detection, record) is expected
    bom = isinstance(search, dict) and "a|utf16|base64" in search  # the byte order mark is not in the naive one
    if not bom:
        assert naive.matches({"detection": {**detection, "condition": "sel"}}, record) is expected


CONDITIONS = [
    ("s1 and s2", "s1 s2", True), ("s1 and s2", "s1", False), ("s1 or s2", "s2", True), ("not s1", "", True),
    ("not s1", "s1", False), ("s1 and not s2", "s1", True), ("s1 or s2 and s3", "s1", True),
    ("(s1 or s2) and s3", "s1", False), ("not (s1 or s2)", "s3", True), ("1 of s*", "s2", True),
    ("1 of s*", "t1", False), ("all of s*", "s1 s2", False), ("all of s*", "s1 s2 s3", True), ("1 of them", "t1", True),
    ("all of them", "s1 s2 s3", False), ("all of them", "s1 s2 s3 t1", True), ("1 of them", "_x", False),
    ("not 1 of s* and t1", "t1", True), ("any of s*", "s3", True), ("not not s1", "s1", True),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "true", "expected"), CONDITIONS)
def test_conditions(tmp_path: Path, condition: str, true: str, expected: bool) -> None:
    detection: dict[str, Any] = {name: {name: 1} for name in ("s1", "s2", "s3", "t1", "_x")}
    record = dict.fromkeys(true.split(), 1)
    assert hit(tmp_path, {**detection, "condition": condition}, record) is expected
    assert naive.matches({"detection": {**detection, "condition": condition}}, record) is expected


def test_several_conditions_are_alternatives(tmp_path: Path) -> None:
    detection = {"s1": {"a": 1}, "s2": {"b": 1}, "condition": ["s1", "s2"]}
    assert hit(tmp_path, detection, {"b": 1})
    assert len(detector(tmp_path, rule_text(detection)).findings(event({"a": 1, "b": 1}))) == 1


def test_placeholders_are_filled_or_named(tmp_path: Path) -> None:
    detection = {"sel": {"user|expand": "%admins%"}}
    assert hit(tmp_path, detection, {"user": "BOB"}, company=Company(placeholders={"admins": ("alice", "bob")}))
    without = detector(tmp_path, rule_text(detection))
    assert [p.reason for p in without.problems] == ["placeholder %admins% has no values here"]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"(a+)+$", "a" * 40_000 + "b"), (r"^(\w+\s?)*$", "a " * 20_000 + "!"), (r"(?=.*x)a.*b", "a" * 200_000)],
)
def test_a_hostile_text_does_not_hang_a_rule(tmp_path: Path, pattern: str, text: str) -> None:
    """The first two take Python's `re` longer than the universe has; RE2 reads them in one pass."""
    assert not hit(tmp_path, {"sel": {"a|re": pattern}}, {"a": text})


@pytest.mark.parametrize(
    "pattern", [r"(?=x)(a+)+$", r"(?=x)(a|a)*b", r"(?=x).*.*.*b", r"(?=x)(a{1,9}){2,}", "(unclosed"]
)
def test_a_hostile_pattern_is_refused_with_its_reason(tmp_path: Path, pattern: str) -> None:
    found = detector(tmp_path, rule_text({"sel": {"a|re": pattern}}))
    assert not found.rules
    assert "RE2 cannot read it" in found.problems[0].reason or "not a regular expression" in found.problems[0].reason


def test_a_pattern_beyond_re2_says_so(tmp_path: Path) -> None:
    found = detector(tmp_path, rule_text({"sel": {"a|re": "(?=foo)f"}}))
    assert len(found.rules) == 1
    assert "Python's re reads 1000 characters" in found.problems[0].reason
    assert not found.problems[0].fatal


def test_rules_of_this_file_are_yaml_that_people_write() -> None:
    assert yaml.safe_load(rule_text({"sel": {"a": "x"}}))["detection"]["sel"] == {"a": "x"}
