"""How a match of a correlation becomes a finding: what was counted, over what time, for whom, and on which events it
rests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import orjson

from watchfloor.core.clock import DAY
from watchfloor.core.correlated import Correlated, CountedEvent
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.noun import short_id
from watchfloor.detect.correlation.group import Entry, Group
from watchfloor.detect.correlation.measures import Figure
from watchfloor.detect.correlation.windows import Match
from watchfloor.detect.ensemble import Spoken, members, shipped
from watchfloor.detect.sigma.correlation import Correlation

MOST_EVENTS, MOST_INVOLVED, MOST_THREADS = 50, 100, 16
T = TypeVar("T")


def finding_of(rule: Correlation, group: Group, match: Match) -> Finding:
    """The finding of a cell. Its uid is a function of rule, group and cell; the rest, of the events.

    The record that it shows is the last one's: of failures and a success, the success.
    """
    last = match.entries[-1]
    abouts: dict[str, dict[str, Any]] = {t: orjson.loads(t) for t in dict.fromkeys(e.about for e in match.entries)}
    shown = abouts[last.about]
    rested = {event.uid: event for event in _rests(rule, match.entries)}
    events = sorted(rested.values(), key=lambda e: (e.time, e.uid))
    correlated = Correlated(
        sentence=sentence(rule, group, match.figure, events[0].time, events[-1].time),
        kind=rule.kind,
        value=float(match.figure),
        group=dict(zip(rule.group_by, group.key, strict=True)),
        span=rule.span,
        first=events[0].time,
        last=events[-1].time,
        total=len(events),
        events=tuple(_ends(events)),
    )
    return Finding(
        tenant=group.tenant,
        uid=short_id("f", group.tenant, rule.uid, *group.key, str(match.cell), digits=32),
        time=correlated.first,
        detection=Detection(
            uid=rule.uid,
            title=rule.title,
            family=rule.family,
            source=shown["product"],
            kind="rule",
            description=rule.description,
            false_positives=rule.false_positives,
            references=rule.references,
            version=rule.digest,
        ),
        severity=rule.severity,
        layer=shown["layer"],
        event_uid=last.uid,
        source=shown["source"],
        position=last.position,
        title=rule.title,
        techniques=rule.techniques,
        tactics=rule.tactics,
        involved=_involved(match.entries, abouts),
        thread=tuple(dict.fromkeys(t for one in abouts.values() for t in one["thread"]))[:MOST_THREADS],
        correlated=correlated,
        risk=shipped().weigh(members([Spoken("rule", rule.uid, rule.title, rule.severity)])),
    )


def overflow(rule: Correlation, tenant: str, entry: Entry) -> Finding:
    """Says that events were let go of before the rule could be decided on them: not counted is not clean."""
    shown = orjson.loads(entry.about)
    title = f"Too many events to count all for: {rule.title}"
    return Finding(
        tenant=tenant,
        uid=short_id("f", tenant, rule.uid, "overflow", str(entry.time // DAY)),
        time=entry.time // DAY * DAY,
        detection=Detection(
            uid=f"{rule.uid}/overflow",
            title=title,
            family="sigma/correlation/overflow",
            source=shown["product"],
            kind="rule",
            description="A match of this rule may have been missed on this day. Narrow the rules that it counts.",
        ),
        severity=Severity.low,
        layer=shown["layer"],
        event_uid=entry.uid,
        source=shown["source"],
        position=entry.position,
        title=title,
    )


def counted(rule: Correlation, entries: Sequence[Entry]) -> str:
    """JSON of the events that a match rests on, for the correlation over it."""
    few = _ends(entries)  # each rests on one event at least, so that those between cannot be among the ends
    return orjson.dumps([event.to_dict() for event in _ends(list(_rests(rule, few)))]).decode()


def _rests(rule: Correlation, entries: Iterable[Entry]) -> Iterable[CountedEvent]:
    for entry in entries:
        if entry.rests:
            yield from (CountedEvent(**each) for each in orjson.loads(entry.rests))
        else:
            source = orjson.loads(entry.about)["source"]
            yield CountedEvent(
                uid=entry.uid,
                time=entry.time,
                source=source,
                position=entry.position,
                rule=rule.titles[entry.ref],
            )


def _ends(events: Sequence[T]) -> Sequence[T]:
    """The first and the last of them where there are many."""
    half = MOST_EVENTS // 2
    return events if len(events) <= MOST_EVENTS else [*events[:half], *events[-half:]]


def _involved(entries: Sequence[Entry], abouts: Mapping[str, dict[str, Any]]) -> tuple[Involvement, ...]:
    """The entities that at least half of the events have, and those of the last one.

    Of forty accounts that one address tried, each is one event's: they stand in the events. In the finding they would
    make one case of all that these forty accounts do.
    """
    counts: Counter[tuple[str, str]] = Counter()
    roles: dict[tuple[str, str], Any] = {}
    for entry in entries:
        for kind, value, role in abouts[entry.about]["involved"]:
            counts[kind, value] += 1
            roles.setdefault((kind, value), role)
    last = {(kind, value) for kind, value, _ in abouts[entries[-1].about]["involved"]}
    some = [key for key in roles if key in last or 2 * counts[key] >= len(entries)][:MOST_INVOLVED]
    return tuple(Involvement(entity=Entity.from_key(":".join(key)), role=roles[key]) for key in some)


def sentence(rule: Correlation, group: Group, figure: Figure, first: int, last: int) -> str:
    """`12 events in 4 min, for User alice`."""
    what = _what(rule, figure)
    whom = ", ".join(f"{name} {value}" for name, value in zip(rule.group_by, group.key, strict=True))
    return f"{what} in {duration(last - first)}" + (f", for {whom}" if whom else "")


def _what(rule: Correlation, figure: Figure) -> str:
    number = _plain(figure)
    field = " and ".join(rule.fields)
    titles = " and ".join(f"“{title}”" for title in rule.titles)
    match rule.kind:
        case "event_count":
            return f"{number} times {titles}"
        case "value_count":
            return f"{number} different values of {field} ({titles})"
        case "value_sum":
            return f"{field} adds up to {number} ({titles})"
        case "value_avg":
            return f"the mean of {field} is {number} ({titles})"
        case "value_median":
            return f"the median of {field} is {number} ({titles})"
        case "value_percentile":
            return f"the {rule.percentile}th percentile of {field} is {number} ({titles})"
    if rule.terms:
        return f"the rules {titles} meet the condition"
    if rule.ordered:
        return f"{number} of {len(rule.rules)} rules matched in order: " + ", then ".join(f"“{t}”" for t in rule.titles)
    return f"{number} of {len(rule.rules)} rules matched: {titles}"


def _plain(figure: Figure) -> str:
    if isinstance(figure, Fraction) and figure.denominator != 1:
        return f"{float(figure):,.2f}"
    return f"{int(figure):,}"


def duration(ms: int) -> str:
    """`45 s`, `4 min`, `3.5 h`, `2.0 days`."""
    seconds = ms / 1_000
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
