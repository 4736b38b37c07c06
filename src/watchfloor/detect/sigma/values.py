"""How a record's value reads as text, number or time, so that every matcher means the same by it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import orjson

# ASCII digits and a bounded length: what an attacker writes must not cost more than what a sensor writes.
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_LARGEST_INT_BITS = 4096
_SMALL = 1 << 63


def text_of(value: Any) -> str | None:
    """A value as Sigma compares it; None for null. Booleans are `true`/`false`, whole floats have no `.0`.

    An object that a rule names as a field (`requestParameters`) reads as its JSON text.
    """
    if isinstance(value, str):
        return value
    if value.__class__ is int and -_SMALL < value < _SMALL:
        return str(value)
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() < _LARGEST_INT_BITS else ""
    if isinstance(value, dict | list):
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return str(value)


def flat(value: Any) -> Iterator[Any]:
    """The items of a list of any depth, or the value itself. A field that holds a list has each of its items."""
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield value


def leaves(value: Any) -> Iterator[Any]:
    """Every scalar of nested data, for keyword search; keys are not values."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def number_of(text: str) -> float | int | None:
    """The decimal number that a text is, or None."""
    if _NUMBER.fullmatch(text) is None:
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


@lru_cache(maxsize=16_384)
def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a text is, or None; an IPv4 address mapped into IPv6 reads as IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def time_of(text: str) -> datetime | None:
    """The UTC time that a text is: ISO 8601, or seconds, milli-, micro- or nanoseconds since the epoch."""
    try:
        number = number_of(text)
        if number is None:
            when = datetime.fromisoformat(text)
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        # The magnitude tells the unit: 1e11 seconds is the year 5138, 1e11 milliseconds is 1973.
        while abs(number) >= 1e11:
            number = number / 1000
        return datetime.fromtimestamp(number, UTC)
    except (ValueError, OverflowError, OSError):
        return None
