"""One event as anomaly detectors look at it, and how content names what they read of it.

A place is a facet (`user`), an OCSF path (`ocsf.traffic.bytes_out`), or one of the derived names below; `|` and a name
from `TRANSFORMS` change what stands there (`recipient|domain`). Several places give one value, joined by ` > `.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from watchfloor.core.clock import DAY
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import Event, get_path
from watchfloor.core.facets import NUMBER_FACETS, TEXT_FACETS, facets
from watchfloor.core.look_alike import registrable

LONGEST = 120
"""Characters of a value that is kept; a longer one is its beginning and its digest."""
JOIN = " > "
_NOBODY = frozenset(
    {"", "-", "n/a", "unknown", "none", "null", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}  # noqa: S104
)


class Sight(NamedTuple):
    """An event with its facets, its time (ms) and its day (since the epoch)."""

    event: Event
    facets: Mapping[str, Any]
    time: int
    day: int


def sight(event: Event) -> Sight:
    return Sight(event, facets(event), event.time, event.time // DAY)


Read = Callable[[Sight], str | None]


@lru_cache(maxsize=16_384)
def kept(text: str) -> str:
    """The text as it can be kept: printable, and no longer than an attacker may make it."""
    if len(text) <= LONGEST and text.isascii() and text.isprintable():
        return text
    clean = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    if len(clean) <= LONGEST:
        return clean
    return f"{clean[:LONGEST]}~{sha256(clean.encode()).hexdigest()[:16]}"


@lru_cache(maxsize=16_384)
def is_external(address: str) -> bool:
    """Whether an address is one of the open internet."""
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


@lru_cache(maxsize=16_384)
def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def registered(host: str) -> str:
    """`mail.evil.co.uk` -> `evil.co.uk`; an address stays as it is."""
    return host if _is_address(host) else registrable(host)


@lru_cache(maxsize=16_384)
def network(address: str) -> str:
    """The /24 or /48 of an address: what one household or branch keeps while its address changes."""
    try:
        known = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network((known, 24 if known.version == 4 else 48), strict=False))


_VERSION = re.compile(r"[\d._]*\d[\d._]*")


@lru_cache(maxsize=4_096)
def agent(text: str) -> str:
    """A user agent without its versions: an update is nobody new."""
    return _VERSION.sub("", text)[:LONGEST]


_WORD = re.compile(r"[/-]{0,2}[a-z]{2,15}", re.IGNORECASE)


@lru_cache(maxsize=16_384)
def command(text: str) -> str:
    """The shape of a command line: its program and the first word after it that is no value (`net user`)."""
    line = text.strip()[:400].lower()
    if line.startswith('"'):
        program, _, rest = line[1:].partition('"')
    else:
        program, _, rest = line.partition(" ")
    name = re.split(r"[\\/]", program)[-1].removesuffix(".exe")
    word = next((part for part in rest.split()[:2] if _WORD.fullmatch(part)), "")
    return f"{name} {word}".strip()


def _domain_of(text: str) -> str:
    return registered(text.rpartition("@")[2].strip("<> ").lower())


TRANSFORMS: dict[str, Callable[[str], str]] = {
    "domain": _domain_of,
    "registered": registered,
    "network": network,
    "agent": agent,
    "command": command,
    "external": lambda text: text if is_external(text) else "",
}


def _destination(seen: Sight) -> str | None:
    """Where a connection leads, if out of the house: the registered domain, else the address."""
    values = seen.facets
    name: str | None = values["domain"]
    address: str | None = values["dst_ip"]
    if name:
        name = registered(name)
        return name if "." in name and (not _is_address(name) or is_external(name)) else None
    return address if address and is_external(address) else None


def _machine(seen: Sight) -> str | None:
    """The machine that did it: its name, or where only the network saw it, its address."""
    name: str | None = seen.facets["host"] or seen.facets["src_ip"]
    return name


_DERIVED: dict[str, Read] = {
    "destination": _destination,
    "machine": _machine,
    "tenant": lambda _seen: "all",
}


def reader(places: str | Sequence[str], where: str) -> Read:
    """What reads this of an event: None where a place is empty or stands for nobody. Raises WatchfloorError."""
    parts = [_one(place, where) for place in ([places] if isinstance(places, str) else places)]
    if len(parts) == 1:
        return parts[0]

    def together(seen: Sight) -> str | None:
        found = [part(seen) for part in parts]
        return None if None in found else JOIN.join(text for text in found if text)

    return together


def _one(place: str, where: str) -> Read:
    name, *transforms = place.split("|")
    changes = [TRANSFORMS.get(each) for each in transforms]
    read = _DERIVED.get(name) or _plain(name)
    if read is None or None in changes:
        raise WatchfloorError(
            f"{place}: no such facet, derived name or change", where=where, do="See detect/anomaly/sight.py"
        )

    @lru_cache(maxsize=8_192)
    def value(text: str) -> str | None:
        for change in changes:
            if text:
                text = change(text)  # type: ignore[misc]
        return None if not text or text.lower() in _NOBODY else kept(text)

    def one(seen: Sight) -> str | None:
        text = read(seen)
        return None if text is None else value(text)

    return one


def _plain(name: str) -> Read | None:
    if name.startswith("ocsf."):
        path = name[5:]

        def at_path(seen: Sight) -> str | None:
            value = get_path(seen.event.ocsf, path)
            return None if value is None or isinstance(value, (dict, list)) else str(value)

        return at_path
    if name in TEXT_FACETS:
        return lambda seen: seen.facets[name]
    return (lambda seen: _text(seen.facets[name])) if name in NUMBER_FACETS else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


class Routes:
    """Which of many conditions (places, each with the values that it must have) an event meets, remembered for each set
    of values at these places. Raises WatchfloorError for a place that there is not."""

    MOST = 4_096

    def __init__(self, conditions: Sequence[Mapping[str, Sequence[Any]]]) -> None:
        self._wanted = [
            {place: frozenset(map(str, values)) for place, values in condition.items()} for condition in conditions
        ]
        places = dict.fromkeys(place for condition in conditions for place in condition)
        self._numbers = tuple(place for place in places if place in NUMBER_FACETS)
        self._others = tuple((place, _one(place, "when")) for place in places if place not in NUMBER_FACETS)
        self._known: dict[tuple[Any, ...], tuple[int, ...]] = {}

    def of(self, seen: Sight) -> tuple[int, ...]:
        """The indices of the conditions that hold."""
        values = seen.facets
        key = (*(values[place] for place in self._numbers), *(read(seen) for _, read in self._others))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= self.MOST:
                self._known.clear()
            known = self._known[key] = self._read(key)
        return known

    def _read(self, key: tuple[Any, ...]) -> tuple[int, ...]:
        names = (*self._numbers, *(place for place, _ in self._others))
        has = {name: str(value) for name, value in zip(names, key, strict=True) if value is not None}
        return tuple(
            n
            for n, wanted in enumerate(self._wanted)
            if all(has.get(place) in values for place, values in wanted.items())
        )
