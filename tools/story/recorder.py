"""Collects records as they are made, remembers which incident each belongs to, and turns them into files and truth."""

from __future__ import annotations

import calendar
import gzip
import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

SEED = "marlund-2026"
DAYS = ("2026-10-13", "2026-10-14", "2026-10-15")
START = calendar.timegm((2026, 10, 13, 0, 0, 0)) * 1000
DAY_MS = 86_400_000
END = START + 3 * DAY_MS

Record = dict[str, Any]
Body = Record | str | bytes


def exact(day: int, clock: str) -> int:
    """Milliseconds since the epoch of `HH:MM[:SS]` UTC on day 1, 2 or 3 of the story."""
    parts = [int(part) for part in clock.split(":")] + [0]
    return START + (day - 1) * DAY_MS + ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000


def t(day: int, clock: str) -> int:
    """About that time, up to a minute later: nothing that people do falls on the full second.

    The delay changes smoothly (between one made-up value an hour), so that the order of times is kept.
    """
    at = exact(day, clock)
    hour, rest = divmod(at, 3_600_000)
    before, after = (int(digest("delay", str(knot))[:8], 16) % 59_999 for knot in (hour, hour + 1))
    return at + (before * (3_600_000 - rest) + after * rest) // 3_600_000


def iso(at: int, digits: int = 3) -> str:
    """ISO 8601 without a zone; digits past the millisecond are made up from the time itself, so they repeat."""
    seconds, milli = divmod(at, 1000)
    days, rest = divmod(seconds - START // 1000, 86_400)
    clock = f"{DAYS[days]}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return clock if digits == 0 else f"{clock}.{milli:03d}{at * 7919 % 10_000:04d}"[: len(clock) + 1 + digits]


def day_of(at: int) -> str:
    """The calendar day a time falls on."""
    return DAYS[(at - START) // DAY_MS]


@dataclass
class Item:
    """One record on its way into a file."""

    at: int
    body: Body
    incident: str | None


@dataclass
class Story:
    """All records by file. `rng` and the incident are those of the part being written (see `part`)."""

    files: dict[str, list[Item]] = field(default_factory=dict)
    rng: Random = field(default_factory=lambda: Random(SEED))
    incident: str | None = None

    @contextmanager
    def part(self, name: str, incident: str | None = None) -> Iterator[Random]:
        """Write a part of the story with randomness of its own, so that a change here shifts nothing elsewhere."""
        before = (self.rng, self.incident)
        self.rng, self.incident = Random(f"{SEED}:{name}"), incident
        yield self.rng
        self.rng, self.incident = before

    def put(self, path: str, at: int, body: Body) -> None:
        """Add one record to a file; what falls outside the three days is a mistake of the writer."""
        if not START <= at < END:
            raise ValueError(f"{path}: a record at {at} falls outside the three days of the story")
        self.files.setdefault(path, []).append(Item(at, body, self.incident))

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def token(self, length: int, alphabet: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") -> str:
        return "".join(self.rng.choices(alphabet, k=length))

    def port(self) -> int:
        """An ephemeral port."""
        return self.rng.randint(49_300, 65_200)

    def work_time(self, day: int) -> int:
        """A time in working hours (06:00 to 16:00 UTC is 08:00 to 18:00 in Hamburg), thinner over lunch."""
        while True:
            at = t(day, "06:00") + self.rng.randrange(10 * 3_600_000)
            if not t(day, "10:00") < at < t(day, "10:45") or self.rng.random() < 0.3:
                return at

    def any_time(self, day: int) -> int:
        return t(day, "00:00") + self.rng.randrange(DAY_MS - 1_200_000)


def digest(*parts: str) -> str:
    """A stable SHA-256 for a thing that has no bytes here, in upper case as Sysmon writes it."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest().upper()


def _number(items: list[Item], counters: dict[tuple[str, str], int]) -> None:
    """Give each record what only the order decides: Windows record ids, Wazuh ids and how often a rule has fired."""
    for item in items:
        body = item.body
        if not isinstance(body, dict):
            continue
        if "winlog" in body:
            key = (body["winlog"]["computer_name"], body["winlog"]["channel"])
            counters[key] = counters.get(key, int(digest(*key)[:5], 16)) + 1
            body["winlog"]["record_id"] = counters[key]
        elif "manager" in body:
            key = ("wazuh", body["rule"]["id"])
            counters[key] = counters.get(key, 0) + 1
            body["rule"]["firedtimes"] = counters[key]
            counters[("wazuh", "offset")] = counters.get(("wazuh", "offset"), 1_204_411) + len(body["full_log"]) + 611
            body["id"] = f"{item.at // 1000}.{counters[('wazuh', 'offset')]}"


def _encode(path: str, items: list[Item]) -> bytes:
    bodies = [item.body for item in items]
    if "/cloudtrail/" in path:
        return json.dumps({"Records": bodies}, separators=(",", ":"), ensure_ascii=False).encode()
    lines = [
        body
        if isinstance(body, bytes)
        else (body if isinstance(body, str) else json.dumps(body, separators=(",", ":"), ensure_ascii=False)).encode()
        + b"\n"
        for body in bodies
    ]
    return b"".join(lines)


def guid(seed: str) -> str:
    """A random-looking UUID (version 4) from 32 hex digits that mean something, such as a digest's."""
    return str(uuid.UUID(hex=seed[:32], version=4))


@dataclass(frozen=True)
class Written:
    """One finished file: its plain content, its bytes as stored, and which positions belong to which incident."""

    path: str
    content: bytes
    stored: bytes
    incidents: dict[str, list[int]]
    records: int
    span: dict[str, tuple[int, int]]


def finish(story: Story) -> list[Written]:
    """Order every file by time, number its records, encode it; positions are those a reader will count."""
    counters: dict[tuple[str, str], int] = {}
    done = []
    for path in sorted(story.files):
        items = sorted(story.files[path], key=lambda item: item.at)
        _number(items, counters)
        content = _encode(path, items)
        incidents: dict[str, list[int]] = {}
        span: dict[str, tuple[int, int]] = {}
        for position, item in enumerate(items):
            if item.incident:
                incidents.setdefault(item.incident, []).append(position)
                first, last = span.get(item.incident, (item.at, item.at))
                span[item.incident] = (min(first, item.at), max(last, item.at))
        stored = gzip.compress(content, 9, mtime=0) if path.endswith(".gz") else content
        done.append(Written(path, content, stored, incidents, len(items), span))
    return done
