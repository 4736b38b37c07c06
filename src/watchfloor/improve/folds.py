"""Folds: which examples are held out together. By group; by time where there is one group; or each by itself."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from watchfloor.improve.example import Example
from watchfloor.improve.reliability import Floats

FOLDS = 3


def folds_of(examples: Sequence[Example], leave: Literal["group", "example"], count: int = FOLDS) -> list[Floats]:
    """For each fold 1 for an example that is kept and 0 for one that is held out. None with fewer than two parts."""
    if leave == "example":
        place = [_hashed(one.uid) % count for one in examples]
    else:
        parts = _parts(examples, count)
        place = [parts[one.group] for one in examples]
    return [np.array([float(at != fold) for at in place]) for fold in sorted(set(place))]


def _parts(examples: Sequence[Example], count: int) -> dict[str, int]:
    """Groups to folds, the largest first, each to the fold that has least."""
    sizes = Counter(one.group for one in examples)
    held = [0] * count
    place = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        place[group] = min(range(count), key=lambda fold: (held[fold], fold))
        held[place[group]] += size
    return place


def _hashed(uid: str) -> int:
    return int.from_bytes(hashlib.sha256(uid.encode("utf-8", "surrogatepass")).digest()[:8])
