"""Signal: what one member of the ensemble says of one event. It is no finding: `detect.ensemble` weighs it."""

from __future__ import annotations

import msgspec


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """`member` names who says it (`anomaly/first_seen`, `learned/command_line`).

    `strength` is from 0 to 1: of an anomaly how rare it is under what was usual, of a learned detector its calibrated
    probability. `said` is one sentence with what was usual and what was seen. `parts` are the pieces that counted, each
    with its contribution (log-odds), greatest first. `subject` is the entity that it is about (`user:alice`), if any.
    `title` and `techniques` (ATT&CK) are what a finding that rests on it alone is called.
    """

    member: str
    strength: float
    said: str
    parts: tuple[tuple[str, float], ...] = ()
    subject: str = ""
    title: str = ""
    techniques: tuple[str, ...] = ()
