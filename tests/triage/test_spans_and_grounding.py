"""A claim stands only as long as every byte of its evidence does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.event import get_path
from watchfloor.core.evidence import Citation, Evidence, Lookup
from watchfloor.core.grounding import problem_of_all
from watchfloor.core.spans import nearest, span_of
from watchfloor.core.verdict import Claim

LOOKUP = Lookup(tenant="acme", collector="history", query={"match": {"user": "ä"}}, as_of=1)
CONTENT = {"count": 3, "names": ["Zoë", "日本"], "last": None, "deep": {"x": [{"y": 1.5}]}}

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abé0", min_size=1, max_size=3), inner),
    max_leaves=20,
)


def paths_of(data: object, prefix: str = "") -> list[str]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found = []
    for key, value in items:
        path = f"{prefix}.{key}" if prefix else str(key)
        found += [path, *paths_of(value, path)]
    return found


def claim_on(evidence: Evidence, path: str) -> Claim:
    span = span_of(evidence.content, path)
    assert span is not None
    citation = Citation(
        evidence=evidence.uid,
        content_digest=evidence.content_digest,
        start=span.start,
        end=span.end,
        quote=span.quote,
        path=path,
    )
    return Claim(
        uid="c-1",
        sentence="It was seen 3 times.",
        question="a.b",
        about="user:x",
        supports="malicious",
        strength=1.0,
        citations=(citation,),
        grounded=False,
    )


@given(documents, st.sampled_from([None, 1]), st.booleans())
def test_the_span_of_every_path_reads_as_its_value(data: object, indent: int | None, plain: bool) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=plain)
    for path in paths_of(data):
        span = span_of(text, path)
        assert span is not None
        assert text.encode()[span.start : span.end].decode() == span.quote
        assert json.loads(span.quote) == get_path(data, path)


@given(documents)
def test_a_path_that_leads_nowhere_has_no_span(data: object) -> None:
    assert span_of(json.dumps(data), "zz.missing") is None


def test_a_numeric_part_names_a_key_where_there_is_no_list() -> None:
    span = span_of('{"within": {"24": 7}}', "within.24")
    assert span is not None
    assert span.quote == "7"


def test_a_list_is_entered_at_its_first_item() -> None:
    span = span_of('{"a":[{"b":"ü1"},{"b":2}]}', "a.b")
    assert span is not None
    assert (span.start, span.end, span.quote) == (11, 16, '"ü1"')


def test_of_a_repeated_key_the_last_counts_as_in_the_parser() -> None:
    text = '{"n":1,"n":2}'
    span = span_of(text, "n")
    assert span is not None
    assert int(span.quote) == json.loads(text)["n"] == 2


def test_absence_is_shown_by_what_surrounds_it() -> None:
    found = nearest('{"a":{"b":1}}', "a.c.d")
    assert found is not None
    assert (found[0], found[1].quote) == ("a", '{"b":1}')


@pytest.mark.parametrize("text", ['{"a" 1}', '{"a":', '{"b":1', '{"b":[1', "", '{"b":1,'])
def test_text_that_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        span_of(text, "a.b")


@pytest.mark.parametrize("path", ["count", "names.1", "last", "deep.x.0.y"])
def test_every_single_byte_flip_of_the_evidence_strikes_the_claim(path: str) -> None:
    evidence = Evidence.of(LOOKUP, CONTENT, at=2, source="lake")
    claim = claim_on(evidence, path)
    assert problem_of_all(claim.citations, {evidence.uid: evidence}) == ""
    content = evidence.content.encode()
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            text = bytes(flipped).decode("utf-8", "surrogateescape")
            forged = evidence.model_copy(update={"content": text})
            assert problem_of_all(claim.citations, {evidence.uid: forged})


def test_evidence_with_a_new_digest_is_other_evidence() -> None:
    evidence = Evidence.of(LOOKUP, CONTENT, at=2, source="lake")
    claim = claim_on(evidence, "count")
    forged = Evidence.of(LOOKUP, {**CONTENT, "count": 4}, at=2, source="lake")
    assert "not the answer" in problem_of_all(claim.citations, {evidence.uid: forged})


def test_what_is_missing_failed_or_uncited_is_not_grounded() -> None:
    evidence = Evidence.of(LOOKUP, CONTENT, at=2, source="lake")
    claim = claim_on(evidence, "count")
    assert "not among" in problem_of_all(claim.citations, {})
    assert "cites no evidence" in problem_of_all((), {})
    failed = Evidence.failed(LOOKUP, "down", at=2, source="lake")
    assert problem_of_all(claim.citations, {evidence.uid: failed})


@pytest.mark.parametrize(
    "change", [{"start": 0}, {"end": 99999}, {"quote": "4"}, {"path": "last"}, {"path": "gone"}, {"start": -3}]
)
def test_a_citation_that_points_elsewhere_is_struck(change: dict[str, object]) -> None:
    evidence = Evidence.of(LOOKUP, CONTENT, at=2, source="lake")
    claim = claim_on(evidence, "count")
    moved = claim.citations[0].model_copy(update=change)
    assert problem_of_all((moved,), {evidence.uid: evidence})


ODD = {"\ud800": "\udfff", "n": 2**70, "small": -(2**70), "list": ["ok", "\ud83d"], "é": 1}


@pytest.mark.parametrize("content", [ODD, "a\ud800b", [ODD, 1.5]])
def test_an_answer_with_what_json_cannot_carry_is_recorded_as_text(content: object) -> None:
    """Records may hold half a surrogate pair or a number of 70 bits; evidence of them must still have bytes."""
    evidence = Evidence.of(LOOKUP, content, at=2, source="lake")
    assert evidence.status == "ok"
    assert Evidence.from_json(evidence.canonical()) == evidence
    assert ("\\ud800" in evidence.content) or ("\\\\ud800" in evidence.content)
    if isinstance(content, dict):
        assert json.loads(evidence.content)["n"] == str(2**70)
        assert problem_of_all(claim_on(evidence, "n").citations, {evidence.uid: evidence}) == ""
