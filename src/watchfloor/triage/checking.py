"""What can be wrong with a question beyond its shape, above all: hostile text may never speak for innocence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from watchfloor.core.entity import EntityType, Role
from watchfloor.core.facets import NUMBER_FACETS, TEXT_FACETS
from watchfloor.core.question import COULD_NOT_CHECK, Option, Question
from watchfloor.triage import conditions, resolutions
from watchfloor.triage.case_facts import COLLECTOR
from watchfloor.triage.derive import DERIVED, sources
from watchfloor.triage.templates import FILTERS, filters, placeholders

COLLECTORS = frozenset({"event", "history", "context", "intel", "labels", "traits", "findings", COLLECTOR})
FACETS = frozenset({*TEXT_FACETS, *NUMBER_FACETS})
_PLAIN_NAMES = frozenset({"first", "last", "person", "cve"})


def question_problems(question: Question) -> Iterator[str]:
    """Each mistake with its place inside the question."""
    if question.collector not in COLLECTORS:
        yield f"collector: unknown {question.collector!r}; there are {', '.join(sorted(COLLECTORS))}"
    yield from _about_problems(question.about)
    for facet in (*question.asks.facets, *question.asks.where):
        if facet not in FACETS:
            yield f"asks: unknown facet {facet!r}"
    for name in placeholders(question.query):
        yield from _name_problems(name, question, "query", evidence=False)
    yield from _measure_problems(question)
    for name in question.derive:
        if name not in DERIVED:
            yield f"derive: unknown {name!r}; there are {', '.join(DERIVED)}"
    if not question.answers:
        yield "answers: there are none"
    values = [option.value for option in question.answers]
    for value in sorted({v for v in values if values.count(v) > 1}):
        yield f"answers: {value!r} twice"
    for number, option in enumerate(question.answers):
        place = f"answers.{number} ({option.value})"
        yield from (f"{place}.{problem}" for problem in conditions.problems(option.when))
        yield from _option_problems(question, option, place)


def _measure_problems(question: Question) -> Iterator[str]:
    """A history answer has what was measured and nothing else: a path beside it would never be read."""
    if question.collector != "history":
        return
    measured = {*question.query.get("measure", ()), "population"}
    measured |= {"peers"} if "peers_of" in question.query else set()
    for option in question.answers:
        named = (n.removeprefix("evidence.") for n in placeholders(option.claim) if n.startswith("evidence."))
        for path in (*option.when, *named):
            for source in sources(path):
                if source.partition(".")[0] not in measured:
                    yield f"answers ({option.value}): {source!r} is not measured by the query"


def _about_problems(about: str) -> Iterator[str]:
    kind, _, role = about.partition(":")
    if kind in ("case", "finding") and not role:
        return
    if kind not in get_args(EntityType) or role not in ("", *get_args(Role)):
        yield f"about: {about!r} is neither case nor finding nor an entity's type[:role]"


def _option_problems(question: Question, option: Option, place: str) -> Iterator[str]:
    for name in placeholders(option.claim):
        yield from _name_problems(name, question, f"{place}.claim", evidence=True)
    for name in filters(option.claim):
        if name not in FILTERS:
            yield f"{place}.claim: unknown filter {name!r}"
    if option.value == COULD_NOT_CHECK and option.weights:
        yield f"{place}.weights: what could not be checked weighs nothing"
    if option.resolution and option.resolution not in resolutions.shipped():
        yield f"{place}.resolution: {option.resolution!r} is not among the codes"
    if question.trusted:
        return
    # An attacker writes what this collector reads. Weight on `malicious` alone, and never below 0, cannot lower the
    # probability of malicious whatever else is known.
    if any(weight < 0 or (weight > 0 and name != "malicious") for name, weight in option.weights.items()):
        yield (
            f"{place}.weights: an attacker writes what the collector {question.collector!r} reads, so it may only add "
            "to malicious"
        )
    if resolutions.hypothesis_of(option.resolution) not in (None, "malicious"):
        yield f"{place}.resolution: text in an attacker's hand cannot resolve a case as benign"


def _name_problems(name: str, question: Question, place: str, *, evidence: bool) -> Iterator[str]:
    head, _, rest = name.partition(".")
    entity = question.about not in ("case", "finding")
    known = (
        (head == "facet" and rest in FACETS)
        or (head == "finding" and rest != "")
        or (head == "case" and rest != "")
        or (head == "entity" and entity and rest in ("", "key", "type", "value"))
        or (name == "spellings" and entity)
        or name in _PLAIN_NAMES
        or (evidence and head in ("evidence", "hit") and rest != "")
    )
    if not known:
        yield f"{place}: unknown placeholder {{{name}}}"
