"""The engine against an independent, deliberately naive evaluator, over rules and records that hypothesis makes up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.detect import naive
from tests.detect.helpers import detector, event, rule_text

# Few letters, so that rules and records meet often; among them those that escaping and folding stumble over.
TEXT = st.text(alphabet="aAbB\\*?-/ .é\n0", max_size=6)
FIELDS = st.sampled_from(["a", "b", "c.d", "e.f.g"])
SCALARS = st.one_of(TEXT, st.integers(-3, 12), st.booleans(), st.none(), st.sampled_from([1.0, 2.5, "10.0.0.7", "::1"]))
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
]
PATTERNS = st.sampled_from(["a+b", "^A", "(a|b)b", "[ab]{2}", r"\\", "a.b", r"\*", ".", "b?a", "é"])


def _wrapped(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.lists(values, min_size=1, max_size=3))


PAIRS = st.one_of(
    st.tuples(st.sampled_from(STRINGS), _wrapped(TEXT)),
    st.tuples(st.just(""), _wrapped(SCALARS)),
    st.tuples(st.sampled_from(["re", "re|i", "re|s", "re|m", "re|i|s"]), _wrapped(PATTERNS)),
    st.tuples(st.sampled_from(["lt", "lte", "gt", "gte"]), _wrapped(st.integers(-3, 12))),
    st.tuples(st.just("exists"), st.booleans()),
    st.tuples(st.just("cidr"), _wrapped(st.sampled_from(["10.0.0.0/8", "0.0.0.0/0", "::/64"]))),
    st.tuples(
        st.sampled_from(["base64", "base64offset|contains", "wide|base64", "utf16be|base64|contains"]),
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


SEARCHES = st.one_of(_maps(), st.lists(_maps(), min_size=1, max_size=2), _wrapped(TEXT.filter(bool)))
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


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rules=st.lists(st.tuples(SEARCHES, SEARCHES, CONDITIONS), min_size=1, max_size=4),
    records=st.lists(RECORDS, min_size=1, max_size=6),
)
def test_engine_and_naive_evaluator_agree(rules: list[tuple[Any, Any, str]], records: list[dict[str, Any]]) -> None:
    """Rules stand together in one engine, so that the index of witnesses is exercised as well."""
    raw = [{"detection": {"s1": one, "s2": two, "condition": condition}} for one, two, condition in rules]
    with tempfile.TemporaryDirectory() as folder:
        texts = [rule_text(rule["detection"], title=f"rule {n}") for n, rule in enumerate(raw)]
        found = detector(Path(folder), *texts)
    assert [p for p in found.problems if "dash" not in p.reason and "has the id" not in p.reason] == []
    loaded = {rule.title for rule in found.rules}
    for record in records:
        ours = {f.title for f in found.findings(event(record))}
        theirs = {f"rule {n}" for n, rule in enumerate(raw) if naive.matches(rule, record)} & loaded
        assert ours == theirs, record
