"""A Sigma evaluator as one would write it first: a walk over pySigma's condition trees, for bench/detect.py.

Rules are parsed once and routed by log source; literals are prepared once; nothing is remembered between events. Of the
product it takes only content (what fields and log sources are called) and the reading of values as text.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import re2
import yaml
from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR
from sigma.rule import SigmaRule
from sigma.rule.base import SigmaYAMLLoader
from sigma.types import (
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

from watchfloor.detect.sigma.fields import Field, FieldNames, View
from watchfloor.detect.sigma.logsource import Discriminator, LogSource, LogSources
from watchfloor.detect.sigma.plain import Line

Test = Callable[[str], bool]


class Naive:
    """`matches(event)` gives the ids of the rules that match."""

    def __init__(self, paths: list[Path], wanted: set[str]) -> None:
        names, sources = FieldNames.shipped(), LogSources.shipped()
        self._rules: dict[LogSource, list[tuple[str, list[Any], Callable[[str], Field]]]] = {}
        self._tests: dict[int, Test] = {}
        self._kept: list[Any] = []
        for file in sorted(file for path in paths for file in path.rglob("*.yml")):
            for data in yaml.load_all(file.read_bytes(), Loader=SigmaYAMLLoader):
                if not isinstance(data, dict) or "detection" not in data or str(data.get("id")) not in wanted:
                    continue
                wanted.discard(str(data["id"]))  # of two rules with one id the first counts
                rule = SigmaRule.from_dict(data, collect_errors=True)
                of = rule.logsource
                source = LogSource(of.product or "", of.category or "", of.service or "")
                trees = [each.parsed for each in rule.detection.parsed_condition]
                field = self._field_of(names, source, rule.taxonomy)
                self._rules.setdefault(source, []).append((str(rule.id), trees, field))
        self._alternatives = {source: sources.alternatives(source) for source in self._rules}
        self._discriminator = Discriminator([a for some in self._alternatives.values() for a in some])
        self._routes: dict[tuple[str, ...], list[LogSource]] = {}

    @staticmethod
    def _field_of(names: FieldNames, source: LogSource, taxonomy: str) -> Callable[[str], Field]:
        known: dict[str, Field] = {}

        def field(name: str) -> Field:
            if name not in known:
                known[name] = names.field(name, source.named, taxonomy)
            return known[name]

        return field

    def matches(self, event: Line) -> set[str]:
        key = self._discriminator.key(event)
        if key not in self._routes:
            fits = self._discriminator.fits
            self._routes[key] = [s for s, rows in self._alternatives.items() if any(fits(key, row) for row in rows)]
        view = View(event)
        return {
            uid
            for source in self._routes[key]
            for uid, trees, field in self._rules[source]
            if any(self._holds(tree, view, field) for tree in trees)
        }

    def _holds(self, node: Any, view: View, field: Callable[[str], Field]) -> bool:
        if isinstance(node, ConditionAND):
            return all(self._holds(each, view, field) for each in node.args)
        if isinstance(node, ConditionOR):
            return any(self._holds(each, view, field) for each in node.args)
        if isinstance(node, ConditionNOT):
            return not self._holds(node.args[0], view, field)
        where = field(node.field) if isinstance(node, ConditionFieldEqualsValueExpression) else None
        return self._value(where, node.value, view, field)

    def _value(self, where: Field | None, value: Any, view: View, field: Callable[[str], Field]) -> bool:
        if isinstance(value, SigmaExpansion):
            return any(self._value(where, each, view, field) for each in value.values)
        if isinstance(value, SigmaNull):
            return not view.values(where) or None in view.values(where)
        if isinstance(value, SigmaExists):
            return bool(view.values(where)) is value.exists
        if isinstance(value, SigmaFieldReference):
            theirs = view.lower(field(value.field))
            return any(_refers(mine, other, value) for mine in view.lower(where) for other in theirs)
        test = self._tests.get(id(value))
        if test is None:
            self._kept.append(value)  # so that no other value gets its id
            test = self._tests[id(value)] = _test(value, keyword=where is None)
        raw = isinstance(value, SigmaCasedString | SigmaRegularExpression)
        return any(map(test, view.texts(where) if raw else view.lower(where)))


def _refers(mine: str, other: str, value: SigmaFieldReference) -> bool:
    if value.starts_with and value.ends_with:
        return other in mine
    if value.starts_with:
        return mine.startswith(other)
    return mine.endswith(other) if value.ends_with else mine == other


def _test(value: Any, *, keyword: bool) -> Test:
    if isinstance(value, SigmaString):
        return _string(value, keyword=keyword)
    if isinstance(value, SigmaRegularExpression):
        flags = "".join(sorted({"IGNORECASE": "i", "MULTILINE": "m", "DOTALL": "s"}[f.name] for f in value.flags))
        pattern = re2.compile((f"(?{flags})" if flags else "") + str(value.regexp))
        return lambda text: pattern.search(text) is not None
    if isinstance(value, SigmaCIDRExpression):
        return lambda text: _within(text, value.network)
    if isinstance(value, SigmaNumber | SigmaBool):
        wanted = str(value).lower()
        return lambda text: wanted in text if keyword else text == wanted
    if isinstance(value, SigmaCompareExpression):
        compare = {"LT": float.__lt__, "LTE": float.__le__, "GT": float.__gt__, "GTE": float.__ge__}[value.op.name]
        return lambda text: _is_number(text) and compare(float(text), float(value.number.number))
    raise TypeError(type(value).__name__)


def _string(value: SigmaString, *, keyword: bool) -> Test:
    parts = list(value.s)
    cased = isinstance(value, SigmaCasedString)
    texts = [part if cased else part.lower() for part in parts if isinstance(part, str)]
    shape = "".join("a" if isinstance(p, str) else "*" if p is SpecialChars.WILDCARD_MULTI else "?" for p in parts)
    shape = f"*{shape.strip('*')}*" if keyword else shape
    literal = texts[0] if texts else ""
    if shape in ("a", ""):
        return lambda text: text == literal
    if shape == "a*":
        return lambda text: text.startswith(literal)
    if shape == "*a":
        return lambda text: text.endswith(literal)
    if shape == "*a*":
        return lambda text: literal in text
    named = {SpecialChars.WILDCARD_MULTI: ".*", SpecialChars.WILDCARD_SINGLE: "."}
    source = "".join(re2.escape(p if cased else p.lower()) if isinstance(p, str) else named[p] for p in parts)
    pattern = re2.compile("(?s)" + source)
    return lambda text: (pattern.search(text) if keyword else pattern.fullmatch(text)) is not None


def _within(text: str, network: str) -> bool:
    try:
        return ip_address(text) in ip_network(network)
    except ValueError:
        return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
