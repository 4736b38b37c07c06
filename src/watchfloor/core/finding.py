"""Finding: something says "look at this", a vendor's alert or a detection of our own (OCSF Detection Finding)."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from watchfloor.core.correlated import Correlated
from watchfloor.core.entity import Involvement
from watchfloor.core.event import Layer
from watchfloor.core.noun import Noun, Tenant
from watchfloor.core.risk import Risk


class Severity(IntEnum):
    """OCSF severity_id."""

    unknown = 0
    informational = 1
    low = 2
    medium = 3
    high = 4
    critical = 5
    fatal = 6


class Detection(Noun):
    """What raised a finding: a rule (`uid` is the Sigma rule's id), a vendor's own signature, an indicator, or a member
    of the ensemble that spoke where no rule did (`uid` is its name, `anomaly/beaconing`).

    `family` groups detections that fail alike (`sigma/windows/process_creation`); reliability is shrunk towards it.
    `source` is the product whose records it reads. `kind` tells ours from vendors' alerts.
    """

    uid: str
    title: str
    family: str
    source: str
    kind: Literal["rule", "vendor", "indicator", "anomaly", "learned"]
    description: str = ""
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    version: str = ""
    """Of a rule the digest of what it said when it raised the finding (`sha256:...`)."""

    @property
    def klass(self) -> str:
        """The class under which closing is bounded: family x source."""
        return f"{self.family} @ {self.source}"


Standing = Literal["open", "resolved", "dismissed"]
"""What a product's own people or machinery made of its alert. `dismissed`: no attack, they say."""
_STANDINGS: tuple[Standing, ...] = ("open", "resolved", "dismissed")


class Finding(Noun):
    """One match of one detection on one event; of a correlation on several (`correlated`), of which `event_uid` is the
    last; or a vendor's alert, which may be told again when it changes."""

    tenant: Tenant
    uid: str
    time: int
    detection: Detection
    severity: Severity
    layer: Layer
    event_uid: str
    source: str
    position: int
    title: str
    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    involved: tuple[Involvement, ...] = ()
    thread: tuple[str, ...] = ()
    """Ids that tie findings together beyond shared entities: process GUIDs, sessions, message ids, flow ids."""
    likeness: tuple[str, ...] = ()
    """`command:` or `url:` and a MinHash signature (`core.similarity`): what texts of one making share."""
    alert: str = ""
    """`product/id` of an alert whose product tells of its changes: all events that do are one finding (`joined`)."""
    changed: int = 0
    """When the alert became as `event_uid` has it (ms)."""
    stood: Standing = "open"
    """How it stood then: of an alert that is closed by now, the last time that it was open tells more."""
    standing: Standing = "open"
    """How it stands since `standing_since` (ms), as the event `standing_event` says."""
    standing_since: int = 0
    standing_event: str = ""
    correlated: Correlated | None = None
    risk: Risk | None = None
    """What all that speaks of its event comes to; None where it was found before risk was reckoned. It orders what
    people look at and decides nothing: no verdict reads it."""

    @property
    def until(self) -> int:
        """The time of the last event that it rests on (ms)."""
        return self.correlated.last if self.correlated else self.time

    @property
    def changes(self) -> bool:
        """Whether it may be told again and become another under the same uid."""
        return bool(self.alert or self.correlated)

    @property
    def quiet(self) -> bool:
        """Whether nobody has to look at it: all that is known of it is that its product's people dismissed it."""
        return self.stood == "dismissed"


def joined(one: Finding, other: Finding) -> Finding:
    """One alert of two of its states, in whichever order they came: what it was when it was open last.

    It keeps its first time and its worst severity: what a product says later may raise it and never lower it.
    Of two tellings of a correlation's match, that which rests on more events.
    """
    if one.correlated and other.correlated:
        return one if one.correlated.total > other.correlated.total else other
    shown = max(one, other, key=lambda f: (-_STANDINGS.index(f.stood), f.changed, f.event_uid))
    stands = max(one, other, key=lambda f: (f.standing_since, _STANDINGS.index(f.standing), f.standing_event))
    both = {}
    for name in ("techniques", "tactics", "thread"):
        both[name] = tuple(sorted({*getattr(one, name), *getattr(other, name)}))
    involved = {(i.entity.key, i.role): i for i in (*one.involved, *other.involved)}
    risks = [f.risk for f in (one, other) if f.risk is not None]
    return shown.model_copy(
        update={
            **both,
            "involved": tuple(involved[key] for key in sorted(involved)),
            "time": min(one.time, other.time),
            "severity": max(one.severity, other.severity),
            "risk": max(risks, key=lambda risk: (risk.log_odds, risk.canonical()), default=None),
            "standing": stands.standing,
            "standing_since": stands.standing_since,
            "standing_event": stands.standing_event,
        }
    )
