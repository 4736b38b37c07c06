"""The question catalogue: loaded from YAML with every mistake's place, asked of cases, read from evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, Self

from watchfloor.content import documents, folder
from watchfloor.core.case import Case
from watchfloor.core.context import Context
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.core.finding import Finding
from watchfloor.core.noun import Noun, canonical, digest_of
from watchfloor.core.question import Asked, Question
from watchfloor.core.verdict import Answer
from watchfloor.triage import reading
from watchfloor.triage.asking import Asker, Facets, Forms
from watchfloor.triage.checking import question_problems


class Example(Noun):
    """A question's own test: evidence in, value out. `failed` stands for a look-up that failed, with its reason."""

    evidence: Any = None
    failed: str = ""
    values: dict[str, str] = {}
    value: str | Literal["could_not_check", "not_applicable"]


class Catalogue:
    """Questions by id, in order of id."""

    def __init__(self, questions: Iterable[Question], examples: Mapping[str, Sequence[Example]] = {}) -> None:
        self.questions = {q.id: q for q in sorted(questions, key=lambda q: q.id)}
        self.examples = dict(examples)

    @classmethod
    def shipped(cls, *own: Path) -> Self:
        """The catalogue in `content/questions`, with an owner's `own` files and folders. Raises like `load`.

        Without own ones it is read once a process: nothing changes it.
        """
        return cls.load(folder("questions"), *own) if own else cls._of_the_product()

    @classmethod
    @cache
    def _of_the_product(cls) -> Self:
        return cls.load(folder("questions"))

    @classmethod
    def load(cls, *paths: Path) -> Self:
        """Questions from YAML files, each document a list. Raises WatchfloorError that lists every mistake."""
        questions: dict[str, Question] = {}
        examples: dict[str, list[Example]] = {}
        problems: list[str] = []
        for place, data in (item for path in paths for item in _items(path, problems)):
            try:
                tests = data.pop("tests", None) or []
                question = Question.from_dict(data)
                examples[question.id] = [Example.from_dict(test) for test in tests]
            except WatchfloorError as error:
                problems.append(f"{place}: {error}")
                continue
            problems += [f"{place}: {problem}" for problem in question_problems(question)]
            if question.id in questions:
                problems.append(f"{place}: there is another question with this id")
            if not examples[question.id]:
                problems.append(f"{place}: it has no tests")
            questions[question.id] = question
        if problems:
            raise WatchfloorError(
                f"{len(problems)} mistakes in questions: " + "; ".join(problems[:12]), do="Mend the files named"
            )
        return cls(questions.values(), examples)

    @cached_property
    def digest(self) -> str:
        """The digest of all questions; their tests do not count."""
        return digest_of(canonical([q.to_dict() for q in self.questions.values()]))

    @cached_property
    def _forms(self) -> Forms:
        return Forms.of(self.questions.values())

    def ask(
        self,
        case: Case,
        findings: Sequence[Finding],
        facets: Facets,
        context: Context,
        as_of: int | None = None,
    ) -> tuple[Asked, ...]:
        """Every question that fits the case, put to its most telling subjects, with the look-ups to make.

        `facets` maps event uids to facets (`core.facets.facets`). `as_of` (ms) is the time of deciding, for questions
        that may know all that is known now; by default the case's last time.
        """
        asker = Asker(case, findings, facets, context, case.last_time if as_of is None else as_of)
        return tuple(asker.ask(self._forms))

    def used(self, asked: Iterable[Asked]) -> tuple[Question, ...]:
        """The questions that were asked, each once, in order of id."""
        return tuple(self.questions[uid] for uid in sorted({a.question for a in asked}))

    def read(self, asked: Asked, evidence: Evidence | None) -> Answer:
        """The answer that evidence gives to a question. See `triage.reading.read`."""
        return reading.read(self.questions[asked.question], asked, evidence)

    def failures(self) -> list[str]:
        """Which of the questions' own tests fail, in words. Empty when the catalogue does what it says."""
        return [
            f"{uid}, test {number + 1}: expected {example.value}, got {got}"
            for uid, examples in self.examples.items()
            for number, example in enumerate(examples)
            if (got := outcome(self.try_out(uid, example))) != example.value
        ]

    def try_out(self, uid: str, example: Example) -> Answer:
        """The answer of one question to the evidence of one of its tests."""
        question = self.questions[uid]
        lookup = Lookup(tenant="example", collector=question.collector, query={}, as_of=0)
        asked = Asked(question=uid, about=example.values.get("entity", "example"), lookup=lookup)
        asked = asked.model_copy(update={"values": example.values})
        if example.failed:
            evidence = Evidence.failed(lookup, example.failed, at=0, source="example")
        else:
            evidence = Evidence.of(lookup, example.evidence, at=0, source="example")
        return self.read(asked, evidence)


def outcome(answer: Answer) -> str:
    """An answer's value, or its status when it has none."""
    return answer.value if answer.status == "answered" else answer.status


def _items(path: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for document in documents(path):
        if not isinstance(document.data, list):
            problems.append(f"{document.where}: a list of questions is expected")
            continue
        for number, item in enumerate(document.data):
            name = item.get("id", "without id") if isinstance(item, dict) else "no mapping"
            place = f"{document.where}, question {number + 1} ({name})"
            if isinstance(item, dict):
                yield place, dict(item)
            else:
                problems.append(f"{place}: a mapping is expected")
