"""Asking: which subjects of a case a question is put to, and with what look-up. Bounded and deterministic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple

from watchfloor.core.attack import tactic
from watchfloor.core.case import Case
from watchfloor.core.context import Context
from watchfloor.core.entity import Entity
from watchfloor.core.evidence import Lookup
from watchfloor.core.finding import Finding
from watchfloor.core.noun import canonical
from watchfloor.core.question import Asked, Question
from watchfloor.triage.case_facts import case_digest
from watchfloor.triage.principals import stands_for_nobody
from watchfloor.triage.templates import (
    FROM_EVIDENCE,
    fill_query,
    placeholders,
    required,
    words,
)

Facets = Mapping[str, Mapping[str, Any]]


class Form(NamedTuple):
    """A question with what asking it needs whatever the case, worked out once for all cases."""

    question: Question
    kind: str
    role: str
    names: tuple[str, ...]
    """Placeholders of the query that tell one subject from another."""
    needed: tuple[int, ...]
    """Those of `names`, by place, that must have a value."""
    in_claims: tuple[str, ...]
    """Placeholders of the claims that are known when the question is asked."""
    tactics: frozenset[str]

    @classmethod
    def of(cls, question: Question) -> Form:
        kind, _, role = question.about.partition(":")
        names = tuple(dict.fromkeys(n for n in placeholders(question.query) if n not in ("first", "last")))
        in_claims = {n for option in question.answers for n in placeholders(option.claim)}
        return cls(
            question=question,
            kind=kind,
            role=role,
            names=names,
            needed=tuple(names.index(n) for n in dict.fromkeys(required(question.query)) if n in names),
            in_claims=tuple(n for n in sorted(in_claims) if not n.startswith(FROM_EVIDENCE)),
            tactics=frozenset(map(tactic, question.asks.tactics)),
        )


class _Subject:
    """One finding, and the entity of it that is asked about (None when the finding or the case is)."""

    __slots__ = ("entity", "finding", "key", "role", "values")

    def __init__(self, finding: Finding, entity: Entity | None = None, role: str = "") -> None:
        self.finding, self.entity, self.role = finding, entity, role
        self.key = entity.key if entity else ""
        self.values: dict[str, Any] = {}
        """What placeholders stand for, hashable: most questions use the same few."""


class _Row(NamedTuple):
    """A finding with what every question looks at."""

    finding: Finding
    facets: Mapping[str, Any]
    tactics: frozenset[str]
    whole: _Subject
    entities: tuple[_Subject, ...]


class Asker:
    """Puts questions about one case. `facets` maps event uids to their facets."""

    def __init__(self, case: Case, findings: Sequence[Finding], facets: Facets, context: Context, as_of: int) -> None:
        self._case, self._facets, self._context, self._as_of = case, facets, context, as_of
        self._resolved: dict[str, Entity] = {}
        repeats = Counter(f.detection.uid for f in findings)
        ordered = sorted(findings, key=lambda f: (-f.severity, repeats[f.detection.uid], f.time, f.uid))
        self._rows = [self._row(finding) for finding in ordered]
        self._times = (min(f.time for f in findings), max(f.time for f in findings)) if findings else (0, 0)

    def ask(self, form: Form) -> list[Asked]:
        """A question put to its subjects, the most telling first; `left_out` says how many more there were."""
        groups: dict[Any, list[_Subject]] = {}
        for subject in self._subjects(form):
            values = self._values(form, subject)
            if any(values[index] is None for index in form.needed):
                continue
            groups.setdefault((subject.key, values), []).append(subject)
        chosen: dict[str, Asked] = {}
        skipped = 0
        for subjects in groups.values():
            if len(chosen) >= form.question.most:
                skipped += 1
                continue
            asked = self._asked(form, subjects)
            chosen.setdefault(f"{asked.about}|{asked.lookup.uid}", asked)
        return [a.model_copy(update={"left_out": skipped}) if skipped else a for a in chosen.values()]

    def _row(self, finding: Finding) -> _Row:
        entities = ((self._resolve(i.entity), i.role) for i in finding.involved)
        return _Row(
            finding=finding,
            facets=self._facets.get(finding.event_uid, {}),
            tactics=frozenset(map(tactic, finding.tactics)),
            whole=_Subject(finding),
            entities=tuple(
                _Subject(finding, entity, role)
                for entity, role in entities
                if entity.type != "user" or not stands_for_nobody(entity.value)
            ),
        )

    def _subjects(self, form: Form) -> Iterator[_Subject]:
        for row in self._rows:
            if not _selected(form, row):
                continue
            if form.kind == "case":
                yield row.whole
                return
            if form.kind == "finding":
                yield row.whole
                continue
            for subject in row.entities:
                if subject.entity and subject.entity.type == form.kind and form.role in ("", subject.role):
                    yield subject

    def _values(self, form: Form, subject: _Subject) -> tuple[Any, ...]:
        have = subject.values
        if missing := [name for name in form.names if name not in have]:
            value_of = self._namer(subject)
            have.update((name, _hashable(value_of(name))) for name in missing)
        return tuple([have[name] for name in form.names])

    def _resolve(self, entity: Entity) -> Entity:
        found = self._resolved.get(entity.key)
        if found is None:
            found = self._resolved[entity.key] = self._context.resolve(entity)
        return found

    def _asked(self, form: Form, subjects: Sequence[_Subject]) -> Asked:
        question, subject = form.question, subjects[0]
        times = [s.finding.time for s in subjects]
        names = self._namer(subject, min(times), max(times))
        query = fill_query(question.query, names)
        as_of = {
            "case": self._case.time,
            "finding": subject.finding.time,
            "end": self._case.last_time + 1,
            "now": self._as_of,
        }[question.as_of]
        if question.about == "case":
            about = self._case.uid
        else:
            about = subject.entity.key if subject.entity else subject.finding.uid
        lookup = Lookup(tenant=self._case.tenant, collector=question.collector, query=query, as_of=as_of)
        values = {name: words(names(name)) for name in form.in_claims}
        return Asked(question=question.id, about=about, lookup=lookup, values=values)

    def _namer(self, subject: _Subject, first: int = 0, last: int = 0) -> Callable[[str], Any]:
        """What a placeholder stands for. For a case, `first` and `last` span the whole of it."""
        if not first and subject.entity is None:
            first, last = self._times
        finding = subject.finding
        facets = self._facets.get(finding.event_uid, {})

        def value_of(name: str) -> Any:
            head, _, rest = name.partition(".")
            if head == "facet":
                return facets.get(rest)
            if head == "finding":
                return _attribute(finding, rest)
            if head == "case":
                return case_digest(self._case) if rest == "digest" else _attribute(self._case, rest)
            if head == "entity" and subject.entity is not None:
                return getattr(subject.entity, rest) if rest else subject.entity.value
            if head == "spellings" and subject.entity is not None:
                return self._spellings(subject)
            if name == "person":
                user = facets.get("user")
                return None if user is None or stands_for_nobody(user) else user
            return {"first": first, "last": last}.get(name)

        return value_of

    def _spellings(self, subject: _Subject) -> list[str]:
        entity = subject.entity
        if entity is None:
            return []
        raw = (i.entity for i in subject.finding.involved if self._resolve(i.entity) == entity)
        known = {s for e in (entity, *raw) for s in (e.value, *self._context.spellings(e))}
        return sorted(known)


def _selected(form: Form, row: _Row) -> bool:
    asks, finding = form.question.asks, row.finding
    if asks.layers and finding.layer not in asks.layers:
        return False
    if asks.kinds and finding.detection.kind not in asks.kinds:
        return False
    if asks.standings and finding.standing not in asks.standings:
        return False
    if form.tactics and not form.tactics & row.tactics:
        return False
    detection = finding.detection
    if asks.detections and not any(
        _globbed(text, asks.detections) for text in (detection.uid, detection.family, detection.title)
    ):
        return False
    have = row.facets
    if any(have.get(name) is None for name in asks.facets):
        return False
    return all(have.get(name) is not None and _globbed(str(have[name]), globs) for name, globs in asks.where.items())


def _attribute(noun: Any, path: str) -> Any:
    for part in path.split("."):
        noun = getattr(noun, part, None)
    return list(noun) if isinstance(noun, tuple) else noun


def _hashable(value: Any) -> Any:
    return canonical(value) if isinstance(value, (list, dict)) else value


@lru_cache(maxsize=65536)
def _globbed(text: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text.lower(), glob.lower()) for glob in globs)
