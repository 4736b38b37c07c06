"""Where no rule speaks up: the finding that signals make by themselves, if they come to enough."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from watchfloor.content import documents, folder
from watchfloor.core.event import Event
from watchfloor.core.finding import Detection, Severity
from watchfloor.core.risk import Risk
from watchfloor.detect.findings import Raised, source_of

RAISED_AT = 0.5
"""From this p_critical on, signals without any rule are a finding: more likely than not."""
SEVERE_AT = 0.9
_MOST_SAID = 4
_LONGEST = 300


def raised_alone(event: Event, signals: Risk) -> Raised | None:
    """The finding that an event's signals make, of which `signals` is the risk, named after the one that counts most;
    None below `RAISED_AT`.

    It is of medium severity. Of high only where an anomaly and a learned detector, which err for different reasons,
    both speak and come to `SEVERE_AT`.
    """
    counted = [part for part in signals.parts if part.contribution > 0]
    if signals.p_critical < RAISED_AT or not counted:
        return None
    leading = counted[0]
    row = _row(leading.member)
    both = len({_family(part.member) for part in counted}) > 1 and signals.p_critical >= SEVERE_AT
    detection = Detection(
        uid=leading.member,
        title=row["title"],
        family=leading.member,
        source=source_of(event),
        kind=_family(leading.member),
        description=" ".join(part.sentence for part in counted[:_MOST_SAID]),
    )
    severity = Severity.high if both else Severity.medium
    title = f"{row['title']}: {leading.sentence}"[:_LONGEST]
    return Raised(detection, severity, title, tuple(row.get("techniques", ())), tuple(row.get("tactics", ())))


def _family(member: str) -> Literal["anomaly", "learned"]:
    return "anomaly" if member.startswith("anomaly") else "learned"


def _row(member: str) -> dict[str, Any]:
    return next(row for row in _rows() if member.startswith(row["member"]))


@cache
def _rows() -> tuple[dict[str, Any], ...]:
    """What findings of signals are called, by the beginning of a member's name; the last fits all."""
    rows = [row for document in documents(folder("ensemble") / "members.yaml") for row in document.data]
    return (*rows, {"member": "", "title": "Not usual here"})
