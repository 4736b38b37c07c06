"""Events from the examples of content/anomaly, and a run of them through the detectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from watchfloor.core.clock import DAY, HOUR
from watchfloor.core.event import Event
from watchfloor.core.signal import Signal
from watchfloor.detect.anomaly import Anomalies

START = 1_790_000_000_000 // DAY * DAY
DAYS, ENTITIES = 30, 12
NEVER = START + 10_000 * DAY


def event(at: int, flat: Mapping[str, Any], *, tenant: str = "t", uid: str = "") -> Event:
    """An event of dotted OCSF paths."""
    ocsf: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        where = ocsf
        for parent in parents:
            where = where.setdefault(parent, {})
        where[last] = value
    return Event(
        tenant=tenant,
        uid=uid or f"e-{at}-{sha256(repr(sorted(flat.items())).encode()).hexdigest()[:12]}",
        time=at,
        layer="identity",
        mapping="test",
        ocsf=ocsf,
        original={},
        source="test",
        position=0,
        unit="record",
        logsource={},
    )


def chance(*parts: object) -> int:
    """A number that is the same in every run."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:6], "big")


def filled(value: Any, marks: Mapping[str, object]) -> Any:
    """`{n}` the entity, `{i}` the running number, `{d}` the day, `{k}` a number by chance, `{r}` letters by chance."""
    if isinstance(value, str):
        for name, mark in marks.items():
            value = value.replace(f"{{{name}}}", str(mark))
        return value
    if isinstance(value, list):
        return [filled(one, marks) for one in value]
    if isinstance(value, Mapping):
        return {key: filled(one, marks) for key, one in value.items()}
    return value


def day_of(part: Mapping[str, Any], n: int, day: int) -> Iterator[Event]:
    """One day of an example for one entity, from nine o'clock."""
    at, times, every = START + day * DAY + 9 * HOUR, part.get("times", 1), part.get("every", 60) * 1_000
    jitter = part.get("jitter", 0.0)
    for i in range(times):
        flat = part["events"][i % len(part["events"])]
        if times == 1:
            yield from (event(at + j, _marked(one, n, day, j)) for j, one in enumerate(part["events"]))
            return
        yield event(at, _marked(flat, n, day, i))
        at += int(every * (1 - jitter + 2 * jitter * (chance("at", n, day, i) % 1_000) / 1_000))


def _marked(flat: Mapping[str, Any], n: int, day: int, i: int) -> dict[str, Any]:
    letters = sha256(repr((n, day, i)).encode()).hexdigest()[:24]
    marks = {"n": n, "i": i, "d": day, "k": chance(n, day, i) % 200, "r": letters}
    return dict(filled(flat, marks))


def run(anomalies: Anomalies, events: Iterator[Event] | list[Event]) -> list[Signal]:
    found = []
    for one in events:
        found += anomalies.observe(one)
        anomalies.learn()
    return found


def usual_days(part: Mapping[str, Any], days: range, entities: int = ENTITIES) -> Iterator[Event]:
    for day in days:
        some = [one for n in range(1, entities + 1) for one in day_of(part, n, day)]
        yield from sorted(some, key=lambda one: one.time)
