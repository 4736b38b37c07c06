"""Detections as people look after them: what is in use, how much it says, what is held back and by whom."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from watchfloor.app.parts import Parts
from watchfloor.app.pipeline import Pipeline
from watchfloor.app.suppressions import Held, Suppressions, conditions
from watchfloor.core.clock import DAY
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.rule_set import RuleChange, RuleSet, RuleVersion
from watchfloor.core.suppression import Suppressed, Suppression
from watchfloor.detect.sigma.rules import Rule


class DetectionRow(NamedTuple):
    """One detection in use, or one that findings know and that is not in use (any more)."""

    uid: str
    title: str
    level: str
    reads: str
    """Its log source in words; of a correlation what it counts."""
    place: str
    version: str
    modified: str
    findings: int
    last: int
    """The time (ms) of its newest finding; 0 where there is none."""
    held: int
    counts_only: bool
    """Whether it raises nothing by itself: a correlation counts it."""
    description: str
    tactics: tuple[str, ...]
    techniques: tuple[str, ...]
    false_positives: tuple[str, ...]
    references: tuple[str, ...]


class DetectionsView(NamedTuple):
    """All detections, the rule set that was written down, and suppressions."""

    rows: list[DetectionRow]
    rules: RuleSet | None
    problems: list[str]
    held: list[Held]


class Detections:
    """One tenant's detections, for console, API and command line."""

    def __init__(self, parts: Parts, pipeline: Pipeline) -> None:
        self._parts, self._pipeline = parts, pipeline
        self.suppressions = Suppressions(parts)

    def view(self) -> DetectionsView:
        """Those with the newest findings first, then by title."""
        parts, rulebook = self._parts, self._pipeline.rulebook
        detector, rules = parts.detector, rulebook.current()
        tally = parts.documents.tally(parts.tenant, Finding, "detection.uid")
        marks = Counter(mark.detection for mark in parts.documents.find(parts.tenant, Suppressed, limit=None))
        places = [place for place in rules.places if place.path] if rules else []
        rows = []
        for one in detector.all_rules:
            findings, last = tally.get(one.uid, (0, 0))
            place = next(
                (place.words for place in places if one.file.startswith(place.path)), "shipped with Watchfloor"
            )
            rows.append(
                DetectionRow(
                    uid=one.uid,
                    title=one.title,
                    level=one.severity.name,
                    reads=one.logsource.words if isinstance(one, Rule) else one.kind.replace("_", " "),
                    place=place,
                    version=one.digest,
                    modified=one.modified,
                    findings=findings,
                    last=last,
                    held=marks[one.uid],
                    counts_only=one.uid in detector.silent,
                    description=one.description,
                    tactics=one.tactics,
                    techniques=one.techniques,
                    false_positives=one.false_positives,
                    references=one.references,
                )
            )
        problems = [str(problem) for problem in detector.problems if problem.fatal]
        rows.sort(key=lambda row: (-row.last, row.title))
        return DetectionsView(rows, rules, problems, self.suppressions.held())

    def versions(self, uid: str) -> list[RuleVersion]:
        """The versions of a rule that were in use, the newest first."""
        return self._pipeline.rulebook.versions(uid)

    def held_findings(self, uid: str, limit: int = 200) -> list[Finding]:
        """What a suppression has held back, the newest first. Raises NotFoundError."""
        self.suppressions.get(uid)
        marks = self.suppressions.marked(uid, limit)
        return self._parts.documents.get_many(self._parts.tenant, Finding, [mark.uid for mark in marks])

    def suppress(
        self,
        *,
        user: str,
        reason: str,
        days: int,
        detection: str,
        entity: str = "",
        where: tuple[str, ...] = (),
        up_to: Severity = Severity.high,
    ) -> Suppression:
        """Hold a detection's findings back in a person's name. Raises WatchfloorError, RefusedError."""
        given = {
            "tenant": self._parts.tenant,
            "uid": "",
            "time": 0,
            "until": self._parts.clock() + days * DAY,
            "owner": user,
            "reason": reason,
            "made_by": user,
            "detection": detection,
            "entity": entity,
            "where": conditions(where),
            "up_to": up_to,
        }
        return self.suppressions.add(Suppression.from_dict(given))

    def lift(self, uid: str, user: str, *, bring_back: bool = False) -> Suppression:
        """End a suppression now; what it held back is decided by `Desk.triage` if it is brought back."""
        return self.suppressions.lift(uid, user, bring_back=bring_back)

    def reload(self, user: str) -> RuleChange:
        """Load the rules again. Raises WatchfloorError where the set is broken: the one in use stays."""
        return self._pipeline.rulebook.reload(user)
