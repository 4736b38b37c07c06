"""The detector: everything that can say "look at this" about one event, or about several together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from watchfloor.content import folder
from watchfloor.core.context import Company
from watchfloor.core.event import Event
from watchfloor.core.facets import involved
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.intel import Intelligence
from watchfloor.core.signal import Signal
from watchfloor.detect.correlation import Correlator, Hit
from watchfloor.detect.ensemble import ensemble_risk, raised_alone
from watchfloor.detect.findings import Threads, finding, of_rule, source_of
from watchfloor.detect.indicators import indicator_findings
from watchfloor.detect.learned import Learned
from watchfloor.detect.reported import report_of_mail
from watchfloor.detect.sigma.correlation import Correlation, Correlations, compiled
from watchfloor.detect.sigma.engine import Engine, RuleCost
from watchfloor.detect.sigma.fields import FieldNames
from watchfloor.detect.sigma.loader import Loader
from watchfloor.detect.sigma.logsource import LogSources
from watchfloor.detect.sigma.parallel import scanned
from watchfloor.detect.sigma.rules import Rule, RuleProblem
from watchfloor.detect.vendor import vendor_detection

T = TypeVar("T")


class Examined(NamedTuple):
    """What one event raises by itself, and what it counts for (`Detector.correlator`)."""

    findings: list[Finding]
    hits: list[Hit]


class Detector:
    """Turns events into findings. Build it with `load`; it keeps no state between events but caches.

    What several events say together is counted by `correlator`, over groups that its caller keeps.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        correlations: Correlations,
        problems: Sequence[RuleProblem],
        intel: Intelligence | None,
        threads: Threads,
        *,
        own_domains: Sequence[str] = (),
    ) -> None:
        self.rules = tuple(rules)
        self.correlations = correlations.rules
        self.correlator = Correlator(correlations)
        self.problems = list(problems)
        self._counted = frozenset(correlations.feeds)
        self.silent = correlations.silent
        """The uids of rules that raise nothing by themselves: correlations count them."""
        self._engine = Engine(rules, LogSources.shipped())
        self._intel = intel
        self._threads = threads
        self._learned = Learned.shipped(tuple(own_domains))

    @classmethod
    def load(
        cls,
        rule_paths: Sequence[Path] = (),
        *,
        shipped: bool = True,
        intel: Intelligence | None = None,
        company: Company = Company(),  # noqa: B008 (frozen)
    ) -> Detector:
        """Load Sigma rules from files, folders and zips, and with `shipped` our own detections.

        A rule that does not load is in `problems` and stops nothing. Of two rules with one id the first counts; the
        other is a problem. `company` gives what `%name%` stands for in rules with the expand modifier, and the domains
        that others may imitate.
        """
        names = FieldNames.shipped()
        loader = Loader(names, company.placeholders)
        loader.load([*([folder("detections")] if shipped else []), *rule_paths])
        kept: dict[str, Rule] = {}
        for rule in loader.rules:
            first = kept.setdefault(rule.uid, rule)
            if first is not rule:
                reason = f"has the id of {first.file}, which counts"
                loader.problems.append(RuleProblem(rule.file, rule.title, reason))
        correlations, problems = compiled(loader.correlations, list(kept.values()), names)
        problems = loader.problems + problems
        threads, own = Threads.shipped(), company.own_domains
        return cls(list(kept.values()), correlations, problems, intel, threads, own_domains=own)

    @property
    def all_rules(self) -> tuple[Rule | Correlation, ...]:
        """Single rules and correlations."""
        return (*self.rules, *self.correlations)

    def rules_for(self, event: Event) -> list[Rule]:
        """The rules whose log source means this event, whether or not they match it."""
        return self._engine.rules_for(event)

    def matches(self, event: Event) -> list[Rule]:
        """The rules that match this event, those that raise nothing by themselves among them."""
        return self._engine.matches(event)

    def lines(self, given: Iterable[tuple[T, bytes]], processes: int = 1) -> Iterator[tuple[T, list[int]]]:
        """Of batches, in order, the lines (from 0) that a rule matches or that cannot be read, each batch with what
        stands for it. A line is one event as the lake's columns have it: a JSON object of `original`, `ocsf` and
        `logsource`. `processes` 0 means one a core."""
        for tag, found in scanned(self._engine, given, {}, "event", processes=processes):
            yield tag, [one.line for one in found]

    def costs(self) -> list[RuleCost]:
        """What each rule that was ever evaluated has taken so far, the most first; one over its budget says so."""
        return self._engine.costs()

    @property
    def path_name(self) -> str:
        """Which path evaluates the rules: `native` or `plain`."""
        return self._engine.path_name

    @property
    def places(self) -> tuple[str, ...]:
        """Where in an event log sources look: events that agree at these places are asked the same rules."""
        return self._engine.places

    def findings(self, event: Event) -> list[Finding]:
        """All findings on one event by itself: a vendor's alert or a person's report first, then rules, indicators."""
        return self.examine(event).findings

    def named(self, event: Event) -> list[Finding]:
        """Those findings on one event that intelligence gives."""
        raised = indicator_findings(event, self._intel) if self._intel is not None else []
        if not raised:
            return []
        entities, thread, risk = involved(event), self._threads.of(event), ensemble_risk(raised)
        return [finding(event, each, entities, thread, risk) for each in raised]

    def examine(self, event: Event, signals: Sequence[Signal] = ()) -> Examined:
        """The findings on one event, and what it counts for in correlations. A rule that a correlation refers to raises
        nothing by itself, unless the correlation says `generate: true`.

        `signals` are what detectors with a memory say of the event; learned ones are asked here. They count in the risk
        of its findings; where nothing of medium severity speaks, they are a finding if they come to enough.
        """
        alert = vendor_detection(event) or report_of_mail(event)
        raised = [] if alert is None else [alert]
        matched = self._engine.matches(event)
        counted = bool(self._counted) and not self._counted.isdisjoint(rule.uid for rule in matched)
        raised += [of_rule(rule, event) for rule in matched if rule.uid not in self.silent]
        if self._intel is not None:
            raised += indicator_findings(event, self._intel)
        signals = [*signals, *self._learned.signals(event)]
        if signals and all(each.severity < Severity.medium for each in raised):
            alone = raised_alone(event, signals, ensemble_risk((), signals))
            raised += [] if alone is None else [alone]
        if not (raised or counted):
            return Examined([], [])
        entities, thread = involved(event), self._threads.of(event)
        hits = self.correlator.hits(event, matched, source_of(event), entities, thread) if counted else []
        risk = ensemble_risk(raised, signals)
        return Examined([finding(event, each, entities, thread, risk) for each in raised], hits)
