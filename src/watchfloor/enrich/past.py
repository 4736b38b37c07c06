"""The past: what was found before, what people judged of it, and what they hold back, ready to be asked as of a time.

Made once a run from the run's findings. Findings that rest on several events are left out: when they began to be known
is not when they are dated, and an answer may depend on nothing that came after the time it is asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from watchfloor.core.case import Case
from watchfloor.core.context import Context
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.suppression import Suppression

_PLACES = ("user", "host", "address")
Timed = tuple[list[int], list[Finding]]
"""Findings in order of time, and their times (ms)."""


class Past:
    """One tenant's. Cheap to make: what is asked for is put in order when it is first asked for."""

    def __init__(
        self,
        findings: Iterable[Finding] = (),
        context: Context = Context(),  # noqa: B008 - frozen
        labels: Sequence[Label] = (),
        cases: Callable[[Iterable[str]], Mapping[str, Case]] | None = None,
        suppressions: Callable[[], Sequence[Suppression]] | None = None,
    ) -> None:
        self._findings, self._context, self._cases_of = findings, context, cases
        self._suppressions_of = suppressions
        self.labels = labels

    def of_entity(self, key: str) -> Timed:
        """Findings that involve an entity, by its key in its one spelling."""
        return self._by_entity.get(key, _NOTHING)

    def of_detection(self, uid: str) -> tuple[list[int], list[tuple[str, ...]]]:
        """When one detection spoke (ms, in order), and which users, hosts and addresses it named each time."""
        return self._by_detection.get(uid, ([], []))

    @cached_property
    def suppressions(self) -> tuple[Suppression, ...]:
        """All that were ever made."""
        return tuple(self._suppressions_of()) if self._suppressions_of else ()

    def judged(self, key: str) -> Sequence[tuple[Label, Sequence[int]]]:
        """People's verdicts on cases that involved an entity, each with when it was involved (ms, in order)."""
        return self._judged.get(key, ())

    @cached_property
    def all(self) -> Timed:
        """Every finding."""
        single = (finding for finding in self._findings if finding.correlated is None)
        ordered = sorted(single, key=lambda finding: (finding.time, finding.uid))
        return [finding.time for finding in ordered], ordered

    @cached_property
    def _by_entity(self) -> dict[str, Timed]:
        held: dict[str, Timed] = defaultdict(lambda: ([], []))
        for time, finding in zip(*self.all, strict=True):
            for key in self._keys(finding):
                times, findings = held[key]
                times.append(time)
                findings.append(finding)
        return dict(held)

    @cached_property
    def _by_detection(self) -> dict[str, tuple[list[int], list[tuple[str, ...]]]]:
        held: dict[str, tuple[list[int], list[tuple[str, ...]]]] = defaultdict(lambda: ([], []))
        for time, finding in zip(*self.all, strict=True):
            times, named = held[finding.detection.uid]
            times.append(time)
            named.append(tuple(i.entity.key for i in finding.involved if i.entity.type in _PLACES))
        return dict(held)

    def _keys(self, finding: Finding) -> set[str]:
        keys = set()
        for one in finding.involved:
            raw = one.entity.key
            if (key := self._resolved.get(raw)) is None:
                key = self._resolved[raw] = self._context.resolve(one.entity).key
            keys.add(key)
        return keys

    @cached_property
    def _resolved(self) -> dict[str, str]:
        return {}

    @cached_property
    def _judged(self) -> dict[str, list[tuple[Label, list[int]]]]:
        labels = {label.case_uid: label for label in self.labels if label.case_uid}
        if not labels or self._cases_of is None:
            return {}
        known = {finding.uid: finding for finding in self.all[1]}
        held: dict[str, list[tuple[Label, list[int]]]] = defaultdict(list)
        for uid, case in sorted(self._cases_of(labels).items()):
            involved: dict[str, list[int]] = defaultdict(list)
            for finding in (known[one] for one in case.findings if one in known):
                for key in self._keys(finding):
                    involved[key].append(finding.time)
            for key, times in involved.items():
                held[key].append((labels[uid], sorted(times)))
        return dict(held)


_NOTHING: Timed = ([], [])


def between(timed: Timed, since: int, before: int, most: int) -> Sequence[Finding]:
    """The findings with since <= time < before, of many the latest `most`."""
    times, findings = timed
    return findings[span(times, since, before, most)]


def span(times: Sequence[int], since: int, before: int, most: int) -> slice:
    """Where the times with since <= time < before are, of many the latest `most`."""
    high = bisect_left(times, before)
    return slice(max(bisect_left(times, since), high - most), high)
