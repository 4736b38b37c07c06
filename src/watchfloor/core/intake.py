"""Live intake: the sources that may hand records in, what has come from each, and where the work on it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import StringConstraints

from watchfloor.core.clock import MINUTE
from watchfloor.core.noun import Digest, Noun, Tenant
from watchfloor.core.policy import IntakePolicy

SourceKind = Literal["webhook", "hec", "bulk", "otlp"]
SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]

KEPT_MINUTES = 240


class LiveSource(Noun):
    """A source that may hand records in with its token. Of the token only a digest is kept."""

    tenant: Tenant
    uid: SourceName
    """Its name."""
    time: int
    """When it was added (ms)."""
    kind: SourceKind
    token_digest: Digest
    status: Literal["active", "removed"] = "active"

    @property
    def source(self) -> str:
        """As records name it."""
        return f"{self.kind}/{self.uid}"


class Tally(Noun):
    """`received` = `events` + `dead_letters` + `repeats` + `indicators`, always. A repeat is a record that had come
    before; an indicator, for short, is an object of threat intelligence that was new: one that names something, one
    that takes such a one back, or one that describes others."""

    received: int = 0
    events: int = 0
    dead_letters: int = 0
    repeats: int = 0
    indicators: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            received=self.received + other.received,
            events=self.events + other.events,
            dead_letters=self.dead_letters + other.dead_letters,
            repeats=self.repeats + other.repeats,
            indicators=self.indicators + other.indicators,
        )


class LiveState(Noun):
    """What has come in from one live source."""

    tenant: Tenant
    uid: str
    """The source, as records name it."""
    time: int
    """When it was last heard (ms)."""
    tally: Tally = Tally()
    minutes: tuple[tuple[int, int], ...] = ()
    """Records received in the last minutes in which there were any: (minute since the epoch, count), oldest first."""

    def plus(self, tally: Tally, arrivals: Mapping[int, int]) -> LiveState:
        """With what came; `arrivals` are counts of records by when they were received (ms)."""
        minutes = Counter(dict(self.minutes))
        for at, count in arrivals.items():
            minutes[at // MINUTE] += count
        changes = {
            "tally": self.tally + tally,
            "time": max(self.time, *arrivals),
            "minutes": tuple(sorted(minutes.items())[-KEPT_MINUTES:]),
        }
        return self.model_copy(update=changes)

    def per_minute(self, now: int, over: int = 10) -> float:
        """Records a minute in the last `over` whole minutes before now (ms)."""
        minute = now // MINUTE
        return round(sum(count for at, count in self.minutes if minute - over <= at < minute) / over, 1)


class Trouble(Noun):
    """What intake cannot do now and tries again."""

    doing: str
    problem: str
    since: int
    """When it first went wrong (ms)."""


class Silence(Noun):
    """A regular source that is not heard any more."""

    source: str
    last_heard: int
    """When (ms)."""
    longest_gap: int
    """Between two minutes in which it was heard before (ms)."""
    silent_after: int
    """From so long on (ms) it counts as silent."""


def silence(state: LiveState, policy: IntakePolicy, now: int) -> Silence | None:
    """Whether a source is silent at a time (ms). One that was never regular cannot be."""
    minutes = [minute for minute, _ in state.minutes]
    if len(minutes) < policy.regular_minutes:
        return None
    longest = max(after - before for before, after in pairwise(minutes)) * MINUTE
    after = max(policy.silent_minutes * MINUTE, round(policy.silent_gaps * longest))
    if now - state.time < after:
        return None
    return Silence(source=state.uid, last_heard=state.time, longest_gap=longest, silent_after=after)


class IntakeMark(Noun):
    """How far the work on a tenant's spool has come. Written before and after each batch, so that a batch that a crash
    cut off is worked off again as the same batch, and counts the same."""

    tenant: Tenant
    uid: Literal["intake"] = "intake"
    time: int
    done: int = 0
    """Parcels up to this number are worked off."""
    begun: int = 0
    """The batch under way ends with this number; 0 where none is."""
    repeats: dict[str, int] = {}
    """Of the batch under way, by source: events that were in the lake before it."""
    unlogged: dict[str, Tally] = {}
    """By source, what the ledger has not been told yet."""
    logged_at: int = 0


def added(one: Mapping[str, Tally], other: Mapping[str, Tally]) -> dict[str, Tally]:
    """Tallies by source, summed."""
    return {source: one.get(source, Tally()) + other.get(source, Tally()) for source in {**one, **other}}
