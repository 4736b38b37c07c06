"""Collector `history`: what the tenant's own events say of the time before `as_of`.

Query: `{"match": {facet: value | [values]}, "days": 30, "measure": ["count", "first", "last", "days",
"idle_days", "days_share", "hours", "hour_share", "rhythm", "distinct:<facet>", "top:<facet>", "peers:<facet>",
"within:<hours>", "fresh:<hours>:<facet>"]}`, and `"peers_of": "user:alice"` to ask of those whose work is alike
instead (see `peers`). Only events with as_of - days <= time < as_of count, so that a finding's own event is never its
own history. Give all spellings of a user or host as a list. `hours` are by the company's clock.
Answer, of the measures that were asked for: `{"count": 3, "first": ms | null, "last": ms | null, "days": 2,
"idle_days": 4 | null, "days_share": 0.067, "hours": [24 counts], "hour_share": 0.21 | null, "rhythm": {"n": 40,
"median": 600, "spread": 0.02}, "distinct:host": 2, "top:process": [{"value": v, "count": n}, ...],
"peers:user": 4, "within:24": 1, "fresh:24:signature": 2, "population": {"events": n, "hosts": n, "users": n,
"days": n}}`. The population is all events of the same time: where it is small, "never seen" says little. With
`peers_of` there is `"peers": {"of": "department Sales", "known": 12}` and, where none are known, nothing else.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from watchfloor.core.clock import DAY
from watchfloor.core.context import Context
from watchfloor.core.entity import Entity
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Lookup
from watchfloor.enrich.collectors.base import Found, LocalCollector, text_of
from watchfloor.enrich.collectors.peers import Peers
from watchfloor.store.lake_reader import LakeReader

_LONGEST = 3_650


def history_days(lookup: Lookup) -> Any:
    """How many days a look-up reaches back, as it was asked."""
    return lookup.query.get("days", 30)


class HistoryCollector(LocalCollector):
    """Counts in one tenant's lake, hours of the day by the company's clock."""

    name = "history"

    def __init__(self, reader: LakeReader, context: Context) -> None:
        self._reader, self._zone = reader, ZoneInfo(context.company.timezone)
        self._peers = Peers(context)

    def answer(self, lookup: Lookup) -> Found:
        match, days = lookup.query.get("match"), history_days(lookup)
        measures = lookup.query.get("measure", ["count"])
        if not isinstance(match, dict) or not match:
            raise WatchfloorError("the query matches nothing in particular", do="Give `match` a facet")
        if not isinstance(days, int) or not 0 < days <= _LONGEST:
            raise WatchfloorError(f"`days` must be 1 to {_LONGEST}, not {days!r}")
        if not isinstance(measures, list) or not all(isinstance(m, str) for m in measures):
            raise WatchfloorError("`measure` must be a list of names")
        since = lookup.as_of - days * DAY
        peers = None
        if "peers_of" in lookup.query:
            peers = self._peers.of(Entity.from_key(text_of(lookup.query, "peers_of")))
            if not peers.spellings:
                return Found({"peers": peers.shown()}, "context", "A")
            match = {**match, peers.facet: list(peers.spellings)}
        answer = self._reader.query(match, measures, since=since, before=lookup.as_of, zone=self._zone)
        return Found({**answer, "peers": peers.shown()} if peers else answer, "lake", "A")
