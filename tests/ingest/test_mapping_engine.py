"""The engine of mappings: compiled code does what the format says, the choice is the linear one, YAML is never code."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import re2
from hypothesis import example, given
from hypothesis import strategies as st

from watchfloor.content import Document, folder
from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.record import Record
from watchfloor.ingest import Normalizer
from watchfloor.ingest.carried import carried
from watchfloor.ingest.cef_tables import cef_of_table
from watchfloor.ingest.entities import with_entities
from watchfloor.ingest.envelopes import unwrapped
from watchfloor.ingest.mappings import load
from watchfloor.ingest.mappings.convert import time_ms
from watchfloor.ingest.mappings.mapping import Mapping
from watchfloor.ingest.mappings.names import places
from watchfloor.ingest.mappings.patterns import Pattern
from watchfloor.ingest.mappings.select import Selection
from watchfloor.ingest.ocsf_record import with_ocsf
from watchfloor.ingest.shapes import _LOOKED_AT, shape_of, windows
from watchfloor.ingest.trial import record_of

from . import naive_mapping as naive
from .test_mappings import MAPPINGS

RECORDS = [shape_of(record_of(case["record"], m.shape)) for m in MAPPINGS for case in m.tests]
NAMES = ["a", "b", "c", "a.b", "a.c", "b.a.c", "c.0", "a.0.b", "a.*.b"]

keys = st.sampled_from(["a", "b", "c", "a.b", "b.a.c", "0"])
scalars = st.sampled_from(
    ["", "-", "x", "X", "null", "N/A", "longer text", "é\ud800", "1.2.3.4", "::ffff:1.2.3.4", "{}", '[{"a": 1}]', "a@b",
     "2026-10-13T07:01:02.345678Z", "SHA1=" + "a" * 40, 0, 1, 7, -3, 2**63, 1.5, True, False, None, [], {}]
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)
records = st.dictionaries(keys, values, max_size=6)
paths = st.sampled_from(NAMES)
wanted = st.sampled_from([None, "*", "x", "l*", "*t", "*ng*", 1, True, ["x", 7], ["x*", "1"], "-"])
conditions = st.recursive(
    st.dictionaries(paths, wanted, max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.fixed_dictionaries({"not": inner}),
    max_leaves=3,
)
chains = st.sampled_from(
    [[], "text", "int", "ip", "raw", "time", ["text", "lower"], "hashes", "json", "list", "not_ip"]
)
rules = st.fixed_dictionaries(
    {"from": paths | st.lists(paths, min_size=1, max_size=3)},
    optional={
        "as": chains,
        "map": st.just({"x": "found", 1: 10, "True": "yes"}),
        "default": st.sampled_from(["d", 5, False]),
        "when": conditions,
        "match": st.sampled_from(["(e.)", "^(l)", "^x()", "([0-9]+)"]),
    },
)
simple = (
    paths | st.sampled_from(["=fixed", 5, True]) | rules | st.just({"text": "{a}-{b}:{a}"}) | st.just({"value": "v"})
)
each = st.just({"each": "a", "fields": {"name": "b", "x.y": "c", "z": "=1"}}) | st.just({"each": "b", "from": "item"})
fields = (
    simple
    | st.lists(simple, min_size=1, max_size=3)
    | each
    | st.fixed_dictionaries({"items": st.lists(simple, max_size=2)})
)
targets = st.sampled_from(
    ["message", "user.name", "user.uid", "device.hostname", "device.ip", "device.os.name", "src_endpoint.port", "count",
     "unmapped.x", "unmapped.y.z", "evidences.0.file.name", "evidences.1.file.size", "start_time", "file.hashes"]
)  # fmt: skip
tables = st.dictionaries(targets, fields, max_size=6)


def mapping_of(**parts: Any) -> Mapping:
    return Mapping(Document("test.yaml", {"mapping": "x", "layer": "cloud", **parts}))


@given(tables, records, conditions)
def test_compiled_code_does_what_the_format_says(table: dict[str, Any], data: dict[str, Any], when: Any) -> None:
    mapping = mapping_of(types=[{"fields": table}], when=when)
    assert mapping.takes(data) == naive.holds(when or {}, data)
    wanted = naive.table(table, data)
    dotted = any("." in key for key in data)
    for make in [mapping.kinds[0].flat] + [mapping.kinds[0].nested] * (not dotted):
        made, when_made = make(data, "uid", "raw")
        assert {k: made.get(k) for k in wanted} == wanted
        assert {k for k in made if k.partition(".")[0] in {p.partition(".")[0] for p in table}} == wanted.keys()
        assert made["metadata"]["uid"] == "uid"
        assert when_made == naive.field(["time"], data, "time")


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda m: m.name)
def test_the_shipped_mappings_do_so_too(mapping: Mapping) -> None:
    for case in mapping.tests:
        _, data = shape_of(record_of(case["record"], mapping.shape))
        data = mapping.parsed(data)
        kind = mapping.kind_of(data)
        common, own = mapping.document.data.get("fields") or {}, kind._spec.get("fields") or {}
        wanted = naive.table({k: v for k, v in {**common, **own}.items() if not str(k).startswith("metadata")}, data)
        made, _ = kind.flat(data, "u", "r")
        stamped = {"status", "status_id", "severity_id", "severity", "activity_id", "raw_data", "time"}
        assert {k: made.get(k) for k in wanted.keys() - stamped} == {k: wanted[k] for k in wanted.keys() - stamped}


def linear(mappings: list[Mapping], data: dict[str, Any]) -> Mapping | None:
    return next((m for m in mappings if m.takes(data)), None)


@pytest.mark.parametrize("seed", range(5))
def test_the_choice_is_that_of_asking_each_mapping_in_turn(seed: int) -> None:
    order = random.Random(seed)
    mappings = order.sample(MAPPINGS, len(MAPPINGS) // (seed + 1))
    selection = Selection(mappings)
    for _, data in RECORDS:
        some = {k: v for k, v in data.items() if order.random() > 0.2} if seed else data
        assert selection.taking(some)[0] is linear(mappings, some)


@given(st.lists(conditions, min_size=1, max_size=6), st.lists(records, max_size=4))
def test_the_choice_by_any_conditions(whens: list[Any], some: list[dict[str, Any]]) -> None:
    mappings = [mapping_of(when=when) for when in whens]
    selection = Selection(mappings)
    for data in [*some, *some]:
        assert selection.taking(data)[0] is linear(mappings, data)


def test_a_record_asks_few_of_the_shipped_mappings() -> None:
    shipped = Normalizer.shipped()
    asked = [len(shipped._selections[shape].candidates(data).of(data)) for shape, data in RECORDS]
    assert len(shipped.mappings) > 20
    assert sum(asked) / len(asked) < 5


def test_the_shipped_mappings_heads_are_those_of_the_whole() -> None:
    lazy = {m.name: m for m in load(folder("mappings"), check=False)}
    assert lazy.keys() >= {m.name for m in MAPPINGS}
    for m in MAPPINGS:
        one = lazy[m.name]
        assert (one.rank, one.shape, one.when, one.where, one.tests) == (m.rank, m.shape, m.when, m.where, m.tests)


class Boom(Exception):
    pass


CODE = [
    "__import__('os').abort()",
    "');raise SystemExit(1)#",
    '"""\nraise SystemExit(1)\n',
    "{data}",
    "x\n    return 1/0",
]


@pytest.mark.parametrize("code", CODE)
def test_nothing_in_the_yaml_becomes_code(code: str) -> None:
    kind = {
        "name": code,
        "when": [{code: code}, {code: [code, f"{code}*", f"*{code}*"]}, {"not": {code: None}}, {"a": "*"}],
        "class": "api_activity",
        "activity": {"from": code, "map": {code: "Create"}, "default": "Other"},
        "logsource": {"product": code},
        "fields": {
            "message": ["=" + code, code, {"text": code + "{a}" + code}],
            f"unmapped.{code}": {
                "from": [code, "a"],
                "map": {code: code, "v": code},
                "default": code,
                "when": {"a": "*"},
            },
            "unmapped.item": {"each": "b", "fields": {code: code, "y": {"value": code}}},
            "resources": {"items": [{"value": {code: [code]}}, {"from": "a", "match": f"({re.escape('v')})"}]},
        },
        "observables": [{"name": code, "type": "Hash", "from": "a"}],
    }
    mapping = mapping_of(mapping=code, product={"name": code, code: code}, time=[code, "a"], when={"a": "*"},
                         dispatch=code, types=[{**kind, "is": code}, kind, {"class": "base_event"}])  # fmt: skip
    data = {"a": "v", "b": [{code: code}], code: code}
    mapping.checked()
    assert mapping.takes(data)
    made = mapping.kind_of(data)
    assert made.name == code
    event, _ = made.flat(data, "u", "r")
    assert event["message"] == code
    assert event["metadata"]["product"]["name"] == code


WRONG = """\
mapping: x
layer: cloud
when: {a: "*"}
fields:
  message: {from: a, as: nonsense}
types:
  - name: one
    class: nonsense
    activity: Fly
    when: {b: 1}
    fields:
      count: {form: b}
      status_detail: {from: c, match: '('}
  - class: api_activity
    severity: {from: a, map: {x: Grave}}
    fields: {user: a, user.name: b}
"""


def test_every_mistake_of_a_file_is_named_with_its_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(WRONG)
    with pytest.raises(WatchfloorError) as raised:
        load(file)
    told = str(raised.value)
    assert "\n" not in told
    assert f"{file}: 7 mistakes" in told
    for line, key in [
        (5, "fields.message.as: no converter 'nonsense'"),
        (8, "types.0.class: no class 'nonsense'"),
        (12, "types.0.fields.count.form: unknown key 'form'"),
        (12, "types.0.fields.count: says not where the value comes from"),
        (13, "types.0.fields.status_detail.match: not a regular expression"),
        (15, "types.1.severity: no caption 'Grave'"),
        (16, "types.1.fields.user.name: is a value and an object at once"),
    ]:
        assert re.search(rf"line {line}, {re.escape(key)}", told), (line, key, told)


def test_one_mistake_is_told_plainly(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("mapping: x\nlayer: cloud\n\ntypes:\n  - {class: api_activity, activity: Fly}\n")
    with pytest.raises(WatchfloorError, match=r"wrong.yaml, line 5, types.0.activity: no caption 'Fly'. There are: "):
        load(file)


def patterns_in(data: Any) -> Iterator[str]:
    """Every regular expression of a mapping."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        if key == "match" and isinstance(value, str):
            yield value
        elif key == "patterns":
            yield from value.values()
        else:
            yield from patterns_in(value)


PATTERNS = [
    "^Accepted (p)",
    "^a.b(c)?",
    r"^a\.b+(c)",
    "^(a|b)",
    "^a|(b)",
    "^ab*(c)",
    "^[(]a|(b)",
    "(?i)^A(b)",
    "^ab(c)?d",
    "ab?c*(d)",
    "(?:abc|d{2})+(.)",
    "a{0,2}(p)t",
    "(?i)aCC(e)",
    "^(?i)(c|t)ed",
    r"a\?(b)",
    r"[[:alpha:]](\W)",
    r"\Qa.\E(b)",
    "(?U)a([^b]+)",
    r"(?i)c\s*([^|.]+)",
    r"c|a([^|]+)",
    r"(?:a)([^.\\]+)",
]
SHIPPED = sorted({p for m in MAPPINGS for p in patterns_in(m.document.data)})


@given(st.sampled_from(PATTERNS), st.text("abcApted .(|é\ud800", max_size=12))
def test_patterns_find_what_the_library_finds(pattern: str, text: str) -> None:
    found = re2.search(pattern, text.encode("utf-8", "replace").decode())
    assert Pattern(pattern).first_group[text] == (found.group(1) if found else None)
    assert (Pattern(pattern).named(text) is None) == (found is None)


@given(st.data())
def test_the_shipped_patterns_find_so_too(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(SHIPPED))
    try:
        alike = re.compile(pattern)
    except re.error:  # RE2's own syntax
        return
    text = data.draw(st.from_regex(alike))
    found = re2.search(pattern, text.encode("utf-8", "replace").decode())
    wanted = None if not found else found.groupdict()
    made = Pattern(pattern)
    assert made.named(text) == (None if wanted is None else {k: v for k, v in wanted.items() if v is not None})
    if made.groups:
        assert made.first_group[text] == (found.group(1) if found else None)


@given(st.datetimes().map(lambda d: d.isoformat()), st.sampled_from(["", "Z", "+00:00", "+02:00"]), st.integers(0, 99))
@example("8056-04-26T09:15:15.234512", "Z", 7)
def test_times_are_what_the_whole_parser_reads(when: str, zone: str, cut: int) -> None:
    text = f"{when[: 19 + cut % 9]}{zone}"
    try:
        wanted = parse_iso(text)
    except (ValueError, OverflowError):
        return
    assert time_ms(text) == (wanted if 0 <= wanted <= 253_402_300_799_999 else None)


@given(st.dictionaries(st.sampled_from(sorted({k for _, d in RECORDS for k in d})), values, max_size=5))
def test_records_that_are_passed_over_are_what_they_are(data: dict[str, Any]) -> None:
    record = Record(tenant="t", source="s", position=0, unit="line", format="json", raw=b"", data=data)
    looked = _LOOKED_AT[tuple(data)]
    assert any(looked) or shape_of(record) == ("json", data)
    assert looked.unwrapped or unwrapped(data) is data
    assert looked.with_ocsf or with_ocsf(data) is data
    assert looked.windows or windows(data) is None
    assert looked.line or (carried(data) or cef_of_table(data)) is None
    assert looked.with_entities or with_entities(data) is data


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"sourceIPAddress": "x"}, "sourceipaddress"),
        ({"source_ip-address": "x"}, "sourceipaddress"),
        ({"Source": {"IP": {"Address": "x"}}}, "sourceipaddress"),
        ({"event": {"data": {"source.ip": ["x", "y"]}}}, "sourceip"),
        ({"requestMetadata": {"callerIp": "x"}}, "callerip"),
        ({"user": {"user_name": "x"}}, "username"),
    ],
)
def test_usual_names_are_found_in_any_spelling(data: dict[str, Any], name: str) -> None:
    assert places(data)[name][1] == "x"


def test_usual_names_of_hostile_records_cost_little() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"data": deep, **{f"k{i}": i for i in range(50)}}
    assert len(places(deep)) <= 400
