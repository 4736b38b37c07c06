"""Collector `traits`: what one event's own content shows. Cheap and deterministic; it asks nobody.

Query: `{"event": uid, "of": "command_line" | "program" | "network" | "mail" | "cloud_api" | "url" |
"identity"}`. The answers stand at
the top of each module of `enrich.analysis`. An event without such content (no command line, no URL, ...) is a
failed look-up. For `identity`, the same user's sign-in before it is looked up in the lake, too; for `mail`, the mail
that it answers.
All that is read here is text that an attacker may have written: it can raise suspicion and must never lower it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from watchfloor.core.context import Context
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.core.facets import facets
from watchfloor.enrich.analysis import cloud_api, command_line, connection, identity, mail, program, url
from watchfloor.enrich.collectors.base import Found, LocalCollector, text_of
from watchfloor.enrich.collectors.events import Events
from watchfloor.store.lake_reader import LakeReader

_AUTHENTICATION = 3002
_NAMES = {
    "command_line": "command line",
    "program": "program",
    "network": "traffic",
    "mail": "message",
    "cloud_api": "API call",
    "url": "URL",
    "identity": "sign-in",
}


class TraitsCollector(LocalCollector):
    """Analyses events of the lake."""

    name = "traits"

    def __init__(self, events: Events, reader: LakeReader, context: Context) -> None:
        self._events, self._reader = events, reader
        self._of: dict[str, Callable[[Event], dict[str, Any] | None]] = {
            "command_line": command_line.traits_of,
            "program": program.traits_of,
            "network": connection.traits_of,
            "mail": lambda event: mail.traits_of(event, context.at(event.time), reader),
            "cloud_api": cloud_api.traits_of,
            "url": lambda event: url.traits_of(event, context.at(event.time)),
            "identity": self._identity,
        }

    def collect(self, lookups: Sequence[Lookup]) -> list[Evidence]:
        self._events.prepare(lookups)
        return super().collect(lookups)

    def answer(self, lookup: Lookup) -> Found:
        of = text_of(lookup.query, "of")
        if of not in self._of:
            raise WatchfloorError(f"there are no traits of {of!r}", do=f"There are {', '.join(self._of)}")
        event = self._events.get(lookup.tenant, text_of(lookup.query, "event"))
        traits = self._of[of](event)
        if traits is None:
            raise WatchfloorError(f"the event has no {_NAMES[of]} to look at", where=event.uid)
        return Found(traits, f"analysis/{of}", "B")

    def _identity(self, event: Event) -> dict[str, Any] | None:
        user = facets(event)["user"]
        before = None
        if user:
            match = {"class_uid": _AUTHENTICATION, "user": user, "status_id": 1}
            uid = self._reader.previous(match, before=event.time)
            before = self._events.get(event.tenant, uid) if uid else None
        return identity.traits_of(event, before)
