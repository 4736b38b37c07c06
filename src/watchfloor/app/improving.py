"""Improving: confirmed cases out as examples, and all recorded decisions decided again with something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

from watchfloor.app.decisions import DecisionRecord, recorded
from watchfloor.app.parts import Parts
from watchfloor.app.progress import Report, silent
from watchfloor.core.case import Case
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.finding import Finding
from watchfloor.core.label import Label
from watchfloor.core.policy import Policy
from watchfloor.core.question import Question
from watchfloor.core.scorecard import Scorecard
from watchfloor.core.verdict import Disposition, Hypothesis, Verdict
from watchfloor.improve.example import Example
from watchfloor.improve.training import Training, train
from watchfloor.triage.decide import Inputs, decide
from watchfloor.triage.terms import classes_of

LABELS = "labels"
"""The collector that counts labels: asked after a case was judged, it knows the answer. Learning leaves it out; what
it tells is what a learnt scorecard's classes hold."""
_DECIDED = ("verdict.decided", "verdict.reopened", "verdict.renewed")
_CHUNK = 200


class Flip(NamedTuple):
    """A case that would be decided in another way."""

    case_uid: str
    title: str
    before: Disposition
    after: Disposition
    probability_before: float
    probability_after: float
    truth: Hypothesis | None
    """What a person called it, where one did."""

    @property
    def missed(self) -> bool:
        """An attack, by a person's word, that would be closed."""
        return self.truth == "malicious" and self.after == "close"


class Tried(NamedTuple):
    """All recorded decisions, decided again. Nothing was written."""

    cases: int
    before: dict[str, int]
    after: dict[str, int]
    """Disposition -> cases."""
    flips: tuple[Flip, ...]
    missed_before: int
    missed_after: int
    left_out: int
    """Decisions whose inputs are not kept any more, all of them."""


def examples(parts: Parts, group: str = "") -> Iterator[Example]:
    """The tenant's judged cases as examples, each with the answers that stood when the person judged it.

    `group` names the company; by default it is the tenant.
    """
    for label in sorted(parts.labels(), key=lambda one: (one.time, one.uid)):
        verdict = _judged(parts, label) if label.case_uid else None
        if verdict is not None:
            record = parts.documents.get(parts.tenant, DecisionRecord, verdict.uid)
            questions = {q.id: q for q in _questions(parts, record)}
            findings = parts.documents.get_many(parts.tenant, Finding, record.findings)
            yield Example(
                uid=label.case_uid,
                group=group or parts.tenant,
                time=record.case.last_time,
                truth=label.verdict,
                answers={
                    a.question: a.value
                    for a in verdict.answers
                    # One whose weights were taken away counted nothing.
                    if a.counted and a.status == "answered" and a.weights and a.question in questions
                    if questions[a.question].collector != LABELS
                },
                classes=tuple(classes_of(findings)),
            )


def _judged(parts: Parts, label: Label) -> Verdict | None:
    """The verdict that a person saw: the newest that was decided before the label."""
    said = [e for e in parts.ledger.of_subject(parts.tenant, label.case_uid) if e.kind in _DECIDED]
    seen = [orjson.loads(e.body)["verdict"] for e in said if e.time <= label.time]
    return parts.documents.get(parts.tenant, Verdict, seen[-1]) if seen else None


def _questions(parts: Parts, record: DecisionRecord) -> Iterator[Question]:
    for digest in record.questions:
        yield Question.from_json(parts.evidence.get_bytes(parts.tenant, digest))


def read_examples(paths: Iterable[Path]) -> list[Example]:
    """Examples from JSON lines. Raises WatchfloorError that names the file and line."""
    found = []
    for path in paths:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        found.append(Example.from_json(line))
                    except WatchfloorError as error:
                        raise WatchfloorError(str(error), where=f"{path}, line {number}") from None
    return found


def learn(parts: Parts, given: Iterable[Example]) -> Training:
    """A new version of the scorecard in use, with its evidence; kept for people to look at and apply."""
    questions = parts.catalogue.questions
    known = [one.model_copy(update={"answers": _told(one.answers, questions)}) for one in given]
    training = train(parts.tenant, known, _without_labels(parts.scorecard, questions), questions)
    training = training.model_copy(update={"start": parts.scorecard.digest()}).sealed()
    parts.scorecards.keep(training)
    return training


def _told(answers: Mapping[str, str], questions: Mapping[str, Question]) -> dict[str, str]:
    """Answers to questions that there are, but for those that count labels."""
    return {uid: v for uid, v in answers.items() if uid in questions and questions[uid].collector != LABELS}


def _without_labels(card: Scorecard, questions: Mapping[str, Question]) -> Scorecard:
    """What the classes of a learnt card tell must not be told by the questions that count labels as well."""
    counting = {uid for uid, question in questions.items() if question.collector == LABELS}
    return card.model_copy(update={"weights": {u: {} if u in counting else v for u, v in card.weights.items()}})


def changed_policy(policy: Policy, settings: Iterable[str]) -> Policy:
    """The policy with some of its figures changed: `triage.escalate_at=0.6`. Raises WatchfloorError."""
    data = policy.to_dict()
    for setting in settings:
        path, equals, value = setting.partition("=")
        *rooms, name = path.strip().split(".")
        place: Any = data
        for room in rooms:
            place = place.get(room) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict) or name not in place:
            raise WatchfloorError(
                f"no such figure of a policy: {setting!r}",
                do="See `watchfloor policy show`; e.g. triage.escalate_at=0.6",
            )
        place[name] = yaml.safe_load(value)
    return Policy.from_dict(data)


def try_out(
    parts: Parts, scorecard: Scorecard | None = None, policy: Policy | None = None, report: Report = silent
) -> Tried:
    """Every case's newest decision, decided again from its recorded inputs with another scorecard or policy."""
    other: dict[str, Any] = {"scorecard": scorecard} if scorecard else {}
    other |= {"policy": policy} if policy else {}
    truths = {label.case_uid: label.verdict for label in parts.labels() if label.case_uid}
    flips, before, after = [], _none(), _none()
    missed_before = missed_after = left_out = 0
    uids = sorted(case.uid for case in parts.documents.find(parts.tenant, Case, limit=None))
    for done, stored, inputs in _all_inputs(parts, uids):
        report("cases decided again", done, len(uids))
        if inputs is None:
            left_out += 1
            continue
        again = decide(inputs.model_copy(update=other))
        before[stored.disposition] += 1
        after[again.disposition] += 1
        truth = truths.get(stored.case_uid)
        missed_before += truth == "malicious" and stored.disposition == "close"
        missed_after += truth == "malicious" and again.disposition == "close"
        if again.disposition != stored.disposition:
            flips.append(_flip(inputs, stored, again, truth))
    return Tried(
        cases=sum(before.values()),
        before=before,
        after=after,
        flips=tuple(
            sorted(flips, key=lambda one: (not one.missed, -abs(one.probability_after - one.probability_before)))
        ),
        missed_before=missed_before,
        missed_after=missed_after,
        left_out=left_out,
    )


def _none() -> dict[str, int]:
    return {"escalate": 0, "queue": 0, "close": 0}


def _flip(inputs: Inputs, before: Verdict, after: Verdict, truth: Hypothesis | None) -> Flip:
    return Flip(
        case_uid=before.case_uid,
        title=inputs.case.title,
        before=before.disposition,
        after=after.disposition,
        probability_before=before.probability,
        probability_after=after.probability,
        truth=truth,
    )


def _all_inputs(parts: Parts, uids: list[str]) -> Iterator[tuple[int, Verdict, Inputs | None]]:
    for start in range(0, len(uids), _CHUNK):
        verdicts = parts.documents.latest_each(parts.tenant, Verdict, uids[start : start + _CHUNK])
        for at, uid in enumerate(uids[start : start + _CHUNK], start + 1):
            if uid in verdicts:
                yield at, verdicts[uid], _inputs(parts, verdicts[uid])


def _inputs(parts: Parts, verdict: Verdict) -> Inputs | None:
    try:
        return recorded(parts, parts.documents.get(parts.tenant, DecisionRecord, verdict.uid))
    except NotFoundError:
        return None


def find_training(parts: Parts, given: str) -> Training:
    """A training by its uid, or by the path of its file. Raises NotFoundError, and RefusedError for a changed file."""
    path = Path(given)
    if path.is_file():
        return Training.opened(path.read_bytes(), where=given)
    found = parts.documents.get(parts.tenant, Training, given)
    return Training.opened(found.canonical(), where=given)
