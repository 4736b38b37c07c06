"""What everybody else hides from: plain baselines on the same units, the same split and the same rule for thresholds.

A unit is whatever is scored: an alert, a case, an incident, a mail. Every score grows with suspicion. Thresholds come
from training groups alone: what learns is scored on a training group by what was learned from the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Unit:
    """`rules`: the detections in it, one entry a finding. `features`: what gradient boosting gets, nothing learned from
    labels. `risk`: what risk-based alerting says of it (`risk_based` for alerts; for a case that of its worst alert or
    their sum). `time` in ms, `severity` from 0 to 1."""

    uid: str
    group: str
    time: int
    bad: bool
    rules: tuple[str, ...]
    severity: float = 0.0
    risk: float = 0.0
    features: Mapping[str, float] = field(default_factory=dict)


Method = Callable[[Sequence[Unit], Sequence[Unit]], Any]
"""Training units and test units -> a score for each test unit."""


def close_nothing(_: Sequence[Unit], test: Sequence[Unit]) -> Any:
    """Everything stays open."""
    return np.ones(len(test))


def severity(_: Sequence[Unit], test: Sequence[Unit]) -> Any:
    return np.array([unit.severity for unit in test])


def rule_rarity(train: Sequence[Unit], test: Sequence[Unit]) -> Any:
    """The rarest rule of a unit, counted over the units of its own group: no label is needed for that."""
    counts = Counter((unit.group, rule) for unit in (*train, *test) for rule in set(unit.rules))
    return np.array([max((-log(counts[unit.group, r]) for r in unit.rules), default=0.0) for unit in test])


def rule_look_up(train: Sequence[Unit], test: Sequence[Unit]) -> Any:
    """The worst share of attacks among training units with one of its rules; a rule that nobody saw stays open."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for unit in train:
        for rule in set(unit.rules):
            counts[rule][unit.bad] += 1
    share = {rule: bad / (good + bad) for rule, (good, bad) in counts.items()}
    return np.array([max((share.get(rule, 1.0) for rule in unit.rules), default=0.0) for unit in test])


def risk_based_alerting(_: Sequence[Unit], test: Sequence[Unit]) -> Any:
    return np.array([unit.risk for unit in test])


def gradient_boosting(train: Sequence[Unit], test: Sequence[Unit]) -> Any:
    """scikit-learn's histogram gradient boosting as it comes, on `features` and counts of the rules in training."""
    rules = [rule for rule, _ in Counter(r for u in train for r in set(u.rules)).most_common(200)]
    names = sorted({name for unit in train for name in unit.features})

    def table(units: Sequence[Unit]) -> Any:
        counted = [Counter(unit.rules) for unit in units]
        return np.array(
            [
                [*(u.features.get(n, np.nan) for n in names), *(c[r] for r in rules), u.severity, len(u.rules)]
                for u, c in zip(units, counted, strict=True)
            ],
            dtype=float,
        )

    y = np.array([unit.bad for unit in train])
    if y.all() or not y.any():
        return np.full(len(test), float(y.any()))
    return HistGradientBoostingClassifier(random_state=0).fit(table(train), y).predict_proba(table(test))[:, 1]


BASELINES: dict[str, Method] = {
    "close nothing": close_nothing,
    "severity": severity,
    "rule rarity": rule_rarity,
    "rule look-up": rule_look_up,
    "risk-based alerting": risk_based_alerting,
    "gradient boosting": gradient_boosting,
}


# Risk-based alerting of single alerts


class Alert(NamedTuple):
    """`severity` from 0 to 1, `time` in ms. `entities`: the hosts, users and addresses on which risk is counted."""

    time: int
    rule: str
    severity: float
    entities: tuple[str, ...] = ()


def risk_based(alerts: Sequence[Alert]) -> Any:
    """The risk of each alert: severity 12 %, alerts within a minute of it 24 %, different rules within an hour of it
    44 %, how rare and how irregular its rule is over the last day 10 % each.

    Rebuilt from its description, which leaves open what is counted where: of the ways tried, the one that does best is
    kept (on the entity around which most happens, before and after, against the greatest). Alerts in order
    of time.
    """
    minute, hour = np.ones(len(alerts)), np.ones(len(alerts))
    of_entity: dict[str, list[int]] = defaultdict(list)
    for i, alert in enumerate(alerts):
        for entity in alert.entities or ("all",):
            of_entity[entity].append(i)
    for places in of_entity.values():
        mine = [alerts[i] for i in places]
        times = np.array([alert.time for alert in mine])
        near = np.searchsorted(times, times + MINUTE, "right") - np.searchsorted(times, times - MINUTE, "right")
        minute[places] = np.maximum(minute[places], near)
        hour[places] = np.maximum(hour[places], _variety(mine, times))
    day: dict[str, deque[int]] = defaultdict(deque)
    found = 0.24 * np.log(minute) / max(np.log(minute.max(initial=1)), 1e-9) + 0.44 * hour / hour.max(initial=1)
    for i, alert in enumerate(alerts):
        of_rule = day[alert.rule]
        while of_rule and of_rule[0] <= alert.time - DAY:
            of_rule.popleft()
        of_rule.append(alert.time)
        found[i] += 0.12 * alert.severity + 0.10 / len(of_rule) + 0.10 * _irregular(of_rule)
    return found


def _variety(alerts: Sequence[Alert], times: Any) -> Any:
    """How many different rules are within an hour of each."""
    first, last = np.searchsorted(times, times - HOUR, "right"), np.searchsorted(times, times + HOUR, "right")
    within: Counter[str] = Counter()
    found, start, end = np.zeros(len(alerts)), 0, 0
    for i in range(len(alerts)):
        while end < last[i]:
            within[alerts[end].rule] += 1
            end += 1
        while start < first[i]:
            within[alerts[start].rule] -= 1
            start += 1
        found[i] = sum(count > 0 for count in within.values())
    return found


def _irregular(times: Sequence[int], most: int = 200) -> float:
    """How uneven the gaps between the last times are: 0 for a clock, 1 for what never came before."""
    gaps = np.diff(np.array(list(times)[-most:], dtype=float))
    if len(gaps) < 2 or gaps.mean() <= 0:
        return 1.0
    return float(min(1.0, gaps.std() / gaps.mean()))


# Measuring


def held_out(method: Method, train: Sequence[Unit]) -> Any:
    """The score of each training unit by what was learned from the other groups of training."""
    found = np.zeros(len(train))
    for group in sorted({unit.group for unit in train}):
        mine = [i for i, unit in enumerate(train) if unit.group == group]
        rest = [unit for unit in train if unit.group != group] or list(train)
        found[mine] = method(rest, [train[i] for i in mine])
    return found


def threshold(scores: Any, bad: Sequence[bool], most_missed: float) -> float:
    """The greatest threshold under which no more than this share of the attacks fall: what is under it closes."""
    attacks = sorted(float(score) for score, is_bad in zip(scores, bad, strict=True) if is_bad)
    return attacks[int(len(attacks) * most_missed)] if attacks else float("inf")


def at_false_positives(scores: Any, bad: Sequence[bool], rate: float) -> float:
    """The smallest threshold over which no more than this share of the harmless are: what is over it speaks."""
    harmless = sorted((float(s) for s, is_bad in zip(scores, bad, strict=True) if not is_bad), reverse=True)
    return harmless[int(len(harmless) * rate)] if harmless else float("-inf")


def auc(scores: Any, bad: Sequence[bool]) -> float:
    """Nothing to say (nan) where all units are of one kind."""
    return float(roc_auc_score(bad, scores)) if any(bad) and not all(bad) else float("nan")


def recall_at(scores: Any, bad: Sequence[bool], rate: float) -> float:
    """The share of attacks over the threshold that `at_false_positives` gives on these very units."""
    limit = at_false_positives(scores, bad, rate)
    attacks = sorted(float(s) for s, is_bad in zip(scores, bad, strict=True) if is_bad)
    return 1 - bisect_left(attacks, np.nextafter(limit, np.inf)) / len(attacks) if attacks else float("nan")


def interval(k: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson, 95 %."""
    if not n:
        return 0.0, 1.0
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    return low, float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0


def share(k: int, n: int) -> str:
    """`0.853 [0.81-0.89]`, the exact interval of 95 %."""
    low, high = interval(k, n)
    return f"{k / n if n else 0:.3f} [{low:.3f}-{high:.3f}]"


def shuffled(units: Sequence[Unit], seed: int = 0) -> list[Unit]:
    """The units with their labels dealt anew within each group: what learns from these must come to chance."""
    random = np.random.default_rng(seed)
    labels: dict[str, list[bool]] = defaultdict(list)
    for unit in units:
        labels[unit.group].append(unit.bad)
    dealt = {group: iter(random.permutation(some)) for group, some in labels.items()}
    return [Unit(**{**unit.__dict__, "bad": bool(next(dealt[unit.group]))}) for unit in units]
