"""The draw: which cases a person looks at, so that what is closed is bounded by a fair sample. Pure.

A place is a keyed hash (HMAC-SHA-256) of the case's uid under the period's key, itself one of a secret of the home: who
can make cases, but has not the secret, cannot know which are drawn. The key's digest stands in the ledger before the
first case of its period, the key itself after the last, so that anyone can draw again and compare.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from watchfloor.core.clock import SECOND, to_ms
from watchfloor.core.noun import digest_of

_BITS = 53
"""As many as a float holds exactly."""


def period_of(ms: int) -> str:
    """The ISO week of a time, UTC: `2026-W42`."""
    year, week, _ = datetime.fromtimestamp(ms / SECOND, UTC).isocalendar()
    return f"{year}-W{week:02d}"


def period_span(period: str) -> tuple[int, int]:
    """From when (ms) and until when, exclusive."""
    year, week = period.partition("+")[0].split("-W")
    monday = datetime.fromisocalendar(int(year), int(week), 1).replace(tzinfo=UTC)
    return to_ms(monday), to_ms(monday + timedelta(weeks=1))


def key_of(secret: bytes, tenant: str, period: str) -> bytes:
    """The key of a period: of one it does not follow for another."""
    return hmac.digest(secret, f"watchfloor-draw-v1\n{tenant}\n{period}".encode(), hashlib.sha256)


def commitment(key: bytes) -> str:
    """What the ledger has of a key before its period begins."""
    return digest_of(b"watchfloor-draw-commitment-v1\n" + key)


def place(key: bytes, case_uid: str) -> float:
    """Where a case stands in the draw, from 0 to 1: it is drawn when its share is more."""
    digest = hmac.digest(key, case_uid.encode(), hashlib.sha256)
    return float((int.from_bytes(digest[:8]) >> (64 - _BITS)) / (1 << _BITS))


def problems(entries: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Iterator[str]:
    """What does not hold of the draws that a ledger tells of: (kind, subject, body) of its entries, in order.

    Cases of a period are drawn again once its key was shown; of one that still runs nobody can, and nothing is said.
    """
    entries = list(entries)
    keys = {b["period"]: bytes.fromhex(b["key"]) for kind, _, b in entries if kind == "closing.draw_revealed"}
    committed: dict[str, str] = {}
    topped: dict[tuple[str, str], set[str]] = {}
    closed: dict[str, tuple[str, str]] = {}
    for kind, subject, body in entries:
        if kind == "closing.draw_committed":
            committed[body["period"]] = body["commitment"]
        elif kind == "closing.draw_revealed":
            if commitment(keys[body["period"]]) != committed.get(body["period"]):
                yield f"the key of {body['period']} is not the one whose digest was recorded before"
        elif kind == "closing.reviews_drawn":
            topped.setdefault((body["period"], subject), set()).update(body["cases"])
        elif "draw" in body:
            draw = body["draw"]
            closed[subject] = (draw["period"], draw["class"])
            more = topped.get(closed[subject], set())
            key = keys.get(draw["period"])
            if key and draw["drawn"] != (place(key, subject) < draw["share"] or subject in more):
                yield f"{subject} is {'drawn' if draw['drawn'] else 'passed over'}, its place says otherwise"
    for (period, name), cases in topped.items():
        key = keys.get(period)
        if key:
            others = [c for c, of in closed.items() if of == (period, name) and c not in cases]
            worst = max(place(key, case) for case in cases)
            yield from (f"{case} should have been reviewed, too" for case in _between(key, others, entries, worst))


def _between(
    key: bytes, cases: Iterable[str], entries: Iterable[tuple[str, str, Mapping[str, Any]]], worst: float
) -> Iterator[str]:
    """Cases that were passed over and stand before the last that was taken."""
    passed = {s: b["draw"]["share"] for _, s, b in entries if "draw" in b and not b["draw"]["drawn"]}
    yield from (case for case in cases if case in passed and passed[case] <= place(key, case) < worst)


def first(places: Iterable[tuple[float, str]], count: int) -> list[str]:
    """The uids of the `count` least places: a fair sample of them all, whatever their number."""
    return [uid for _, uid in sorted(places)[: max(count, 0)]]
