"""Collector `labels`: what people judged and decided before `as_of`: counts of their verdicts, and what they hold back.

Query: `{"detection": uid, "family": "sigma/windows", "detection_class": "sigma/windows @ sysmon", "entity":
"user:alice", "suppressions": true}`, any of them; suppressions are those of the detection or its family.
Answer, for each that was asked: `{"detection": {"malicious": 1, "benign_true_positive": 4, "false_positive": 20,
"total": 25, "last_malicious_days": 12 | null}, "family": {...}, "detection_class": {...}, "entity": {same, over the
cases that involved it}, "suppressions": {"in_force": 1, "ended": 0, "reason": text, "owner": name}}`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Any

from watchfloor.core.clock import DAY
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Lookup
from watchfloor.core.text import clipped
from watchfloor.enrich.collectors.base import Found, LocalCollector
from watchfloor.enrich.past import Past

_VERDICTS = ("malicious", "benign_true_positive", "false_positive")
_KEYS = ("detection", "family", "detection_class")


class LabelsCollector(LocalCollector):
    """Counts the owner's labels, by tenant."""

    name = "labels"

    def __init__(self, past: Past) -> None:
        self._past = past
        # (tenant, what, value, verdict) -> times, sorted
        self._times: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
        for label in sorted(past.labels, key=lambda one: one.time):
            family = label.detection_class.partition(" @ ")[0]
            for what, value in zip(_KEYS, (label.detection, family, label.detection_class), strict=True):
                self._times[label.tenant, what, value, label.verdict].append(label.time)

    def answer(self, lookup: Lookup) -> Found:
        asked = {key: str(lookup.query[key]) for key in _KEYS if lookup.query.get(key)}
        answer: dict[str, Any] = {what: self._counts(lookup, what, value) for what, value in asked.items()}
        if entity := lookup.query.get("entity"):
            answer["entity"] = self._judged(str(entity), lookup.as_of)
        if lookup.query.get("suppressions"):
            answer["suppressions"] = self._suppressions(lookup)
        if not answer:
            raise WatchfloorError("the query names neither detection, family, detection_class nor entity")
        return Found(answer, "labels", "A")

    def _counts(self, lookup: Lookup, what: str, value: str) -> dict[str, Any]:
        times = {verdict: self._times.get((lookup.tenant, what, value, verdict), []) for verdict in _VERDICTS}
        counts = {verdict: bisect_left(times[verdict], lookup.as_of) for verdict in _VERDICTS}
        attacks = times["malicious"][: counts["malicious"]]
        return _with_total(counts, attacks[-1] if attacks else None, lookup.as_of)

    def _judged(self, key: str, as_of: int) -> dict[str, Any]:
        """Cases that the entity was involved in before the time, and that people had judged by then."""
        counts, last = dict.fromkeys(_VERDICTS, 0), None
        for label, involved in self._past.judged(key):
            if label.time < as_of and involved[0] < as_of:
                counts[label.verdict] += 1
                if label.verdict == "malicious":
                    last = label.time if last is None else max(last, label.time)
        return _with_total(counts, last, as_of)

    def _suppressions(self, lookup: Lookup) -> dict[str, Any]:
        query, as_of = lookup.query, lookup.as_of
        made = [
            one
            for one in self._past.suppressions
            if one.time < as_of
            and (
                (one.detection and one.detection == query.get("detection"))
                or (not one.detection and one.family == query.get("family"))
            )
        ]
        force = [o for o in made if as_of < o.until and not (o.status == "lifted" and o.lifted_at <= as_of)]
        newest = max(made, key=lambda one: (one.time, one.uid), default=None)
        return {
            "in_force": len(force),
            "ended": len(made) - len(force),
            "reason": clipped(newest.reason, 200) if newest else "",
            "owner": newest.owner if newest else "",
        }


def _with_total(counts: dict[str, int], last: int | None, as_of: int) -> dict[str, Any]:
    days = None if last is None else (as_of - last) // DAY
    return {**counts, "total": sum(counts.values()), "last_malicious_days": days}
