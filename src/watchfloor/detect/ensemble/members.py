"""Members: who says something of an event, and in which of the model's features it counts.

Features grow with suspicion. A severity is one feature for each step that it reaches, so that a higher one never
counts less; a signal counts by its log-odds above even, from 0 at a strength of one half to 6.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, Self

from watchfloor.core.finding import Detection, Severity
from watchfloor.core.signal import Signal
from watchfloor.core.text import clipped

MOST_EVIDENCE, _LEAST = 9.0, 1e-9
_STEPS = (Severity.low, Severity.medium, Severity.high, Severity.critical)
_SAID = {
    "rule": "The rule “{title}” is of {severity} severity",
    "vendor": "Its own product rates “{title}” as {severity}",
    "indicator": "Threat intelligence: “{title}”, {severity}",
}
_TESTED = "The rule “{title}” brings events that look alike and that it does not match ({severity})"
_NAMED = 3
_LONGEST = 120


class Spoken(NamedTuple):
    """A detection that speaks of the event: a rule, a vendor's alert or an indicator."""

    kind: Literal["rule", "vendor", "indicator"]
    uid: str
    title: str
    severity: Severity
    tested: bool = False

    @classmethod
    def of(cls, detection: Detection, title: str, severity: Severity, tested: bool = False) -> Self | None:
        """What a detection says; None of a finding of signals, which speak for themselves."""
        match detection.kind:
            case "rule" | "vendor" | "indicator" as kind:
                return cls(kind, detection.uid, title, severity, tested)
        return None


class Member(NamedTuple):
    """One member: the features in which it counts, each with its value, and what it says."""

    name: str
    features: tuple[tuple[str, float], ...]
    sentence: str


def members(spoken: Sequence[Spoken], signals: Iterable[Signal] = ()) -> list[Member]:
    """Who says something of one event. Of each kind of detection the most severe speaks for all; of the signals of one
    member the strongest."""
    return [*_detections(spoken), *_signals(signals)]


def evidence(signal: Signal) -> float:
    """How much a signal says, from 0 to 9. What has no strength from 0 to 1 says nothing.

    Of a learned detector, whose strength is a probability at even odds: its log-odds. Of an anomaly, whose strength is
    1 - p: the decimal places of p, so that of a thousand usual days one says 3.
    """
    if not 0 < signal.strength <= 1:
        return 0.0
    left = max(1 - signal.strength, _LEAST)
    said = -math.log10(left) if signal.member.startswith("anomaly") else math.log(signal.strength / left)
    return min(max(said, 0.0), MOST_EVIDENCE)


def _detections(spoken: Sequence[Spoken]) -> Iterator[Member]:
    for kind, said in _SAID.items():
        mine = [one for one in spoken if one.kind == kind]
        if not mine:
            continue
        yield _worst(kind, said, mine)
    if tested := [one for one in spoken if one.tested]:
        yield _worst("tested", _TESTED, tested)
    rules = {one.uid: one for one in spoken if one.kind == "rule" and one.severity >= Severity.low}
    if more := len(rules) - 1 if rules else 0:
        worst = min(rules.values(), key=lambda one: (-one.severity, one.uid))
        titles = [one.title for uid, one in sorted(rules.items()) if uid != worst.uid]
        yield Member("more rules", (("more rules", math.log2(1 + min(more, 7))),), listed(more, "more rule", titles))


def _worst(name: str, said: str, some: Sequence[Spoken]) -> Member:
    worst = min(some, key=lambda one: (-one.severity, one.uid))
    steps = tuple((f"{name} >= {step.name}", 1.0) for step in _STEPS if worst.severity >= step)
    return Member(name, steps, said.format(title=clipped(worst.title, _LONGEST), severity=worst.severity.name))


def listed(count: int, what: str, titles: Sequence[str]) -> str:
    """`5 more rules: “a”, “b”, “c” and 2 others`."""
    named = ", ".join(f"“{clipped(title, _LONGEST)}”" for title in titles[:_NAMED])
    others = f" and {count - _NAMED} others" if count > _NAMED else ""
    return f"{count} {what}{'s' if count > 1 else ''}: {named}{others}"


def _signals(signals: Iterable[Signal]) -> Iterator[Member]:
    best: dict[str, Signal] = {}
    for signal in signals:
        known = best.get(signal.member)
        if known is None or (signal.strength, signal.said) > (known.strength, known.said):
            best[signal.member] = signal
    for name, signal in sorted(best.items()):
        yield Member(name, ((name, evidence(signal)),), signal.said)
