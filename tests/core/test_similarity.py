"""Texts of one making have like signatures; others do not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.similarity import ALIKE, bands, masked, signature, similarity

MAIL = (
    "Dear {name}, your mailbox has reached its limit of {n} GB and will be closed within {n} hours. To keep your "
    "messages, confirm your account here: https://{host}.example/login?id={id}. Your IT help desk, ticket {n}."
)


def _triples(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}


@given(st.integers(0, 10_000))
def test_the_estimate_is_near_the_share_of_triples_in_common(seed: int) -> None:
    rng = random.Random(seed)
    one = [rng.choice("abcdefghijklmnop") * 3 + rng.choice("xyz") for _ in range(120)]
    other = [word if rng.random() > 0.04 else "other" for word in one]
    a, b = _triples(one), _triples(other)
    true = len(a & b) / len(a | b)
    assert abs(similarity(signature(" ".join(one)), signature(" ".join(other))) - true) < 0.3


def test_a_campaign_is_alike_and_the_same_in_every_process() -> None:
    one = signature(MAIL.format(name="Nora", n=5, host="a", id="ab12cd34ef56"))
    other = signature(MAIL.format(name="Bob", n=48, host="b", id="ff00ff00ff00"))
    assert similarity(one, other) >= ALIKE
    assert set(bands(one)) & set(bands(other))
    assert similarity(one, signature("Minutes of the meeting: " + " ".join(f"word{c}" for c in "abcdefghijkl"))) < 0.1
    assert len(one) == 88


def test_values_are_masked() -> None:
    assert masked("PING -n 5 10.0.0.1") == "ping -n 0 ip"
    assert masked("run 5f0c2a1e-0b7d-4c55-9e0a-1f2e3d4c5b6a 0xdeadbeef1") == "run guid hex"
    assert masked("x " + "aGVsbG8gd29ybGQ5" * 3 + "==") == "x blob"


@pytest.mark.parametrize("text", ["", "whoami /all", "\ud800", "powershell.exe -enc " + "QUJD" * 100])
def test_what_says_too_little_is_like_nothing(text: str) -> None:
    assert signature(text) == ""
    assert similarity(signature(text), signature(text)) == 0.0
