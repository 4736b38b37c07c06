"""The exact upper bound on what would be missed, from the owner's own labels. No scipy: the tail sum and bisection."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import exp, fsum, lgamma, log

from watchfloor.core.case import Case
from watchfloor.core.label import Label
from watchfloor.core.noun import Noun


class ClassRecord(Noun):
    """What the owner's labels say of one class of cases (detection family x source)."""

    detection_class: str
    labels: int = 0
    malicious: int = 0
    would_close: int = 0
    """Labels of cases that the product would have closed by itself."""
    missed: int = 0
    """... and that a person called malicious."""
    said_malicious: tuple[str, ...] = ()
    """Labels that call this very case, or a related one, malicious."""


class LabelBook:
    """All labels, counted by tenant and class once, so that each case's record is a look-up."""

    def __init__(self, labels: Iterable[Label]) -> None:
        self._classes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._malicious: dict[tuple[str, str], list[str]] = defaultdict(list)
        for label in labels:
            malicious = label.verdict == "malicious"
            self._classes[label.tenant, label.detection_class].update(
                labels=1,
                malicious=malicious,
                would_close=label.would_close,
                missed=label.would_close and malicious,
            )
            if malicious and label.case_uid:
                self._malicious[label.tenant, label.case_uid].append(label.uid)

    def record(self, case: Case) -> ClassRecord:
        """What the labels say of the case's class, and of the case and those related to it."""
        near = {case.uid, *case.related}
        counts = self._classes.get((case.tenant, case.detection_class), Counter())
        return ClassRecord(
            detection_class=case.detection_class,
            labels=counts["labels"],
            malicious=counts["malicious"],
            would_close=counts["would_close"],
            missed=counts["missed"],
            said_malicious=tuple(sorted(uid for one in near for uid in self._malicious.get((case.tenant, one), ()))),
        )


def upper_bound(missed: int, trials: int, confidence: float) -> float:
    """Clopper-Pearson: the largest share at which `missed` or fewer of `trials` still has chance 1 - confidence.

    One-sided and exact (Clopper & Pearson 1934). With no trials nothing is known: 1.0. Rounded up at 9 places, so
    that the figure agrees across machines and never errs towards closing. Raises ValueError for impossible counts.
    """
    if not 0 <= missed <= trials:
        raise ValueError(f"{missed} missed of {trials} is impossible")
    if trials == missed:
        return 1.0
    alpha = 1.0 - confidence
    low, high = missed / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if at_most(missed, trials, middle) > alpha:
            low = middle
        else:
            high = middle
    return min(1.0, round(high + 5e-10, 9))


def at_most(successes: int, trials: int, share: float) -> float:
    """The chance of at most so many successes: the lower tail of the binomial distribution."""
    if share <= 0.0:
        return 1.0
    if share >= 1.0:
        return 1.0 if successes >= trials else 0.0
    whole = lgamma(trials + 1)
    return fsum(
        exp(whole - lgamma(k + 1) - lgamma(trials - k + 1) + k * log(share) + (trials - k) * log(1.0 - share))
        for k in range(successes + 1)
    )


def labels_needed(limit: float, confidence: float) -> int:
    """How many labels with no miss at all bring the bound to the limit: for the sentence that people read."""
    if limit <= 0.0:
        return 0
    if limit >= 1.0:
        return 1
    count = log(1.0 - confidence) / log(1.0 - limit)
    return int(count) + (count > int(count))
