"""Recorded bytes for reading: nothing is lost, nothing is added but layout, the cited bytes are marked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.spans import span_of
from watchfloor.server.present.highlight import reading

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_layout_changes_no_character(value: object, indent: int | None, ascii_only: bool) -> None:
    content = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    shown = reading(content, (), json=True).segments
    assert "".join(s.text for s in shown if not s.layout) == content
    assert all(s.text.isspace() for s in shown if s.layout)


@given(st.text(max_size=60), st.integers(0, 70), st.integers(0, 70))
def test_marks_are_the_cited_bytes(content: str, start: int, end: int) -> None:
    content = content.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    marked = "".join(s.text for s in reading(content, [(start, end)], json=False).segments if s.marked)
    cited = content.encode()[start:end]
    # A span that begins inside a character marks from the next one on.
    assert marked.encode().startswith(cited.decode(errors="ignore").encode()[:1])
    if content.isascii():
        assert marked.encode() == cited


def test_marks_in_json_with_other_letters() -> None:
    content = json.dumps({"a": "überfällig", "b": {"c": ["ß", 7]}}, ensure_ascii=False)
    for path in ("a", "b.c", "b.c.1"):
        span = span_of(content, path)
        assert span is not None
        shown = reading(content, [(span.start, span.end)], json=True).segments
        assert "".join(s.text for s in shown if s.marked) == span.quote


def test_text_that_is_no_json_stays_whole() -> None:
    content = '{"cut": "off in the mid'
    assert "".join(s.text for s in reading(content, (), json=True).segments if not s.layout) == content


@pytest.mark.parametrize("at", [10, 450_000])
def test_long_content_is_cut_after_what_is_cited(at: int) -> None:
    shown = reading("x" * 500_000, [(at, at + 5)], json=False)
    assert any(s.marked and len(s.text) == 5 for s in shown.segments)
    assert shown.cut == 500_000 - max(200_000, at + 5 + 2_000)
    assert sum(len(s.text) for s in shown.segments) + shown.cut == 500_000
