"""Correlation rules as pySigma reads them, before what they refer to is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
)
from sigma.exceptions import (
    SigmaCorrelationConditionError,
    SigmaCorrelationRuleError,
    SigmaCorrelationTypeError,
    SigmaTimespanError,
)

from watchfloor.core.noun import digest_of
from watchfloor.detect.sigma.versions import digest_of_rule, modified_of

_OPERATORS = tuple(op.name.lower() for op in SigmaCorrelationConditionOperator)
_FATAL = (SigmaCorrelationConditionError, SigmaCorrelationRuleError, SigmaCorrelationTypeError, SigmaTimespanError)


class ParsedCorrelation(NamedTuple):
    """A correlation's document. `wanted` are the ids or names that it refers to, `conditions` must all hold."""

    file: str
    uid: str
    title: str
    rule: SigmaCorrelationRule
    wanted: tuple[str, ...]
    conditions: tuple[SigmaCorrelationCondition, ...]
    remarks: tuple[str, ...]
    """What is wrong with it and does not matter: an id that is none, a date that is none."""
    digest: str = ""
    modified: str = ""


def parse(file: str, data: Mapping[str, Any]) -> ParsedCorrelation:
    """Parse one document. Raises SigmaError, ValueError or TypeError.

    Beyond what pySigma takes, a condition may have several operators, as the specification has it (`gt: 1`, `lte: 9`).
    """
    version = digest_of_rule(data), modified_of(data)
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
    if rule.rules is None and isinstance(rule.condition, SigmaExtendedCorrelationCondition):
        wanted = tuple(rule.condition.get_referenced_rules())
    else:
        wanted = tuple(str(ref.reference) for ref in rule.rules or ())
    if not wanted:
        raise ValueError("refers to no rule")
    uid = str(rule.id) if rule.id else digest_of(repr((rule.title, section)).encode())
    remarks = tuple(map(str, rule.errors))
    return ParsedCorrelation(file, uid, str(rule.title or ""), rule, wanted, parsed, remarks, *version)
