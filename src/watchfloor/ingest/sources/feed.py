"""What feeds of threat intelligence have in common: where they are asked, how one signs in, and how objects are handed
over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from pydantic import Field

from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.sources.product import Basic, Headers
from watchfloor.ingest.sources.source import Hand, Secret, Source, secret
from watchfloor.ingest.sources.tls import Tls
from watchfloor.ingest.sources.web import Asked, Web

MOST_PAGES = 10_000
PARCEL = 1 << 20
RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])


class FeedSource(Source):
    """A feed that is asked over HTTPS every so often."""

    user: str = ""
    """Who signs in with HTTP Basic."""
    password: Secret | None = None
    """env:NAME or file:/PATH."""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")], Secret] = {}
    """Headers whose values are secrets, such as an API key's."""
    tls: Tls = Tls()
    """`ca` (a PEM file) where the server's certificate is of an authority of one's own."""
    every: Annotated[float, Field(ge=1, le=604_800)] = 300.0
    """Seconds between two rounds."""

    def check(self) -> None:
        self.signing()
        self.tls.context(self.source)

    def signing(self) -> tuple[Headers | Basic, dict[str, str]]:
        """How requests are signed, and the secrets for that. Raises WatchfloorError."""
        values = {f"header{n}": secret(place) for n, place in enumerate(self.headers.values())}
        if not self.user and self.password is None:
            return Headers(
                kind="headers", headers={name: f"{{header{n}}}" for n, name in enumerate(self.headers)}
            ), values
        if not self.user or self.password is None or self.headers:
            raise WatchfloorError("needs user and password, or headers", where=self.source, do="Name one of both")
        return Basic(kind="basic", user="{user}", password="{password}"), {  # noqa: S106  a place, not a password
            "user": self.user,
            "password": secret(self.password),
        }

    def web(self) -> Web:
        """Where it is asked. Raises WatchfloorError."""
        auth, values = self.signing()
        return Web(auth, values, verify=self.tls.context(self.source))


def raw_object(body: bytes, place: Asked) -> dict[str, msgspec.Raw]:
    """An answer's attributes, each in its own bytes. Raises WatchfloorError."""
    try:
        return RAW.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WatchfloorError(f"answered with no JSON object: {error}", where=where_of(place)) from None


def value_of(raw: Any, place: Asked) -> Any:
    """What stands in the bytes of an attribute; None for an absent one. Raises WatchfloorError."""
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WatchfloorError(f"answered with broken JSON: {error}", where=where_of(place)) from None


def where_of(place: Asked) -> str:
    return f"{place.method} {place.url.copy_with(query=None)}"


async def put_objects(hand: Hand, objects: Iterable[bytes]) -> None:
    """Hand STIX objects over, in parcels of a bounded size."""
    some: list[bytes] = []
    size = 0
    for one in objects:
        if some and size + len(one) > PARCEL:
            await _put(hand, some)
            some, size = [], 0
        some.append(one)
        size += len(one)
    if some:
        await _put(hand, some)


async def _put(hand: Hand, objects: list[bytes]) -> None:
    await hand.put(b'{"objects":[' + b",".join(objects) + b"]}", "stix")
