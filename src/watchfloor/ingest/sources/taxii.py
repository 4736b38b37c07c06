"""TAXII 2.1: threat intelligence of a server's collections, each object once (OASIS TAXII 2.1, chapters 3 to 5)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import httpx2
from pydantic import Field

from watchfloor.core.clock import DAY, SECOND, iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.feed import MOST_PAGES, FeedSource, put_objects, raw_object, value_of, where_of
from watchfloor.ingest.sources.poll import items_of
from watchfloor.ingest.sources.source import Hand, Https
from watchfloor.ingest.sources.web import Answer, Asked, Web, same_host

_ACCEPT = {"accept": "application/taxii+json;version=2.1"}
_DISCOVERY = "/taxii2/"
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,199}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


class Taxii(FeedSource):
    """A TAXII 2.1 server: objects of threat intelligence that were added to its collections."""

    kind: Literal["taxii"]
    url: Https
    """The server (then it is asked for its API roots), its discovery, or an API root."""
    collections: tuple[str, ...] = ()
    """Ids, aliases or titles; all that may be read where none is named."""
    since_days: Annotated[float, Field(gt=0, le=3_650)] | None = None
    """The first round asks for what was added no longer ago; for all where it is not said."""
    limit: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Objects a page. The server may give fewer."""

    async def run(self, hand: Hand) -> None:
        web = self.web()
        reader = TaxiiReader(self, hand, web)
        try:
            while True:
                collections = await reader.round()
                await hand.working(f"{collections} collections")
                await asyncio.sleep(self.every)
        finally:
            await web.close()


class _Page(NamedTuple):
    """An envelope of objects. `first` and `last` say when they were added, as far as the server tells."""

    objects: list[bytes]
    more: bool
    next: str
    first: str
    last: str


class TaxiiReader:
    """Asks one server, round after round."""

    def __init__(
        self, config: Taxii, hand: Hand, web: Web, now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._config, self._hand, self._web, self._now = config, hand, web, now
        self._kept: dict[str, str] = {name: str(at) for name, at in hand.checkpoint().items()}

    async def round(self) -> int:
        """What is new in each collection; returns how many there are. One that fails keeps none from being asked."""
        places = [place for root in await self._roots() for place in await self._collections(root)]
        if not places:
            raise WatchfloorError("no collection there may be read", where=self._config.url, do="Ask the feed's owner")
        failed: WatchfloorError | None = None
        for place in places:
            try:
                await self._collect(place)
            except WatchfloorError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return len(places)

    async def _roots(self) -> list[httpx2.URL]:
        """The API roots on the server that was named; those elsewhere are nobody's business."""
        first = httpx2.URL(self._config.url)
        if first.path in ("", "/"):
            first = first.copy_with(path=_DISCOVERY)
        found = await self._json(first)
        if not isinstance(found.get("api_roots"), list):
            return [first]
        roots = [httpx2.URL(str(first.join(str(root)))) for root in found["api_roots"] if isinstance(root, str)]
        here = [root for root in roots if (root.scheme, root.host, root.port) == (first.scheme, first.host, first.port)]
        if not here:
            raise WatchfloorError("names no API root on its own host", where=str(first), do="Name an API root as url")
        return here

    async def _collections(self, root: httpx2.URL) -> list[httpx2.URL]:
        """Where the objects of each wanted collection are. Raises WatchfloorError for one that is not there."""
        found = await self._json(_below(root, "collections/"))
        listed = found.get("collections")
        known: dict[str, set[str]] = {}
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and one.get("can_read") is True and _ID.fullmatch(str(one.get("id"))):
                known[str(one["id"])] = {str(one.get(name)) for name in ("id", "alias", "title")}
        wanted = self._config.collections
        absent = [name for name in wanted if not any(name in names for names in known.values())]
        if absent:
            there = ", ".join(sorted(known)[:20])
            raise WatchfloorError(f"has no readable collection {absent[0]!r}", where=str(root), do=f"There are {there}")
        chosen = [uid for uid, names in known.items() if not wanted or names & set(wanted)]
        return [_below(root, f"collections/{uid}/objects/") for uid in chosen]

    async def _collect(self, place: httpx2.URL) -> None:
        """Page by page. What is kept never goes beyond what was handed over: two pages may share a moment."""
        began, key = self._now(), place.path
        after = before = self._kept.get(key, self._beginning(began))
        token, asked, last = "", {f"{after} "}, ""
        for _ in range(MOST_PAGES):
            page = await self._page(place, after, token, began)
            if last and page.first > last:
                await self._keep(key, last)
            await put_objects(self._hand, page.objects)
            if page.objects:
                last = max(page.last or _spelled(began - DAY), last)
            if not page.more:
                break
            if page.next:
                token = page.next
            elif page.last > after:
                token, after = "", page.last
            else:
                raise WatchfloorError("says that there is more, and not how to go on", where=str(place))
            if (step := f"{after} {token}") in asked:
                raise WatchfloorError("leads from page to page in a circle", where=str(place))
            asked.add(step)
        else:
            raise WatchfloorError(f"has more than {MOST_PAGES:,} pages", where=str(place))
        if last:
            await self._keep(key, max(last, before))

    async def _page(self, place: httpx2.URL, after: str, token: str, began: int) -> _Page:
        query = {"limit": str(self._config.limit)}
        query |= {"added_after": after} if after else {}
        query |= {"next": token} if token else {}
        asked = Asked("GET", place.copy_merge_params(query), _ACCEPT)
        answer = await self._web.ask(asked)
        envelope = raw_object(answer.body, asked)
        found = value_of(envelope.get("next"), asked)
        token = found if isinstance(found, str) else ""
        if len(token) > 4_096:
            raise WatchfloorError("names an absurdly long next page", where=where_of(asked))
        return _Page(
            objects=items_of(answer.body, "objects", asked, absent_is_empty=True),
            more=value_of(envelope.get("more"), asked) is True,
            next=token,
            first=_added(answer, "first", began),
            last=_added(answer, "last", began),
        )

    def _beginning(self, now: int) -> str:
        days = self._config.since_days
        return _spelled(now - round(days * DAY)) if days else ""

    async def _keep(self, key: str, at: str) -> None:
        if self._kept.get(key) != at:
            self._kept[key] = at
            await self._hand.keep(self._kept)

    async def _json(self, url: httpx2.URL) -> dict[str, Any]:
        asked = Asked("GET", same_host(str(url), httpx2.URL(self._config.url)), _ACCEPT)
        found = value_of((await self._web.ask(asked)).body, asked)
        if not isinstance(found, dict):
            raise WatchfloorError("answered with no JSON object", where=where_of(asked))
        return found


def _below(root: httpx2.URL, path: str) -> httpx2.URL:
    return root.copy_with(path=f"{root.path.rstrip('/')}/{path}", query=None)


def _spelled(ms: int) -> str:
    return f"{iso(ms)[:-1]}000Z"


def _added(answer: Answer, which: str, now: int) -> str:
    """When objects were added, from the answer's headers, spelled so that texts compare as times do; empty where the
    server does not say, or names a time that is to come: then nothing would ever be new again."""
    said = answer.headers.get(f"x-taxii-date-added-{which}", "").strip()
    if not _TIME.fullmatch(said):
        return ""
    whole, _, rest = said[:-1].partition(".")
    try:
        when = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    except ValueError:
        return ""
    limit = datetime.fromtimestamp(now / SECOND, UTC) + timedelta(days=1)
    return "" if when > limit else f"{whole}.{rest[:6]:0<6}Z"
