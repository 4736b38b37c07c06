"""Asks products for their records every so often, as `content/pollers` says."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import httpx2
import msgspec
import orjson
from pydantic import Field

from watchfloor.core.clock import HOUR, SECOND, day_of, iso, parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.product import Clock, Product, Request, Stream, Texts, fill, product_of
from watchfloor.ingest.sources.source import Hand, Secret, Source, secret
from watchfloor.ingest.sources.web import Answer, Asked, StatusError, Web, encoded, link_next, same_host

MOST_PAGES = 10_000
LATE = 24 * HOUR
"""Where nothing came, so far back (ms) is asked again."""
_RECENT = 300_000
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Poll(Source):
    """A product by the name of its file in `content/pollers`, or by the path of a file of one's own."""

    kind: Literal["poll"]
    product: str
    """A product by its name, or the absolute path of a file of one's own."""
    options: dict[str, Annotated[str, Field(coerce_numbers_to_str=True)]] = {}
    """What the product has to be told, such as `options.domain=acme.okta.com`."""
    secrets: dict[str, Secret] = {}
    """Where its secrets stand, such as `secrets.token=env:OKTA_TOKEN`."""
    streams: tuple[str, ...] = ()
    """Some of the product's streams; all where none is named."""
    every: Annotated[float, Field(ge=1, le=86_400)] | None = None
    """Seconds between two rounds; without it what the product names, mostly 60."""
    lookback_hours: Annotated[float, Field(gt=0, le=24 * 365)] = 24.0
    """The first round asks for what is no older."""

    def check(self) -> None:
        product = self._product()
        options(product, self)
        secrets(product, self)

    async def run(self, hand: Hand) -> None:
        product = self._product()
        web = Web(product.auth, options(product, self) | secrets(product, self))
        poller = Poller(product, self, hand, web)
        try:
            await poller.prepare()
            while True:
                await poller.round()
                await hand.working()
                await asyncio.sleep(self.every or product.every)
        finally:
            await web.close()

    def _product(self) -> Product:
        return product_of(self.product)


def options(product: Product, config: Poll) -> Texts:
    """The product's options as the owner named them. Raises WatchfloorError for what is absent, wrong or too much."""
    found = {name: config.options.get(name, option.default) for name, option in product.options.items()}
    unknown = config.options.keys() - found.keys()
    for name, value in found.items():
        if value is None:
            about = product.options[name].about
            raise WatchfloorError(f"needs the option {name}: {about}", where=config.source)
        if not re.fullmatch(product.options[name].pattern, value):
            raise WatchfloorError(f"the option {name} cannot be {value[:80]!r}", where=config.source)
    streams = {stream.name for stream in product.streams}
    unknown |= set(config.streams) - streams
    if unknown:
        known = ", ".join([*found, *streams])
        what = f"{product.poller} has no {sorted(unknown)[0]}"
        raise WatchfloorError(what, where=config.source, do=f"Known: {known}")
    return {name: value for name, value in found.items() if value is not None}


def secrets(product: Product, config: Poll) -> Texts:
    """The product's secrets. Raises WatchfloorError for one that is absent."""
    if unknown := config.secrets.keys() - product.secrets.keys():
        raise WatchfloorError(f"{product.poller} has no secret {sorted(unknown)[0]}", where=config.source)
    for name, about in product.secrets.items():
        if name not in config.secrets:
            raise WatchfloorError(f"needs the secret {name}: {about}", where=config.source, do="Name env: or file:")
    return {name: secret(config.secrets[name]) for name in product.secrets}


class Poller:
    """Asks one product, round after round."""

    def __init__(
        self,
        product: Product,
        config: Poll,
        hand: Hand,
        web: Web,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._hand, self._web, self._now = hand, web, now
        self._streams = [s for s in product.streams if not config.streams or s.name in config.streams]
        self._options = options(product, config)
        self._lookback = round(config.lookback_hours * HOUR)
        self._kept: dict[str, dict[str, Any]] = {name: dict(at) for name, at in hand.checkpoint().items()}
        self._recent: dict[bytes, None] = {}

    async def prepare(self) -> None:
        """Ask for what has to be there before the first round."""
        for stream in self._streams:
            if stream.prepare is not None:
                try:
                    await self._web.ask(asked(stream.prepare, self._options))
                except StatusError as error:
                    if error.status != 400:
                        raise

    async def round(self) -> None:
        """Everything that is new in each stream. One that fails does not keep the others from being asked."""
        failed: Exception | None = None
        for stream in self._streams:
            try:
                while await self._stretch(stream):
                    pass
            except WatchfloorError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    async def _stretch(self, stream: Stream) -> bool:
        """Ask for a stretch of time, page by page; whether there is another one after it."""
        now = self._now()
        at = self._kept.get(stream.name, {})
        since = int(at.get("since", now - self._lookback))
        begin = since - round(stream.overlap * SECOND) if "since" in at else since
        until = min(now, begin + round(stream.window * SECOND)) if stream.window else now
        values = self._options | {"since": clock_text(begin, stream.clock), "until": clock_text(until, stream.clock)}
        cursor = str(at.get("cursor", ""))
        newest = 0
        page = first = asked(stream.request, values)
        if cursor:
            page = with_cursor(stream, first, cursor)
        for number in range(MOST_PAGES):
            answer = await self._web.ask(page)
            items = items_of(answer.body, stream.items, page, absent_is_empty=stream.absent_is_empty)
            newest = max([newest, *(self._time_of(item, stream, now) for item in items)])
            await self._store(stream, items, first)
            follow = next_page(stream, first, answer, items, number)
            if follow is not None and follow.cursor:
                cursor = follow.cursor
            if stream.next and stream.next.keep and cursor:
                await self._keep(stream, {"cursor": cursor})
            if follow is None or not follow.go_on:
                break
            page = follow.asked
        else:
            raise WatchfloorError(f"has more than {MOST_PAGES:,} pages", where=f"{stream.name}, {first.url.host}")
        if stream.time and not (stream.next and stream.next.keep):
            reached = max(since, newest, until - LATE) if until == now else max(until, since)
            await self._keep(stream, {"since": reached})
        return until < now

    async def _store(self, stream: Stream, items: list[bytes], first: Asked) -> None:
        if stream.fetch:
            for item in items:
                url = _at(orjson.loads(item), stream.fetch)
                if not isinstance(url, str):
                    raise WatchfloorError(f"an item has no {stream.fetch}", where=first.url.host)
                place = Asked("GET", same_host(url, first.url))
                if self._is_new(item):
                    records = items_of((await self._web.ask(place)).body, "", place)
                    await self._put(records)
                    self._remember(item)
            return
        fresh = [item for item in items if self._is_new(item)]
        await self._put(fresh)
        for item in fresh:
            self._remember(item)

    async def _put(self, records: list[bytes]) -> None:
        if records:
            await self._hand.put(b"\n".join(records), "ndjson")

    def _is_new(self, item: bytes) -> bool:
        """Overlaps give the same record again and again. What is forgotten comes once more, and counts once."""
        return _digest(item) not in self._recent

    def _remember(self, item: bytes) -> None:
        self._recent[_digest(item)] = None
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]

    def _time_of(self, item: bytes, stream: Stream, now: int) -> int:
        found = _at(orjson.loads(item), stream.time) if stream.time else None
        return min(time_of(found, stream.time_clock), now)

    async def _keep(self, stream: Stream, at: dict[str, Any]) -> None:
        if self._kept.get(stream.name) != at:
            self._kept[stream.name] = at
            await self._hand.keep(self._kept)


def _digest(item: bytes) -> bytes:
    return hashlib.sha256(item).digest()[:16]


class Follow(NamedTuple):
    """The next page, whether it is worth asking for now, and the cursor that leads to it."""

    asked: Asked
    go_on: bool
    cursor: str = ""


def next_page(stream: Stream, first: Asked, answer: Answer, items: list[bytes], number: int) -> Follow | None:
    """How to go on after a page; None where it was the last. Raises WatchfloorError."""
    how = stream.next
    if how is None:
        return None
    full = len(items) >= how.size
    if how.kind == "page":
        address = first.url.copy_merge_params({how.into: str(number + 2)})
        return Follow(first._replace(url=address), full)
    if how.kind == "link":
        found = link_next(answer.headers)
    elif how.kind == "header":
        found = str(answer.headers.get(how.path, ""))
    elif how.of_last_item:
        found = _text(_at(orjson.loads(items[-1]), how.path)) if items else ""
    else:
        found = _text(_at(orjson.loads(answer.body), how.path))
    if not found:
        return None
    more = full and (not how.more or bool(_at(orjson.loads(answer.body), how.more)))
    if how.kind == "cursor":
        return Follow(with_cursor(stream, first, found), more and (bool(items) or not how.keep), found)
    return Follow(first._replace(url=same_host(found, first.url)), more)


def with_cursor(stream: Stream, first: Asked, cursor: str) -> Asked:
    """The request that goes on at a cursor."""
    how = stream.next
    assert how is not None
    if first.body:
        body = {name: value for name, value in orjson.loads(first.body).items() if name not in how.drops}
        return first._replace(body=orjson.dumps(body | {how.into: cursor}))
    query = {name: value for name, value in first.url.params.items() if name not in how.drops}
    return first._replace(url=first.url.copy_with(query=encoded(query | {how.into: cursor}).encode()))


def asked(request: Request, values: Texts) -> Asked:
    """A request with what its names stand for."""
    url = httpx2.URL(fill(request.url, values))
    query = fill(request.query, values)
    headers: Texts = fill(request.headers, values)
    body = b""
    if request.body is not None:
        headers["content-type"], body = "application/json", orjson.dumps(fill(request.body, values))
    if query:
        url = url.copy_with(query=encoded(dict(url.params.items()) | query).encode())
    return Asked(request.method, url, headers, body)


def items_of(body: bytes, path: str, place: Asked, *, absent_is_empty: bool = False) -> list[bytes]:
    """The records of an answer, each in its own bytes and on one line. Raises WatchfloorError where there are none."""
    raw: Any = body
    try:
        for name in path.split(".") if path else ():
            inside = _RAW_OBJECT.decode(raw)
            if name not in inside and absent_is_empty:
                return []
            raw = inside[name]
        items = [bytes(item) for item in _RAW_LIST.decode(raw)]
        return [orjson.dumps(orjson.loads(item)) if b"\n" in item or b"\r" in item else item for item in items]
    except (ValueError, KeyError, RecursionError) as error:
        where = f"{place.method} {place.url.copy_with(query=None)}"
        what = f"answered with no list of records at {path or 'the top'}: {type(error).__name__}: {error}"
        raise WatchfloorError(what, where=where) from None


def clock_text(ms: int, clock: Clock) -> str:
    """A time (ms) as a product wants it."""
    if clock == "iso":
        return iso(ms)
    if clock == "iso_seconds":
        return iso(ms)[:19] + "Z"
    if clock == "iso_plain":
        return iso(ms)[:19]
    if clock == "date":
        return day_of(ms)
    return str(ms // SECOND if clock == "seconds" else ms)


def time_of(found: Any, clock: Clock) -> int:
    """A record's time in milliseconds; 0 where it has none that can be read."""
    try:
        if clock not in ("seconds", "milliseconds"):
            return parse_iso(str(found))
        return round(float(found) * (SECOND if clock == "seconds" else 1))
    except (ValueError, TypeError, OverflowError):
        return 0


def _at(data: Any, path: str) -> Any:
    """What stands at a path of names and indices. A name with dots in it may be the first part as a whole."""
    if isinstance(data, dict) and path in data:
        return data[path]
    for name in path.split("."):
        if isinstance(data, dict):
            data = data.get(name)
        elif isinstance(data, list) and name.isdigit() and int(name) < len(data):
            data = data[int(name)]
        else:
            return None
    return data


def _text(found: Any) -> str:
    """A cursor as text; a list of parts (Duo's) joined by commas."""
    if isinstance(found, list):
        return ",".join(map(str, found))
    return "" if found is None or isinstance(found, bool | dict) else str(found)
