"""What a detector watches, as content/anomaly says it: one document a series, with examples that tests run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from watchfloor.content import documents, folder
from watchfloor.core.errors import WatchfloorError

Places = str | list[str]


class Series(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="detector"):
    """What all kinds have. `when` are places with the values that an event must have there; `subject` is the type of
    entity that `entity` gives. It says nothing before `learning_days` and before `entities` are known, nor of what is
    more probable than `says`; `again_days` after something was said of an entity it may be said again. `most` entries
    are kept of a tenant.
    """

    name: str
    title: str
    techniques: tuple[str, ...]
    subject: str
    entity: Places
    examples: list[dict[str, Any]]
    when: dict[str, list[int | str]] = {}
    learning_days: int = 7
    entities: int = 5
    says: float = 0.01
    again_days: int = 1
    most: int = 20_000


class FirstSeenSeries(Series, frozen=True, kw_only=True, tag="first_seen"):
    """`attribute` of `entity` for the first time, or again after it was all but forgotten."""

    attribute: Places
    most_each: int = 256


class VolumeSeries(Series, frozen=True, kw_only=True, tag="volume"):
    """How many events in an hour; with `distinct` how many different values, with `total` the sum of numbers at a place
    in units of `unit`. An hour with less than `at_least` says nothing."""

    noun: str
    distinct: Places = ""
    total: str = ""
    unit: int = 1
    at_least: int = 30
    says: float = 0.001


class BeaconSeries(Series, frozen=True, kw_only=True, tag="beacon"):
    """Regular connections of `entity` to `destination`, to which no more than `peers` others connect."""

    destination: Places
    peers: int = 3
    entities: int = 10
    again_days: int = 30


class TravelSeries(Series, frozen=True, kw_only=True, tag="travel"):
    """Log-ons from places too far apart. An address of `shared` users is an exit of the company or a VPN."""

    shared: int = 3
    fastest_kmh: int = 1_000
    nearest_km: int = 500


class SequenceSeries(Series, frozen=True, kw_only=True, tag="sequence"):
    """Steps (`step` after `step`) that neither the entity nor its peers make, among its last ones."""

    step: Places
    noun: str
    most_each: int = 512
    says: float = 0.001


class TunnelSeries(Series, frozen=True, kw_only=True, tag="tunnel"):
    """At least so many `names` under one registered domain in an hour, with so many `bits` a character, that can carry
    so many `bytes`. `carriers` do so by design."""

    carriers: tuple[str, ...] = ()
    names: int = 40
    bits: float = 3.0
    bytes: int = 2_500
    clients: int = 4
    says: float = 0.02


AnySeries = FirstSeenSeries | VolumeSeries | BeaconSeries | TravelSeries | SequenceSeries | TunnelSeries


def shipped() -> list[AnySeries]:
    """The shipped series. Raises WatchfloorError that names the place of a mistake."""
    return [series(document.data, document.where) for document in documents(folder("anomaly") / "series")]


def series(data: Any, where: str) -> AnySeries:
    """One series from plain data. Raises WatchfloorError."""
    try:
        found: AnySeries = msgspec.convert(data, type=AnySeries)
    except msgspec.ValidationError as error:
        name = data.get("name", "?") if isinstance(data, Mapping) else "?"
        raise WatchfloorError(f"series {name}: {error}", where=where) from None
    return found


def centroids() -> dict[str, Sequence[float]]:
    """Country (ISO 3166 alpha-2, or its name in lower case) -> latitude, longitude, radius in km."""
    found: dict[str, Sequence[float]] = {}
    for document in documents(folder("anomaly") / "countries.yaml"):
        for code, row in document.data.items():
            name, *place = row
            found[str(code)] = found[name.lower()] = place
    return found
