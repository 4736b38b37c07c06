"""Text from outside, made such that every library takes it, and what is counted of it."""

from __future__ import annotations

import math
from collections import Counter

LONGEST = 32_768
"""Characters of one text that are looked at. What is longer says so itself by its length."""


def whole(text: str) -> str:
    """Text that every library takes: no lone surrogates, no NUL, not longer than LONGEST."""
    return text[:LONGEST].encode("utf-8", "replace").decode().replace("\0", " ")


def both_ends(text: str, length: int) -> str:
    """At most `length` characters: of what is longer the beginning and the end, so that neither can be pushed out."""
    trimmed = text.strip()
    if len(trimmed) <= length:
        return trimmed
    head = 3 * length // 4
    return f"{trimmed[:head]} {trimmed[head + 1 - length :]}"


def clipped(text: str, length: int) -> str:
    """At most `length` characters, with an ellipsis where some were left out."""
    return text if len(text) <= length else text[: length - 1] + "…"


def entropy(text: str) -> float:
    """Shannon entropy in bits a character, to two digits."""
    counts = Counter(text)
    total = len(text)
    return round(-sum(n / total * math.log2(n / total) for n in counts.values()), 2) + 0.0 if total else 0.0
