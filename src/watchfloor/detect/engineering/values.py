"""Checks of fields, modifiers and values: what a rule compares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

import re2
from sigma.modifiers import modifier_mapping

from watchfloor.detect.engineering.documents import Item, RuleDocument, Value
from watchfloor.detect.engineering.knowledge import Knowledge
from watchfloor.detect.engineering.problem import Problem, error, warning
from watchfloor.detect.sigma.regex import RegexError, needs_fallback, searcher

_PLACED = frozenset({"contains", "startswith", "endswith"})
_OTHERS = frozenset(
    {"re", "cidr", "exists", "fieldref", "lt", "lte", "gt", "gte", "neq", "expand", "base64", "base64offset"}
)
_SHORT = 2
_EXPENSIVE = 3_000
"""Instructions of RE2's program: SigmaHQ's largest has a sixth of that."""


def modifiers(rule: RuleDocument) -> Iterator[Problem]:
    """Modifiers that there are, and `all` where there is something to be all of."""
    for item in rule.items:
        for name in item.modifiers:
            if name not in modifier_mapping:
                near = get_close_matches(name, modifier_mapping, 1)
                do = f"Did you mean `{near[0]}`?" if near else "See the modifiers of the Sigma specification"
                yield error(rule, item.node, "unknown-modifier", f"there is no modifier `{name}`", do)
        # Where the field stands there a second time, `all` is only what makes its key another.
        twice = sum(one.selection == item.selection and one.field == item.field for one in rule.items) > 1
        if "all" in item.modifiers and len(item.values) == 1 and not twice:
            what = f"`{'|'.join((item.field, *item.modifiers))}` has one value, so `all` says nothing"
            yield warning(rule, item.node, "all-with-one-value", what, "Leave `all` out, or give the other values")


def texts(rule: RuleDocument) -> Iterator[Problem]:
    """Short texts that are found anywhere, and wildcards that a modifier says better."""
    for item in rule.items:
        if _OTHERS & set(item.modifiers):
            continue
        short = next((value for value in item.values if _short(item, value)), None)
        if short is not None:
            what = f"{_named(item)} contains {short.text.strip('*')!r}: nearly any text does"
            yield warning(rule, short.node, "short-contains", what, "Give more of the text, or a second condition")
        for value in item.values:
            if value.kind == "str" and item.field and not _PLACED & set(item.modifiers):
                yield from _wildcards(rule, item, value.text, value.node)


def _short(item: Item, value: Value) -> bool:
    """Whether a text is looked for anywhere, by itself, and has one or two characters of ASCII: others are rare."""
    plain = value.text.strip("*")
    anywhere = "contains" in item.modifiers or not item.field or value.text[:1] == value.text[-1:] == "*"
    alone = item.alone and "all" not in item.modifiers
    return value.kind == "str" and anywhere and alone and 0 < len(plain) <= _SHORT and plain.isascii()


def _wildcards(rule: RuleDocument, item: Item, text: str, node: object) -> Iterator[Problem]:
    inner = text.strip("*")
    if not inner or "*" in inner or "?" in inner or inner.endswith("\\"):
        return
    starts, ends = text.startswith("*"), text.endswith("*")
    name = "contains" if starts and ends else "endswith" if starts else "startswith" if ends else ""
    if name:
        what = f"`{text}` is `{item.field}|{name}: {inner}`, written with wildcards"
        yield warning(rule, node, "wildcard-for-modifier", what, f"Write `|{name}`")  # type: ignore[arg-type]


def _named(item: Item) -> str:
    return f"`{item.field}`" if item.field else "a keyword"


def regexes(rule: RuleDocument) -> Iterator[Problem]:
    """Regular expressions that are none, that RE2 cannot read, or that cost much."""
    for item in rule.items:
        if "re" not in item.modifiers:
            continue
        for value in item.values:
            problem = _regex(value.text)
            if problem:
                make = error if problem[0] == "regex-broken" else warning
                yield make(rule, value.node, *problem)


def _regex(text: str) -> tuple[str, str, str] | None:
    try:
        searcher(text)
    except RegexError as wrong:
        return "regex-broken", str(wrong), "Mend the expression"
    if needs_fallback(text):
        return (
            "regex-not-re2",
            "RE2 cannot read it, so it sees the first 1,000 characters of a value",
            ("Leave out look-around and back references: put the exception into a filter"),
        )
    size = re2.compile(text).programsize
    if size > _EXPENSIVE:
        return "regex-expensive", f"its program has {size:,} instructions", "Use smaller counts than {n,m} has"
    if re.match(r"\(?\.[*+]", text) and not text.startswith("(.*") and not re.search(r"[\\^$|]", text[:3]):
        return "regex-leading-any", "it begins with what any text has", "Leave `.*` out: a match may begin anywhere"
    return None


def fields(rule: RuleDocument, known: Knowledge) -> Iterator[Problem]:
    """Fields that no event of the log source has: the lake says so, or a name that is spelled nearly like it."""
    if rule.kind != "rule":
        return
    seen: set[str] = set()
    for item in rule.items:
        if item.field and item.field not in seen:
            seen.add(item.field)
            found = known.doubt(rule.logsource, item.field)
            if found:
                yield warning(rule, item.node, "unknown-field", *found)
