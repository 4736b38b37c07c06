"""What pages and commands show: nouns put together, nothing decided anew."""

from __future__ import annotations

from typing import NamedTuple

from watchfloor.core.case import Case, Comment
from watchfloor.core.entry import Entry, TreeHead
from watchfloor.core.finding import Finding
from watchfloor.core.intake import Silence, Trouble
from watchfloor.core.label import Label
from watchfloor.core.plan import Approval, Outcome, Plan
from watchfloor.core.source import SourceHealth
from watchfloor.core.verdict import Verdict
from watchfloor.store.intel import Feed


class QueueRow(NamedTuple):
    """One line of the queue."""

    case: Case
    verdict: Verdict | None


class CaseView(NamedTuple):
    """All that a case page shows."""

    case: Case
    findings: list[Finding]
    verdict: Verdict | None
    plan: Plan | None
    approvals: list[Approval]
    outcomes: list[Outcome]
    comments: list[Comment]
    label: Label | None
    entries: list[Entry]


class LedgerState(NamedTuple):
    """What re-reading the whole ledger just now has shown."""

    size: int
    head: TreeHead | None
    """The newest signed tree head."""
    problems: list[str]
    """One line for each entry, digest or head that does not hold; empty when all of it does."""


class LiveRow(NamedTuple):
    """What a live source handed in: `received` = events + dead letters + `repeats` + `indicators`. Times in ms."""

    received: int
    repeats: int
    indicators: int
    last_heard: int
    per_minute: float
    """Records, over the last ten minutes."""
    silence: Silence | None
    """Set when it was regular and is not heard any more."""


class IntakeView(NamedTuple):
    """How live intake stands: what waits in the spool (nothing where this process does not serve), what hinders it."""

    parcels: int
    size: int
    troubles: tuple[Trouble, ...]
    collected: tuple[SourceHealth, ...] = ()
    """How each source of `sources.yaml` does."""
    feeds: tuple[Feed, ...] = ()
    """What is held of each feed of threat intelligence."""


class SourceRow(NamedTuple):
    """What has come from one source. `last_time` is that of its newest event, None without events."""

    source: str
    mappings: tuple[str, ...]
    events: int
    dead_letters: int
    last_time: int | None
    live: LiveRow | None = None
    """Of a source that hands its records in by itself."""
