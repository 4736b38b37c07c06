"""Collector `intel`: what threat intelligence and lists of known infrastructure say of a value.

Query: `{"type": "address", "value": "203.0.113.7"}` or `{"entity": "address:203.0.113.7"}`; `also`
(["domain:evil.example"]) are other things seen with it, for patterns that join several. Or `{"cve":
"CVE-2021-44228"}`.
Answer: `{"type": t, "value": v, "matches": 1, "stale": 0, "indicators": [{"type", "value", "kind",
"description", "confidence", "source", "validity": "valid" | "expired" | "not_yet", "valid_until": ms | null}] |
null, "sources": 1, "newest_days": 12 | null, "expired_days": 400 | null, "lists": [{"name", "title", "kind",
"vouches"}] | null, "vouched": false, "problems": 0}`; an indicator has its "marking" (`tlp:amber`) where there is one.
`matches` counts valid indicators and `sources` who gives them; `newest_days` is the age of the newest of them that its
author dates; `expired_days` tells how long ago the last of the stale ones expired. A null list was not checked because
none are loaded; `problems` counts entries of files that could not be read.
For a vulnerability: `{"cve": id, "exploited": true, "vulnerability": {...} | null}`.
"""

from __future__ import annotations

from typing import Any

from watchfloor.core.clock import DAY
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Lookup
from watchfloor.core.intel import INDICATOR_TYPES, Indicator, Intelligence, spelled
from watchfloor.enrich.collectors.base import Found, LocalCollector, text_of

_LOAD = "Name files or folders of intelligence in the settings, or a feed in sources.yaml"
_MOST = 10


class IntelCollector(LocalCollector):
    """Matches values against one tenant's intelligence, as it stood at the look-up's `as_of`."""

    name = "intel"

    def __init__(self, intel: Intelligence) -> None:
        self._intel = intel

    def answer(self, lookup: Lookup) -> Found:
        if lookup.query.get("cve"):
            return Found(self._vulnerability(text_of(lookup.query, "cve")), "kev", "A")
        intel, counts = self._intel, self._intel.counts
        if not counts.indicators and not counts.warninglists:
            raise WatchfloorError("no threat intelligence is loaded", do=_LOAD)
        kind, value = _subject(lookup.query)
        also = lookup.query.get("also", [])
        known = intel.known(kind, value, also if isinstance(also, list) else ())
        lists = intel.listed(kind, value)
        valid = [i for i in known if i.validity(lookup.as_of) == "valid"]
        stale = [i for i in known if i.validity(lookup.as_of) != "valid"]
        answer = {
            "type": kind,
            "value": value,
            "matches": len(valid),
            "stale": len(stale),
            "sources": len({i.source for i in valid}),
            "newest_days": self._newest_days(valid, lookup.as_of),
            "expired_days": _expired_days(stale, lookup.as_of),
            "indicators": [_indicator(i, lookup.as_of) for i in (valid + stale)[:_MOST]],
            "lists": [{"name": o.name, "title": o.title, "kind": o.kind, "vouches": o.vouches} for o in lists],
            "vouched": any(one.vouches for one in lists),
            "problems": counts.problems,
        }
        if not counts.indicators:
            answer |= {"indicators": None, "matches": None, "stale": None, "sources": None}
        if not counts.warninglists:
            answer |= {"lists": None, "vouched": None}
        return Found(answer, _source(valid, [one.name for one in lists]), "C")

    def _newest_days(self, valid: list[Indicator], at: int) -> int | None:
        dated = [i.valid_from + self._intel.reaches_back for i in valid if i.valid_from]
        return max(0, at - max(dated)) // DAY if dated else None

    def _vulnerability(self, cve: str) -> dict[str, Any]:
        if not self._intel.counts.vulnerabilities:
            raise WatchfloorError("no catalogue of exploited vulnerabilities is loaded", do=_LOAD)
        found = self._intel.known_exploited(cve)
        return {
            "cve": cve.upper(),
            "exploited": found is not None,
            "vulnerability": found.to_dict() if found else None,
        }


def _expired_days(stale: list[Indicator], at: int) -> int | None:
    ended = [i.valid_until for i in stale if i.valid_until is not None and i.valid_until <= at]
    return (at - max(ended)) // DAY if ended else None


def _subject(query: dict[str, Any]) -> tuple[str, str]:
    if query.get("entity"):
        kind, _, value = text_of(query, "entity").partition(":")
    else:
        kind, value = text_of(query, "type"), text_of(query, "value")
    if kind not in INDICATOR_TYPES:
        raise WatchfloorError(f"intelligence does not speak of type {kind!r}")
    try:
        spelled(kind, value)
    except ValueError:
        raise WatchfloorError(f"{value[:80]!r} is not an {kind}") from None
    return kind, value


def _indicator(indicator: Indicator, at: int) -> dict[str, Any]:
    shown = indicator.to_dict()
    kept = ("type", "value", "kind", "description", "confidence", "source", "valid_until")
    marked = {"marking": indicator.marking} if indicator.marking else {}
    return {**{name: shown[name] for name in kept}, "validity": indicator.validity(at), **marked}


def _source(valid: list[Indicator], lists: list[str]) -> str:
    if valid:
        return f"intel/{valid[0].source}"
    return f"misp-warninglists/{lists[0]}" if lists else "intel"
