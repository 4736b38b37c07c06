"""The engine's paths: lines of JSON, memory that has bounds, what rules cost, several processes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from tests.detect.helpers import PATHS, event, rule_text
from watchfloor.core.errors import WatchfloorError
from watchfloor.detect.sigma import engine as engines
from watchfloor.detect.sigma import memory, parallel, plain
from watchfloor.detect.sigma.engine import Engine
from watchfloor.detect.sigma.fields import FieldNames
from watchfloor.detect.sigma.loader import Loader
from watchfloor.detect.sigma.logsource import LogSources
from watchfloor.detect.sigma.path import Form, Scanned
from watchfloor.detect.sigma.required import gate_text, required

SOURCE = {"product": "test"}
every_path = pytest.mark.parametrize("path", PATHS)


def engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, path: str, *detections: dict[str, Any], **other: Any
) -> Engine:
    for number, detection in enumerate(detections):
        text = rule_text(detection, title=f"rule {number}", **other)
        (folder / f"{number}.yml").write_text(text, encoding="utf-8")
    loader = Loader(FieldNames.shipped(), {})
    loader.load([folder])
    assert loader.problems == []
    monkeypatch.setenv("WATCHFLOOR_ENGINE", path)
    found = Engine(loader.rules, LogSources({}))
    assert found.path_name == path
    return found


# --- lines


@every_path
def test_lines_that_match_or_cannot_be_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    found = engine(tmp_path, monkeypatch, path, {"sel": {"a|contains": "x"}}, {"sel": ["w\u00f6rd", 'q"uote']})
    lines = [
        b'{"a": "axb"}',
        b"",
        b'{"a": "nothing"}\r',
        b'{"a": "x", ',
        b"   ",
        b"[1]",
        b'"text"',
        b'{"b": ["W\xc3\x96RD", "x"]}',
        b'{"b": "say q\\"uote", "a": "\\u0078"}',
        b'{"a": "\xff"}',
        b'{"a": "X"}',
    ]
    told = found.scan(b"\n".join(lines), SOURCE)
    assert {one.line: one.rules for one in told if not one.problem} == {0: (0,), 7: (1,), 8: (0, 1), 10: (0,)}
    assert [one.line for one in told if one.problem] == [3, 5, 6, 9]
    assert [one.line for one in told] == sorted(one.line for one in told)
    assert found.scan(b"", SOURCE) == []
    wrong = b'{"original": {"a": "x"}, "ocsf": {}, "logsource": {"product": ["test"]}}'
    (one,) = found.scan(wrong, SOURCE, "event")
    assert one.problem


@every_path
@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("record", {"actor": {"user": {"name": "Eve"}}}),
        ("ocsf", {"actor": {"user": {"name": "Eve"}}}),
        ("event", {"original": {}, "ocsf": {"actor": {"user": {"name": "Eve"}}}, "logsource": SOURCE}),
        ("event", {"original": {"actor.user.name": "eve"}, "ocsf": {"actor": {}}, "logsource": {}}),
    ],
)
def test_a_line_may_be_a_record_an_ocsf_event_or_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, form: Form, line: dict[str, Any]
) -> None:
    found = engine(tmp_path, monkeypatch, path, {"sel": {"actor.user.name": "eve"}}, taxonomy="ocsf")
    assert found.scan(orjson.dumps(line), SOURCE, form) == [Scanned(0, (0,))]
    assert found.scan(orjson.dumps({**line, "logsource": {"product": "other"}}), {"product": "other"}, form) == []


@every_path
def test_lines_and_events_match_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    detections = [
        {"sel": {"a": 1}},
        {"sel": {"a": True}},
        {"sel": {"a": None}},
        {"sel": {"b|exists": False}},
        {"sel": {"a|startswith": "1"}},
        {"sel": {"a": ["1.5", "x*y", ""]}},
        {"sel": {"c.d|endswith": "z"}, "kw": ["needle", "1.5"], "condition": "sel or kw"},
    ]
    found = engine(tmp_path, monkeypatch, path, *detections)
    values: list[Any] = [
        1,
        1.0,
        True,
        "1",
        "true",
        None,
        1.5,
        "xNEEDLEy",
        "",
        [],
        [1, None],
        {"d": "z"},
        [[True]],
        10**30,
    ]
    records = [{"a": value} for value in values] + [{"a": 1, "b": v} for v in values] + [{"c": v} for v in values]
    for records_ in (records, records[::-1]):  # with and without a memory of what is equal to Python and not to Sigma
        told = {one.line: list(one.rules) for one in found.scan(b"\n".join(map(orjson_or_json, records_)), SOURCE)}
        for number, record in enumerate(records_):
            matched = [int(rule.title[5:]) for rule in found.matches(event(record))]
            assert matched == told.get(number, []), record


def orjson_or_json(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


# --- memory


def test_values_that_never_come_again_fill_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MEMORY", 100_000)
    selection = {"a|contains": "evil", "b": "one"}
    found = engine(tmp_path, monkeypatch, "plain", {"sel": selection}, {"sel": {"c|re": "^x+$"}})
    path = found._path
    assert isinstance(path, plain.PlainPath)
    asked: list[str] = []
    original = plain.Index.rules
    monkeypatch.setattr(plain.Index, "rules", lambda self, text: asked.append(text) or original(self, text))
    entries = 0
    for number in range(3_000):
        record = {
            "a": f"value {number}",
            "b": "one" if number % 500 else f"b{number}",
            f"key{number}": number,
            "c": "y",
        }
        if number % 100 == 0:
            record["a"] = f"an evil {number}"
        matched = found.matches(event(record))
        assert len(matched) == (number % 100 == 0 and number % 500 != 0)
        entries = max(entries, sum(map(len, path._memory.tables)))
    assert path._memory.used <= 100_000
    assert entries < 1_000  # where 3,000 events with as many new values and keys would have left over 6,000
    assert len(asked) < 3 * 3_000  # a value is never looked at more than once


def test_kinds_of_events_that_are_made_up_fill_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "_MOST_PLANS", 3)
    engine(tmp_path, monkeypatch, "plain", *({"sel": {"a": n}} for n in range(4)))
    for number, rule in enumerate(sorted(tmp_path.iterdir())):
        text = rule.read_text().replace("product: test", f"category: c{number}")
        rule.write_text(text)
    loader = Loader(FieldNames.shipped(), {})
    loader.load([tmp_path])
    found = Engine(loader.rules, LogSources({}))
    path = found._path
    assert isinstance(path, plain.PlainPath)
    for number in [*range(4), *range(6), 3, 2, 1, 0]:
        matched = found.matches(event({"a": number}, logsource={"category": f"c{number}"}))
        assert [rule.title for rule in matched] == ([f"rule {number}"] if number < 4 else [])
        assert len(path._plans) <= 3
        assert len(path._memory.tables) < 12


def test_a_value_too_long_to_remember_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "LONGEST", 50)
    found = engine(tmp_path, monkeypatch, "plain", {"sel": {"a|endswith": "end"}})
    for _ in range(2):
        assert len(found.matches(event({"a": "x" * 100 + "end"}))) == 1
        assert found.matches(event({"a": "x" * 100 + "end."})) == []
    assert isinstance(found._path, plain.PlainPath)
    assert all("x" * 100 not in str(table) for table in found._path._memory.tables)


def test_lines_of_long_texts_are_remembered_and_mean_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    selections = (
        {"a|contains": "evil"},
        {"a|contains": "worse", "b": 1},
        {"a|re": "begin.*\\n.*finish"},
        {"a|contains": "first\nsecond"},
        {"c|endswith": "evil"},
    )
    lines = [f"{word} line {n} of a script that is long enough" for n in range(3) for word in ("evil", "good", "worse")]
    texts = ["\n".join(lines[n % 9] for n in range(at, at + 12)) for at in range(9)]
    texts += ["\n".join([line] * 12) for line in lines] + ["x" * 500, "x\n" * 300, "evil\n" * 100, "EVIL " * 100]
    texts += [f"{'x' * 500}\nbegin\nto finish", f"{'x' * 500}\nfinish and begin", f"{'y' * 450}\nfirst\nsecond"]
    texts += [f"{'x' * 500}\nevil", f"evil\n{'x' * 500}"]
    found = engine(tmp_path, monkeypatch, "plain", *({"sel": one} for one in selections[:3]))
    anchored = engine(tmp_path, monkeypatch, "plain", *({"sel": one} for one in selections))
    for text in texts * 2:
        low = text.lower()
        expected = ["evil" in low, "worse" in low, "begin\nto finish" in low, "first\nsecond" in low]
        matched = [int(rule.title[5:]) for rule in found.matches(event({"a": text, "b": 1}))]
        assert matched == [n for n in range(3) if expected[n]], text
        matched = [int(rule.title[5:]) for rule in anchored.matches(event({"a": text, "b": 1, "c": text}))]
        assert matched == [n for n in range(5) if [*expected, low.endswith("evil")][n]], text
    assert isinstance(found._path, plain.PlainPath)
    assert any(lines[0] in table for table in found._path._memory.tables)


# --- what a text must have


@given(
    st.lists(
        st.sampled_from(["a", "Sk", "(ab|cd)", "(?:x|yz)+", ".", "[ab]", "é", "b*", "c?", "^", "$", r"\d", "k{2,3}"])
    ),
    st.sampled_from(["", "(?i)", "(?s)", "(?im)"]),
    st.text(alphabet="aAbBcdskSK\u017f\u212axyz1é\n", max_size=12),
)
def test_what_a_pattern_requires_is_in_whatever_it_matches(parts: list[str], flags: str, text: str) -> None:
    source = flags + "".join(parts)
    if re2.search(source, text) is not None:
        needs = required(source)
        assert len(text) >= needs.width
        assert not needs.literals or any(literal in gate_text(text.lower()) for literal in needs.literals)


@pytest.mark.parametrize(
    ("source", "literals"),
    [
        (r"(?i)\\temp\\[a-z]+\.exe", ("\\temp\\",)),
        (r"\w+`(\w+|-|.)`", ("`",)),
        ("(?:invoke|iex)-(expression|command)", ("expression", "command")),
        ("a|b?", ()),
        ("[[:alpha:]]xyz", ()),
        (r"\pLxyz", ()),
    ],
)
def test_what_is_required(source: str, literals: tuple[str, ...]) -> None:
    assert required(source).literals == literals


# --- costs


@every_path
def test_what_a_rule_costs_is_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    found = engine(tmp_path, monkeypatch, path, {"sel": {"a|re": "x.*y.*z"}}, {"sel": {"a": "never"}})
    for _ in range(5):
        assert len(found.matches(event({"a": "x y z"}))) == 1
    (one,) = found.costs()
    assert one.rule.title == "rule 0"
    # On the plain path memory answered the other four; what the native one remembers is its own affair.
    assert one.cost.evaluated == 1 if path == "plain" else 1 <= one.cost.evaluated <= 5
    assert one.an_event == one.cost.nanoseconds / 5
    assert not one.over_budget
    monkeypatch.setattr(engines, "BUDGET", 0)
    monkeypatch.setattr(engines, "FEWEST", 1)
    assert found.costs()[0].over_budget
    assert len(found.matches(event({"a": "x y z z"}))) == 1  # it is named, and not switched off


# --- which path


def test_a_path_that_is_no_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHFLOOR_ENGINE", "fast")
    with pytest.raises(WatchfloorError, match="plain or native"):
        Engine([], LogSources({}))


# --- several processes


def test_batches_come_back_in_order_from_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = engine(tmp_path, monkeypatch, "plain", {"sel": {"a": 7}})
    data = b"".join(b'{"a": %d}\n' % (number % 10) for number in range(1_000)) + b'{"a": 7}'
    told = {}
    for processes in (1, 2):
        given_ = ((n, batch) for n, batch in enumerate(parallel.batches(io.BytesIO(data), 700)))
        told[processes] = list(parallel.scanned(found, given_, SOURCE, processes=processes))
    assert told[1] == told[2]
    assert [tag for tag, _ in told[2]] == list(range(len(told[2])))
    assert sum(len(some) for _, some in told[2]) == 101
    assert b"".join(parallel.batches(io.BytesIO(data), 700)) == data
