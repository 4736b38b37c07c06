"""Rule files -> entries: what pySigma reads, as our own plain data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
import yaml
from sigma.exceptions import SigmaConditionError, SigmaDetectionError, SigmaError, SigmaLogsourceError
from sigma.filters import SigmaFilter
from sigma.modifiers import SigmaWideModifier, modifier_mapping
from sigma.rule import SigmaLevel, SigmaRule

from watchfloor.core.noun import digest_of
from watchfloor.detect.sigma.conditions import Placeholders, Translator
from watchfloor.detect.sigma.described import described
from watchfloor.detect.sigma.entries import CompiledRule, FileEntry, ParsedCorrelation, Remark
from watchfloor.detect.sigma.fields import FieldNames
from watchfloor.detect.sigma.logsource import LogSource
from watchfloor.detect.sigma.matchers import text_test
from watchfloor.detect.sigma.nodes import Or, leaves_of, written
from watchfloor.detect.sigma.parsed import parse
from watchfloor.detect.sigma.policy import POLICY
from watchfloor.detect.sigma.regex import FALLBACK_TEXT, needs_fallback
from watchfloor.detect.sigma.versions import digest_of_rule, modified_of
from watchfloor.detect.sigma.yaml_documents import documents_in

# The specification's name for what pySigma only knows by its older alias.
modifier_mapping.setdefault("utf16le", SigmaWideModifier)


class Documents(NamedTuple):
    """A file's YAML documents, or why it has none."""

    found: tuple[Any, ...] = ()
    problem: str = ""

    @property
    def filters(self) -> bool:
        """Whether there are filters among them."""
        return any(map(_is_filter, self.found))


class NamedFilter(NamedTuple):
    """A filter and its file."""

    file: str
    filter: SigmaFilter


def documents(text: bytes) -> Documents:
    """The YAML documents of a file."""
    try:
        return Documents(tuple(documents_in(text)))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        return Documents(problem="not valid YAML: " + " ".join(str(error).split()))


def filters_of(file: str, given: Documents) -> list[NamedFilter]:
    """The filters among documents; what is wrong with one is told when its file is compiled."""
    found = []
    for data in given.found:
        if _is_filter(data):
            try:
                found.append(NamedFilter(file, SigmaFilter.from_dict(data, policy=POLICY)))
            except Exception:  # noqa: S112 - see compiled
                continue
    return found


class Compiler:
    """Compiles files under the same filters and placeholders."""

    def __init__(
        self, names: FieldNames, placeholders: Placeholders, filters: Sequence[NamedFilter], context: str
    ) -> None:
        self._names, self._placeholders = names, placeholders
        self._filters, self._context = filters, context

    def compiled(self, given: Documents) -> FileEntry:
        """The entry of a file. A rule that does not load is among its problems."""
        rules: list[CompiledRule] = []
        correlations: list[ParsedCorrelation] = []
        problems: list[Remark] = []
        if given.problem:
            problems.append(Remark("", given.problem))
        for data in given.found:
            title = str(data.get("title") or "") if isinstance(data, dict) else ""
            try:
                if isinstance(data, dict) and "correlation" in data:
                    found, remarks = parse(data)
                    correlations.append(found)
                    problems += remarks
                elif _is_filter(data):
                    SigmaFilter.from_dict(data, policy=POLICY)
                elif isinstance(data, dict) and "detection" in data:
                    rules += self._compiled(_parsed(data, problems), problems)
                else:
                    reason = "not a Sigma rule: no detection, correlation or filter"
                    problems.append(Remark(title, reason, fatal=False))
            except Exception as error:  # a rule is foreign input; whatever pySigma trips over is that rule's problem
                problems.append(Remark(title, f"{type(error).__name__}: {error}"))
        return FileEntry(self._context, given.filters, tuple(rules), tuple(correlations), tuple(problems))

    def _compiled(self, rule: SigmaRule, problems: list[Remark]) -> list[CompiledRule]:
        for file, each in self._filters:
            try:
                each.apply_on_rule(rule)
            except SigmaError as error:
                problems.append(Remark(str(each.title or ""), str(error), file=file))
        of = rule.logsource
        source = LogSource(of.product or "", of.category or "", of.service or "")
        title = str(rule.title or "")
        named = source.named
        field = cache(lambda name: self._names.field(name, named, rule.taxonomy))
        translator = Translator(field, self._placeholders)
        try:
            nodes = [translator.node(condition.parsed) for condition in rule.detection.parsed_condition]
            node = nodes[0] if len(nodes) == 1 else Or(tuple(nodes))
            patterns = [leaf for leaf in leaves_of(node) if leaf.kind == "regex"]
            for leaf in patterns:
                text_test(leaf)
            tree = msgspec.Raw(msgspec.msgpack.encode(written(node)))
        except Exception as error:  # as above: pySigma parses conditions only now
            problems.append(Remark(title, str(error)))
            return []
        if any(needs_fallback(leaf.data) for leaf in patterns):
            reason = f"RE2 cannot read its regular expression, so Python's re reads {FALLBACK_TEXT} characters"
            problems.append(Remark(title, f"loaded; {reason}", fatal=False))
        compiled = CompiledRule(
            uid=str(rule.id or rule.custom_attributes["uid"]),
            title=str(rule.title or "untitled"),
            # A level that is none is told of as a remark; pySigma leaves its text there.
            severity=rule.level.name.lower() if isinstance(rule.level, SigmaLevel) else "unknown",
            logsource=(source.product, source.category, source.service),
            node=tree,
            name=str(rule.name or ""),
            taxonomy=rule.taxonomy,
            digest=rule.custom_attributes["digest"],
            modified=rule.custom_attributes["modified"],
            tested=rule.custom_attributes["tested"],
            **described(rule),
        )
        return [compiled]


def _is_filter(data: Any) -> bool:
    return isinstance(data, dict) and "filter" in data and "correlation" not in data


def _tested(data: dict[str, Any]) -> bool:
    tests = data.get("tests")
    return isinstance(tests, dict) and all(isinstance(tests.get(k), list) and tests[k] for k in ("match", "no_match"))


def _parsed(data: dict[str, Any], problems: list[Remark]) -> SigmaRule:
    rule = SigmaRule.from_dict(data, collect_errors=True, policy=POLICY)
    if not rule.id:  # what it says is its id; taken now, before filters add to it
        rule.custom_attributes["uid"] = digest_of(repr((rule.title, data["detection"])).encode())
    rule.custom_attributes |= {"digest": digest_of_rule(data), "modified": modified_of(data), "tested": _tested(data)}
    for error in rule.errors:
        if isinstance(error, SigmaDetectionError | SigmaConditionError | SigmaLogsourceError):
            raise error
    if rule.errors and not rule.detection.detections:
        raise rule.errors[-1]
    problems += [Remark(str(rule.title or ""), f"loaded, but: {error}", fatal=False) for error in rule.errors]
    return rule
