"""Which cases a run need not ask about again: those for which nothing can have changed that their verdict rests on.

What is looked up for a case is looked up as of its newest finding: history and labels before that time, the context,
intelligence. So a case is settled while it is the same case, what holds for all is the same, and no event or label
has come that is older than its newest finding. Known for what this process has decided; the first run asks of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from watchfloor.core.case import Case
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.noun import digest_of
from watchfloor.core.verdict import Disposition, Verdict
from watchfloor.triage.bound import ClassRecord


class World(NamedTuple):
    """What holds for all cases: digests, how far intelligence goes, and how many verdicts there are."""

    catalogue: str
    scorecard: str
    policy: str
    context: str
    intel: tuple[int, int]
    verdicts: int


class Settled(NamedTuple):
    """What is kept of a decided case: the digest of what it is, and what the verdict was."""

    digest: str
    last_time: int
    labels: ClassRecord
    disposition: Disposition
    escalated_near: tuple[str, ...]
    would_close: bool = False

    @classmethod
    def of(
        cls,
        case: Case,
        findings: Iterable[Finding],
        labels: ClassRecord,
        verdict: Verdict,
        escalated_near: tuple[str, ...],
    ) -> Settled:
        return cls(
            digest(case, findings), case.last_time, labels, verdict.disposition, escalated_near, verdict.wants_to_close
        )


class Freshness:
    """The settled cases of one tenant. For one thread at a time."""

    def __init__(self) -> None:
        self._settled: dict[str, Settled] = {}
        self._world: World | None = None
        self._labels: frozenset[Label] = frozenset()

    def begin(self, world: World, labels: Iterable[Label], earliest: int | None) -> None:
        """Forget what may have changed; `earliest` is the time (ms) of the oldest event that came since the last, or
        from which a fact holds that did."""
        now = frozenset(labels)
        if world != self._world:
            self._settled.clear()
        times = [label.time for label in now ^ self._labels] + ([] if earliest is None else [earliest])
        if times:
            oldest = min(times)
            self._settled = {uid: one for uid, one in self._settled.items() if one.last_time <= oldest}
        self._world, self._labels = world, now

    def ended(self, verdicts: int) -> None:
        """How many verdicts the run wrote: more than these at the next are another's, who may know what we do not."""
        if self._world is not None:
            self._world = self._world._replace(verdicts=self._world.verdicts + verdicts)

    def of(self, case: Case, findings: Iterable[Finding], labels: ClassRecord) -> Settled | None:
        """What was decided, where a case and what the labels say of its class are as they were."""
        one = self._settled.get(case.uid)
        return one if one and labels.still(one.labels) and one.digest == digest(case, findings) else None

    def settle(self, case_uid: str, one: Settled) -> None:
        """Its verdict is recorded, and every answer that it rests on was to be had."""
        self._settled[case_uid] = one


def digest(case: Case, findings: Iterable[Finding]) -> str:
    """Of what decides: a case's status, assignee and risk do not; most findings never change."""
    blank = case.model_copy(update={"status": "new", "assignee": "", "risk": None})
    changing = sorted(f.model_copy(update={"risk": None}).digest() for f in findings if f.changes)
    return digest_of("".join([blank.digest(), *changing]).encode())
