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
from watchfloor.core.question import Asked, Question, Selector
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


class _Subject(NamedTuple):
    """One finding, and the entity of it that is asked about (None when the finding or the case is)."""

    finding: Finding
    entity: Entity | None


class Asker:
    """Puts questions about one case. `facets` maps event uids to their facets."""

    def __init__(self, case: Case, findings: Sequence[Finding], facets: Facets, context: Context, as_of: int) -> None:
        self._case, self._facets, self._context, self._as_of = case, facets, context, as_of
        repeats = Counter(f.detection.uid for f in findings)
        self._findings = sorted(findings, key=lambda f: (-f.severity, repeats[f.detection.uid], f.time, f.uid))
        self._times = (min(f.time for f in findings), max(f.time for f in findings)) if findings else (0, 0)
        self._resolved: dict[Entity, Entity] = {}

    def ask(self, question: Question) -> list[Asked]:
        """The question put to its subjects, the most telling first; `left_out` says how many more there were."""
        names = tuple(dict.fromkeys(n for n in placeholders(question.query) if n not in ("first", "last")))
        needed = [names.index(n) for n in dict.fromkeys(required(question.query)) if n in names]
        groups: dict[Any, list[_Subject]] = {}
        for subject in self._subjects(question):
            value_of = self._namer(subject)
            values = tuple(_hashable(value_of(name)) for name in names)
            if any(values[index] is None for index in needed):
                continue
            key = (subject.entity.key if subject.entity else "", values)
            groups.setdefault(key, []).append(subject)
        chosen: dict[str, Asked] = {}
        skipped = 0
        for subjects in groups.values():
            if len(chosen) >= question.most:
                skipped += 1
                continue
            asked = self._asked(question, subjects)
            chosen.setdefault(f"{asked.about}|{asked.lookup.uid}", asked)
        return [a.model_copy(update={"left_out": skipped}) if skipped else a for a in chosen.values()]

    def _subjects(self, question: Question) -> Iterator[_Subject]:
        kind, _, role = question.about.partition(":")
        for finding in self._findings:
            if not self._selected(question.asks, finding):
                continue
            if kind in ("case", "finding"):
                yield _Subject(finding, None)
                if kind == "case":
                    return
                continue
            for involvement in finding.involved:
                entity = self._resolve(involvement.entity)
                nobody = entity.type == "user" and stands_for_nobody(entity.value)
                if entity.type == kind and role in ("", involvement.role) and not nobody:
                    yield _Subject(finding, entity)

    def _selected(self, asks: Selector, finding: Finding) -> bool:
        if asks.layers and finding.layer not in asks.layers:
            return False
        if asks.kinds and finding.detection.kind not in asks.kinds:
            return False
        if asks.tactics and not {tactic(t) for t in asks.tactics} & {tactic(t) for t in finding.tactics}:
            return False
        detection = finding.detection
        if asks.detections and not any(
            _globbed(text, asks.detections) for text in (detection.uid, detection.family, detection.title)
        ):
            return False
        if not asks.facets and not asks.where:
            return True
        have = self._facets.get(finding.event_uid, {})
        if any(have.get(name) is None for name in asks.facets):
            return False
        return all(
            have.get(name) is not None and _globbed(str(have[name]), globs) for name, globs in asks.where.items()
        )

    def _resolve(self, entity: Entity) -> Entity:
        found = self._resolved.get(entity)
        if found is None:
            found = self._resolved[entity] = self._context.resolve(entity)
        return found

    def _asked(self, question: Question, subjects: Sequence[_Subject]) -> Asked:
        subject = subjects[0]
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
        return Asked(question=question.id, about=about, lookup=lookup, values=_claim_values(question, names))

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


def _claim_values(question: Question, names: Callable[[str], Any]) -> dict[str, str]:
    wanted = {n for option in question.answers for n in placeholders(option.claim)}
    return {name: words(names(name)) for name in sorted(wanted) if not name.startswith(FROM_EVIDENCE)}


def _attribute(noun: Any, path: str) -> Any:
    for part in path.split("."):
        noun = getattr(noun, part, None)
    return list(noun) if isinstance(noun, tuple) else noun


def _hashable(value: Any) -> Any:
    return canonical(value) if isinstance(value, (list, dict)) else value


@lru_cache(maxsize=65536)
def _globbed(text: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text.lower(), glob.lower()) for glob in globs)
