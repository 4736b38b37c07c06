"""The engine against an independent, deliberately naive evaluator, over rules and records that hypothesis makes up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detect import naive
from tests.detect.helpers import PATHS, event, rule_text
from watchfloor.detect.sigma.engine import Engine
from watchfloor.detect.sigma.fields import FieldNames
from watchfloor.detect.sigma.loader import Loader
from watchfloor.detect.sigma.logsource import LogSources

NAMES = FieldNames.shipped()

# Few letters, so that rules and records meet often; among them those that escaping and folding stumble over.
TEXT = st.text(alphabet="aAbB\\*?-/ .é\n0", max_size=6)
FIELDS = st.sampled_from(["a", "b", "c.d", "e.f.g"])
TIMES = ["2026-03-04T05:06:07Z", "2026-03-04 23:30:00+02:00", 1_772_600_000, 1_772_600_000_123]
ODD = [1.0, 2.5, "10.0.0.7", "::1", "\u017f\u212aA", "xYQBiAA==", "YWI=", *TIMES]
SCALARS = st.one_of(TEXT, st.integers(-3, 12), st.booleans(), st.none(), st.sampled_from(ODD))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
STRINGS = [
    "",
    "contains",
    "startswith",
    "endswith",
    "contains|all",
    "cased",
    "contains|cased",
    "windash",
    "contains|windash",
    "endswith|windash",
    "neq",
    "contains|neq",
    "startswith|all",
    "fieldref",
    "fieldref|contains",
    "fieldref|startswith",
    "fieldref|endswith",
    "startswith|cased",
    "endswith|cased",
    "windash|contains|all",
]
PARTS = [3, 4, 5, 6, 10, 21, 2026]
ENCODINGS = [
    "base64",
    "base64offset|contains",
    "wide",
    "wide|base64",
    "wide|base64offset|contains",
    "utf16le|base64",
    "utf16|base64",
    "utf16|base64offset|contains",
    "utf16be|base64|contains",
]
PATTERNS = st.sampled_from(
    ["a+b", "^A", "(a|b)b", "[ab]{2}", r"\\", "a.b", r"\*", ".", "b?a", "é", "aab?", "(?:ab|ba)a", "a{2,3}", "sk", "b$"]
)


def _wrapped(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.lists(values, min_size=1, max_size=3))


PAIRS = st.one_of(
    st.tuples(st.sampled_from(STRINGS), _wrapped(TEXT)),
    st.tuples(st.just(""), _wrapped(SCALARS)),
    st.tuples(st.sampled_from(["re", "re|i", "re|s", "re|m", "re|i|s", "re|ignorecase"]), _wrapped(PATTERNS)),
    st.tuples(st.sampled_from(["lt", "lte", "gt", "gte"]), _wrapped(st.integers(-3, 12))),
    st.tuples(st.sampled_from(["minute", "hour", "day", "week", "month", "year"]), _wrapped(st.sampled_from(PARTS))),
    st.tuples(st.sampled_from(["hour|gte", "day|lt", "year|gt", "minute|lte"]), st.sampled_from(PARTS)),
    st.tuples(st.just("exists"), st.booleans()),
    st.tuples(st.just("cidr"), _wrapped(st.sampled_from(["10.0.0.0/8", "0.0.0.0/0", "::/64"]))),
    st.tuples(
        st.sampled_from(ENCODINGS),
        _wrapped(st.text(alphabet="ab ", min_size=1, max_size=4)),
    ),
)


@st.composite
def _maps(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 3))):
        modifiers, value = draw(PAIRS)
        name = draw(FIELDS)
        if "fieldref" in modifiers:
            value = draw(FIELDS)
        if _is_dangling(modifiers, value):
            continue
        found["|".join(filter(None, [name, modifiers]))] = value
    return found or {"a": "x"}


def _is_dangling(modifiers: str, value: Any) -> bool:
    """What pySigma refuses or what the naive evaluator does not claim to read."""
    texts = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]
    return "windash" in modifiers and any(t.count("-") + t.count("/") > 3 for t in texts)


KEYWORDS = st.one_of(
    _wrapped(TEXT.filter(bool)),
    st.fixed_dictionaries({"|all": st.lists(TEXT.filter(bool), min_size=1, max_size=2)}),
    st.fixed_dictionaries({"|re": _wrapped(PATTERNS)}),
    st.fixed_dictionaries({"|cased": _wrapped(TEXT.filter(bool))}),
)
SEARCHES = st.one_of(_maps(), st.lists(_maps(), min_size=1, max_size=2), KEYWORDS)
CONDITIONS = st.sampled_from(
    [
        "s1",
        "not s1",
        "s1 and s2",
        "s1 or s2",
        "s1 and not s2",
        "not s1 and not s2",
        "1 of s*",
        "all of them",
        "(s1 or s2) and not (s1 and s2)",
        "not 1 of s*",
        "not (s1 or not s2)",
        "any of them and not all of s*",
        "not not s1",
    ]
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "a": VALUES,
        "b": VALUES,
        "c.d": SCALARS,
        "c": st.fixed_dictionaries({}, optional={"d": VALUES}),
        "e": st.one_of(
            st.fixed_dictionaries({"f": st.lists(st.fixed_dictionaries({"g": VALUES}), max_size=2)}),
            st.fixed_dictionaries({"f.g": SCALARS}),
        ),
    },
)


def agree(rules: list[tuple[Any, Any, str]], records: list[dict[str, Any]], path: str) -> None:
    """Assert that a path matches as the naive evaluator does. Rules stand together in one engine, so that the index of
    witnesses is exercised as well; records come several times, so that memory answers, too."""
    raw = [{"detection": {"s1": one, "s2": two, "condition": condition}} for one, two, condition in rules]
    loader = Loader(NAMES, {})
    with tempfile.TemporaryDirectory() as folder:
        for number, rule in enumerate(raw):
            text = rule_text(rule["detection"], title=f"rule {number}", id=str(UUID(int=number)))
            (Path(folder) / f"{number}.yml").write_text(text, encoding="utf-8")
        loader.load([Path(folder)])
    assert [problem for problem in loader.problems if "dash" not in problem.reason] == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WATCHFLOOR_ENGINE", path)
        engine = Engine(loader.rules, LogSources({}))
    assert engine.path_name == path
    loaded = {rule.title for rule in engine.rules}
    for record in [*records, *records]:
        ours = {rule.title for rule in engine.matches(event(record))}
        theirs = {f"rule {n}" for n, rule in enumerate(raw) if naive.matches(rule, record)} & loaded
        assert ours == theirs, record


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=200)
@given(
    rules=st.lists(st.tuples(SEARCHES, SEARCHES, CONDITIONS), min_size=1, max_size=4),
    records=st.lists(RECORDS, min_size=1, max_size=6),
)
def test_a_path_and_the_naive_evaluator_agree(
    path: str, rules: list[tuple[Any, Any, str]], records: list[dict[str, Any]]
) -> None:
    agree(rules, records, path)
