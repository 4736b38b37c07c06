"""MISP: the events of a server, those of a feed (a folder with a manifest), or a plain list at an address."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

import httpx2
import orjson
from pydantic import Field, model_validator

from watchfloor.core.clock import DAY, SECOND
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import canonical
from watchfloor.ingest.intel.lists import heading_of, is_entry
from watchfloor.ingest.sources.feed import MOST_PAGES, FeedSource, raw_object, value_of, where_of
from watchfloor.ingest.sources.poll import items_of
from watchfloor.ingest.sources.source import Hand, Https
from watchfloor.ingest.sources.web import Asked, Web

PARTS = 16
"""A list is handed over in so many parts: only those that changed, and no batch has to hold all of it."""
KEEP_EVERY = 50
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OURS = ("returnFormat", "page", "limit", "publish_timestamp")


class Misp(FeedSource):
    """MISP: a server's published events, a feed's events, or a plain list (CSV or one value a line)."""

    kind: Literal["misp"]
    server: Https | None = None
    """A MISP server; `headers: {Authorization: env:MISP_KEY}` has its key."""
    feed: Https | None = None
    """The folder of a feed in MISP's format, with `manifest.json` in it."""
    list: Https | None = None
    """A list: CSV with a heading, or one value a line."""
    filter: dict[str, Any] = {}
    """Of a server: further filters of its `restSearch`, such as `{tags: [...], org: ...}`."""
    since_days: Annotated[float, Field(gt=0, le=3_650)] | None = None
    """Of a server: the first round asks for what was published no longer ago; for all where it is not said."""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 20
    """Of a server: events a page."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(place is not None for place in (self.server, self.feed, self.list)) != 1:
            raise ValueError("name one of server, feed and list")
        if taken := sorted(self.filter.keys() & set(_OURS)):
            raise ValueError(f"filter cannot have {taken[0]}")
        return self

    async def run(self, hand: Hand) -> None:
        web = self.web()
        reader = MispReader(self, hand, web)
        try:
            while True:
                await hand.working(await reader.round())
                await asyncio.sleep(self.every)
        finally:
            await web.close()


class MispReader:
    """Asks one place, round after round."""

    def __init__(
        self, config: Misp, hand: Hand, web: Web, now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._config, self._hand, self._web, self._now = config, hand, web, now
        self._kept: dict[str, Any] = dict(hand.checkpoint())
        self._given: dict[str, bytes] = {}

    async def round(self) -> str:
        """What is new there; returns what is worth knowing of it."""
        if self._config.server is not None:
            return await self._server(httpx2.URL(self._config.server))
        if self._config.feed is not None:
            return await self._feed(httpx2.URL(self._config.feed))
        return await self._list(httpx2.URL(str(self._config.list)))

    # A server

    async def _server(self, server: httpx2.URL) -> str:
        """Events that were published since the last round. A whole event each: what it lost is withdrawn with it."""
        now = self._now() // SECOND
        days = self._config.since_days
        since = int(self._kept.get("since", now - days * DAY // SECOND if days else 0))
        newest, came = since, 0
        seen: set[bytes] = set()
        place = Asked("POST", _below(server, "events/restSearch"), {"content-type": "application/json"})
        for page in range(1, MOST_PAGES + 1):
            ours = {"returnFormat": "json", "page": page, "limit": self._config.limit, "publish_timestamp": str(since)}
            wanted = {"published": True, "enforceWarninglist": True, "includeSightings": True, **self._config.filter}
            answer = await self._web.ask(place._replace(body=orjson.dumps(wanted | ours)))
            items = items_of(answer.body, "response", place)
            digests = [hashlib.sha256(item).digest()[:16] for item in items]
            if items and seen.issuperset(digests):
                raise WatchfloorError("gives the same page again and again", where=where_of(place))
            seen.update(digests)
            for item, digest in zip(items, digests, strict=True):
                uid, published = _event_of(item, place)
                if self._given.get(uid) != digest:  # an event of the last second is given again
                    await self._hand.put(item, "misp")
                    self._given[uid] = digest
                    came += 1
                newest = max(newest, min(published, now))
            if len(items) < self._config.limit:
                break
        else:
            raise WatchfloorError(f"has more than {MOST_PAGES:,} pages", where=where_of(place))
        await self._keep({"since": newest})
        return f"{came} events came"

    # A feed

    async def _feed(self, folder: httpx2.URL) -> str:
        """Events whose time in the manifest is another one than before; those that are no longer in it lose all."""
        place = Asked("GET", _below(folder, "manifest.json"))
        manifest = value_of((await self._web.ask(place)).body, place)
        if not isinstance(manifest, dict) or not manifest:
            raise WatchfloorError("has no events in its manifest", where=where_of(place))
        times = {uid: _stamp(about) for uid, about in manifest.items() if _UUID.fullmatch(uid)}
        known: dict[str, str] = dict(self._kept.get("events", {}))
        failed: WatchfloorError | None = None
        changed = sorted((uid for uid, at in times.items() if known.get(uid) != at), key=lambda uid: (times[uid], uid))
        for number, uid in enumerate(changed, 1):
            try:
                await self._event(Asked("GET", _below(folder, f"{uid}.json")))
            except WatchfloorError as error:
                failed = failed or error
                continue
            known[uid] = times[uid]
            if number % KEEP_EVERY == 0:
                await self._keep({"events": dict(known)})
        for uid in sorted(known.keys() - times.keys()):
            await self._hand.put(orjson.dumps({"Event": {"uuid": uid, "Attribute": []}}), "misp")
            del known[uid]
        await self._keep({"events": known})
        if failed is not None:
            raise failed
        return f"{len(known)} events"

    async def _event(self, place: Asked) -> None:
        body = (await self._web.ask(place)).body
        if "Event" not in raw_object(body, place):
            raise WatchfloorError("answered with no event", where=where_of(place))
        await self._hand.put(body, "misp")

    # A list

    async def _list(self, address: httpx2.URL) -> str:
        """All of it, in parts by what a row is, so that a row is always of the same one; those that have changed."""
        place = Asked("GET", address, {"accept": "*/*"})
        text = (await self._web.ask(place)).body.decode("utf-8-sig", "replace")
        heading = heading_of(text)
        rows = [line.strip() for line in text.splitlines() if is_entry(line)][1 if heading else 0 :]
        if not rows:
            raise WatchfloorError("holds no entries", where=where_of(place), do="See whether the address is right")
        parts: dict[str, list[str]] = {f"{number:02}": [] for number in range(PARTS)}
        for row in dict.fromkeys(rows):
            parts[f"{hashlib.sha256(row.encode()).digest()[0] % PARTS:02}"].append(row)
        known: dict[str, str] = dict(self._kept.get("parts", {}))
        for part, some in parts.items():
            content = canonical({"heading": heading, "rows": some, "part": part})
            digest = hashlib.sha256(content).hexdigest()
            if known.get(part) != digest and (some or part in known):
                await self._hand.put(content, "entries")
                known[part] = digest
                await self._keep({"parts": dict(known)})
        return f"{len(rows)} entries"

    async def _keep(self, at: dict[str, Any]) -> None:
        if self._kept != at:
            self._kept = at
            await self._hand.keep(at)


def _below(folder: httpx2.URL, path: str) -> httpx2.URL:
    return folder.copy_with(path=f"{folder.path.rstrip('/')}/{path}", query=None)


def _stamp(about: Any) -> str:
    return str(about.get("timestamp", "")) if isinstance(about, dict) else ""


def _event_of(item: bytes, place: Asked) -> tuple[str, int]:
    """An event's id and when it was published (s); what is none is handed over all the same."""
    found = value_of(item, place)
    event = found.get("Event") if isinstance(found, dict) else None
    if not isinstance(event, dict):
        return hashlib.sha256(item).hexdigest(), 0
    said = str(event.get("publish_timestamp", ""))
    return str(event.get("uuid")), int(said) if said.isdecimal() and len(said) < 12 else 0
