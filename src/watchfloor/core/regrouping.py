"""Regrouping: what a person said on which findings belong together. Kept for ever, honoured by every later correlation.

A regrouping is never changed. To undo one is to say another that takes it back; to undo that holds the first again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

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
