"""Derived values: figures reckoned from an answer that its collector leaves raw. Each says from which paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from watchfloor.core.event import get_path

PLACES = 4
# Pseudo-counts. A family starts from the base rate of attacks with the weight of 10 labels; a detection starts from
# its family with the weight of 5, so that ten labels of its own outweigh the family.
_BASE_SHARE, _BASE_LABELS, _FAMILY_LABELS = 0.05, 10.0, 5.0


class Derivation(NamedTuple):
    """A figure under `derived.<name>`: how it is reckoned, and the paths that it is read from."""

    reckon: Callable[[Any], float | None]
    paths: tuple[str, ...]


def shrunk_share(data: Any) -> float | None:
    """The share of attacks among a detection's labels: beta-binomial, shrunk to its family, and that to the base."""
    counts = [_number(data, path) for path in DERIVED["attack_share"].paths]
    if None in counts:
        return None
    attacks, labels, family_attacks, family_labels = (float(count or 0) for count in counts)
    family = (family_attacks + _BASE_SHARE * _BASE_LABELS) / (family_labels + _BASE_LABELS)
    return round((attacks + family * _FAMILY_LABELS) / (labels + _FAMILY_LABELS), PLACES)


def day_ratio(data: Any) -> float | None:
    """Events of the last day against the mean of the days on record before it. None without such a day."""
    count, today, days = (_number(data, path) for path in DERIVED["day_ratio"].paths)
    if count is None or today is None or days is None or days < 2:
        return None
    before = (count - today) / (days - 1)
    return round(today / max(before, 1.0), PLACES)


def hour_ratio(data: Any) -> float | None:
    """Events of the last hour against the mean of an hour on the days that had any. None without two such days."""
    count, now, days = (_number(data, path) for path in DERIVED["hour_ratio"].paths)
    if count is None or now is None or days is None or days < 2:
        return None
    return round(now / max((count - now) / (days * 24), 1.0), PLACES)


def family_share(data: Any) -> float | None:
    """The share of attacks among a family's labels, shrunk to the base."""
    attacks, labels = (_number(data, path) for path in DERIVED["family_share"].paths)
    if attacks is None or labels is None:
        return None
    return round((attacks + _BASE_SHARE * _BASE_LABELS) / (labels + _BASE_LABELS), PLACES)


def _peer_share(name: str) -> Callable[[Any], float | None]:
    def share(data: Any) -> float | None:
        """Of those whose work is alike the share that did it. None where fewer than three are known."""
        did, known = (_number(data, path) for path in DERIVED[name].paths)
        return None if did is None or known is None or known < 3 else round(min(1.0, did / known), PLACES)

    return share


def _number(data: Any, path: str) -> float | None:
    value = get_path(data, path)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


DERIVED: dict[str, Derivation] = {
    "attack_share": Derivation(
        shrunk_share, ("detection.malicious", "detection.total", "family.malicious", "family.total")
    ),
    "day_ratio": Derivation(day_ratio, ("count", "within:24", "population.days")),
    "hour_ratio": Derivation(hour_ratio, ("count", "within:1", "days")),
    "family_share": Derivation(family_share, ("family.malicious", "family.total")),
    "peer_users": Derivation(_peer_share("peer_users"), ("distinct:user", "peers.known")),
    "peer_hosts": Derivation(_peer_share("peer_hosts"), ("distinct:host", "peers.known")),
}


def with_derived(data: Any, names: tuple[str, ...]) -> Any:
    """The data with `derived` added, so that conditions and claims can speak of it."""
    if not names or not isinstance(data, dict):
        return data
    return {**data, "derived": {name: DERIVED[name].reckon(data) for name in names}}


def sources(path: str) -> tuple[str, ...]:
    """What stands behind a path: itself, or the paths that a derived figure is read from."""
    head, _, name = path.partition(".")
    return DERIVED[name].paths if head == "derived" and name in DERIVED else (path,)
