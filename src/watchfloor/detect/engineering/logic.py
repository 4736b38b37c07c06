"""Checks of conditions: selections that are named and absent, there and unused, or that cannot hold together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache

from watchfloor.detect.engineering.documents import Item, RuleDocument
from watchfloor.detect.engineering.problem import Problem, error, warning

_WORD = re.compile(r"[^\s()|]+")
_OPERATORS = frozenset({"and", "or", "not", "of", "all", "any", "them", "1"})
_PLAIN: tuple[frozenset[str], ...] = (frozenset(), frozenset({"startswith"}), frozenset({"endswith"}))
_FILTERED = re.compile(r"\bnot\s+(?:(?:1|any|all)\s+of\s+)?([\w*.-]+)", re.IGNORECASE)


@lru_cache(maxsize=4096)
def named_in(condition: str) -> tuple[str, ...]:
    """The names and patterns of selections in a condition; `*` for `them`."""
    before_pipe = condition.partition("|")[0]
    words = _WORD.findall(before_pipe)
    names = [word for word in words if word.lower() not in _OPERATORS and not word.isdigit()]
    return (*dict.fromkeys(names), *(["*"] if "them" in (word.lower() for word in words) else []))


def selections(rule: RuleDocument) -> Iterator[Problem]:
    """A condition names selections that are there, and each selection is named."""
    if rule.kind != "rule" or not rule.conditions:
        return
    used: set[str] = set()
    for condition in rule.conditions:
        for name in named_in(condition.text):
            found = [one for one in rule.selections if fnmatchcase(one, name)]
            used.update(one for one in found if name != "*" or not one.startswith("_"))
            if not found:
                near = get_close_matches(name, rule.selections, 1)
                do = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(rule.selections) or 'none'}"
                yield error(rule, condition.node, "absent-selection", f"the condition names `{name}`", do)
    for name, (key, _) in rule.selections.items():
        if name not in used:
            what = f"the condition does not name `{name}`, so it counts for nothing"
            yield warning(rule, key, "unused-selection", what, "Name it in the condition, or remove it")


def filters(rule: RuleDocument) -> Iterator[Problem]:
    """A filter that asks another value of a field than the selection that must hold takes nothing out."""
    if rule.kind != "rule" or len(rule.conditions) != 1:
        return
    text = rule.conditions[0].text
    needed, filtered = _sides(text, rule)
    for name in filtered:
        theirs = _required(rule, name)
        for mine in needed:
            clash = _clash(_required(rule, mine), theirs)
            if clash is not None:
                what = f"`{name}` can take nothing out: `{mine}` wants another `{clash.field}`"
                yield warning(rule, clash.node, "unreachable-filter", what, "Mend the filter, or remove it")
                break


def _sides(text: str, rule: RuleDocument) -> tuple[list[str], list[str]]:
    """The selections that must hold and those behind `not`, of a condition without `or` and brackets."""
    if re.search(r"[()|]|\bor\b", text, re.IGNORECASE):
        return [], []
    filtered = [n for pattern in _FILTERED.findall(text) for n in rule.selections if fnmatchcase(n, pattern)]
    plain = _FILTERED.sub(" ", text)
    if re.search(r"\b(1|any)\s+of\b", plain, re.IGNORECASE):
        return [], []
    return [
        n for name in named_in(plain) for n in rule.selections if fnmatchcase(n, name) and n not in filtered
    ], filtered


def _required(rule: RuleDocument, selection: str) -> Mapping[str, Item]:
    """The fields that must have one of plain values for a selection that is one map, not a list of maps."""
    from yaml import MappingNode  # only the kind of the node

    if not isinstance(rule.selections[selection][1], MappingNode):
        return {}
    found: dict[str, Item] = {}
    for item in rule.items:
        plain = frozenset(item.modifiers) in _PLAIN and item.values and all(v.kind != "null" for v in item.values)
        if item.selection == selection and item.field and plain and item.field not in found:
            found[item.field] = item
    return found


def _clash(mine: Mapping[str, Item], theirs: Mapping[str, Item]) -> Item | None:
    for name, filtering in theirs.items():
        selecting = mine.get(name)
        if selecting is not None and not any(
            _together(one.text.lower(), selecting.modifiers, other.text.lower(), filtering.modifiers)
            for one in selecting.values
            for other in filtering.values
        ):
            return filtering
    return None


def _together(one: str, of_one: tuple[str, ...], other: str, of_other: tuple[str, ...]) -> bool:
    """Whether one text can meet both."""
    if re.search(r"[*?\\]{2}|[*?]", one + "\0" + other):  # wildcards and escapes: not decided here
        return True
    kinds = {"".join(of_one), "".join(of_other)}
    if kinds == {""}:
        return one == other
    if kinds == {"startswith", "endswith"}:
        return True
    if "" not in kinds:
        short, long = sorted((one, other), key=len)
        return long.startswith(short) if "startswith" in kinds else long.endswith(short)
    whole, part = (one, other) if not of_one else (other, one)
    return whole.startswith(part) if "startswith" in kinds else whole.endswith(part)
