"""Backtest: what a rule would have raised on the events that are kept, before anybody has to look at it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from watchfloor.app.hunt import Found, Hunt
from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report, silent
from watchfloor.app.rule_checks import sample
from watchfloor.core.case import Case
from watchfloor.core.clock import day_of
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.finding import Finding
from watchfloor.detect import Detector
from watchfloor.detect.engineering.forecast import Forecast, forecast
from watchfloor.detect.sigma.correlation import Correlation
from watchfloor.detect.sigma.nodes import leaves_of
from watchfloor.detect.sigma.rules import Rule
from watchfloor.detect.sigma.values import text_of
from watchfloor.store.lake_scan import segments_between

_EXAMPLES, _TOP, _VALUES, _LONGEST = 5, 5, 5_000, 200
_SHARE, _LIFT, _FEWEST = 0.3, 2.0, 5
"""A value causes noise that stands in so great a share of the matches, so many times its share of all events of the log
source, and in so many matches at least."""
_OF_RECORDS = frozenset({"uid", "id", "eventid", "recordid", "eventrecordid", "time", "timestamp", "utctime"})


class Example(NamedTuple):
    """One match: its time (ms), event and what the finding says."""

    time: int
    event_uid: str
    title: str
    source: str
    position: int


class Cause(NamedTuple):
    """A value that stands in many matches and in few other events; a filter on it would take `matches` out."""

    field: str
    value: str
    matches: int
    share: float
    elsewhere: float
    """Its share of the other events of the log source that were looked at."""


class Backtest(NamedTuple):
    """What one rule would have raised."""

    uid: str
    title: str
    level: str
    days: dict[str, int]
    """Findings by day, every day on which events are kept."""
    findings: int
    examples: tuple[Example, ...]
    hosts: dict[str, int]
    users: dict[str, int]
    known: int
    """How many of the findings' events have a finding already, of whatever detection."""
    cases: tuple[str, ...]
    """Cases that those findings are in."""
    overlap: dict[str, int]
    """Titles of rules in use that match the same events, and how many of them."""
    expected: Forecast
    causes: tuple[Cause, ...]
    labels: dict[str, int]
    """The owner's labels of the detection: verdict -> how many."""
    family_labels: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        found = self._asdict()
        found["examples"] = [one._asdict() for one in self.examples]
        found["causes"] = [one._asdict() for one in self.causes]
        found["expected"] = self.expected._asdict()
        return found


class _Tally:
    """What is counted of one rule while the lake is read: bounded, whatever matches."""

    def __init__(self) -> None:
        self.days: Counter[str] = Counter()
        self.examples: list[Example] = []
        self.hosts: Counter[str] = Counter()
        self.users: Counter[str] = Counter()
        self.overlap: Counter[str] = Counter()
        self.values: dict[str, Counter[str]] = defaultdict(Counter)
        self.events: list[str] = []
        self.families: Counter[str] = Counter()

    def add(self, found: Found, others: Iterable[str]) -> None:
        finding, event = found
        self.days[day_of(finding.time)] += 1
        self.events.append(finding.event_uid)
        self.families[finding.detection.family] += 1
        if len(self.examples) < _EXAMPLES:
            about = (finding.time, finding.event_uid, finding.title, finding.source, finding.position)
            self.examples.append(Example(*about))
        for one in finding.involved:
            if one.entity.type in ("host", "user"):
                counter = self.hosts if one.entity.type == "host" else self.users
                _count(counter, one.entity.value)
        self.overlap.update(others)
        for field, value in _values(event):
            _count(self.values[field], value)


def backtest(parts: Parts, rules: Sequence[str], since: int, before: int, report: Report = silent) -> list[Backtest]:
    """What rules would have raised on the tenant's events with since <= time < before (ms).

    A rule is a path (a file, folder or zip of rules) or the id of one in use. Raises WatchfloorError.
    """
    detector, wanted = _detector(parts, rules)
    tallies = {uid: _Tally() for uid in wanted}
    hunt = Hunt(parts, detector, since, before)
    for found in hunt.run(report):
        uid = found.finding.detection.uid
        if uid in tallies:
            others = [] if found.event is None else parts.detector.matches(found.event)
            tallies[uid].add(found, [one.title for one in others if one.uid != uid])
    days = _days(parts, since, before)
    usual = _usual(parts, detector, wanted)
    return [_result(parts, wanted[uid], tally, days, usual.get(uid, [])) for uid, tally in tallies.items()]


def _detector(parts: Parts, rules: Sequence[str]) -> tuple[Detector, dict[str, Rule | Correlation]]:
    """A detector that has the rules, and those of them that are meant, by uid."""
    paths = [Path(rule) for rule in rules if Path(rule).exists()]
    uids = [rule for rule in rules if not Path(rule).exists()]
    if paths and uids:
        raise WatchfloorError("rules by path and rules by id do not go together", do="Run it for each")
    if uids:
        there = {one.uid: one for one in parts.detector.all_rules}
        missing = [uid for uid in uids if uid not in there]
        if missing:
            raise WatchfloorError(f"{missing[0]!r} is no path and no rule in use", do="See: watchfloor detect history")
        return parts.detector, {uid: there[uid] for uid in uids}
    detector = Detector.load(paths, shipped=False, company=parts.context.company)
    mine = {one.uid: one for one in detector.all_rules}
    fatal = [problem for problem in detector.problems if problem.fatal]
    if fatal:  # it may refer to rules in use
        settings = parts.settings
        company = parts.context.company
        detector = Detector.load([*paths, *settings.rules], shipped=settings.shipped_rules, company=company)
        files = {problem.file for problem in fatal}
        loaded = detector.all_rules
        mine |= {one.uid: one for one in loaded if one.file in files}
        still = [p for p in detector.problems if p.fatal and p.file in files and "has the id of" not in p.reason]
        if still:
            raise WatchfloorError(f"does not load: {still[0]}", do="Mend it: watchfloor detect lint")
    silent_ones = detector.silent
    return detector, {uid: one for uid, one in mine.items() if uid not in silent_ones}


def _days(parts: Parts, since: int, before: int) -> list[str]:
    """The days on which events are kept, in that time."""
    return sorted({segment.day for segment in segments_between(parts.lake, parts.tenant, since, before)})


def _usual(parts: Parts, detector: Detector, wanted: Mapping[str, Rule | Correlation]) -> dict[str, list[Event]]:
    """Some events of each rule's log source, whatever the rule says of them."""
    sources = {uid: one.logsource for uid, one in wanted.items() if isinstance(one, Rule)}
    if not sources:
        return {}
    some = sample(parts, detector)
    return {uid: some[source][1] for uid, source in sources.items() if source in some}


def _result(
    parts: Parts, rule: Rule | Correlation, tally: _Tally, days: Sequence[str], usual: Sequence[Event]
) -> Backtest:
    uid, tenant, documents = rule.uid, parts.tenant, parts.documents
    counts = {day: tally.days[day] for day in sorted({*days, *tally.days})}
    today = day_of(parts.clock())
    whole = [count for day, count in counts.items() if day != today] or list(counts.values()) or [0]
    events = set(tally.events)
    known = [f for f in documents.find(tenant, Finding, limit=None) if f.event_uid in events] if events else []
    mine = {finding.uid for finding in known}
    cases = [c.uid for c in documents.find(tenant, Case, limit=None) if not mine.isdisjoint(c.findings)] if mine else []
    families = {family for family, _ in tally.families.most_common()} or {
        rule.logsource.family if isinstance(rule, Rule) else rule.family
    }
    labels = parts.labels()
    return Backtest(
        uid=uid,
        title=rule.title,
        level=rule.severity.name,
        days=counts,
        findings=sum(tally.days.values()),
        examples=tuple(tally.examples),
        hosts=dict(tally.hosts.most_common(_TOP)),
        users=dict(tally.users.most_common(_TOP)),
        known=len({finding.event_uid for finding in known}),
        cases=tuple(cases),
        overlap=dict(tally.overlap.most_common(_TOP)),
        expected=forecast(whole),
        causes=tuple(_causes(tally, usual, _asked(rule))),
        labels=dict(Counter(one.verdict for one in labels if one.detection == uid)),
        family_labels=dict(
            Counter(one.verdict for one in labels if one.detection_class.partition(" @ ")[0] in families)
        ),
    )


def _asked(rule: Rule | Correlation) -> set[str]:
    """The fields that a rule asks for: their values are why it matches, and no noise."""
    leaves = leaves_of(rule.node) if isinstance(rule, Rule) else ()
    return {path for leaf in leaves if leaf.field for path in (leaf.field.name, *(p for _, p in leaf.field.places))}


def _causes(tally: _Tally, usual: Sequence[Event], asked: set[str]) -> Iterator[Cause]:
    """Values that stand in many matches and in few other events of the log source, the most frequent first."""
    total, matched = sum(tally.days.values()), set(tally.events)
    others = [event for event in usual if event.uid not in matched]
    found = []
    for field, values in tally.values.items():
        for value, count in values.most_common(2):
            if field in asked or count < _FEWEST or count < _SHARE * total:
                continue
            there = sum((field, value) in set(_values(event)) for event in others)
            elsewhere = there / len(others) if others else 0.0
            if count / total >= _LIFT * elsewhere:
                found.append(Cause(field, value, count, count / total, elsewhere))
    yield from sorted(found, key=lambda one: (-one.matches, one.elsewhere, one.field))[:_TOP]


def _values(event: Event | None) -> Iterator[tuple[str, str]]:
    """The vendor's own fields that hold one short text, as a filter would name them."""
    for field, value in _flat(event.original) if event is not None else ():
        text = text_of(value)
        if text and len(text) <= _LONGEST and field.rpartition(".")[2].lower() not in _OF_RECORDS:
            yield field, text


def _flat(data: Mapping[str, Any], before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, dict):
            if depth < 3:
                yield from _flat(value, f"{before}{key}.", depth + 1)
        elif not isinstance(value, list):
            yield f"{before}{key}", value


def _count(counter: Counter[str], value: str) -> None:
    if value in counter or len(counter) < _VALUES:
        counter[value] += 1
