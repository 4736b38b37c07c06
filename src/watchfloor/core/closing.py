"""What closing by itself rests on: each case's place in the draw, the state of each class, the periods of the draw."""

from __future__ import annotations

from typing import Literal

from watchfloor.core.noun import Digest, Noun, Tenant


class Draw(Noun):
    """A case's place in the draw that says which cases a person judges for the class's bound.

    Its place hangs on its uid and a secret of the period and on nothing else: whoever makes cases cannot know it.
    """

    tenant: Tenant
    uid: str
    case_uid: str
    time: int
    """When the case was decided first, or first became one that would be closed (ms): the order of the draw."""
    detection_class: str
    detection: str
    version: str = ""
    alike: str
    """The same for cases that are one thing again and again: detections, entities and day."""
    would_close: bool
    """Whether by its newest verdict nothing but its class's bound, people or autonomy keep it from closing."""
    closed: bool = False
    """Whether it was closed by itself at any time."""
    rules: Digest
    """Of what its newest verdict was decided by (`triage.bound.rules_of`)."""
    period: str
    """`2026-W42`: whose key drew it."""
    place: float
    share: float
    """Drawn when `place` is less."""
    topped: bool = False
    """Drawn all the same, so that its class has the least number of its week."""
    due: int = 0
    """Until when a person has to look, when it is closed (ms)."""

    @property
    def drawn(self) -> bool:
        return self.topped or self.place < self.share

    @property
    def status(self) -> Literal["review", "drawn", "passed"]:
        """What the store finds it by: drawn for a review of what was closed, or for a label; or not."""
        return ("review" if self.closed else "drawn") if self.drawn else "passed"


class Stream(Noun):
    """How often each kind of case came, and what was staked on the mix having changed."""

    counts: dict[str, int] = {}
    stakes: tuple[float, ...] = ()
    day: str = ""
    today: dict[str, int] = {}
    """Of the day: of one kind the first, second, fourth, eighth ... case is counted."""


class ClassState(Noun):
    """What is kept of a class of cases between runs; what its labels say is counted anew each time."""

    tenant: Tenant
    uid: str
    time: int
    detection_class: str
    status: Literal["open", "shut"] = "shut"
    """Whether it closes by itself; `since` (ms) then."""
    since: int = 0
    why: str = ""
    drifted_at: int = 0
    """Clean labels of cases from before count no more (ms)."""
    drifted_why: str = ""
    rules: str = ""
    rules_since: int = 0
    """When the rules that its cases are decided by became others (ms); 0 while they are the first."""
    versions: dict[str, str] = {}
    """The newest version of each detection."""
    changed: tuple[str, ...] = ()
    """Detections of which another version was seen before."""
    streams: dict[str, Stream] = {}


class DrawPeriod(Noun):
    """A week of the draw. The ledger has the digest of its key from before the first case, and the key afterwards."""

    tenant: Tenant
    uid: str
    time: int
    commitment: Digest
    status: Literal["committed", "revealed"] = "committed"
