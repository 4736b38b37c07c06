"""What rules and correlations say of themselves, out of what pySigma has read."""

from __future__ import annotations

from typing import Any

from sigma.rule import SigmaRuleBase


def described(rule: SigmaRuleBase) -> dict[str, Any]:
    """Description, false positives, references, techniques, tactics."""
    attack = [tag.name for tag in rule.tags if tag.namespace == "attack"]
    return {
        "description": str(rule.description or ""),
        "false_positives": _strings(rule.falsepositives),
        "references": _strings(rule.references),
        "techniques": tuple(dict.fromkeys(name.upper() for name in attack if _is_technique(name))),
        "tactics": tuple(dict.fromkeys(name.replace("_", "-") for name in attack if _is_tactic(name))),
    }


def _strings(value: Any) -> tuple[str, ...]:
    """A list's items; one text where a list should be is one item."""
    return tuple(map(str, value if isinstance(value, list) else [value]))


def _is_technique(name: str) -> bool:
    return name[:1].lower() == "t" and name[1:2].isdigit()


def _is_tactic(name: str) -> bool:
    return not (name[:1].lower() in "tgs" and name[1:2].isdigit())
