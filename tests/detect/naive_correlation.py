"""A deliberately naive evaluator of correlation rules, written from the specification: brute force over all events.

It shares nothing with the engine: every window is listed, every figure counted anew. What the specification leaves open
is said where it is decided.
"""

from __future__ import annotations

import itertools
import re
import statistics
from fractions import Fraction
from typing import Any, NamedTuple

from tests.detect import naive

HOUR = 3_600_000
UNITS = {"s": 1_000, "m": 60_000, "h": HOUR, "d": 24 * HOUR}
RISING = ("event_count", "value_count", "value_sum", "temporal", "temporal_ordered")


class Seen(NamedTuple):
    """One event that counts, or one that completes a match of a correlation: `ident` is what is counted, the event or
    the match; `rests` are the events of it."""

    time: int
    uid: str
    rule: str
    event: dict[str, Any]
    ident: str
    rests: frozenset[str]


class Told(NamedTuple):
    """A finding: rule, group, cell; its figure; the events that it rests on."""

    rule: str
    group: tuple[str, ...]
    cell: int
    figure: float
    events: frozenset[str]


def evaluate(rules: list[dict[str, Any]], events: list[dict[str, Any]]) -> set[Told]:
    """Everything that is told of `events` ({"uid", "time", "fields"}) by rules as parsed from YAML.

    Base rules tell nothing here. A rule that another refers to without `generate: true` is silent.
    """
    named = {name: rule for rule in rules for name in (rule.get("id"), rule.get("name")) if name}
    correlations = [rule for rule in rules if "correlation" in rule]
    silent = {
        id(named[name])
        for rule in correlations
        if not rule["correlation"].get("generate")
        for name in _refers(rule["correlation"])
    }
    found: set[Told] = set()
    for rule in correlations:
        if id(rule) not in silent:
            for group, cell, figure, points in _cells(rule, named, events):
                rests = frozenset(uid for _, window in points for one in window for uid in one.rests)
                found.add(Told(rule["id"], group, cell, float(figure), rests))
    return found


def _refers(section: dict[str, Any]) -> list[str]:
    rules = section.get("rules")
    if rules is None:
        words = re.findall(r"\w+", section["condition"])
        return list(dict.fromkeys(word for word in words if word not in ("and", "or", "not")))
    return rules if isinstance(rules, list) else [rules]


def _cells(rule: dict[str, Any], named: dict[str, Any], events: list[dict[str, Any]]) -> list[Any]:
    """Matches of a rule by group and cell. A cell is an hour, or the time span where that is longer: what is told once.

    Each point is the moment at which the condition is met, and the events of the window.
    """
    section = rule["correlation"]
    span = int(section["timespan"][:-1]) * UNITS[section["timespan"][-1]]
    groups: dict[tuple[str, ...], list[Seen]] = {}
    for seen in _seen(section, named, events):
        for key in _keys(section, seen):
            groups.setdefault(key, []).append(seen)
    found = []
    for key, members in groups.items():
        members.sort(key=lambda s: s.time)
        points = []
        for window in _windows(members, span, _rising(section)):
            figure = _figure(section, window)
            if figure is not None:
                points.append((figure, window))
        width = max(span, HOUR)
        for cell in {window[-1].time // width for _, window in points}:
            mine = [(f, w) for f, w in points if w[-1].time // width == cell]
            figure = max(f for f, _ in mine) if _rising(section) else mine[-1][0]
            found.append((key, cell, figure, mine))
    return found


def _rising(section: dict[str, Any]) -> bool:
    """Whether more events can only help."""
    condition = section.get("condition", {})
    if isinstance(condition, str):
        return "not " not in condition
    return section["type"] in RISING and all(op in ("gt", "gte", "field", "percentile") for op in condition)


def _windows(members: list[Seen], span: int, rising: bool) -> list[list[Seen]]:
    """Where more events can only help, the window that ends at each event; else those that no other one contains."""
    if rising:
        times = sorted({s.time for s in members})
        return [[s for s in members if at - span <= s.time <= at] for at in times]
    windows = []
    for first, last in itertools.combinations_with_replacement(members, 2):
        if last.time - first.time <= span:
            windows.append([s for s in members if first.time <= s.time <= last.time])
    unique = {tuple(map(id, window)): window for window in windows}
    whole = [w for k, w in unique.items() if not any(set(k) < set(other) for other in unique)]
    return sorted(whole, key=lambda w: w[-1].time)


def _seen(section: dict[str, Any], named: dict[str, Any], events: list[dict[str, Any]]) -> list[Seen]:
    found = []
    for name in _refers(section):
        rule = named[name]
        if "detection" in rule:
            found += [
                Seen(e["time"], e["uid"], name, e["fields"], e["uid"], frozenset({e["uid"]}))
                for e in events
                if naive.matches(rule, e["fields"])
            ]
            continue
        # A match counts at each event that completes it, with that event's fields; matches of one group that are
        # complete in the same slice of the time span count as one.
        inner = rule["correlation"]
        span = int(inner["timespan"][:-1]) * UNITS[inner["timespan"][-1]]
        for key, _, _, points in _cells(rule, named, events):
            for _, window in points:
                rests = frozenset(uid for one in window for uid in one.rests)
                for one in window:
                    if one.time == window[-1].time:
                        ident = f"{name}/{key}/{one.time // span}"
                        found.append(Seen(one.time, one.uid, name, _aliased(inner, one), ident, rests))
    return found


def _aliased(section: dict[str, Any], seen: Seen) -> dict[str, Any]:
    """The event's fields, with those that an alias of the correlation adds."""
    names = {alias: mapping[seen.rule] for alias, mapping in section.get("aliases", {}).items() if seen.rule in mapping}
    return seen.event | {alias: seen.event.get(name) for alias, name in names.items()}


def _texts(section: dict[str, Any], seen: Seen, name: str) -> list[str]:
    value = _aliased(section, seen).get(name)
    values = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(str(v).lower() for v in values if v is not None))


def _keys(section: dict[str, Any], seen: Seen) -> list[tuple[str, ...]]:
    """An event without a field to group by is in no group, one with two values in two; upper and lower case are one."""
    by = section.get("group-by", [])
    keys = list(itertools.product(*(_texts(section, seen, n) for n in ([by] if isinstance(by, str) else by))))
    condition = section.get("condition", {})
    if isinstance(condition, dict) and "field" in condition and not _values(section, seen):
        return []
    return keys


def _values(section: dict[str, Any], seen: Seen) -> list[Any]:
    field = section["condition"]["field"]
    combined = itertools.product(*(_texts(section, seen, n) for n in (field if isinstance(field, list) else [field])))
    values: list[Any] = list(combined)
    if section["type"] == "value_count":
        return values
    return [Fraction(v) for (v,) in values if re.fullmatch(r"[+-]?\d+(\.\d+)?", v)]


def _figure(section: dict[str, Any], window: list[Seen]) -> Any:
    """The figure where the condition holds, else None."""
    kind = section["type"]
    if kind in ("temporal", "temporal_ordered"):
        return _temporal(section, window, kind == "temporal_ordered")
    once = {}
    for seen in sorted(window, key=lambda s: _refers(section).index(s.rule)):
        # Numbers are of events: one counts once, whatever it matches or completes.
        once.setdefault(seen.ident if kind == "event_count" else seen.uid, seen)
    if kind == "event_count":
        figure: Any = len(once)
    elif kind == "value_count":
        figure = len({value for seen in window for value in _values(section, seen)})
    else:
        numbers = [n for seen in once.values() for n in _values(section, seen)]
        if kind == "value_sum":
            figure = sum(numbers)
        elif kind == "value_avg":
            figure = sum(numbers) / Fraction(len(numbers))
        elif kind == "value_median":
            figure = statistics.median(numbers)
        else:
            figure = _percentile(numbers, section["condition"]["percentile"])
    return figure if _met(section["condition"], figure) else None


def _percentile(numbers: list[Fraction], percent: int) -> Fraction:
    """Linear between the nearest two."""
    numbers = sorted(numbers)
    place = Fraction(percent * (len(numbers) - 1), 100)
    below = numbers[int(place)]
    above = numbers[min(int(place) + 1, len(numbers) - 1)]
    return below + (place - int(place)) * (above - below)


def _met(condition: dict[str, Any], figure: Any) -> bool:
    figure = Fraction(figure)
    tests = {
        "gt": figure.__gt__,
        "gte": figure.__ge__,
        "lt": figure.__lt__,
        "lte": figure.__le__,
        "eq": figure.__eq__,
        "neq": figure.__ne__,
    }
    return all(tests[op](Fraction(n)) for op, n in condition.items() if op in tests)


def _temporal(section: dict[str, Any], window: list[Seen], ordered: bool) -> Any:
    names = _refers(section)
    there = [name for name in names if any(s.rule == name for s in window)]
    condition = section.get("condition", {"gte": len(names)})
    if isinstance(condition, str):
        return len(there) if _expression(condition, names, there, window, ordered) else None
    figure = len(there)
    if ordered:
        runs = [run for n in range(len(names) + 1) for run in itertools.combinations(names, n) if _follow(run, window)]
        figure = max(map(len, runs))
    return figure if _met(condition, figure) else None


def _expression(text: str, names: list[str], there: list[str], window: list[Seen], ordered: bool) -> bool:
    """Ordered: some of the rules that are there make it true by themselves and follow each other, and what it denies
    is not there at all."""
    if not ordered:
        return _true(text, there)
    return any(
        _follow(run, window) and _proves(text, run, there)
        for n in range(len(there) + 1)
        for run in itertools.combinations([name for name in names if name in there], n)
    )


def _true(text: str, there: Any) -> bool:
    python = re.sub(r"\b(?!and\b|or\b|not\b)\w+", lambda m: str(m.group() in there), text)
    return bool(eval(python))


def _proves(text: str, run: Any, there: Any) -> bool:
    """True with the rules of `run` as those that are there and, where it denies, all that are there as there."""
    python = re.sub(
        r"(not )?\b(?!and\b|or\b|not\b)(\w+)",
        lambda m: str(m.group(2) not in there) if m.group(1) else str(m.group(2) in run),
        text,
    )
    return bool(eval(python))


def _follow(run: Any, window: list[Seen]) -> bool:
    """Whether rules matched one after the other. Of events at the same moment either may be the first."""
    choices = [[s.time for s in window if s.rule == name] for name in run]
    return any(list(times) == sorted(times) for times in itertools.product(*choices))
