"""Ties: how strongly two groups of findings belong together, and the sentence that says why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import log
from typing import NamedTuple

from watchfloor.core.case import Because
from watchfloor.core.clock import HOUR
from watchfloor.core.finding import Severity
from watchfloor.core.similarity import ALIKE, bands, similarity
from watchfloor.triage.groups import Group

THREAD: Because = "thread"
PERSON: Because = "person"
PERSON_STRENGTH = 10.0
"""More than any tie that is reckoned."""
_THREAD_STRENGTH = 2.0

# How much it says that two findings share an entity of a kind, when it is rare and the findings are near in time.
# 1.0 joins by itself (policy `join_at`). A process, message or key is one thing; a user is one actor; a host is one
# place, which several may use; an address or domain may stand for many.
_KIND = {
    "process": 1.6,
    "message": 1.6,
    "access_key": 1.3,
    "user": 1.2,
    "host": 1.05,
    "file": 1.0,
    "url": 1.0,
    "mailbox": 0.9,
    "address": 1.05,
    "domain": 0.8,
    "cloud_resource": 0.7,
}
# What an address says that different people on different machines share: it relates, and does not join.
_DOUBT = 0.7
# What it says that command lines, or the paths of URLs, are of one making: by itself it relates, for what is rolled out
# by administrators is of one making as well; with something shared it adds to that.
_CAMPAIGN, _CAMPAIGN_TOO = 0.9, 0.4
_TEXTS = {"command": "their command lines", "url": "what their URLs ask for"}
# Later tactic by the same actor.
_KILL_CHAIN = 0.4
# With so few partners (other entities seen with it) an entity is one thing's own; with so many, sharing it says half
# as much. Partners, not findings: a host with a hundred findings and one user is still one place.
_RARE, _COMMON = 5, 25


class Tie(NamedTuple):
    """`shared` is the entity key or thread id that ties most."""

    because: Because
    shared: str
    strength: float
    sentence: str


def thread_keys(group: Group) -> Iterator[str]:
    """The group's threads in the key space of entities."""
    return (f"thread:{thread}" for thread in sorted(group.threads))


def likeness_keys(group: Group) -> Iterator[str]:
    """Keys of which groups with texts of one making share one."""
    for one in group.likeness:
        kind, _, signature = one.partition(":")
        yield from (f"like:{kind}:{band}" for band in bands(signature))


class Commonness(NamedTuple):
    """How common entities are in some findings: with how many others each is seen, and which are hubs: so common that
    sharing one says nothing."""

    partners: Mapping[str, int]
    hubs: frozenset[str]


def tie(earlier: Group, later: Group, common: Commonness, window: int) -> Tie | None:
    """What ties two groups, or None when nothing does or the time between them is longer than the window (ms).

    `common` is that among findings at least as severe as the milder of the two.
    """
    gap = max(0, later.start - earlier.end)
    if gap > window:
        return None
    threads = earlier.threads & later.threads
    if threads:
        shared = min(threads)
        copies = all(thread.startswith("campaign:") for thread in threads)  # ids of core.campaign
        words = "both are on copies of one mail" if copies else f"both belong to the same thread of activity ({shared})"
        return Tie(THREAD, shared, _THREAD_STRENGTH, words)
    again = earlier.anchor == later.anchor and earlier.first.detection.uid == later.first.detection.uid
    if again and later.start - earlier.start > window:
        return None  # The window has closed on this repetition: what goes on is the next case.
    near = _nearness(gap, window)
    parts = sorted(
        (
            (
                -_KIND.get(key.partition(":")[0], 0.5) * _rarity(common.partners[key]) * min(share, later.shares[key]),
                key,
            )
            for key, share in earlier.shares.items()
            if key in later.shares and key not in common.hubs
        ),
    )
    alike, kind = _alike(earlier, later)
    words = f"{_TEXTS[kind]} are of one making ({alike:.0%} alike, values aside)" if alike else ""
    hours = f"{gap / HOUR:.1f} h apart" if gap >= HOUR else f"{gap // 60_000} min apart"
    near *= _surprise(earlier, later, gap)
    if not parts:
        return Tie("campaign", kind, round(near * _CAMPAIGN * alike, 6), f"{words}, {hours}") if alike else None
    shared = parts[0][1]
    near *= _DOUBT if (doubtful := _elsewhere(earlier, later, parts)) else 1.0
    # Several shared entities add to each other, each less than the one before: they often come together anyway.
    strength = near * sum(-value * 0.5**place for place, (value, _) in enumerate(parts))
    if alike:
        strength += near * _CAMPAIGN_TOO * alike
        hours = f"{hours}; {words}"
    if not doubtful and _progresses(earlier, later) and (earlier.actors & later.actors) - common.hubs:
        strength += _KILL_CHAIN
        return Tie("kill_chain", shared, round(strength, 6), f"a later step of an attack, on {shared}, {hours}")
    return Tie("entity", shared, round(strength, 6), f"both involve {shared}, {hours}")


def _alike(earlier: Group, later: Group) -> tuple[float, str]:
    """How alike their texts are, and which; 0 where they are not of one making."""
    best = (0.0, "")
    for one in earlier.likeness:
        for other in later.likeness:
            kind, _, signature = one.partition(":")
            if other.startswith(f"{kind}:"):
                best = max(best, (similarity(signature, other.partition(":")[2]), kind))
    return best if best[0] >= ALIKE and best[1] in _TEXTS else (0.0, "")


def _elsewhere(earlier: Group, later: Group, parts: Iterable[tuple[float, str]]) -> bool:
    """Whether they share addresses and names of the network alone, while other people did it on other machines: then
    what is shared may be the way out of a whole house."""
    if any(not key.startswith(("address:", "domain:")) for _, key in parts):
        return False
    return all(
        any(key.startswith(kind) for key in earlier.shares) and any(key.startswith(kind) for key in later.shares)
        for kind in ("user:", "host:")
    )


def _nearness(gap: int, window: int) -> float:
    """1 when within a twenty-fourth of the window (an hour of a day), falling to 0.7 at its end."""
    free = window / 24
    return 1.0 if gap <= free else 1.0 - 0.3 * (gap - free) / (window - free)


def _surprise(earlier: Group, later: Group, gap: int) -> float:
    """1 as long as the two are not near by chance more likely than not; 0 when they always would be.

    What comes up in a share r of all hours is within `gap` (ms) of any moment with the chance 1 - (1 - r)^hours.
    Severe detections are exempt: an attack may go on all day.
    """
    recurs = max((group.recurs for group in (earlier, later) if group.severity < Severity.high), default=0.0)
    hours = 1 + 2 * gap / HOUR
    return float(min(1.0, 2.0 * (1.0 - min(recurs, 1.0)) ** hours))


def _rarity(partners: int) -> float:
    """1 up to _RARE partners, 0.5 at _COMMON, never under 0.25."""
    if partners <= _RARE:
        return 1.0
    return max(0.25, 1.0 - 0.5 * log(partners / _RARE) / log(_COMMON / _RARE))


def _progresses(earlier: Group, later: Group) -> bool:
    """Whether the later group reaches a stage of the kill chain after the earliest stage of the earlier one."""
    return bool(earlier.stages and later.stages) and max(later.stages) > min(earlier.stages)
