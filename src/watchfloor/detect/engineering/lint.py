"""Lint: everything that is wrong with rules, or could be better, each with its place and what to do."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from watchfloor.content import folder
from watchfloor.core.context import Company
from watchfloor.core.event import Event
from watchfloor.detect.detector import Detector
from watchfloor.detect.engineering import about, logic, values
from watchfloor.detect.engineering.documents import Broken, RuleDocument, entries_of, read_documents, values_of
from watchfloor.detect.engineering.knowledge import Knowledge
from watchfloor.detect.engineering.problem import Check, Problem, error, warning
from watchfloor.detect.sigma.logsource import LogSource
from watchfloor.detect.sigma.rules import RuleProblem

_EXPLAINED = frozenset({"unknown-modifier", "absent-selection", "regex-broken", "absent-rule", "duplicate-id"})
"""Checks that say with its place why a rule does not load."""
Events = Mapping[LogSource, tuple[int, list[Event]]]
Sample = Callable[[Detector], Events]


class Linted(NamedTuple):
    """All that was found, in order of place, and over how many rules and files."""

    problems: list[Problem]
    rules: int
    files: int

    @property
    def errors(self) -> int:
        return sum(one.level == "error" for one in self.problems)


def lint(
    paths: Sequence[Path],
    *,
    sample: Sample = lambda _: {},
    techniques: Collection[str] = (),
    shipped: bool = True,
    company: Company = Company(),  # noqa: B008 (frozen)
) -> Linted:
    """Check every rule of files, folders and zips.

    `sample` gives, for a detector of these rules, how many events a lake has of each log source, and some of them;
    `techniques` are the ids of ATT&CK's. With `shipped` the rules may refer to our own detections; the company says
    what placeholders stand for.
    """
    collecting = gc.isenabled()
    gc.disable()  # a million nodes, none of them garbage
    try:
        return _linted(paths, sample, techniques, loaded(paths, shipped=shipped, company=company))
    finally:
        if collecting:
            gc.enable()


def _linted(paths: Sequence[Path], sample: Sample, techniques: Collection[str], detector: Detector) -> Linted:
    read = list(read_documents(paths))
    rules = [one for one in read if isinstance(one, RuleDocument)]
    known = Knowledge(rules, sample(detector))
    found = [_broken(one) for one in read if isinstance(one, Broken)]
    for check in _checks(known, techniques):
        for rule in rules:
            found += check(rule)
    found += _twice(rules)
    found += _absent(rules, detector)
    found += _loading(rules, detector.problems, found)
    files = {one.file if isinstance(one, RuleDocument) else one.place.file for one in read}
    return Linted(sorted(dict.fromkeys(found), key=lambda p: (p.place, p.check)), len(rules), len(files))


def loaded(paths: Sequence[Path], *, shipped: bool = True, company: Company = Company()) -> Detector:  # noqa: B008 (frozen)
    """A detector of rules beside our own detections, unless these rules are ours themselves."""
    ours = folder("detections")
    beside = shipped and not any(p.resolve().is_relative_to(ours) for p in paths)
    return Detector.load(paths, shipped=beside, company=company)


def _checks(known: Knowledge, techniques: Collection[str]) -> list[Check]:
    return [
        about.described,
        partial(about.attack, techniques=frozenset(techniques)),
        partial(about.log_source, known=known),
        about.tested,
        values.modifiers,
        values.texts,
        values.regexes,
        partial(values.fields, known=known),
        logic.selections,
        logic.filters,
    ]


def _broken(one: Broken) -> Problem:
    return Problem(one.place, "unreadable", "error", one.problem, "Mend the file")


def _twice(rules: Iterable[RuleDocument]) -> Iterator[Problem]:
    """Ids and titles that stand there twice."""
    ids: dict[str, RuleDocument] = {}
    titles: dict[str, RuleDocument] = {}
    for rule in rules:
        uid, title = rule.value("id").lower(), rule.title.lower()
        first = ids.setdefault(uid, rule) if uid else rule
        if first is not rule:
            what = f"it has the id of {first.place()}, and only that counts"
            yield error(rule, rule.entries["id"][1], "duplicate-id", what, "Give it an id of its own")
        first = titles.setdefault(title, rule) if title else rule
        if first is not rule:
            what = f"it has the title of {first.place()}"
            yield warning(rule, rule.entries["title"][1], "duplicate-title", what, "Say how it differs")


def _absent(rules: Iterable[RuleDocument], detector: Detector) -> Iterator[Problem]:
    """Correlations that refer to rules which are not there."""
    loaded = detector.all_rules
    there = {name for one in loaded for name in (one.uid, one.name) if name}
    for rule in rules:
        section = entries_of(rule.entries["correlation"][1]) if rule.kind == "correlation" else {}
        for value in values_of(section["rules"][1]) if "rules" in section else ():
            if value.text not in there:
                what = f"it refers to {value.text!r}, and no rule that loads has this id or name"
                yield error(
                    rule, value.node, "absent-rule", what, "Give the id or name of a rule that is loaded with it"
                )


def _loading(
    rules: Iterable[RuleDocument], problems: Iterable[RuleProblem], found: Iterable[Problem]
) -> Iterator[Problem]:
    """What the loader says, where no check has said why already."""
    by_name = {(rule.file, rule.title): rule for rule in reversed(list(rules))}
    explained = {(one.place.file, one.rule) for one in found if one.check in _EXPLAINED}
    for problem in problems:
        rule = by_name.get((problem.file, problem.title))
        if rule is None or (problem.fatal and (rule.file, rule.value("id")) in explained):
            continue
        if problem.fatal:
            node = rule.key("detection" if rule.kind == "rule" else rule.kind or "title")
            yield error(rule, node, "not-loaded", problem.reason, "Mend it: the rule is not used")
        elif "RE2" not in problem.reason:  # said at its place
            yield warning(rule, None, "loads-but", problem.reason.removeprefix("loaded, but: "), "Mend it")
