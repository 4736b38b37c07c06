"""Collector `findings`: what was found before `as_of`, about an entity or by a detection.

Query: `{"entity": "user:alice", "hours": 24, "tactics": [...]}`; tactics are those of what is asked about. Answer, of
the latest 500 findings with as_of - hours <= time < as_of: `{"count": 7, "detections": 3, "titles": [3 of the gravest],
"severity": 4, "sources": 2, "layers": [..], "kinds": [..], "tactics": [in kill-chain order], "earlier_stages": [those
before all of the given], "earlier_severity": 4, "last": ms | null, "minutes_ago": 12 | null}`; the earlier severity is
the worst of the findings that show an earlier stage.

Query: `{"detection": uid, "days": 30}` about a detection. Answer: `{"count": 40, "days": 9, "per_day": 1.3,
"entities": 4, "idle_days": 0 | null, "recorded_days": 30, "all": 900, "share": 0.044}`: entities are users, hosts and
addresses that it named; `recorded_days` reach back to the first finding there is.

An attacker causes findings: they may raise suspicion only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain
from typing import Any

from watchfloor.core.attack import STAGE, in_order, tactic
from watchfloor.core.clock import DAY, HOUR, MINUTE
from watchfloor.core.entity import Entity
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Lookup
from watchfloor.core.finding import Finding
from watchfloor.enrich.collectors.base import Found, LocalCollector, text_of
from watchfloor.enrich.past import Past, between, span

_MOST = 500
_MOST_OF_DETECTION = 5_000
_NAMED = 3


class FindingsCollector(LocalCollector):
    """Looks into one tenant's past findings."""

    name = "findings"

    def __init__(self, past: Past) -> None:
        self._past = past

    def answer(self, lookup: Lookup) -> Found:
        query = lookup.query
        if "hours" in query:
            return Found(self._about(lookup, _number(query, "hours") * HOUR), "findings", "B")
        if "days" in query:
            return Found(self._of_detection(lookup, _number(query, "days") * DAY), "findings", "B")
        raise WatchfloorError("the query has neither `hours` nor `days`")

    def _about(self, lookup: Lookup, reach: int) -> dict[str, Any]:
        query, as_of = lookup.query, lookup.as_of
        key = Entity.from_key(text_of(query, "entity")).key
        found = between(self._past.of_entity(key), as_of - reach, as_of, _MOST)
        tactics = in_order(t for f in found for t in f.tactics)
        first = min(map(_stage, _texts(query, "tactics")), default=0)
        first = first if first < len(STAGE) else 0
        earlier = [f for f in found if any(_stage(t) < first for t in f.tactics)]
        last = found[-1].time if found else None
        return {
            "count": len(found),
            "detections": len({f.detection.uid for f in found}),
            "titles": _titles(found),
            "severity": max((int(f.severity) for f in found), default=0),
            "sources": len({f.detection.source for f in found}),
            "layers": sorted({f.layer for f in found}),
            "kinds": sorted({f.detection.kind for f in found}),
            "tactics": list(tactics),
            "earlier_stages": list(in_order(t for f in earlier for t in f.tactics if _stage(t) < first)),
            "earlier_severity": max((int(f.severity) for f in earlier), default=0),
            "last": last,
            "minutes_ago": None if last is None else (as_of - last) // MINUTE,
        }

    def _of_detection(self, lookup: Lookup, reach: int) -> dict[str, Any]:
        query, as_of, past = lookup.query, lookup.as_of, self._past
        uid = text_of(query, "detection")
        dated, named = past.of_detection(uid)
        some = span(dated, as_of - reach, as_of, _MOST_OF_DETECTION)
        found = dated[some]
        times, _ = past.all
        known = bisect_left(times, as_of) - bisect_left(times, as_of - reach)
        recorded = 0 if not times or times[0] >= as_of else min(reach, as_of - times[0]) // DAY
        return {
            "count": len(found),
            "days": len({time // DAY for time in found}),
            "per_day": round(len(found) / max(1, recorded), 2),
            "entities": len(set(chain.from_iterable(named[some]))),
            "idle_days": (as_of - found[-1]) // DAY if found else None,
            "recorded_days": recorded,
            "all": known,
            "share": round(len(found) / known, 3) if known else None,
        }


def _stage(name: str) -> int:
    """The place of a tactic in the kill chain; the unknown come last."""
    return STAGE.get(tactic(name), len(STAGE))


def _titles(found: Sequence[Finding]) -> list[str]:
    titles: dict[str, None] = {}
    for finding in sorted(found, key=lambda f: (-f.severity, f.time, f.uid)):
        titles.setdefault(finding.detection.title)
    return list(titles)[:_NAMED]


def _texts(query: dict[str, Any], key: str) -> list[str]:
    value = query.get(key)
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _number(query: dict[str, Any], key: str) -> int:
    value = query[key]
    if not isinstance(value, int) or not 0 < value <= 100_000:
        raise WatchfloorError(f"`{key}` must be a whole number over 0, not {value!r}")
    return value
