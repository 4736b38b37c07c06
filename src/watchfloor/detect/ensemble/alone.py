"""Where no rule speaks up: the finding that signals make by themselves, if they come to enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal

from watchfloor.content import documents, folder
from watchfloor.core.attack import in_order
from watchfloor.core.event import Event
from watchfloor.core.finding import Detection, Severity
from watchfloor.core.risk import Risk
from watchfloor.core.signal import Signal
from watchfloor.core.text import clipped
from watchfloor.detect.findings import Raised, source_of
from watchfloor.detect.vendor import slug

RAISED_AT = 0.5
"""From this p_critical on, signals without any rule are a finding: more likely than not."""
SEVERE_AT = 0.9
_MOST_SAID = 4
_LONGEST = 300


def raised_alone(event: Event, signals: Sequence[Signal], risk: Risk) -> Raised | None:
    """The finding that an event's signals make, of which `risk` is the risk, named after the one that counts most;
    None below `RAISED_AT`.

    It is of medium severity. Of high only where an anomaly and a learned detector, which err for different reasons,
    both speak and come to `SEVERE_AT`.
    """
    counted = [part for part in risk.parts if part.contribution > 0]
    if risk.p_critical < RAISED_AT or not counted:
        return None
    first = next(s for s in signals if (s.member, s.said) == (counted[0].member, counted[0].sentence))
    title = first.title or first.member
    both = len({_family(part.member) for part in counted}) > 1 and risk.p_critical >= SEVERE_AT
    detection = Detection(
        uid=f"{first.member}/{slug(title)}",
        title=title,
        family=first.member,
        source=source_of(event),
        kind=_family(first.member),
        description=" ".join(part.sentence for part in counted[:_MOST_SAID]),
    )
    severity = Severity.high if both else Severity.medium
    said = f"{title}: {first.said}"
    return Raised(detection, severity, clipped(said, _LONGEST), first.techniques, _tactics(first.techniques))


def _tactics(techniques: Iterable[str]) -> tuple[str, ...]:
    known = (_tactic_of().get(technique.partition(".")[0]) for technique in techniques)
    return in_order(tactic for tactic in known if tactic)


@cache
def _tactic_of() -> dict[str, str]:
    """Technique -> tactic, as content/ensemble/tactics.yaml has it."""
    return {
        key: name for document in documents(folder("ensemble") / "tactics.yaml") for key, name in document.data.items()
    }


def _family(member: str) -> Literal["anomaly", "learned"]:
    return "anomaly" if member.startswith("anomaly") else "learned"
