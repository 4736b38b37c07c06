"""Times as milliseconds since the Unix epoch, UTC (OCSF timestamp_t). Pure: the current time always comes in."""

from __future__ import annotations

from datetime import UTC, datetime

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def to_ms(when: datetime) -> int:
    """Milliseconds of an aware datetime; a naive one is taken as UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return round(aware.timestamp() * SECOND)


def parse_iso(text: str) -> int:
    """Milliseconds of an ISO 8601 time. Raises ValueError."""
    return to_ms(datetime.fromisoformat(text))


def iso(ms: int) -> str:
    """`2026-10-13T07:01:02.345Z`."""
    when = datetime.fromtimestamp(ms / SECOND, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % SECOND:03d}Z"


def day_of(ms: int) -> str:
    """`2026-10-13`: the UTC day, the lake's partition."""
    return datetime.fromtimestamp(ms / SECOND, UTC).strftime("%Y-%m-%d")
