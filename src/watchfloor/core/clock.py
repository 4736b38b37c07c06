"""Times as milliseconds since the Unix epoch, UTC (OCSF timestamp_t). Pure: the current time always comes in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def to_ms(when: datetime) -> int:
    """Milliseconds of an aware datetime, half a millisecond rounded up; a naive one is taken as UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    # Whole numbers: in the far future, a float of seconds no longer holds microseconds.
    return ((aware - _EPOCH) // _MICROSECOND + 500) // 1000


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
