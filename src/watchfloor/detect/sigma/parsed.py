"""Correlation rules as pySigma reads them, before what they refer to is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)
from sigma.exceptions import (
    SigmaCorrelationConditionError,
    SigmaCorrelationRuleError,
    SigmaCorrelationTypeError,
    SigmaTimespanError,
)
from sigma.rule import SigmaLevel

from watchfloor.core.noun import digest_of
from watchfloor.detect.sigma.described import described
from watchfloor.detect.sigma.entries import ParsedCorrelation, Remark
from watchfloor.detect.sigma.versions import digest_of_rule, modified_of

_OPERATORS = tuple(op.name.lower() for op in SigmaCorrelationConditionOperator)
_FATAL = (SigmaCorrelationConditionError, SigmaCorrelationRuleError, SigmaCorrelationTypeError, SigmaTimespanError)


def parse(data: Mapping[str, Any]) -> tuple[ParsedCorrelation, list[Remark]]:
    """Parse one document; what is wrong with it and does not matter (an id that is none, a date that is none) is
    remarked. Raises SigmaError, ValueError, TypeError or AttributeError.

    Beyond what pySigma takes, a condition may have several operators, as the specification has it (`gt: 1`, `lte: 9`).
    """
    digest, modified = digest_of_rule(data), modified_of(data)
    section = data["correlation"]
    conditions: list[dict[str, Any]] = []
    if isinstance(section, dict) and isinstance(section.get("condition"), dict):
        given = section["condition"]
        others = {key: value for key, value in given.items() if key not in _OPERATORS}
        conditions = [{**others, op: given[op]} for op in _OPERATORS if op in given]
        if conditions:
            data = {**data, "correlation": {**section, "condition": conditions[0]}}
    rule = SigmaCorrelationRule.from_dict(dict(data), collect_errors=True)
    for error in rule.errors:
        if isinstance(error, _FATAL):
            raise error
    parsed = tuple(map(SigmaCorrelationCondition.from_dict, conditions))
    if not parsed and isinstance(rule.condition, SigmaCorrelationCondition):
        parsed = (rule.condition,)
    extended = rule.condition if isinstance(rule.condition, SigmaExtendedCorrelationCondition) else None
    counted: Any = None if extended is not None else rule.condition
    if rule.rules is None and extended is not None:
        wanted = tuple(extended.get_referenced_rules())
    else:
        wanted = tuple(str(ref.reference) for ref in rule.rules or ())
    if not wanted:
        raise ValueError("refers to no rule")
    named = None if counted is None else counted.fieldref
    title = str(rule.title or "")
    found = ParsedCorrelation(
        uid=str(rule.id) if rule.id else digest_of(repr((rule.title, section)).encode()),
        title=title,
        name=str(rule.name or ""),
        kind=rule.type.name.lower(),
        wanted=wanted,
        group_by=tuple(map(str, rule.group_by or ())),
        span=rule.timespan.seconds * 1_000,
        bounds=() if extended is not None else tuple((c.op.name.lower(), c.count) for c in parsed),
        fields=tuple(map(str, named if isinstance(named, list) else [named])) if named else (),
        percentile=None if counted is None else counted.percentile,
        expression=None if extended is None else _expression(extended.parsed),
        generate=bool(rule.generate),
        aliases=tuple(
            (alias.alias, tuple((str(ref.reference), field) for ref, field in alias.mapping.items()))
            for alias in rule.aliases
        ),
        severity=rule.level.name.lower() if isinstance(rule.level, SigmaLevel) else "",
        digest=digest,
        modified=modified,
        **described(rule),
    )
    return found, [Remark(title, f"loaded, but: {error}", fatal=False) for error in rule.errors]


def _expression(node: Any) -> Any:
    """An extended condition as plain data."""
    if isinstance(node, SigmaRuleReference):
        return str(node.reference)
    if isinstance(node, CorrelationConditionNOT):
        return ["not", _expression(node.args[0])]
    if isinstance(node, CorrelationConditionAND | CorrelationConditionOR):
        return ["and" if isinstance(node, CorrelationConditionAND) else "or", *map(_expression, node.args)]
    raise ValueError(f"condition part {type(node).__name__} cannot be evaluated")
