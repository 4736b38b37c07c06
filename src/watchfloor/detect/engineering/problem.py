"""What a check of a rule finds: where, how bad, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import yaml

from watchfloor.detect.engineering.documents import Place, RuleDocument

Level = Literal["error", "warning"]


class Problem(NamedTuple):
    """`check` names the check. An error keeps the rule from working; a warning does not."""

    place: Place
    check: str
    level: Level
    what: str
    do: str
    rule: str = ""

    def as_dict(self) -> dict[str, str | int]:
        return {
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "check": self.check,
            "level": self.level,
            "rule_id": self.rule,
            "what": self.what,
            "do": self.do,
        }


Check = Callable[[RuleDocument], Iterator[Problem]]


def error(rule: RuleDocument, node: yaml.Node | None, check: str, what: str, do: str) -> Problem:
    return Problem(rule.place(node), check, "error", what, do, rule.value("id"))


def warning(rule: RuleDocument, node: yaml.Node | None, check: str, what: str, do: str) -> Problem:
    return Problem(rule.place(node), check, "warning", what, do, rule.value("id"))
