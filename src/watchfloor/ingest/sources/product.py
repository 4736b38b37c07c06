"""A product whose records are asked for over HTTP, as one YAML file in `content/pollers` says it: how to sign in, what
to ask, where the records stand in the answer, how to go on, and canned exchanges that hold all of that."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from watchfloor import content
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import Noun

Texts = dict[str, str]
Clock = Literal["iso", "iso_seconds", "iso_plain", "date", "seconds", "milliseconds"]
"""`iso_plain` has neither fractions nor a zone; it is UTC all the same."""
_PLACE = re.compile(r"\{(\w+)\}")
_OPTION = r"[A-Za-z0-9][A-Za-z0-9._-]*"


class Option(Noun):
    """What the owner has to name (a domain, a tenant), unless there is a default."""

    about: str
    default: str | None = None
    pattern: str = _OPTION
    """What it may be as a whole: it stands in addresses."""


class Headers(Noun):
    """A key or token in headers."""

    kind: Literal["headers"]
    headers: Texts


class Basic(Noun):
    """HTTP Basic."""

    kind: Literal["basic"]
    user: str
    password: str


class OAuth2(Noun):
    """OAuth 2.0 client credentials (RFC 6749, section 4.4): `form` (or `json`) goes to `url`, an access token comes."""

    kind: Literal["oauth2"]
    url: str
    form: Texts = {}
    body: Texts = {}
    """Sent as JSON in the place of a form."""
    user: str = ""
    password: str = ""
    """With HTTP Basic, where the product wants it so."""


class JwtBearer(Noun):
    """OAuth 2.0 with an assertion signed by a Google service account's key (RFC 7523)."""

    kind: Literal["jwt_bearer"]
    key: str
    """The service account's key file, JSON."""
    url: str
    scope: str
    subject: str


class Duo(Noun):
    """Duo's signature over each request."""

    kind: Literal["duo"]
    integration_key: str
    secret_key: str


class Request(Noun):
    """One HTTP request; `{name}` stands for an option, `{since}` and `{until}` for times in the stream's clock."""

    method: Literal["GET", "POST"] = "GET"
    url: str
    query: Texts = {}
    headers: Texts = {}
    body: dict[str, Any] | None = None
    """Sent as JSON."""


class Next(Noun):
    """How to go on: `link` (RFC 8288), an address in a `header` or in the answer (`url`), a `cursor`, or a `page`."""

    kind: Literal["link", "header", "url", "cursor", "page"]
    path: str = ""
    """Where it stands: a path in the answer, or the header's name."""
    of_last_item: bool = False
    """The path is one in the last record."""
    into: str = ""
    """The parameter that carries it: in the query, or in the body where there is one."""
    drops: tuple[str, ...] = ()
    """Parameters that are not sent along with it."""
    more: str = ""
    """Where the answer says whether there is more; empty where the absence of a cursor says so."""
    size: int = 0
    """Records on a full page; a shorter one is the last. 0 where that is not so."""
    keep: bool = False
    """The last one is where the next round begins."""


class Stream(Noun):
    """One kind of records of a product."""

    name: str
    request: Request
    prepare: Request | None = None
    """Asked once at the start (a subscription); an answer of 400 says that it is there already."""
    clock: Clock = "iso"
    items: str = ""
    """The path of the list of records; empty where the answer is the list."""
    absent_is_empty: bool = False
    """The product leaves the list out where it has no records; elsewhere that is an error."""
    fetch: str = ""
    """Records are only pointed to: the path of the address in each item; the answer there is a list of records."""
    time: str = ""
    """The path of a record's time; the next round begins with the newest. Not needed where a cursor is kept."""
    time_clock: Clock = "iso"
    next: Next | None = None
    overlap: float = 300.0
    """Seconds before the newest record that are asked for again: records come late."""
    window: float = 0.0
    """Seconds that may be asked for at a time; 0 for any."""


class Exchange(Noun):
    """A canned request and its answer. Headers are those that must be there."""

    ask: str
    """`GET https://...` with the whole query."""
    headers: Texts = {}
    body: Any = None
    """What was sent, JSON or a form."""
    status: int = 200
    answer: Any = None
    answer_headers: Texts = {}


class Canned(Noun):
    """A round of asking: these exchanges in this order, so many records of this mapping, and what is kept of it."""

    now: str
    options: Texts = {}
    checkpoint: dict[str, Any] = {}
    streams: tuple[str, ...] = ()
    exchange: Annotated[tuple[Exchange, ...], Field(min_length=1)]
    mapping: str
    records: int
    kept: dict[str, Any]


class Product(Noun):
    """One file of `content/pollers`."""

    poller: str
    title: str
    documentation: str
    options: dict[str, Option] = {}
    secrets: Texts = {}
    """Name -> what it is and which rights it needs."""
    every: float = 60.0
    """Seconds between two rounds, where the owner names none."""
    auth: Annotated[Headers | Basic | OAuth2 | JwtBearer | Duo, Field(discriminator="kind")]
    streams: Annotated[tuple[Stream, ...], Field(min_length=1)]
    tests: Annotated[tuple[Canned, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Product:
        known = {*self.options, "since", "until"}
        for stream in self.streams:
            for request in filter(None, (stream.request, stream.prepare)):
                _only(request.model_dump(), known, stream.name)
                _https(request.url)
            kept = stream.next is not None and stream.next.keep
            if kept and stream.next and stream.next.kind != "cursor":
                raise ValueError(f"{stream.name}: only a cursor can be kept")
            if 0 < stream.window <= stream.overlap:
                raise ValueError(f"{stream.name}: window must be longer than overlap")
            if not stream.time and not kept:
                raise ValueError(f"{stream.name}: needs time, or a cursor that is kept")
        _only(self.auth.model_dump(), known | set(self.secrets), "auth")
        if isinstance(self.auth, (OAuth2, JwtBearer)):
            _https(self.auth.url)
        return self


def _only(data: Any, known: set[str], where: str) -> None:
    for name in _PLACE.findall(str(data)):
        if name not in known:
            raise ValueError(f"{where}: nothing is called {{{name}}}")


def _https(url: str) -> None:
    if not re.match(r"https://|http://(127\.0\.0\.1|localhost)[:/]", url):
        raise ValueError(f"{url} is no https address")


def fill(value: Any, values: Texts) -> Any:
    """Texts with what their `{names}` stand for, at any depth."""
    if isinstance(value, str):
        return _PLACE.sub(lambda found: values[found[1]], value)
    if isinstance(value, dict):
        return {key: fill(each, values) for key, each in value.items()}
    return [fill(each, values) for each in value] if isinstance(value, list) else value


@cache
def shipped() -> dict[str, Path]:
    """The pollers that come with the product, by name."""
    return {file.stem: file for file in sorted(content.folder("pollers").glob("*.yaml"))}


def product_of(name: str) -> Product:
    """A shipped product, or one of a YAML file that is named by its absolute path. Raises WatchfloorError."""
    file = Path(name) if name.startswith("/") else shipped().get(name)
    if file is None or not file.is_file():
        raise WatchfloorError(f"no poller {name!r}", do=f"Name a YAML file or one of: {', '.join(shipped())}")
    found = list(content.documents(file))
    if len(found) != 1:
        raise WatchfloorError("must hold one YAML document", where=str(file))
    try:
        return Product.from_dict(found[0].data)
    except WatchfloorError as error:
        raise WatchfloorError(error.what, where=found[0].where) from None
