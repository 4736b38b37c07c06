"""Members: who says something of an event, and in which of the model's features it counts.

Features grow with suspicion. A severity is one feature for each step that it reaches, so that a higher one never
counts less; a signal counts by its log-odds above even, from 0 at a strength of one half to 6.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from watchfloor.core.finding import Severity
from watchfloor.core.signal import Signal

MOST_EVIDENCE = 6.0
_STEPS = (Severity.low, Severity.medium, Severity.high, Severity.critical)
_SAID = {
    "rule": "The rule “{title}” is of {severity} severity",
    "vendor": "Its own product rates “{title}” as {severity}",
    "indicator": "Threat intelligence: “{title}”, {severity}",
}
_NAMED = 3
_LONGEST = 120


class Spoken(NamedTuple):
    """A detection that speaks of the event: a rule, a vendor's alert or an indicator."""

    kind: Literal["rule", "vendor", "indicator"]
    uid: str
    title: str
    severity: Severity


class Member(NamedTuple):
    """One member: the features in which it counts, each with its value, and what it says."""

    name: str
    features: tuple[tuple[str, float], ...]
    sentence: str


def members(spoken: Sequence[Spoken], signals: Iterable[Signal] = ()) -> list[Member]:
    """Who says something of one event. Of each kind of detection the most severe speaks for all; of the signals of one
    member the strongest."""
    return [*_detections(spoken), *_signals(signals)]


def evidence(strength: float) -> float:
    """A signal's log-odds above even, from 0 to 6. What is no probability says nothing."""
    if not 0.5 < strength <= 1:
        return 0.0
    odds = strength / (1 - strength) if strength < 1 else math.inf
    return min(math.log(odds), MOST_EVIDENCE) if odds < math.inf else MOST_EVIDENCE


def _detections(spoken: Sequence[Spoken]) -> Iterator[Member]:
    for kind, said in _SAID.items():
        mine = [one for one in spoken if one.kind == kind]
        if not mine:
            continue
        worst = min(mine, key=lambda one: (-one.severity, one.uid))
        steps = tuple((f"{kind} >= {step.name}", 1.0) for step in _STEPS if worst.severity >= step)
        yield Member(kind, steps, said.format(title=_short(worst.title), severity=worst.severity.name))
    rules = {one.uid: one for one in spoken if one.kind == "rule" and one.severity >= Severity.low}
    if more := len(rules) - 1 if rules else 0:
        worst = min(rules.values(), key=lambda one: (-one.severity, one.uid))
        titles = [one.title for uid, one in sorted(rules.items()) if uid != worst.uid]
        yield Member("more rules", (("more rules", math.log2(1 + min(more, 7))),), listed(more, "more rule", titles))


def listed(count: int, what: str, titles: Sequence[str]) -> str:
    """`5 more rules: “a”, “b”, “c” and 2 others`."""
    named = ", ".join(f"“{_short(title)}”" for title in titles[:_NAMED])
    others = f" and {count - _NAMED} others" if count > _NAMED else ""
    return f"{count} {what}{'s' if count > 1 else ''}: {named}{others}"


def _signals(signals: Iterable[Signal]) -> Iterator[Member]:
    best: dict[str, Signal] = {}
    for signal in signals:
        known = best.get(signal.member)
        if known is None or (signal.strength, signal.said) > (known.strength, known.said):
            best[signal.member] = signal
    for name, signal in sorted(best.items()):
        yield Member(name, ((name, evidence(signal.strength)),), signal.said)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
