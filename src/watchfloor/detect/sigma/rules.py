"""Rules from files, folders and zips. What does not load is listed with file and reason and stops nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sigma.exceptions import SigmaConditionError, SigmaDetectionError, SigmaError, SigmaLogsourceError
from sigma.filters import SigmaFilter
from sigma.modifiers import SigmaWideModifier, modifier_mapping
from sigma.rule import SigmaLevel, SigmaRule, SigmaRuleBase
from sigma.rule.base import SigmaYAMLLoader

from watchfloor.core.finding import Severity
from watchfloor.core.noun import digest_of
from watchfloor.detect.sigma.conditions import Placeholders, Translator
from watchfloor.detect.sigma.fields import FieldNames
from watchfloor.detect.sigma.files import rule_files
from watchfloor.detect.sigma.logsource import LogSource
from watchfloor.detect.sigma.matchers import Test, compile_node
from watchfloor.detect.sigma.nodes import Node, Or, leaves_of
from watchfloor.detect.sigma.parsed import ParsedCorrelation, parse
from watchfloor.detect.sigma.regex import FALLBACK_TEXT, POLICY, needs_fallback
from watchfloor.detect.sigma.versions import digest_of_rule, modified_of

# The specification's name for what pySigma only knows by its older alias.
modifier_mapping.setdefault("utf16le", SigmaWideModifier)


@dataclass(frozen=True)
class RuleProblem:
    """A rule that did not load (`fatal`), or loaded and has something to mend."""

    file: str
    title: str
    reason: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.file}: {self.title or 'untitled'}: {self.reason}"


@dataclass(frozen=True)
class Rule:
    """A compiled rule: what findings say of it, where it applies, and its test."""

    uid: str
    title: str
    file: str
    severity: Severity
    logsource: LogSource
    node: Node
    test: Test
    description: str = ""
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    name: str = ""
    """What correlations may call it."""
    taxonomy: str = "sigma"
    digest: str = ""
    """Of what it says, filters aside (`versions`)."""
    modified: str = ""


class Loader:
    """Loads rules; `rules`, `correlations` and `problems` grow with each `load`."""

    def __init__(self, names: FieldNames, placeholders: Placeholders) -> None:
        self._names, self._placeholders = names, placeholders
        self.rules: list[Rule] = []
        self.correlations: list[ParsedCorrelation] = []
        self.problems: list[RuleProblem] = []

    def load(self, paths: Sequence[Path]) -> None:
        """Load every rule of the files, folders and zips; filters apply to the rules that are loaded with them."""
        parsed: list[tuple[str, SigmaRule]] = []
        filters: list[tuple[str, SigmaFilter]] = []
        for path in paths:
            for file, text, problem in rule_files(path):
                if problem:
                    self._problem(file, "", problem)
                for data in self._documents(file, text):
                    self._parse(file, data, parsed, filters)
        for file, each in filters:
            for _, rule in parsed:
                try:
                    each.apply_on_rule(rule)
                except SigmaError as error:
                    self._problem(file, each.title, str(error))
        for file, rule in parsed:
            self._compile(file, rule)

    def _problem(self, file: str, title: Any, reason: str, *, fatal: bool = True) -> None:
        self.problems.append(RuleProblem(file, str(title or ""), reason, fatal))

    def _documents(self, file: str, text: bytes) -> list[Any]:
        try:
            return [data for data in yaml.load_all(text, Loader=SigmaYAMLLoader) if data is not None]
        except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
            self._problem(file, "", "not valid YAML: " + " ".join(str(error).split()))
            return []

    def _parse(
        self, file: str, data: Any, rules: list[tuple[str, SigmaRule]], filters: list[tuple[str, SigmaFilter]]
    ) -> None:
        title = data.get("title") if isinstance(data, dict) else ""
        try:
            if isinstance(data, dict) and "correlation" in data:
                self._correlation(file, data)
            elif isinstance(data, dict) and "filter" in data:
                filters.append((file, SigmaFilter.from_dict(data, policy=POLICY)))
            elif isinstance(data, dict) and "detection" in data:
                rules.append((file, self._rule(file, data)))
            else:
                self._problem(file, title, "not a Sigma rule: no detection, correlation or filter", fatal=False)
        except Exception as error:  # a rule is foreign input; whatever pySigma trips over is that rule's problem
            self._problem(file, title, f"{type(error).__name__}: {error}")

    def _correlation(self, file: str, data: dict[str, Any]) -> None:
        found = parse(file, data)
        self.correlations.append(found)
        for remark in found.remarks:
            self._problem(file, found.title, f"loaded, but: {remark}", fatal=False)

    def _rule(self, file: str, data: dict[str, Any]) -> SigmaRule:
        rule = SigmaRule.from_dict(data, collect_errors=True, policy=POLICY)
        if not rule.id:  # what it says is its id; taken now, before filters add to it
            rule.custom_attributes["uid"] = digest_of(repr((rule.title, data["detection"])).encode())
        rule.custom_attributes |= {"digest": digest_of_rule(data), "modified": modified_of(data)}
        for error in rule.errors:
            if isinstance(error, SigmaDetectionError | SigmaConditionError | SigmaLogsourceError):
                raise error
        if rule.errors and not rule.detection.detections:
            raise rule.errors[-1]
        for error in rule.errors:
            self._problem(file, rule.title, f"loaded, but: {error}", fatal=False)
        return rule

    def _compile(self, file: str, rule: SigmaRule) -> None:
        source = LogSource(rule.logsource.product or "", rule.logsource.category or "", rule.logsource.service or "")
        translator = Translator(lambda name: self._names.field(name, source.named, rule.taxonomy), self._placeholders)
        try:
            nodes = [translator.node(condition.parsed) for condition in rule.detection.parsed_condition]
            node = nodes[0] if len(nodes) == 1 else Or(tuple(nodes))
            test = compile_node(node)
        except Exception as error:  # as above: pySigma parses conditions only now
            self._problem(file, rule.title, str(error))
            return
        if any(leaf.kind == "regex" and needs_fallback(leaf.data) for leaf in leaves_of(node)):
            self._problem(
                file,
                rule.title,
                f"loaded; RE2 cannot read its regular expression, so Python's re reads {FALLBACK_TEXT} characters",
                fatal=False,
            )
        self.rules.append(_described(file, rule, source, node, test))


def _described(file: str, rule: SigmaRule, source: LogSource, node: Node, test: Test) -> Rule:
    return Rule(
        uid=str(rule.id or rule.custom_attributes["uid"]),
        title=str(rule.title or "untitled"),
        file=file,
        # A level that is none is told of as a remark; pySigma leaves its text there.
        severity=Severity[rule.level.name.lower()] if isinstance(rule.level, SigmaLevel) else Severity.unknown,
        logsource=source,
        node=node,
        test=test,
        name=str(rule.name or ""),
        taxonomy=rule.taxonomy,
        digest=rule.custom_attributes["digest"],
        modified=rule.custom_attributes["modified"],
        **described(rule),
    )


def described(rule: SigmaRuleBase) -> dict[str, Any]:
    """What rules and correlations say of themselves: description, false positives, references, techniques, tactics."""
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
