"""Collector `labels`: how people judged the same detection, its family and its class before `as_of`.

Query: `{"detection": uid, "family": "sigma/windows", "detection_class": "sigma/windows @ sysmon"}`, any of
them.
Answer, for each that was asked: `{"detection": {"malicious": 1, "benign_true_positive": 4, "false_positive":
20, "total": 25}, "family": {...}, "detection_class": {...}}`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Lookup
from watchfloor.core.label import Label
from watchfloor.enrich.collectors.base import Found, LocalCollector

_VERDICTS = ("malicious", "benign_true_positive", "false_positive")
_KEYS = ("detection", "family", "detection_class")


class LabelsCollector(LocalCollector):
    """Counts the owner's labels, by tenant."""

    name = "labels"

    def __init__(self, labels: Sequence[Label]) -> None:
        # (tenant, what, value, verdict) -> times, sorted
        self._times: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
        for label in sorted(labels, key=lambda one: one.time):
            family = label.detection_class.partition(" @ ")[0]
            for what, value in zip(_KEYS, (label.detection, family, label.detection_class), strict=True):
                self._times[label.tenant, what, value, label.verdict].append(label.time)

    def answer(self, lookup: Lookup) -> Found:
        asked = {key: str(lookup.query[key]) for key in _KEYS if lookup.query.get(key)}
        if not asked:
            raise WatchfloorError("the query names neither detection, family nor detection_class")
        return Found({what: self._counts(lookup, what, value) for what, value in asked.items()}, "labels", "A")

    def _counts(self, lookup: Lookup, what: str, value: str) -> dict[str, int]:
        counts = {
            verdict: bisect_left(self._times.get((lookup.tenant, what, value, verdict), []), lookup.as_of)
            for verdict in _VERDICTS
        }
        return {**counts, "total": sum(counts.values())}
