"""Times are milliseconds since the epoch, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.clock import DAY, day_of, iso, parse_iso, to_ms


@given(st.integers(0, 4_102_444_800_000))
def test_iso_and_back(ms: int) -> None:
    assert parse_iso(iso(ms)) == ms
    assert iso(ms).startswith(day_of(ms))
    assert day_of(ms - ms % DAY) == day_of(ms)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_zones_name_the_same_moment(when: datetime, minutes: int) -> None:
    aware = when.replace(tzinfo=UTC)
    assert to_ms(aware.astimezone(timezone(timedelta(minutes=minutes)))) == to_ms(aware) == to_ms(when)


def test_known_times() -> None:
    assert iso(1_791_874_862_345) == "2026-10-13T07:01:02.345Z"
    assert parse_iso("2026-10-13T09:01:02.345+02:00") == 1_791_874_862_345
    assert iso(0) == "1970-01-01T00:00:00.000Z"


def test_what_is_no_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="soon"):
        parse_iso("soon")
