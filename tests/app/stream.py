"""A day of a company's events in fast time, for `test_day_of_stream`: as a module what happens, as a program the keeper
that takes it and may be killed.

usage: python tests/app/stream.py HOME RECORDS [DIE_AT [PLACE]]
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.records import TRAIL
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.clock import DAY, HOUR, MINUTE, SECOND, iso
from watchfloor.core.errors import NotFoundError
from watchfloor.core.event import Event
from watchfloor.core.noun import Noun, Tenant
from watchfloor.detect.anomaly import anomalies
from watchfloor.detect.anomaly.series import AnySeries, shipped

START = 1_790_000_000_000 // DAY * DAY
HISTORY, PEOPLE, BATCH, MOST = 9, 14, 60, 450
DAY_OF_STREAM = START + HISTORY * DAY
STOPPERS = 4
"""Users who stop a trail, again and again: what correlations count."""


def small() -> list[AnySeries]:
    """The shipped series with so little room that a day fills it."""
    return [msgspec.structs.replace(one, most=MOST) for one in shipped()]


def chance(*parts: object) -> int:
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:6], "big")


def _event(n: int, at: int, ocsf: dict[str, Any], original: dict[str, Any] | None = None, **logsource: str) -> Event:
    return Event(
        tenant="default",
        uid=f"e-{n:08d}",
        time=at,
        layer="identity",
        mapping="test",
        ocsf={"metadata": {"uid": f"e-{n:08d}"}, "time": at, **ocsf},
        original=original or {},
        source="stream",
        position=n,
        unit="record",
        logsource=logsource,
    )


def _logon(user: str, host: str, status: int = 1) -> dict[str, Any]:
    return {
        "class_uid": 3002,
        "activity_id": 1,
        "status_id": status,
        "user": {"name": user},
        "device": {"hostname": host},
        "src_endpoint": {"ip": f"10.0.0.{len(user)}"},
    }


def _call(user: str, service: str, operation: str) -> dict[str, Any]:
    return {
        "class_uid": 6003,
        "activity_id": 2,
        "status_id": 1,
        "actor": {"user": {"name": user}},
        "api": {"operation": operation, "service": {"name": service}},
        "cloud": {"account": {"uid": "111122223333"}, "region": "eu-central-1"},
    }


def _look_up(host: int, name: str) -> dict[str, Any]:
    return {"class_uid": 4003, "activity_id": 6, "src_endpoint": {"ip": f"10.1.0.{host}"}, "query": {"hostname": name}}


def _connection(host: int, address: str) -> dict[str, Any]:
    return {
        "class_uid": 4001,
        "activity_id": 6,
        "src_endpoint": {"ip": f"10.1.0.{host}"},
        "dst_endpoint": {"ip": address, "port": 443},
    }


_CALLS = (("s3", "GetObject"), ("s3", "ListObjects"), ("ec2", "DescribeInstances"))


def _usual(day: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """An ordinary day of a small company, one line of it after another."""
    for n in range(PEOPLE):
        at = START + day * DAY + 8 * HOUR + n * 7 * MINUTE
        yield at, _logon(f"user{n}", f"ws{n}")
        for i in range(4):
            yield at + (i + 1) * 13 * MINUTE, _call(f"user{n}", *_CALLS[i % 3])
        for i in range(3):
            yield at + i * 31 * MINUTE, _look_up(n, f"www{chance(day, n, i) % 5}.site{n}.com")
            yield at + chance(day, n, i) % (9 * HOUR), _connection(n, f"93.184.216.{chance(n, i, day) % 40}")


def _odd() -> Iterator[tuple[int, dict[str, Any]]]:
    """What the day of the stream has that no other had."""
    yield DAY_OF_STREAM + 10 * HOUR, _logon("user3", "dc1")
    for i in range(90):
        yield DAY_OF_STREAM + 15 * HOUR + i * 5 * SECOND, _call("user7", "secretsmanager", "GetSecretValue")
    for i in range(160):
        letters = sha256(str(i).encode()).hexdigest()[:40]
        yield DAY_OF_STREAM + 20 * HOUR + i * 8 * SECOND, _look_up(5, f"{letters}.t.evil.top")
    for i in range(280):
        jitter = chance("beat", i) % (40 * SECOND)
        yield DAY_OF_STREAM + i * 5 * MINUTE + jitter, _connection(2, "45.77.1.9")


def _stopped(n: int, i: int) -> tuple[int, dict[str, Any], dict[str, Any]]:
    at, who = DAY_OF_STREAM + chance("stop", i) % DAY, f"stopper{i % STOPPERS}"
    identity = {"type": "IAMUser", "userName": who, "accountId": "111122223333"}
    record = TRAIL | {"eventID": f"{n:06d}", "eventTime": iso(at), "userIdentity": identity}
    return at, _call(who, "cloudtrail", "StopLogging"), record


def events(records: int) -> list[Event]:
    """Nine light days, then one of `records` events at the least, in order of arrival: up to 20 minutes late."""
    plain = [one for day in range(HISTORY) for one in _usual(day)]
    plain += [*_usual(HISTORY), *_odd()]
    missing = max(400, records - len(plain))
    # A flood of names that nobody saw before, all day long.
    plain += [
        (DAY_OF_STREAM + chance("ghost", i) % DAY, _logon(f"ghost{i}", f"ws{i % 9}", 2)) for i in range(missing // 2)
    ]
    found = [_event(n, at, ocsf) for n, (at, ocsf) in enumerate(plain)]
    for i in range(missing // 2):
        at, ocsf, original = _stopped(len(plain) + i, i)
        found.append(_event(len(plain) + i, at, ocsf, original, product="aws", service="cloudtrail"))
    return sorted(found, key=lambda one: one.time + chance("late", one.uid) % (20 * MINUTE))


class Done(Noun):
    """How many batches are committed: what a spool knows."""

    tenant: Tenant
    time: int = 0
    uid: str = "stream"
    batches: int = 0


def done(product: Watchfloor) -> int:
    try:
        return product.parts.documents.get(product.parts.tenant, Done, "stream").batches
    except NotFoundError:
        return 0


def keep(home: Path, records: int) -> Iterator[tuple[Watchfloor, int, int]]:
    """Take what is not committed yet, batch for batch, as the spool would hand it over; product, batch and time (ms)
    before each of them."""
    anomalies.shipped = small
    now = START
    stream = events(records)
    with Watchfloor.open(home, clock=lambda: now) as product:
        keeper = product.pipeline.keeper
        for n in range(done(product), -(-len(stream) // BATCH)):
            batch = stream[n * BATCH : (n + 1) * BATCH]
            now = max(one.time for one in batch) + SECOND
            yield product, n, now
            keeper.keep(batch, lambda _, n=n: [Done(tenant="default", batches=n + 1)])
            if n % 20 == 19:
                keeper.settle()
        now += DAY
        keeper.settle()
        yield product, -1, now


def main() -> None:
    home, records = Path(sys.argv[1]), int(sys.argv[2])
    die_at, place = (int(sys.argv[3]), sys.argv[4]) if len(sys.argv) > 3 else (-2, "")
    for product, n, _ in keep(home, records):
        sys.stdout.write(f"{n}\n")
        sys.stdout.flush()
        if n == die_at:
            _die(product, place)


def _die(product: Watchfloor, place: str) -> None:
    """At this place of the batch, as a power cut would."""
    holder, name = {
        "lake": (product.parts.lake, "write"),
        "usual": (product.parts.usual, "put"),
        "documents": (product.parts.documents, "remove"),
    }[place]
    before = getattr(holder, name)

    def then(*given: Any, **named: Any) -> None:
        before(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(holder, name, then)


if __name__ == "__main__":
    main()
