"""Test cases inside rules: `tests: match / no_match`, of single rules and of correlations, and what became of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import orjson

from watchfloor.core.event import Event
from watchfloor.detect.correlation import MemoryGroups
from watchfloor.detect.detector import Detector
from watchfloor.detect.engineering.documents import RuleDocument
from watchfloor.detect.engineering.explain import explain

Kind = Literal["match", "no_match"]
_AT = 1_790_000_000_000
_EVERY = re.compile(r"(\d{1,6})(ms|[smhd])")
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MOST_TIMES = 20_000


class Case(NamedTuple):
    """One test of a rule: the `n`th under its kind. `given` is the event, or of a correlation the list of its steps."""

    kind: Kind
    n: int
    given: Any

    @property
    def name(self) -> str:
        return f"{self.kind} {self.n + 1}"


class Tried(NamedTuple):
    """What became of a case. `why` tells, where it failed, which parts of the rule held for the event."""

    case: Case
    passed: bool
    why: tuple[str, ...] = ()


def cases_of(data: Mapping[str, Any]) -> list[Case]:
    """The cases of a rule's document. Raises ValueError where they are not laid out as they must be."""
    tests = data.get("tests") or {}
    if not isinstance(tests, dict) or any(not isinstance(some, list) for some in tests.values()):
        raise ValueError("`tests` has `match:` and `no_match:`, each a list of events")
    if unknown := tests.keys() - {"match", "no_match"}:
        raise ValueError(f"`tests` has `match:` and `no_match:`, not {', '.join(map(str, unknown))}")
    kinds: tuple[Kind, ...] = ("match", "no_match")
    return [Case(kind, n, given) for kind in kinds for n, given in enumerate(tests.get(kind, ()))]


def try_case(detector: Detector, data: Mapping[str, Any], uid: str, case: Case) -> Tried:
    """Run one case of the rule `uid` over a detector that has loaded it. Raises ValueError for a case that is none."""
    if "correlation" in data:
        return _try_correlation(detector, data, uid, case)
    event = event_of(case.given, _logsource(data))
    found = uid in {rule.uid for rule in detector.matches(event)}
    if found is (case.kind == "match"):
        return Tried(case, True)
    return Tried(case, False, explain(data, event))


def _try_correlation(detector: Detector, data: Mapping[str, Any], uid: str, case: Case) -> Tried:
    groups = MemoryGroups("test")
    events = list(events_of(detector, data, case.given))
    # In any order the answer is the same: here the last event comes first.
    hits = [hit for one in reversed(events) for hit in detector.examine(one).hits]
    found = [*detector.correlator.step(hits, groups, 0), *detector.correlator.finish(groups, 0, 0)]
    mine = [one for one in found if one.detection.uid == uid]
    if bool(mine) is (case.kind == "match"):
        return Tried(case, True)
    said = [f"it says: {one.correlated.sentence}" for one in mine if one.correlated]
    counted = len({hit.entry.uid for hit in hits})
    return Tried(
        case, False, tuple(said) or (f"{counted:,} of its {len(events):,} events count, in too few groups or too late",)
    )


def events_of(detector: Detector, data: Mapping[str, Any], steps: Any) -> Iterator[Event]:
    """A correlation's events: each step is `times` events, `every` so long, with {n} for the number; `as` names the
    rule whose log source they have. Raises ValueError."""
    rules = {name: rule for rule in detector.rules for name in (rule.uid, rule.name) if name}
    at, count = _AT, 0
    for step in steps if isinstance(steps, list) else [steps]:
        if not isinstance(step, dict) or "event" not in step:
            raise ValueError("a step of a correlation's test has an `event:`")
        wanted = step.get("as") or (data["correlation"].get("rules") or [""])[0]
        if wanted not in rules:
            raise ValueError(
                f"`as: {wanted}` names no single rule that is loaded: say whose log source the events have"
            )
        every, times = _milliseconds(step.get("every", "1s")), step.get("times", 1)
        if not isinstance(times, int) or not 0 < times <= _MOST_TIMES:
            raise ValueError(f"`times` is a number from 1 to {_MOST_TIMES:,}")
        text = orjson.dumps(step["event"], default=str).decode()
        for number in range(times):
            given = orjson.loads(text.replace("{n}", str(number)))
            yield event_of(given, rules[wanted].logsource.named, uid=f"e{count}", time=at)
            at, count = at + every, count + 1


def event_of(given: Any, logsource: Mapping[str, str], *, uid: str = "e0", time: int = _AT) -> Event:
    """The event of a case: the vendor's own fields, or under `ocsf:` (and `original:`) those of an OCSF event."""
    if not isinstance(given, dict):
        raise ValueError("a test's event is a map of fields")  # noqa: TRY004 - of the file, not of the caller
    ocsf, original = ({}, given) if "ocsf" not in given else (given["ocsf"], given.get("original", {}))
    return Event(
        tenant="test",
        uid=uid,
        time=time,
        layer="endpoint",
        mapping="test",
        ocsf=ocsf,
        original=original,
        source="test",
        position=0,
        unit="record",
        logsource=dict(logsource),
    )


def uid_of(detector: Detector, rule: RuleDocument) -> str | None:
    """The uid under which a document was loaded; None when it was not."""
    named = rule.value("id")
    loaded = detector.all_rules
    return next(
        (one.uid for one in loaded if one.uid == named or (one.file == rule.file and one.title == rule.title)), None
    )


def _logsource(data: Mapping[str, Any]) -> dict[str, str]:
    source = data.get("logsource")
    have = source if isinstance(source, dict) else {}
    return {part: str(have[part]) for part in ("product", "category", "service") if have.get(part)}


def _milliseconds(text: Any) -> int:
    found = _EVERY.fullmatch(str(text))
    if found is None:
        raise ValueError(f"`every: {text}` is no time: write 30s, 5m or 1h")
    return int(found[1]) * _UNITS[found[2]]
