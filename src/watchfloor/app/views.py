"""What pages and commands show: nouns put together, nothing decided anew."""

from __future__ import annotations

import json
from typing import NamedTuple

from watchfloor.core.case import Case, Comment
from watchfloor.core.entry import Entry, TreeHead
from watchfloor.core.finding import Finding
from watchfloor.core.intake import Silence, Trouble
from watchfloor.core.label import Label
from watchfloor.core.plan import Approval, Outcome, Plan
from watchfloor.core.source import SourceHealth
from watchfloor.core.verdict import Change, Disposition, Verdict
from watchfloor.store.intel import Feed

VERDICTS = "verdict."
REOPENED = "verdict.reopened"


class QueueRow(NamedTuple):
    """One line of the queue."""

    case: Case
    verdict: Verdict | None


class Reopened(NamedTuple):
    """That a verdict stands in the place of another one because facts changed: from the ledger of its case."""

    time: int
    was: Disposition
    was_probability: float
    changes: tuple[Change, ...]

    @property
    def named(self) -> str:
        """`reopened` where a case that had closed is open again, or might be."""
        return "reopened" if self.was == "close" else "decided again"

    @property
    def sentence(self) -> str:
        """Why, in words: the change that weighs most, and how many there are beside it."""
        if not self.changes:
            return "its evidence changed"
        more = len(self.changes) - 1
        return self.changes[0].sentence + (f" (and {more} more)" if more else "")

    @classmethod
    def of(cls, entry: Entry) -> Reopened | None:
        """From the newest entry on a case's verdict; None when that did not take another one's place for a fact."""
        if entry.kind != REOPENED:
            return None
        body = json.loads(entry.body)
        was = body.get("was")
        if was is None:  # written before changes were told
            return None
        changes = tuple(Change.from_dict(change) for change in body["changes"])
        return cls(entry.time, was["disposition"], was["probability"], changes)


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

    @property
    def reopened(self) -> Reopened | None:
        """Why the verdict stands in the place of another one; None when it is the first, or no fact changed."""
        newest = next((e for e in reversed(self.entries) if e.kind.startswith(VERDICTS)), None)
        return Reopened.of(newest) if newest else None


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
