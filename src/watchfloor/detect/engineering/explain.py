"""Why a rule matches an event or does not: which selections hold, and what those that do not would want."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from watchfloor.core.event import Event
from watchfloor.detect.sigma.conditions import Translator
from watchfloor.detect.sigma.fields import FieldNames, View
from watchfloor.detect.sigma.logsource import LogSource
from watchfloor.detect.sigma.matchers import compile_node
from watchfloor.detect.sigma.nodes import And, Leaf, Node, Not, Or
from watchfloor.detect.sigma.policy import POLICY

_MOST, _LONGEST, _VALUES = 4, 80, 3


def explain(data: Mapping[str, Any], event: Event) -> tuple[str, ...]:
    """A line for each selection of a rule's document, `name: holds` or what it lacks, and at last the condition."""
    try:
        rule = SigmaRule.from_dict(dict(data), collect_errors=True, policy=POLICY)
        if rule.errors and not rule.detection.detections:
            return (f"it cannot be taken apart: {rule.errors[0]}",)
        source = LogSource(rule.logsource.product or "", rule.logsource.category or "", rule.logsource.service or "")
        names = FieldNames.shipped()
        translator = Translator(lambda name: names.field(name, source.named, rule.taxonomy), {})
        view = View(event)
        said = []
        for name, detection in rule.detection.detections.items():
            node = translator.node(detection.postprocess(rule.detection))
            lacks = list(_lacks(node, view))
            more = f" (and {len(lacks) - _MOST} more)" if len(lacks) > _MOST else ""
            said.append(f"{name}: " + (f"does not hold: {'; '.join(lacks[:_MOST])}{more}" if lacks else "holds"))
        return (*said, f"condition: {' | '.join(rule.detection.condition)}")
    except (SigmaError, ValueError, TypeError, AttributeError, KeyError) as error:  # a rule is foreign input
        return (f"it cannot be taken apart: {error}",)


def _lacks(node: Node, view: View) -> Iterator[str]:
    """What keeps a node from holding; nothing when it holds."""
    if compile_node(node)(view):
        return
    if isinstance(node, And):
        for item in node.items:
            yield from _lacks(item, view)
    elif isinstance(node, Or):
        leaves = [item for item in node.items if isinstance(item, Leaf)]
        if len(leaves) == len(node.items) and len({leaf.field for leaf in leaves}) == 1:
            wanted = ", ".join(_quoted(leaf.data) for leaf in leaves[:_VALUES])
            more = f" or {len(leaves) - _VALUES} more" if len(leaves) > _VALUES else ""
            yield f"{_named(leaves[0])} is none of {wanted}{more}; {_has(leaves[0], view)}"
        else:
            yield "none of these: " + " / ".join(next(iter(_lacks(item, view)), "") for item in node.items[:_VALUES])
    elif isinstance(node, Not):
        yield "what it excludes holds"
    else:
        yield f"{_named(node)} is not {_quoted(node.data)}; {_has(node, view)}"


def _named(leaf: Leaf) -> str:
    if leaf.field is None:
        return "any value"
    kind = "" if leaf.kind == "equals" else f"|{leaf.kind}"
    return f"{leaf.field.name}{kind}"


def _has(leaf: Leaf, view: View) -> str:
    if leaf.field is None:
        return "no value of the event is"
    values = view.texts(leaf.field)
    if not values:
        return "the event has no such field"
    return f"the event has {', '.join(map(_quoted, values[:_VALUES]))}"


def _quoted(value: Any) -> str:
    text = (
        "".join(part.removeprefix("=") for part in value)
        if isinstance(value, tuple) and all(isinstance(part, str) for part in value)
        else str(value)
    )
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")
