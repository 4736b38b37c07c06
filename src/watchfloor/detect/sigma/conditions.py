"""pySigma's condition tree -> our own small tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    Placeholder,
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
    SigmaTimestampPart,
    SpecialChars,
)

from watchfloor.detect.sigma.fields import Field
from watchfloor.detect.sigma.nodes import And, Leaf, Node, Not, Or, UnsupportedError
from watchfloor.detect.sigma.policy import source_of
from watchfloor.detect.sigma.values import text_of

Placeholders = Mapping[str, Sequence[str]]


class Translator:
    """Turns one rule's condition trees into nodes. `field` gives the Field of a name for the rule's log source."""

    def __init__(self, field: Callable[[str], Field], placeholders: Placeholders) -> None:
        self._field, self._placeholders = field, placeholders

    def node(self, condition: Any) -> Node:
        """The node of a pySigma condition. Raises UnsupportedError."""
        if isinstance(condition, ConditionAND):
            return And(tuple(map(self.node, condition.args)))
        if isinstance(condition, ConditionOR):
            return Or(tuple(map(self.node, condition.args)))
        if isinstance(condition, ConditionNOT):
            return Not(self.node(condition.args[0]))
        if isinstance(condition, ConditionFieldEqualsValueExpression):
            return self._value(self._field(condition.field), condition.value)
        if isinstance(condition, ConditionValueExpression):
            return self._value(None, condition.value)
        raise UnsupportedError(f"condition part {type(condition).__name__} cannot be evaluated")

    def _value(self, field: Field | None, value: Any) -> Node:  # one arm for each type that pySigma has
        match value:
            case SigmaExpansion():
                return Or(tuple(self._value(field, item) for item in value.values))
            case SigmaRegularExpression():
                patterns = value.replace_placeholders(self._fill) if value.contains_placeholder() else [value]
                return _any([Leaf(field, "regex", source_of(each)) for each in patterns])
            case SigmaString():
                cased = isinstance(value, SigmaCasedString)
                filled = value.replace_placeholders(self._fill) if value.contains_placeholder() else [value]
                return _any([_string(field, each, cased) for each in filled])
            case SigmaTimestampPart():
                return Leaf(field, "time", (value.timestamp_part.name.lower(), value.number))
            case SigmaNumber():
                return Leaf(field, "contains" if field is None else "equals", text_of(value.number))
            case SigmaBool():
                return Leaf(field, "contains" if field is None else "equals", text_of(value.boolean))
            case SigmaCIDRExpression():
                return Leaf(field, "cidr", str(value.network))
            case SigmaCompareExpression():
                number = value.number
                part = number.timestamp_part.name.lower() if isinstance(number, SigmaTimestampPart) else ""
                return Leaf(field, "compare", (value.op.name.lower(), number.number, part))
            case SigmaNull() if field is not None:
                return Leaf(field, "null", None)
            case SigmaExists() if field is not None:
                return Leaf(field, "exists", value.exists)
            case SigmaFieldReference() if field is not None:
                other = self._field(value.field)
                return Leaf(field, "fieldref", (other, value.starts_with, value.ends_with))
        raise UnsupportedError(f"a {type(value).__name__} without a field cannot be evaluated")

    def _fill(self, placeholder: Placeholder) -> Any:
        if placeholder.name not in self._placeholders:
            raise UnsupportedError(f"placeholder %{placeholder.name}% has no values here")
        yield from self._placeholders[placeholder.name]


def _any(nodes: list[Leaf]) -> Node:
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def _string(field: Field | None, value: SigmaString, cased: bool) -> Leaf:
    """A string with wildcards as the plainest leaf that means the same."""
    if field is not None and len(value.s) == 1 and isinstance(value.s[0], str):  # as most are
        return Leaf(field, "equals", value.s[0] if cased else value.s[0].lower(), cased)
    parts = _parts(value, cased, keyword=field is None)
    literals = [part[1:] for part in parts if part.startswith("=")]
    shape = "".join(part[0] for part in parts)
    text = literals[0] if literals else ""
    match shape:
        case "" | "=":
            return Leaf(field, "equals", text, cased)
        case "*":
            return Leaf(field, "contains", "", cased)
        case "=*":
            return Leaf(field, "startswith", text, cased)
        case "*=":
            return Leaf(field, "endswith", text, cased)
        case "*=*":
            return Leaf(field, "contains", text, cased)
    return Leaf(field, "glob", tuple(parts), cased)


def _parts(value: SigmaString, cased: bool, *, keyword: bool) -> list[str]:
    """A string as `Leaf` has a glob. A keyword is looked for anywhere."""
    star, single = SpecialChars.WILDCARD_MULTI, SpecialChars.WILDCARD_SINGLE
    parts: list[str] = ["*"] if keyword else []
    for part in value.s:
        if isinstance(part, str):
            text = part if cased else part.lower()
            if parts and parts[-1].startswith("="):
                parts[-1] += text
            else:
                parts.append("=" + text)
        elif part is single:
            parts.append("?")
        elif part is star and parts[-1:] != ["*"]:
            parts.append("*")
    if keyword and parts[-1] != "*":
        parts.append("*")
    return parts
