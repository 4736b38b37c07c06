"""Policy: the one object with every threshold, autonomy level and approval rule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from watchfloor.core.clock import DAY
from watchfloor.core.noun import Noun
from watchfloor.core.plan import Effect

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class TriagePolicy(Noun):
    """When a case is escalated, queued or closed."""

    escalate_at: Share = 0.5
    """Probability of malicious from which a person is called now."""
    close_below: Share = 0.05
    """Probability of malicious under which closing is thought of at all."""
    max_missed_share: Share = 0.02
    """The owner's limit: the share of real attacks among what is closed by itself, per class."""
    confidence: Share = 0.95
    """Of the exact upper bound, good at all looks together, that must stay under `max_missed_share`."""
    never_close_severity: int = 5
    """OCSF severity_id from which a case is never closed by itself."""
    label_share: Share = 1.0
    """Of the cases of a class that people decide, chance draws this share; only those bring it nearer to closing, and
    only in the order in which they were drawn, up to the first that nobody has judged."""
    review_share: Share = 0.05
    """Of the cases of a class that closes by itself, chance draws this share for a person to look at."""
    review_least: Annotated[int, Field(ge=0)] = 3
    """... and at least so many a class and week, as far as there are so many."""
    review_days: Annotated[int, Field(ge=1)] = 7
    """So long a person has for it. One that is overdue stops the closing of its class."""
    labels_a_day: Annotated[int, Field(ge=1)] = 80
    """More labels than these of one person on one day (UTC) do not count as clean."""
    drift_every: Annotated[int, Field(ge=100)] = 5_000
    """A class whose cases stay as they are stops closing for drift once in so many cases, or less often."""
    budget: Annotated[float, Field(gt=0.0)] | None = None
    """What the questions of one case may cost (the sum of their `cost`). Where it does not suffice a person decides.
    None: all is asked that could change the decision."""


class CorrelationPolicy(Noun):
    """When findings join one case."""

    window_hours: int = 24
    join_at: float = 1.0
    """Strength of links from which two findings join."""
    relate_at: float = 0.3
    """Strength of links from which two cases are shown as related, and one does not close beside an escalated other."""
    hub_share: Share = 0.05
    """An entity on a larger share of all findings is a hub and ties nothing together."""
    hub_findings: int = 25
    """... and on at least this many findings."""


class IntakePolicy(Noun):
    """When a live source that was regular counts as silent, and what comes of it."""

    regular_minutes: Annotated[int, Field(ge=2)] = 30
    """Regular is who was heard in at least so many minutes."""
    silent_minutes: Annotated[int, Field(ge=1)] = 15
    """Silent is who was not heard for at least so long ..."""
    silent_gaps: Annotated[float, Field(ge=1)] = 3.0
    """... and for so many times its own longest gap."""
    silence_is: Literal["finding", "shown"] = "finding"
    """`finding`: silence is triaged like any other finding, for who attacks may switch off who tells; `shown`: the
    sources page says so, and nothing more."""


class IntelPolicy(Noun):
    """How far threat intelligence that comes live reaches back, and how old a feed may get."""

    lookback_days: Annotated[int, Field(ge=0, le=365)] = 30
    """An indicator holds for events so long before the time from which its author says that it does: what is written
    down today was used before. New indicators are looked up in the events of so many days."""
    silent_days: Annotated[int, Field(ge=1)] = 7
    """A feed that brought nothing for so long is old."""


class DetectionPolicy(Noun):
    """What bounds the care of detections."""

    longest_suppression_days: Annotated[int, Field(ge=1)] = 90
    """A suppression lasts no longer; who still wants it says so again."""


class RetentionRule(Noun):
    """How long events of one OCSF class are kept."""

    class_uid: Annotated[int, Field(ge=0)]
    days: Annotated[int, Field(ge=1)] | None = None
    """None keeps them for ever."""


class RetentionPolicy(Noun):
    """How long events are kept. What goes are whole days; a day stays while an open case rests on an event of it."""

    days: Annotated[int, Field(ge=1)] | None = None
    """Of classes that have no rule; none keeps them for ever."""
    rules: tuple[RetentionRule, ...] = ()

    def kept_from(self, now: int) -> int | None:
        """The time (ms) from which on events of every class are kept; None where all are kept for ever."""
        days = [days for days in (self.days, *(rule.days for rule in self.rules)) if days is not None]
        return now // DAY * DAY - min(days) * DAY if days else None

    def days_of(self, class_uid: str) -> int | None:
        """How many days events of a class are kept, None for ever."""
        return next((rule.days for rule in self.rules if str(rule.class_uid) == class_uid), self.days)


class ApprovalRule(Noun):
    """Who must approve an action of an effect class."""

    effect: Effect
    approvals: int
    roles: tuple[str, ...]


class ResponsePolicy(Noun):
    """What may run, and who must say so."""

    rules: tuple[ApprovalRule, ...] = (
        ApprovalRule(effect="read", approvals=0, roles=()),
        ApprovalRule(effect="reversible", approvals=1, roles=("analyst", "lead")),
        ApprovalRule(effect="destructive", approvals=1, roles=("lead",)),
    )
    approval_hours: int = 24
    """How long an approval is valid."""
    most_touched: int = 25
    """A step that touches more entities than this is left out of plans."""
    never: tuple[str, ...] = ()
    """Entity keys that no action may be aimed at."""


class Policy(Noun):
    """Every setting that changes a decision. Versioned; its digest stands in each verdict and plan."""

    name: str = "default"
    version: int = 1
    autonomy: Literal["observe", "recommend", "close"] = "close"
    """`observe`: verdicts only; `recommend`: plans too; `close`: closes under the bound as well."""
    triage: TriagePolicy = TriagePolicy()
    correlation: CorrelationPolicy = CorrelationPolicy()
    intake: IntakePolicy = IntakePolicy()
    intel: IntelPolicy = IntelPolicy()
    detection: DetectionPolicy = DetectionPolicy()
    response: ResponsePolicy = ResponsePolicy()
    retention: RetentionPolicy = RetentionPolicy()
    minutes_per_case: Annotated[float, Field(gt=0)] = 20.0
    """What one case costs an analyst by hand; the source of `minutes saved`."""
