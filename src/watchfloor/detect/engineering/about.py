"""Checks of what a rule says of itself: id, level, ATT&CK, false positives, tests."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from uuid import UUID

from watchfloor.core.attack import STAGE, tactic
from watchfloor.detect.engineering.documents import RuleDocument, entries_of, values_of
from watchfloor.detect.engineering.knowledge import Knowledge
from watchfloor.detect.engineering.problem import Problem, error, warning

_LEVELS = ("informational", "low", "medium", "high", "critical")
_TECHNIQUE = re.compile(r"t\d{4}(\.\d{3})?", re.IGNORECASE)
_OTHER_OBJECT = re.compile(r"(?:[gsmc]|ds)\d{4}", re.IGNORECASE)
"""Groups, software, mitigations, campaigns, data sources."""
_WANTED = {
    "description": "Say what it sees and why that matters",
    "falsepositives": "Say what harmless things look alike",
}


def described(rule: RuleDocument) -> Iterator[Problem]:
    """What an analyst needs to judge a match. A rule with a name and no id is told of by its correlation."""
    if not rule.title:
        yield error(rule, None, "missing-title", "it has no title", "Say in a few words what it sees")
    if not rule.kind:
        return
    yield from _identity(rule)
    if rule.value("name") and "id" not in rule.entries:
        return
    if rule.kind == "filter":
        return
    level = rule.value("level")
    if not level:
        if rule.kind == "rule":
            yield warning(rule, None, "missing-level", "it has no level", f"One of {', '.join(_LEVELS)}")
    elif level not in _LEVELS:
        yield error(
            rule,
            rule.entries["level"][1],
            "unknown-level",
            f"there is no level {level!r}",
            f"One of {', '.join(_LEVELS)}",
        )
    for name, do in _WANTED.items():
        if name not in rule.entries or not (rule.value(name) or entries_or_items(rule, name)):
            yield warning(rule, rule.key(name), f"missing-{name}", f"it has no {name}", do)


def entries_or_items(rule: RuleDocument, name: str) -> bool:
    node = rule.entries[name][1]
    return any(True for _ in values_of(node) if _.kind != "null") or bool(entries_of(node))


def _identity(rule: RuleDocument) -> Iterator[Problem]:
    uid = rule.value("id")
    if not uid:
        if not rule.value("name"):
            do = "Give it an id of its own (uuidgen): findings, labels and suppressions hold on to it"
            yield warning(rule, None, "missing-id", "it has no id", do)
        return
    try:
        UUID(uid)
    except ValueError:
        yield warning(rule, rule.entries["id"][1], "invalid-id", f"{uid[:60]!r} is no UUID", "Make one: uuidgen")


def attack(rule: RuleDocument, techniques: Collection[str]) -> Iterator[Problem]:
    """ATT&CK tags. `techniques` are all there are (`T1110.003`), where that is known."""
    if rule.kind == "filter" or (rule.value("name") and "id" not in rule.entries) or not rule.kind:
        return
    tags = list(values_of(rule.entries["tags"][1])) if "tags" in rule.entries else []
    mine = [(value, value.text[7:]) for value in tags if value.text.lower().startswith("attack.")]
    if not any(_TECHNIQUE.fullmatch(name) for _, name in mine):
        what, do = "no tag names an ATT&CK technique", "Add one, e.g. `attack.t1059.001`"
        yield warning(rule, rule.key("tags"), "missing-attack-tag", what, do)
    for value, name in mine:
        if _TECHNIQUE.fullmatch(name):
            if techniques and name.upper() not in techniques:
                what = f"ATT&CK has no technique {name.upper()}"
                yield warning(rule, value.node, "unknown-technique", what, "Look it up: it may have been replaced")
        elif not _OTHER_OBJECT.fullmatch(name) and tactic(name) not in STAGE:
            near = get_close_matches(tactic(name), STAGE, 1)
            do = f"Did you mean `attack.{near[0]}`?" if near else "A tactic, or a technique such as `t1059.001`"
            yield error(rule, value.node, "invalid-attack-tag", f"`{value.text}` is no tactic or technique", do)


def log_source(rule: RuleDocument, known: Knowledge) -> Iterator[Problem]:
    """A log source that no event reaches."""
    if rule.kind == "rule" and not known.reached(rule.logsource):
        what = f"no product that is known brings events of {rule.logsource.words}"
        do = "Mend the log source, or map its records: watchfloor mapping new FILE"
        yield warning(rule, rule.key("logsource"), "unknown-log-source", what, do)


def tested(rule: RuleDocument) -> Iterator[Problem]:
    """Tests inside the rule, or recordings that it names."""
    if not rule.kind or rule.kind == "filter" or (rule.value("name") and "id" not in rule.entries):
        return
    if "regression_tests_path" in rule.entries:
        return
    kinds = entries_of(rule.entries["tests"][1]) if "tests" in rule.entries else {}
    missing = [kind for kind in ("match", "no_match") if kind not in kinds or not kinds[kind][1].value]
    if missing:
        what = f"it has no tests of {' and '.join(missing)}"
        do = "Add `tests:` with `match:` and `no_match:` events; `watchfloor detect test` runs them"
        yield warning(rule, rule.key("tests"), "missing-tests", what, do)
