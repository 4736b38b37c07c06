"""Reading: what a question's evidence says. The citations are the very paths that decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from watchfloor.core.event import get_path
from watchfloor.core.evidence import Citation, Evidence
from watchfloor.core.question import COULD_NOT_CHECK, Asked, Option, Question
from watchfloor.core.scorecard import Weights
from watchfloor.core.spans import nearest
from watchfloor.core.verdict import Answer
from watchfloor.triage.conditions import Match, match_parts
from watchfloor.triage.derive import sources, with_derived
from watchfloor.triage.templates import fill_sentence


def read(
    question: Question, asked: Asked, evidence: Evidence | None, weights: Mapping[str, Weights] | None = None
) -> Answer:
    """The answer that evidence gives; the first fitting option counts. `weights` of each value, else
    the question's own.

    No evidence, failed evidence and unreadable evidence give `could_not_check` with the reason; evidence that no
    option fits gives `not_applicable`.
    """
    found = _fit(question, evidence)
    if isinstance(found, _Fit):
        return _answer(question, asked, found, found.option.weights if weights is None else weights[found.option.value])
    return _blank(question, asked, evidence, *found)


def _fit(question: Question, evidence: Evidence | None) -> _Fit | _Unfit:
    """The first option that fits, or status and reason where there is no answer."""
    if evidence is None:
        return _Unfit(COULD_NOT_CHECK, "it was never looked up")
    if evidence.status == "failed":
        return _Unfit(COULD_NOT_CHECK, evidence.reason or "the look-up failed")
    try:
        data = _parsed(evidence.content)
    except (ValueError, RecursionError) as error:
        return _Unfit(COULD_NOT_CHECK, f"the recorded answer cannot be read: {error}")
    data = with_derived(data, question.derive)
    for option in question.answers:
        found = match_parts(option.conditions, data)
        if found is None:
            continue
        if option.value == COULD_NOT_CHECK:
            return _Unfit(COULD_NOT_CHECK, option.why)
        return _Fit(option, found, data, evidence)
    return _Unfit("not_applicable", "no answer of the question fits")


@lru_cache(maxsize=1_024)  # many questions read one answer; nobody changes it
def _parsed(content: str) -> Any:
    return json.loads(content)


class _Fit(NamedTuple):
    option: Option
    match: Match
    data: Any
    evidence: Evidence


class _Unfit(NamedTuple):
    status: Any
    reason: str


def _blank(question: Question, asked: Asked, evidence: Evidence | None, status: Any, reason: str) -> Answer:
    return Answer(
        question=question.id,
        title=question.title,
        about=asked.about,
        status=status,
        reason=reason,
        required=question.required,
        lookups=(asked.lookup.uid,),
        evidence=(evidence.uid,) if evidence else (),
        counted=False,
    )


def _answer(question: Question, asked: Asked, fit: _Fit, weights: Weights) -> Answer:
    option, found, data, evidence = fit
    cited = list(found.paths)

    def value_of(name: str) -> Any:
        if not name.startswith(("evidence.", "hit.")):
            return asked.values.get(name)
        head, _, rest = name.partition(".")
        path = rest if head == "evidence" else f"{found.hit}.{rest}"
        cited.append(path)
        return get_path(data, path)

    claim = fill_sentence(option.claim, value_of)
    return Answer(
        question=question.id,
        title=question.title,
        about=asked.about,
        status="answered",
        value=option.value,
        required=question.required,
        weights=weights,
        why=option.why,
        claim=claim,
        citations=_citations(evidence, cited),
        lookups=(asked.lookup.uid,),
        evidence=(evidence.uid,),
    )


def _citations(evidence: Evidence, paths: Iterable[str]) -> tuple[Citation, ...]:
    """One citation a path; for a path that is absent, what surrounds it, which shows that it is."""
    cited: dict[str, Citation] = {}
    for path in (source for given in paths for source in sources(given)):
        one = _citation(evidence.uid, evidence.content_digest, evidence.content, path)
        cited[one.path] = one
    return tuple(sorted(cited.values(), key=lambda citation: (citation.start, citation.path)))


@lru_cache(maxsize=2_048)  # questions that read one answer mostly cite the same of it
def _citation(uid: str, digest: str, content: str, path: str) -> Citation:
    there, span = nearest(content, path)
    return Citation(evidence=uid, content_digest=digest, start=span.start, end=span.end, quote=span.quote, path=there)
