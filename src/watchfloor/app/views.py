"""What pages and commands show: nouns put together, nothing decided anew."""

from __future__ import annotations

from typing import NamedTuple

from watchfloor.core.case import Case, Comment
from watchfloor.core.entry import Entry, TreeHead
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.plan import Approval, Outcome, Plan
from watchfloor.core.verdict import Verdict


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


class SourceRow(NamedTuple):
    """What has come from one source. `last_time` is that of its newest event, None without events."""

    source: str
    mappings: tuple[str, ...]
    events: int
    dead_letters: int
    last_time: int | None
