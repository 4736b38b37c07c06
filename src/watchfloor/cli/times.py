"""Times as people write them in options: how long ago, or a day, or a moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from watchfloor.core.errors import WatchfloorError

_AGO = re.compile(r"(\d{1,6})\s*(m|h|d|w)")
_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def length(text: str) -> int:
    """Milliseconds of `90d`, `12h`, `30m` or `2w`. Raises WatchfloorError."""
    found = _AGO.fullmatch(text.strip().lower())
    if found is None:
        raise WatchfloorError(f"{text!r} is no length of time", do="Write 90d, 12h, 30m or 2w")
    return int(found[1]) * _MS[found[2]]


def moment(text: str, now: int) -> int:
    """Milliseconds since the epoch of a time: so long before `now` (`90d`), a day or a moment in ISO 8601 (UTC where it
    says nothing else). Raises WatchfloorError."""
    if _AGO.fullmatch(text.strip().lower()):
        return now - length(text)
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise WatchfloorError(f"{text!r} is no time", do="Write 90d (ago), 2026-10-01 or 2026-10-01T08:00Z") from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return int(when.timestamp() * 1_000)
