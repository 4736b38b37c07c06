"""Times that lines of text state, as ISO 8601: products write them in half a dozen ways, some without a year."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from watchfloor.core.clock import DAY, iso, parse_iso, to_ms

_WITHIN = 240  # a line states its time early; what stands later is content
_MONTHS = {"JanFebMarAprMayJunJulAugSepOctNovDec"[n * 3 : n * 3 + 3]: n + 1 for n in range(12)}
_ZONE = r"(?P<zone> ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?"
_CLOCK = r"(?P<clock>\d\d:\d\d:\d\d)(?P<part>\.\d{1,9}|,\d{3}\b)?"
_STATED = [
    re.compile(r"(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ,]" + _CLOCK + _ZONE),
    re.compile(
        r'\bdate="?(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"?[ ,]time="?'
        + _CLOCK
        + r'(?:.{0,200}? tz="(?P<zone>[+-]\d\d:?\d\d)")?'
    ),
    re.compile(r"\b(?P<day>\d\d)[-/](?P<name>[A-Z][a-z]{2})[-/](?P<year>\d{4})[: ]" + _CLOCK + _ZONE),
    re.compile(r"\b[A-Z][a-z]{2} (?P<name>[A-Z][a-z]{2}) (?P<day>[ \d]?\d) " + _CLOCK + r" (?P<year>\d{4})"),
    re.compile(r"\b(?P<name>[A-Z][a-z]{2}) (?P<day>[ \d]?\d) (?P<year>\d{4}) " + _CLOCK + _ZONE),
    re.compile(
        r"\b(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})[ -](?P<clock>\d{1,2}:\d\d:\d\d)(?P<part>\.\d{1,9})?"
        r"(?: (?P<half>[AP]M))?"
    ),
]


# Snort's: no year.
_DAY = re.compile(r"(?P<month>\d\d)/(?P<day>\d\d)-(?P<clock>\d\d:\d\d:\d\d)")


def stated(text: str, modified: int = 0) -> str | None:
    """The time that a text states early on, or None; one without a zone is taken as UTC.

    A year that it has not follows from `modified`, as in `dated`.
    """
    head = text[: _WITHIN + 60]
    for form in _STATED:
        found = form.search(head)
        if found is not None and (when := _iso(found.groupdict())):
            return when
    found = _DAY.match(head) if modified else None
    name = next((n for n, number in _MONTHS.items() if number == int(found["month"])), "") if found else ""
    return dated(f"{name} {found['day']} {found['clock']}", modified) if found and name else None


def _iso(parts: dict[str, str | None]) -> str | None:
    month = _MONTHS.get(parts.get("name") or "") or int(parts.get("month") or 0)
    hour, minute, second = (int(n) for n in str(parts["clock"]).split(":"))
    half = parts.get("half")
    if half:
        hour = hour % 12 + (12 if half == "PM" else 0)
    micro = int(f"{(parts.get('part') or '.0')[1:]:0<6}"[:6])
    try:
        when = datetime(int(parts["year"] or 0), month, int(parts["day"] or 0), hour, minute, second, micro, UTC)
    except ValueError:
        return None
    zone = (parts.get("zone") or "").strip()
    away = (int(zone[1:3]) * 60 + int(zone[-2:])) * (-1 if zone[0] == "-" else 1) if zone[:1] in ("+", "-") else 0
    return iso(to_ms(when) - away * 60_000)


@lru_cache(maxsize=4096)
def dated(text: str, modified: int) -> str:
    """A time without a year, `Oct 13 07:01:02`, is the latest one that is not after `modified` (and a day).

    Where that is not known (0) the text stays as it is: no year is invented.
    """
    normal = " ".join(text.split())
    if normal[-5:-4] == " ":
        return _of_year(normal[:-5], int(normal[-4:])) or text
    if not modified:
        return text
    year = datetime.fromtimestamp(modified / 1000, UTC).year
    for candidate in (year, year - 1, year - 2, year - 3, year - 4):
        when = _of_year(normal, candidate)
        if when and (candidate != year or parse_iso(when) <= modified + DAY):
            return when
    return text


def _of_year(text: str, year: int) -> str | None:
    try:
        name, day, clock = text.split(" ")
        hour, minute, second = map(int, clock.split(":"))
        return iso(to_ms(datetime(year, _MONTHS[name], int(day), hour, minute, second, tzinfo=UTC)))
    except (KeyError, ValueError):  # also the 29th of February of a year that has none
        return None
