"""Terms: what a decision adds up: the prior, what classes add, counted answers, and what overlaps take off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import fsum

from watchfloor.core.finding import Finding
from watchfloor.core.question import Question
from watchfloor.core.scorecard import PLACES, Scorecard, Weights, shrunk, total
from watchfloor.core.verdict import HYPOTHESES, Answer
from watchfloor.triage.prospects import Vector, joined, vector

PRIOR = "prior"
OVERLAP = "overlap"
CLASS = "class"


def classes_of(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """The classes that a case's findings are of, by level, narrow levels first: what a scorecard may know of them."""
    detections = [finding.detection for finding in findings]
    levels = {
        "detection": sorted({d.uid for d in detections}),
        "family": sorted({d.family for d in detections}),
        "source": sorted({d.source for d in detections}),
    }
    return [(level, value) for level, values in levels.items() for value in values]


def base_of(scorecard: Scorecard, findings: Iterable[Finding]) -> Weights:
    """The sums before any question: the prior, and how the case's classes have turned out."""
    classes = scorecard.reliable(classes_of(findings)).values() if scorecard.reliability else ()
    return {
        name: total([scorecard.priors[name], *(weights.get(name, 0.0) for _, weights in classes)])
        for name in HYPOTHESES
    }


class Terms:
    """The additive terms of a decision, which can be added up again with other weights, or without some of them."""

    def __init__(
        self,
        answers: Iterable[Answer],
        questions: Iterable[Question],
        scorecard: Scorecard,
        findings: Sequence[Finding] = (),
    ) -> None:
        self.scorecard = scorecard
        self.classes = scorecard.reliable(classes_of(findings)) if scorecard.reliability else {}
        self.base = vector(base_of(scorecard, findings))
        self.counted = {a.question: a for a in answers if a.counted and any(a.weights.values())}
        self.weights: dict[str, Vector] = {uid: vector(a.weights) for uid, a in self.counted.items()}
        # The counterfactual and stability add up two hundred times and change one group at a time.
        self._joined: dict[tuple[Vector, ...], Vector] = {}
        self._group = {q.id: q.group for q in questions if q.group and q.id in self.counted}

    def posterior(self, without: Collection[str] = ()) -> Weights:
        """The posterior, as if the questions `without` had not been asked."""
        return self.posterior_of({uid: w for uid, w in self.weights.items() if uid not in without}, self.base)

    def posterior_of(self, weights: Mapping[str, Vector], base: Vector) -> Weights:
        """The posterior that these weights of questions give, on top of `base`."""
        parts: list[Vector] = []
        groups: dict[str, list[Vector]] = {}
        for uid, one in weights.items():
            group = self._group.get(uid)
            if group is None:
                parts.append(one)
            else:
                groups.setdefault(group, []).append(one)
        parts += [self._join(tuple(members)) for members in groups.values()]
        a, b, c = zip(base, *parts, strict=True)
        return self.scorecard.posterior(
            {"malicious": fsum(a), "benign_true_positive": fsum(b), "false_positive": fsum(c)}
        )

    def _join(self, members: tuple[Vector, ...]) -> Vector:
        if len(members) == 1:
            return members[0]
        found = self._joined.get(members)
        if found is None:
            found = self._joined[members] = joined(members, self.scorecard.overlap)
        return found

    def overlaps(self) -> dict[str, tuple[int, Weights]]:
        """For each group with several counted answers: how many, and the weights that their overlap takes off."""
        members: dict[str, list[Answer]] = defaultdict(list)
        for uid, answer in self.counted.items():
            if uid in self._group:
                members[self._group[uid]].append(answer)
        return {
            group: (len(answers), self._overlap(answers))
            for group, answers in sorted(members.items())
            if len(answers) > 1
        }

    def _overlap(self, answers: Sequence[Answer]) -> Weights:
        taken: Weights = {}
        for name in HYPOTHESES:
            each = [a.weights.get(name, 0.0) for a in answers]
            taken[name] = round(shrunk(each, self.scorecard.overlap) - total(each), PLACES)
        return taken

    def rows(self, case_uid: str) -> tuple[Answer, ...]:
        """The terms that no question gave, as rows of the matrix: the prior, the classes and the overlaps."""
        prior = Answer(
            question=PRIOR,
            title="Before any evidence",
            about=case_uid,
            status="answered",
            value="base_rate",
            weights=self.scorecard.priors,
            why="How often cases turn out so where nothing else is known",
        )
        overlaps = (
            Answer(
                question=f"{OVERLAP}.{group}",
                title=f"Overlap of {count} answers on {group.replace('_', ' ')}",
                about=case_uid,
                status="answered",
                value="shrunk",
                weights=weights,
                why="They restate one fact in part: only the strongest counts in full",
            )
            for group, (count, weights) in self.overlaps().items()
        )
        classes = (
            Answer(
                question=f"{CLASS}.{level}",
                title=f"How cases of this {level} turned out",
                about=case_uid,
                status="answered",
                value=name,
                weights=weights,
                why="As the owner's labels had it, shrunk to what is broader",
            )
            for level, (name, weights) in self.classes.items()
            if any(weights.values())
        )
        return (prior, *classes, *overlaps)
