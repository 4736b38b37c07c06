"""What every format of intelligence becomes, and the names that formats have for types of indicators."""

from __future__ import annotations

from typing import Any, NamedTuple

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import (
    INDICATOR_TYPES,
    ExploitedVulnerability,
    Indicator,
    IndicatorType,
    IntelProblem,
    Warninglist,
    spelled,
)

BROKEN = (ValueError, KeyError, TypeError, AttributeError, OverflowError, WatchfloorError)
"""What reading an object may raise that is not as it should be."""
Item = Indicator | Warninglist | ExploitedVulnerability | IntelProblem


class Term(NamedTuple):
    """One thing that has to be seen."""

    type: IndicatorType
    value: str


# Other formats' words (CSV headings of many feeds, MISP attribute types) for our types.
ALIASES: dict[str, IndicatorType] = {
    **{name: name for name in INDICATOR_TYPES},
    **dict.fromkeys(("ip", "ipv4", "ipv6", "ipv4-addr", "ipv6-addr", "ip-src", "ip-dst", "cidr", "network"), "address"),
    **dict.fromkeys(("hostname", "fqdn", "domain-name", "host"), "domain"),
    **dict.fromkeys(("uri", "link"), "url"),
    **dict.fromkeys(("hash", "file_hash", "md5", "sha1", "sha224", "sha256", "sha512"), "file"),
    **dict.fromkeys(("filename", "file-name"), "file_name"),
    **dict.fromkeys(("email", "email-addr", "email-src", "email-dst", "target-email", "sender"), "mailbox"),
    **dict.fromkeys(("user-agent", "useragent"), "user_agent"),
}  # fmt: skip


def indicators(ways: list[tuple[Term, ...]], **fields: Any) -> list[Indicator]:
    """The indicators of alternatives; the parts of one alternative hold only together. Raises ValueError."""
    found: list[Indicator] = []
    for terms in ways:
        parts = [Term(kind, spelled(kind, value)) for kind, value in terms]
        for part in parts:
            others = sorted(f"{other.type}:{other.value}" for other in parts if other != part)
            found.append(indicator(part.type, part.value, together=others, **fields))
    return found


def indicator(named: IndicatorType, value: str, **fields: Any) -> Indicator:
    if not value.strip():
        raise ValueError("no value")
    return Indicator.from_dict({"type": named, "value": spelled(named, value), **fields})
