"""Asking: which subjects of a case a question is put to, and with what look-up. Bounded and deterministic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from watchfloor.core.question import Asked, Question, Selector
from watchfloor.triage.case_facts import case_digest
from watchfloor.triage.principals import stands_for_nobody
from watchfloor.triage.templates import (
    FROM_EVIDENCE,
    Fill,
    placeholders,
    query_filler,
    required,
    words,
)

Facets = Mapping[str, Mapping[str, Any]]
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,7}\b", re.IGNORECASE)
_NAMING_CVE = ("signature", "url", "cmd_line", "file_name")


class Form(NamedTuple):
    """Questions that ask the same subjects with the same look-up, with what asking them needs whatever the case.

    Most of a catalogue reads the same few answers: subjects and look-ups are found once for all of a form's questions.
    """

    questions: tuple[Question, ...]
    kind: str
    role: str
    names: tuple[str, ...]
    """Placeholders of the query that tell one subject from another."""
    needed: tuple[int, ...]
    """Those of `names`, by place, that must have a value."""
    in_claims: tuple[tuple[str, ...], ...]
    """Of each question, placeholders of its claims that are known when it is asked."""
    spoken: frozenset[str]
    """All of `in_claims`."""
    choice: int
    """Which of the catalogue's selectors."""
    fill: Fill

    @property
    def question(self) -> Question:
        """One of them, for what they all have alike."""
        return self.questions[0]


class Choice(NamedTuple):
    """A selector, ready to be tried on findings."""

    asks: Selector
    tactics: frozenset[str]
    where: tuple[tuple[str, tuple[str, ...]], ...]


class Forms(NamedTuple):
    """All questions of a catalogue, made ready."""

    forms: tuple[Form, ...]
    choices: tuple[Choice, ...]

    @classmethod
    def of(cls, questions: Iterable[Question]) -> Forms:
        choices: dict[bytes, int] = {}
        alike: dict[tuple[Any, ...], list[Question]] = {}
        selectors: list[Selector] = []
        for question in questions:
            asks = question.asks.canonical()
            if asks not in choices:
                choices[asks] = len(selectors)
                selectors.append(question.asks)
            same = (question.about, question.collector, canonical(question.query), question.as_of, question.most)
            alike.setdefault((choices[asks], *same), []).append(question)
        return cls(
            tuple(_form(many, choice) for (choice, *_), many in alike.items()),
            tuple(Choice(s, frozenset(map(tactic, s.tactics)), tuple(s.where.items())) for s in selectors),
        )


def _form(questions: Sequence[Question], choice: int) -> Form:
    query = questions[0].query
    kind, _, role = questions[0].about.partition(":")
    names = tuple(dict.fromkeys(n for n in placeholders(query) if n not in ("first", "last")))
    known = ({n for o in q.answers for n in placeholders(o.claim)} for q in questions)
    in_claims = tuple(tuple(n for n in sorted(of) if not n.startswith(FROM_EVIDENCE)) for of in known)
    return Form(
        questions=tuple(questions),
        kind=kind,
        role=role,
        names=names,
        needed=tuple(names.index(n) for n in dict.fromkeys(required(query)) if n in names),
        in_claims=in_claims,
        spoken=frozenset(name for names in in_claims for name in names),
        choice=choice,
        fill=query_filler(query),
    )


class _Subject:
    """One finding, and the entity of it that is asked about (None when the finding or the case is)."""

    __slots__ = ("entity", "finding", "key", "kind", "role", "spellings", "values")

    def __init__(self, finding: Finding, entity: Entity | None = None, role: str = "") -> None:
        self.finding, self.entity, self.role = finding, entity, role
        self.key, self.kind = (entity.key, entity.type) if entity else ("", "")
        self.values: dict[str, Any] = {}
        """What placeholders stand for, hashable: most questions use the same few."""
        self.spellings: list[str] = []
        """Of the entity, once somebody has asked for them."""


class _Row(NamedTuple):
    """A finding with what every question looks at."""

    finding: Finding
    facets: Mapping[str, Any]
    tactics: frozenset[str]
    whole: _Subject
    entities: tuple[_Subject, ...]


class _Put(NamedTuple):
    """A subject with the look-up about it, and what placeholders stand for."""

    about: str
    lookup: Lookup
    value_of: Callable[[str], Any]


class Asker:
    """Puts questions about one case. `facets` maps event uids to their facets."""

    def __init__(self, case: Case, findings: Sequence[Finding], facets: Facets, context: Context, as_of: int) -> None:
        self._case, self._facets, self._context, self._as_of = case, facets, context, as_of
        self._digest = case_digest(case)
        self._resolved: dict[str, Entity] = {}
        self._moment = context
        repeats = Counter(f.detection.uid for f in findings)
        ordered = sorted(findings, key=lambda f: (-f.severity, repeats[f.detection.uid], f.time, f.uid))
        self._rows = [self._row(finding) for finding in ordered]
        self._times = (min(f.time for f in findings), max(f.time for f in findings)) if findings else (0, 0)

    def ask(self, forms: Forms) -> list[Asked]:
        """Each question put to its subjects, in order of id, the most telling subject first.

        `left_out` says how many more subjects there were.
        """
        rows = [[row for row in self._rows if _selected(choice, row)] for choice in forms.choices]
        found = [asked for form in forms.forms if rows[form.choice] for asked in self._put(form, rows[form.choice])]
        return sorted(found, key=lambda asked: asked.question)

    def _put(self, form: Form, rows: Sequence[_Row]) -> Iterator[Asked]:
        groups: dict[Any, list[_Subject]] = {}
        for subject in _subjects(form, rows):
            values = self._values(form, subject)
            if any(values[index] is None for index in form.needed):
                continue
            groups.setdefault((subject.key, values), []).append(subject)
        chosen: dict[tuple[str, str], _Put] = {}
        skipped = 0
        for subjects in groups.values():
            if len(chosen) >= form.question.most:
                skipped += 1
                continue
            put = self._lookup(form, subjects)
            chosen.setdefault((put.about, put.lookup.uid), put)
        for put in chosen.values():
            spoken = {name: words(put.value_of(name)) for name in form.spoken}
            for question, names in zip(form.questions, form.in_claims, strict=True):
                said = {name: spoken[name] for name in names}
                yield Asked(question=question.id, about=put.about, lookup=put.lookup, values=said, left_out=skipped)

    def _row(self, finding: Finding) -> _Row:
        entities = ((self._resolve(i.entity, finding.time), i.role) for i in finding.involved)
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

    def _values(self, form: Form, subject: _Subject) -> tuple[Any, ...]:
        have = subject.values
        if missing := [name for name in form.names if name not in have]:
            value_of = self._namer(subject)
            have.update((name, _hashable(value_of(name))) for name in missing)
        return tuple([have[name] for name in form.names])

    def _resolve(self, entity: Entity, time: int) -> Entity:
        """The entity as it was true at a time: an address is another host's once its lease is."""
        moment = self._context.at(time)
        if moment is not self._moment:
            self._moment = moment
            self._resolved.clear()
        found = self._resolved.get(entity.key)
        if found is None:
            found = self._resolved[entity.key] = moment.resolve(entity)
        return found

    def _lookup(self, form: Form, subjects: Sequence[_Subject]) -> _Put:
        question, subject = form.question, subjects[0]
        times = [s.finding.time for s in subjects]
        names = self._namer(subject, min(times), max(times))
        query = form.fill(names)
        as_of = {
            "case": self._case.time,
            "finding": subject.finding.time,
            "end": self._case.last_time + 1,
            "now": self._as_of,
        }[question.as_of]
        about = self._case.uid if question.about == "case" else subject.key or subject.finding.uid
        lookup = Lookup(tenant=self._case.tenant, collector=question.collector, query=query, as_of=as_of)
        return _Put(about, lookup, names)

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
                return self._digest if rest == "digest" else _attribute(self._case, rest)
            if head == "entity" and subject.entity is not None:
                return getattr(subject.entity, rest) if rest else subject.entity.value
            if head == "spellings" and subject.entity is not None:
                return self._spellings(subject)
            if name == "cve":
                return _named_cve(finding, facets)
            if name == "person":
                user = facets.get("user")
                return None if user is None or stands_for_nobody(user) else user
            return {"first": first, "last": last}.get(name)

        return value_of

    def _spellings(self, subject: _Subject) -> list[str]:
        entity = subject.entity
        if entity is not None and not subject.spellings:
            time = subject.finding.time
            raw = (i.entity for i in subject.finding.involved if self._resolve(i.entity, time) == entity)
            known = {s for e in (entity, *raw) for s in (e.value, *self._context.at(time).spellings(e))}
            subject.spellings = sorted(known)
        return subject.spellings


def _subjects(form: Form, rows: Sequence[_Row]) -> Iterator[_Subject]:
    if form.kind == "case":
        yield rows[0].whole
        return
    for row in rows:
        if form.kind == "finding":
            yield row.whole
            continue
        for subject in row.entities:
            if subject.kind == form.kind and form.role in ("", subject.role):
                yield subject


def _selected(choice: Choice, row: _Row) -> bool:
    (asks, tactics, where), finding = choice, row.finding
    if asks.layers and finding.layer not in asks.layers:
        return False
    have = row.facets
    for name in asks.facets:
        if have.get(name) is None:
            return False
    detection = finding.detection
    if asks.kinds and detection.kind not in asks.kinds:
        return False
    if asks.standings and finding.standing not in asks.standings:
        return False
    if tactics and not tactics & row.tactics:
        return False
    if asks.detections and not any(
        _globbed(text, asks.detections) for text in (detection.uid, detection.family, detection.title)
    ):
        return False
    return all(have.get(name) is not None and _globbed(str(have[name]), globs) for name, globs in where)


def _named_cve(finding: Finding, facets: Mapping[str, Any]) -> str | None:
    """The first vulnerability that a finding or its event names."""
    texts = (finding.title, finding.detection.title, finding.detection.uid, *(facets.get(n) for n in _NAMING_CVE))
    found = next((match for text in texts if isinstance(text, str) and (match := _CVE.search(text))), None)
    return found[0].upper() if found else None


def _attribute(noun: Any, path: str) -> Any:
    for part in path.split("."):
        noun = getattr(noun, part, None)
    return list(noun) if isinstance(noun, tuple) else noun


def _hashable(value: Any) -> Any:
    return canonical(value) if isinstance(value, (list, dict)) else value


@lru_cache(maxsize=65536)
def _globbed(text: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text.lower(), glob.lower()) for glob in globs)
