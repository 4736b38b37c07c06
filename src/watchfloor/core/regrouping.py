"""Regrouping: what a person said on which findings belong together. Kept for ever, honoured by every later correlation.

A regrouping is never changed. To undo one is to say another that takes it back; to undo that holds the first again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from watchfloor.core.label import Label
from watchfloor.core.noun import Noun, Tenant

Regroups = Literal["together", "apart", "moved", "undone"]


class Regrouping(Noun):
    """`together`: all of `one` and `other` belong together. `apart`: nothing of `one` stands in a case with anything of
    `other`. `moved`: the same, and `other` is one case. `undone`: it only takes back. Findings are named by uid."""

    tenant: Tenant
    uid: str
    time: int
    kind: Regroups
    by: str
    case_uid: str
    """The case on which it was said."""
    other_case: str = ""
    """The case that was merged with it, or the one that it made of `other`."""
    one: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    takes_back: tuple[str, ...] = ()
    """Uids of earlier regroupings that hold no more while this one stands."""
    sentence: str
    """`nora joined case-1 and case-2`."""


def standing(said: Iterable[Regrouping]) -> list[Regrouping]:
    """Those that hold, oldest first: what no standing one takes back."""
    held: list[Regrouping] = []
    taken_back: set[str] = set()
    for one in sorted(said, key=lambda r: (r.time, r.uid), reverse=True):
        if one.uid not in taken_back:
            taken_back.update(one.takes_back)
            held.append(one)
    return held[::-1]


def counted_once(labels: Iterable[Label], merged_into: Mapping[str, str]) -> tuple[Label, ...]:
    """Labels, but of cases that became one case no more than one a class: an attack first, then the newest.

    `merged_into` tells of a case which one holds its findings now. No label is lost: when the merging is undone, all
    count again.
    """
    best: dict[tuple[str, str], Label] = {}
    for label in labels:
        key = (merged_into.get(label.case_uid, label.case_uid) or label.uid, label.detection_class)
        held = best.get(key)
        if held is None or _weight(held) < _weight(label):
            best[key] = label
    return tuple(best.values())


def _weight(label: Label) -> tuple[bool, int, str]:
    return label.verdict == "malicious", label.time, label.uid
