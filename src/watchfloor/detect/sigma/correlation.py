"""Correlation rules (Sigma correlation specification 2.1), compiled: what refers to what, what is read of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from watchfloor.core.finding import Severity
from watchfloor.detect.sigma.entries import ParsedCorrelation
from watchfloor.detect.sigma.expressions import Term, terms_of
from watchfloor.detect.sigma.fields import Field, FieldNames
from watchfloor.detect.sigma.nodes import UnsupportedError
from watchfloor.detect.sigma.rules import Rule, RuleProblem

MOST_COUNTED = 10_000
"""Events that are kept of one group; a rule that needs more could never match, and is refused."""
_MOST_RULES, _MOST_GROUP_BY, _MOST_PATHS, _DEEPEST = 64, 16, 256, 32
_ORDERED = ("temporal_ordered",)
TEMPORAL = ("temporal", "temporal_ordered")
NUMERIC = ("value_sum", "value_avg", "value_percentile", "value_median")
_RISING = ("event_count", "value_count", "value_sum", *TEMPORAL)

Bound = tuple[str, int | float]


@dataclass(frozen=True)
class Correlation:
    """A compiled correlation rule. `rules` are the uids of what it refers to, in order; `span` is in ms.

    `bounds` are operators and figures that must all hold; `terms`, where there are any, an extended condition.
    """

    uid: str
    title: str
    file: str
    name: str
    severity: Severity
    kind: str
    rules: tuple[str, ...]
    titles: tuple[str, ...]
    group_by: tuple[str, ...]
    span: int
    bounds: tuple[Bound, ...]
    fields: tuple[str, ...]
    percentile: int
    terms: tuple[Term, ...]
    generate: bool
    aliases: Mapping[str, Mapping[str, str]]
    paths: int
    """In how many ways it stands over single rules."""
    description: str = ""
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    digest: str = ""
    modified: str = ""

    @property
    def family(self) -> str:
        return f"sigma/correlation/{self.kind}"

    @property
    def ordered(self) -> bool:
        return self.kind in _ORDERED

    @property
    def wants_all(self) -> bool:
        """Whether each of its rules must have matched."""
        return self.kind in TEMPORAL and ("gte", len(self.rules)) in self.bounds

    @property
    def eager(self) -> bool:
        """Whether a further event can only bring the rule nearer to a match, so that it need not wait for more.

        A sum counts as such: amounts are not under zero. Where one is, what was found before stands.
        """
        if self.terms:
            return not any(term.absent for term in self.terms)
        return self.kind in _RISING and all(op in ("gt", "gte") for op, _ in self.bounds)


class Reader(NamedTuple):
    """What one correlation reads of an event: its group-by fields and the fields of its condition."""

    keys: tuple[Field, ...]
    values: tuple[Field, ...]


class Feed(NamedTuple):
    """A rule counts for a correlation at the place `ref`; `up` are the correlations over that, by path (see `step`)."""

    correlation: str
    ref: int
    reader: Reader
    up: tuple[tuple[str, Reader], ...]


class Correlations(NamedTuple):
    """Correlations, each after those that it refers to, and what single rules feed.

    `over` tells, for a correlation, which others refer to it and at which place; `silent` are the uids of rules and
    correlations that raise nothing by themselves.
    """

    rules: tuple[Correlation, ...]
    feeds: Mapping[str, tuple[Feed, ...]]
    over: Mapping[str, tuple[tuple[str, int], ...]]
    silent: frozenset[str]


def compiled(
    parsed: Sequence[ParsedCorrelation], rules: Sequence[Rule], names: FieldNames
) -> tuple[Correlations, list[RuleProblem]]:
    """Compile correlations over these rules. What refers to something absent, or to itself, is a problem."""
    problems: list[RuleProblem] = []
    book = _Book(rules)
    for one in parsed:
        first = book.add(one)
        if first is not None:
            problems.append(RuleProblem(one.file, one.title, f"has the id of {first}, which counts"))
    done: dict[str, Correlation] = {}
    failed: dict[str, str] = {}
    for uid in book.correlations:
        _compile(uid, book, done, failed, ())
    problems += [RuleProblem(book.correlations[u].file, book.correlations[u].title, why) for u, why in failed.items()]
    by_uid = {rule.uid: rule for rule in rules}
    over: dict[str, list[tuple[str, int]]] = {}
    for each in done.values():
        for ref, uid in enumerate(each.rules):
            over.setdefault(uid, []).append((each.uid, ref))
    feeds: dict[str, tuple[Feed, ...]] = {}
    for uid in over.keys() & by_uid.keys():
        feeds[uid] = tuple(_feeds(by_uid[uid], done, over, names))
    silent = frozenset(uid for each in done.values() if not each.generate for uid in each.rules)
    above = {uid: tuple(some) for uid, some in over.items() if uid in done}
    return Correlations(tuple(done.values()), feeds, above, silent), problems


class _Book:
    """Finds rules by id and name; a name in the same file comes first."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = {rule.uid: rule for rule in rules}
        self.correlations: dict[str, ParsedCorrelation] = {}
        self._names: dict[str, dict[str, str]] = {}
        for rule in rules:
            self._name(rule.name, rule.file, rule.uid)

    def _name(self, name: str, file: str, uid: str) -> None:
        if name:
            self._names.setdefault(name, {}).setdefault(file, uid)

    def add(self, one: ParsedCorrelation) -> str | None:
        """The file of another one with this id, or None."""
        if one.uid in self.rules:
            return self.rules[one.uid].file
        first = self.correlations.setdefault(one.uid, one)
        if first is not one:
            return first.file
        self._name(one.name, one.file, one.uid)
        return None

    def find(self, reference: str, file: str) -> str:
        """The uid that a reference means. Raises UnsupportedError."""
        if reference in self.rules or reference in self.correlations:
            return reference
        named = self._names.get(reference, {})
        if file in named:
            return named[file]
        if len(named) > 1:
            raise UnsupportedError(f"refers to {reference!r}, which is the name of several rules: give the id")
        if not named:
            raise UnsupportedError(f"refers to {reference!r}, and no rule that loads has this id or name")
        return next(iter(named.values()))


def _compile(
    uid: str, book: _Book, done: dict[str, Correlation], failed: dict[str, str], above: tuple[str, ...]
) -> None:
    """Compile one after all that it refers to."""
    if uid in done or uid in failed:
        return
    one = book.correlations[uid]
    try:
        refs = [_below(book.find(reference, one.file), book, done, failed, (*above, uid)) for reference in one.wanted]
        done[uid] = _correlation(one, refs, book, done)
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # a rule is foreign input
        failed[uid] = str(error)


def _below(ref: str, book: _Book, done: dict[str, Correlation], failed: dict[str, str], above: tuple[str, ...]) -> str:
    """What a correlation refers to, compiled. Raises UnsupportedError."""
    if ref in above:
        raise UnsupportedError("refers to itself")
    if len(above) > _DEEPEST:
        raise UnsupportedError(f"more than {_DEEPEST} correlations over each other")
    if ref in book.correlations:
        _compile(ref, book, done, failed, above)
        if ref in failed:
            raise UnsupportedError(f"refers to {book.correlations[ref].title!r}, which does not load")
    return ref


def _correlation(one: ParsedCorrelation, refs: list[str], book: _Book, done: Mapping[str, Correlation]) -> Correlation:
    below = [done.get(ref) or book.rules[ref] for ref in refs]
    if len(refs) > _MOST_RULES or len(one.group_by) > _MOST_GROUP_BY:
        raise UnsupportedError(f"more than {_MOST_RULES} rules or {_MOST_GROUP_BY} fields to group by")
    paths = sum(done[ref].paths if ref in done else 1 for ref in refs)
    if paths > _MOST_PATHS:
        raise UnsupportedError(f"more than {_MOST_PATHS} ways through correlations to single rules")
    terms: tuple[Term, ...] = ()
    if one.expression is not None:
        terms = terms_of(one.expression, {name: n for n, name in enumerate(one.wanted)})
    else:
        _check(one)
    return Correlation(
        uid=one.uid,
        title=one.title or "untitled",
        file=one.file,
        name=one.name,
        severity=Severity[one.severity] if one.severity else max(b.severity for b in below),
        kind=one.kind,
        rules=tuple(refs),
        titles=tuple(b.title for b in below),
        group_by=one.group_by,
        span=one.span,
        bounds=one.bounds,
        fields=one.fields,
        percentile=50 if one.percentile is None else one.percentile,
        terms=terms,
        generate=one.generate,
        aliases={alias: {book.find(ref, one.file): field for ref, field in of} for alias, of in one.aliases},
        paths=paths,
        description=one.description,
        false_positives=one.false_positives,
        references=one.references,
        techniques=one.techniques or tuple(dict.fromkeys(t for b in below for t in b.techniques)),
        tactics=one.tactics or tuple(dict.fromkeys(t for b in below for t in b.tactics)),
        digest=one.digest,
        modified=one.modified,
    )


def _check(one: ParsedCorrelation) -> None:
    """Raises UnsupportedError for bounds that can never hold, or a condition that says too little."""
    if one.kind == "value_percentile" and (one.percentile is None or not 0 <= one.percentile <= 100):
        raise UnsupportedError("value_percentile needs a `percentile` from 0 to 100")
    if one.kind in NUMERIC and len(one.fields) != 1:
        raise UnsupportedError(f"{one.kind} needs one `field`")
    rising = (bound for op, bound in one.bounds if op in ("gt", "gte"))
    if one.kind in ("event_count", "value_count") and any(bound > MOST_COUNTED for bound in rising):
        raise UnsupportedError(f"asks for more than the {MOST_COUNTED:,} events that are kept of a group")


_Step = tuple[Correlation, int]


def _feeds(
    rule: Rule, done: Mapping[str, Correlation], over: Mapping[str, Sequence[tuple[str, int]]], names: FieldNames
) -> Iterator[Feed]:
    """What a rule feeds, and for each, all paths up from there."""
    for uid, ref in over[rule.uid]:
        first = (done[uid], ref)
        up: dict[str, Reader] = {}
        open_: list[tuple[str, tuple[_Step, ...]]] = [("", (first,))]
        while open_:
            path, chain = open_.pop()
            for outer, place in over.get(chain[0][0].uid, ()):
                further = (f"{path}/{outer}:{place}", ((done[outer], place), *chain))
                up[further[0]] = _reader(rule, further[1], names)
                open_.append(further)
        yield Feed(uid, ref, _reader(rule, (first,), names), tuple(up.items()))


def _reader(rule: Rule, chain: tuple[_Step, ...], names: FieldNames) -> Reader:
    """The fields of a rule's event that the first correlation of the chain reads, through all aliases on the way."""

    def field(name: str) -> Field:
        for correlation, ref in chain:
            name = correlation.aliases.get(name, {}).get(correlation.rules[ref], name)
        return names.field(name, rule.logsource.named, rule.taxonomy)

    top = chain[0][0]
    return Reader(tuple(map(field, top.group_by)), tuple(map(field, top.fields)))
