"""Finding: something says "look at this", a vendor's alert or a detection of our own (OCSF Detection Finding)."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from watchfloor.core.entity import Involvement
from watchfloor.core.event import Layer
from watchfloor.core.noun import Noun, Tenant


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
    """What raised a finding: a rule (`uid` is the Sigma rule's id) or a vendor's own signature.

    `family` groups detections that fail alike (`sigma/windows/process_creation`); reliability is shrunk towards it.
    `source` is the product whose records it reads. `kind` tells ours from vendors' alerts.
    """

    uid: str
    title: str
    family: str
    source: str
    kind: Literal["rule", "vendor", "indicator"]
    description: str = ""
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    @property
    def klass(self) -> str:
        """The class under which closing is bounded: family x source."""
        return f"{self.family} @ {self.source}"


class Finding(Noun):
    """One match of one detection on one event."""

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
