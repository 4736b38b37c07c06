"""Trace: the investigator's way, retraced from recorded inputs, so that a verdict tells it and a replay repeats it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from watchfloor.core.verdict import Answer, CouldNotCheck, Investigation, NotNeeded, Step
from watchfloor.triage.gates import could_close
from watchfloor.triage.inputs import Inputs
from watchfloor.triage.investigator import Choice, Investigator, Key, Reply, key_of
from watchfloor.triage.prospects import prospect, vector
from watchfloor.triage.terms import base_of

Stopped = Literal["settled", "all_asked", "budget"]
_PLACES = 4


def investigator_of(inputs: Inputs) -> Investigator:
    """The investigator of a case before anything was asked. What is asked already does not matter to it."""
    return Investigator(
        [*inputs.asked, *inputs.not_asked],
        {question.id: question for question in inputs.questions},
        inputs.scorecard,
        inputs.policy.triage,
        base=base_of(inputs.scorecard, inputs.findings),
        may_close=could_close(inputs),
    )


def traced(inputs: Inputs, answers: Sequence[Answer]) -> Investigation:
    """The investigation that inputs give: the same that led to them, unless somebody asked otherwise."""
    replies = _replies(inputs, answers)
    way = investigator_of(inputs)
    steps: list[Step] = []
    number = 0
    while replies:
        number += 1
        chosen = [choice for choice in way.next() if key_of(choice.asked) in replies]
        # Asked although it was not needed (a test, a bench, an older investigator): told like the rest.
        chosen = chosen or way.beside(asked for asked in way.open if key_of(asked) in replies)
        steps += [step_of(choice, replies.pop(key_of(choice.asked)), number, way) for choice in chosen]
    return told(inputs, way, steps)


def told(inputs: Inputs, way: Investigator, steps: Sequence[Step]) -> Investigation:
    """An investigation that is over, by its steps: why it stopped, and what it did not need."""
    left = way.open
    stopped: Stopped = "all_asked" if not left else "settled" if way.settled else "budget"
    low, high = (round(share, _PLACES) for share in way.bounds())
    unneeded = left if stopped == "settled" else []
    cost = {asked.lookup.uid: next(q.cost for q in inputs.questions if q.id == asked.question) for asked in left}
    known = {asked.lookup.uid for asked in inputs.asked}
    saved = sum(each for uid, each in cost.items() if uid not in known)
    return Investigation(
        stopped=stopped,
        sentence=_sentence(stopped, len(steps), len(left), (low, high)),
        low=low,
        high=high,
        cost=round(way.cost, _PLACES),
        saved=round(saved, _PLACES),
        steps=tuple(steps),
        not_needed=tuple(_not_needed(inputs, asked.question, asked.about, way) for asked in unneeded),
    )


def never_asked(inputs: Inputs, investigation: Investigation) -> tuple[CouldNotCheck, ...]:
    """What the budget left unasked: it could have changed the decision, so it was not checked."""
    if investigation.stopped != "budget":
        return ()
    questions = {question.id: question for question in inputs.questions}
    reason = f"not asked: the investigation's budget of {inputs.policy.triage.budget or investigation.cost:g} was used"
    return tuple(
        CouldNotCheck(
            question=asked.question,
            title=questions[asked.question].title,
            about=asked.about,
            reason=reason,
            required=questions[asked.question].required,
        )
        for asked in inputs.not_asked
    )


def _replies(inputs: Inputs, answers: Sequence[Answer]) -> dict[Key, Reply]:
    weights = {q.id: prospect(q, inputs.scorecard).shares for q in inputs.questions}
    found: dict[Key, Reply] = {}
    for answer in answers:
        # As read: what others left in doubt may have taken its weight away since.
        read = weights[answer.question].get(answer.value, {})
        found[answer.question, answer.about, answer.lookups[0]] = reply_of(answer.model_copy(update={"weights": read}))
    return found


def reply_of(answer: Answer) -> Reply:
    """What the investigator hears of an answer."""
    if answer.status == "answered":
        return Reply(answer.value, vector(answer.weights))
    return Reply(answer.status, None, answer.status == "could_not_check")


def step_of(choice: Choice, reply: Reply, number: int, way: Investigator) -> Step:
    """One step of round `number`: the reply taken, and where it leaves the decision."""
    stand = way.take(choice.asked, reply)
    return Step(
        question=choice.asked.question,
        about=choice.asked.about,
        round=number,
        information=round(choice.information, _PLACES),
        turns=round(choice.turns, _PLACES),
        cost=choice.cost,
        purpose=choice.purpose,
        answer=reply.value,
        probability=round(stand.probability, _PLACES),
        entropy=round(stand.entropy, _PLACES),
    )


def _not_needed(inputs: Inputs, question: str, about: str, way: Investigator) -> NotNeeded:
    least, most = way.pull(question)
    title = next(q.title for q in inputs.questions if q.id == question)
    return NotNeeded(
        question=question, title=title, about=about, least=round(least, _PLACES), most=round(most, _PLACES)
    )


def _sentence(stopped: str, asked: int, left: int, bounds: tuple[float, float]) -> str:
    if stopped == "all_asked":
        return f"All {asked} questions that fit were asked." if asked else "No question fits this case."
    if stopped == "budget":
        return f"{asked} questions were asked, then the budget was used: {left} more could have changed the decision."
    low, high = (f"{share:.1%}" for share in bounds)
    return (
        f"After {asked} questions the decision could change no more: whatever the {left} others answer, the "
        f"probability of an attack stays between {low} and {high}, and the decision the same."
    )
