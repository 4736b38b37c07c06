"""The native path against the plain one and the naive evaluator: made-up rules and records, odd JSON, floods."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect import naive
from tests.detect.helpers import event, rule_text
from tests.detect.test_sigma_property import CONDITIONS, RECORDS, SEARCHES
from watchfloor.core.event import Event
from watchfloor.detect.detector import Detector
from watchfloor.detect.sigma.logsource import LogSources
from watchfloor.detect.sigma.path import Form
from watchfloor.detect.sigma.plain import PlainPath
from watchfloor.detect.sigma.rules import Rule
from watchfloor.ingest import Normalizer, ingest

native = pytest.importorskip(
    "watchfloor.detect.sigma.native",
    reason="the native core is not built: python3 tools/native.py, with a C compiler, builds it",
)
FORMS: tuple[Form, ...] = ("record", "ocsf", "event")
SOURCE = {"product": "test"}


def rules_of(*texts: str) -> tuple[Rule, ...]:
    with tempfile.TemporaryDirectory() as folder:
        for n, text in enumerate(texts):
            (Path(folder) / f"rule{n}.yml").write_text(text, encoding="utf-8")
        return Detector.load([Path(folder)], shipped=False).rules


def both(rules: Sequence[Rule]) -> tuple[Any, PlainPath]:
    sources = LogSources({})
    return native.NativePath(rules, sources), PlainPath(rules, sources)


@settings(max_examples=150, deadline=None)
@given(
    rules=st.lists(st.tuples(SEARCHES, SEARCHES, CONDITIONS), min_size=1, max_size=4),
    records=st.lists(RECORDS, min_size=1, max_size=6),
)
def test_native_plain_and_naive_agree(rules: list[tuple[Any, Any, str]], records: list[dict[str, Any]]) -> None:
    raw = [{"detection": {"s1": one, "s2": two, "condition": condition}} for one, two, condition in rules]
    loaded = rules_of(*(rule_text(rule["detection"], title=f"rule {n}") for n, rule in enumerate(raw)))
    path, plain = both(loaded)
    lines = b"\n".join(map(orjson.dumps, records))
    told = {number: [] for number in range(len(records))} | {s.line: list(s.rules) for s in path.scan(lines, SOURCE)}
    for number, record in enumerate(records):
        wanted = [n for n, rule in enumerate(loaded) if naive.matches(raw[int(rule.title[5:])], record)]
        assert told[number] == wanted, record
        assert path.matches(event(record)) == wanted, record
        assert path.matches(event({}, record)) == plain.matches(event({}, record))
    assert path.scan(lines, SOURCE, "ocsf") == plain.scan(lines, SOURCE, "ocsf")
    wrapped = b"\n".join(orjson.dumps({"original": one, "ocsf": records[0]}) for one in records)
    assert path.scan(wrapped, SOURCE, "event") == plain.scan(wrapped, SOURCE, "event")


ODD_RULES = (
    {"sel": {"a|contains": "Bad"}},
    {"sel": {"a": None}},
    {"sel": {"a|re": r"^\d+\.\d+$"}},
    {"sel": {"a|endswith": ["x", "é", "\\", '"', "\u0001", "1", "e20"]}},
    {"sel": {"a.b|contains": "bad"}},
    {"sel": {"a|exists": True, "b|exists": False}},
    {"sel": {"b|cidr": "10.0.0.0/8"}, "n": {"b|gte": 7}, "condition": "sel or n"},
    {"sel": ["evil word", "ſneaky", "kwik"]},
    {"sel": {"a|startswith": ["\U0001f600", "sſ"]}},
    {"sel": {"a": ["b?d*x", "*\\**"]}},
    {"sel": {"|re|i": ["snooze", "indi"]}},
    {"sel": {"b|re|i": "(smith|jones) ?$"}},
    {"sel": {"b|contains": "*a?ſm*th*"}},
)
ODD = (
    b"",
    b"   \t ",
    b"\x0b\x0c",
    b"{}",
    b'{"a":"bad"}\r',
    b'  {"a" : "bad" , "b":[ ] }  ',
    b'{"a":"b\\u0061d"}',
    b'{"\\u0061":"bad"}',
    b'{"a":"bad","a":"good"}',
    b'{"a":"good","a":"bad"}',
    b'{"x":"evil word","x":"good"}',
    b'{"x":"evil \\u0077ord"}',
    b'{"x":"\xe2\x84\xaawi\xe2\x84\xaa"}',
    b'{"x":"\xc5\xbfneaky"}',
    b'{"x":"\xc5\xbfnooze"}',
    b'{"x":"\\u017fnooze"}',
    b'{"b":"a \xc5\xbfmith"}',
    b'{"b":"\xc4\xb0ndia","a":"kwi\xc4\xb0"}',
    b'{"x":["kwi","evil word"]}',
    b'{"a":"\\ud83d\\ude00 smile"}',
    b'{"a":"\\ud83d"}',
    b'{"a":"\\ude00\\ud83d"}',
    b'{"a":"\\ud83dx"}',
    b'{"a":"\\uD8"}',
    b'{"a":"\\x41"}',
    b'{"a":"bad\\',
    b'{"a":"bad"',
    b'{"a":"bad"}}',
    b'{"a":"bad"} {}',
    b'{"a":"bad",}',
    b'{"a" "bad"}',
    b'{a:"bad"}',
    b'["bad"]',
    b'"bad"',
    b"null",
    b"7",
    b'{"a":nul}',
    b'{"a":trueish}',
    b'{"a":[1,"bad",[["x"]],{"b":"bad"}]}',
    b'{"a":{"b":{"b":"bad"}}}',
    b'{"a":[{"b":"good"},[{"b":"bad"}]]}',
    b'{"a":{"b":[]},"a.b":"bad"}',
    b'{"a":[]}',
    b'{"a":[[],[]]}',
    b'{"a":[null]}',
    b'{"a":1.0,"b":"10.1.2.3"}',
    b'{"a":1e20,"b":7}',
    b'{"a":1e400}',
    b'{"a":-0,"b":-0.0}',
    b'{"a":123456789012345678901234567890}',
    b'{"a":9223372036854775807,"b":18446744073709551615}',
    b'{"a":01}',
    b'{"a":1.}',
    b'{"a":.5}',
    b'{"a":+1}',
    b'{"a":1.5e-3,"b":6.9999}',
    b'{"a":NaN}',
    b'{"a":"x\\u0000bad","b":"\\u0000"}',
    b'{"a":"x\x00bad"}',
    b'{"a":"x\nbad"}',
    b'{"a":"tab\tbad"}',
    b'{"a":"del\x7fbad"}',
    b'{"a":"\xff"}',
    b'{"a":"\xc0\x80"}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":"\xf4\x90\x80\x80"}',
    b'{"a":"\xe2\x82"}',
    b'\xef\xbb\xbf{"a":"bad"}',
    b'{"a":"' + b"x" * 70_000 + b'bad"}',
    b'{"a":"' + b"b*d" * 20_000 + b'x"}',
    b'{"a":' + b"[" * 70 + b'"bad"' + b"]" * 70 + b"}",
    b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"a":' + b'{"b":' * 60 + b'"bad"' + b"}" * 60 + b"}",
    b'{"a":[' + b",".join(b'"v%d"' % n for n in range(20_000)) + b',"bad"]}',
    b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(20_000)) + b',"a":"evil word"}',
    b"{" + b",".join(b'"a":%d' % n for n in range(1_000)) + b"}",
    b'{"original":{"a":"bad"},"ocsf":null,"logsource":{}}',
    b'{"original":[],"ocsf":{"a":"bad"}}',
    b'{"original":{"a":"bad"},"logsource":{"product":"other"}}',
    b'{"original":{"a":"bad"},"logsource":{"product":"TEST","category":"x"}}',
    b'{"original":"bad"}',
    b'{"original":{"a":"good"},"original":{"a":"bad"}}',
)


@pytest.fixture(scope="module")
def odd_paths() -> tuple[Any, PlainPath]:
    return both(rules_of(*(rule_text(detection, title=f"odd {n}") for n, detection in enumerate(ODD_RULES))))


@pytest.mark.parametrize("line", ODD, ids=[f"odd-{n}" for n in range(len(ODD))])
def test_odd_json_reads_as_on_the_plain_path(odd_paths: tuple[Any, PlainPath], line: bytes) -> None:
    path, plain = odd_paths
    for form in FORMS:
        for data in (line, line + b"\n", b'{"a":"bad"}\n' + line + b'\n\n{"a":"bad"}'):
            told = plain.scan(data, SOURCE, form)
            assert path.scan(data, SOURCE, form) == told
            assert path.scan(data, SOURCE, form) == told  # now from memory


def test_odd_lines_are_some_that_match_and_some_that_cannot_be_read(odd_paths: tuple[Any, PlainPath]) -> None:
    scanned = odd_paths[0].scan(b"\n".join(line.replace(b"\n", b" ") for line in ODD), SOURCE)
    assert {number for one in scanned for number in one.rules} == set(range(len(ODD_RULES)))
    assert sum(bool(one.problem) for one in scanned) > 20


def test_torn_lines_read_as_on_the_plain_path(odd_paths: tuple[Any, PlainPath]) -> None:
    """Bytes cut, doubled, swapped and changed at random: whatever comes of it, the two say the same."""
    path, plain = odd_paths
    chance = random.Random(5)
    short = [line for line in ODD if 2 < len(line) < 200]
    lines = []
    for _ in range(4_000):
        line = bytearray(chance.choice(short))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(line) or 1)
            change = chance.randrange(4)
            if change == 0:
                line[at : at + 1] = bytes([chance.randrange(256)])
            elif change == 1:
                del line[at : at + chance.randint(1, 5)]
            elif change == 2:
                line[at:at] = chance.choice(
                    (b'"', b"\\", b"{", b"[", b"}", b"]", b",", b":", b"\\u00", b"\xe2\x84\xaa")
                )
            else:
                line += chance.choice(short)[at:]
        lines.append(bytes(line).replace(b"\n", b" "))
    data = b"\n".join(lines)
    for form in FORMS:
        assert path.scan(data, SOURCE, form) == plain.scan(data, SOURCE, form)


def test_values_that_are_no_json_read_as_on_the_plain_path(odd_paths: tuple[Any, PlainPath]) -> None:
    path, plain = odd_paths
    lone = "bad \ud800"
    values = (
        lone,
        2**5000,
        -(2**70),
        1.5,
        float("nan"),
        True,
        None,
        (1, 2),
        b"bad",
        {"b": "bad"},
        [["bad"], None],
        "",
        [[lone]],
    )
    for value in values:
        for one in (event({"a": value}), event({}, {"a": value, "b": [value]}), event({"b": value})):
            assert path.matches(one) == plain.matches(one), value


def test_values_that_meet_in_memory_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key that is known, here zeros, values can be made that have one hash: bytes are compared all the same."""
    rules = rules_of(rule_text({"sel": {"a|contains": [f"word{n}-" for n in range(0, 400, 2)]}}))
    with monkeypatch.context() as patch:
        patch.setattr("watchfloor.detect.sigma.native.path.os.urandom", bytes)
        path, plain = both(rules)
    records = [event({"a": f"word{n}-" + "\0" * (40 - len(str(n)))}) for n in range(400)]
    for _ in range(3):
        for record in records:
            assert path.matches(record) == plain.matches(record)


FLOOD = """
import resource, sys
from pathlib import Path
from watchfloor.detect.detector import Detector
from watchfloor.detect.sigma.logsource import LogSources
from watchfloor.detect.sigma.native import NativePath
path = NativePath(Detector.load([Path(sys.argv[1])], shipped=False).rules, LogSources({}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
matched = 0
for batch in range(60):
    lines = (b'{"a":"%d %d word%d-","b":"%d"}' % (batch, n, n % 1000, n * batch) for n in range(20_000))
    matched += len(path.scan(b"\\n".join(lines) * 2, {"product": "test"}))
print(matched, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_flood_of_values_never_seen_takes_bounded_memory(tmp_path: Path) -> None:
    """1.2 million values, each with its own class or none: 90 MB and more if all were kept."""
    import subprocess
    import sys

    words = [f"word{n}-" for n in range(1000)]
    for n in range(0, 1000, 10):
        text = rule_text({"sel": {"a|contains": words[n : n + 10]}}, title=f"rule {n}")
        (tmp_path / f"{n}.yml").write_text(text, encoding="utf-8")
    run = subprocess.run([sys.executable, "-c", FLOOD, tmp_path], capture_output=True, text=True, check=True)
    matched, megabytes = map(int, run.stdout.split())
    assert matched == 60 * (2 * 20_000 - 1)
    assert megabytes < 100


def test_real_records_match_alike_on_both_paths(shared_data: Path) -> None:
    """The dictionaries of events, and their lines in each form."""
    folders = ("rules", "rules-emerging-threats", "rules-threat-hunting")
    rules = Detector.load([shared_data / "sigma" / name for name in folders]).rules
    sources = LogSources.shipped()
    path, plain = native.NativePath(rules, sources), PlainPath(rules, sources)
    events: list[Event] = []
    for name in ("evtx-to-mitre", "sigma/regression_data", "zeek-sample", "aws_dataset", "mail"):
        found = [e for e in ingest([shared_data / name], "acme", Normalizer.shipped()) if isinstance(e, Event)]
        events += found[:: max(1, len(found) // 500)]
    wanted = [plain.matches(one) for one in events]
    assert [path.matches(one) for one in events] == wanted
    assert sum(map(bool, wanted)) > 100
    whole = [orjson.dumps({"original": e.original, "ocsf": e.ocsf, "logsource": e.logsource}) for e in events]
    told = {one.line: list(one.rules) for one in path.scan(b"\n".join(whole), {}, "event")}
    assert [told.get(n, []) for n in range(len(events))] == wanted
    for form, part in (("record", "original"), ("ocsf", "ocsf")):
        lines = b"\n".join(orjson.dumps(getattr(one, part)) for one in events)
        assert path.scan(lines, {"product": "windows"}, form) == plain.scan(lines, {"product": "windows"}, form)


def test_what_rules_cost_is_counted(odd_paths: tuple[Any, PlainPath]) -> None:
    path = both(rules_of(*(rule_text(detection, title=f"odd {n}") for n, detection in enumerate(ODD_RULES))))[0]
    path.scan(b'{"a":"bad"}\n' * 5, SOURCE)
    costs = dict(zip(range(len(ODD_RULES)), path.costs(), strict=True))
    assert costs[0].evaluated == 5
    assert costs[0].nanoseconds > 0
    assert costs[7].evaluated == 0
