"""Decide: a pure function of recorded inputs. Same inputs, same bytes out, on any machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from watchfloor.core.noun import digest_of, short_id
from watchfloor.core.verdict import (
    VERDICT_ID,
    Answer,
    CouldNotCheck,
    Hypothesis,
    Investigation,
    Verdict,
)
from watchfloor.triage.counterfactual import counterfactual
from watchfloor.triage.gates import Board
from watchfloor.triage.inputs import Inputs
from watchfloor.triage.investigator import Key
from watchfloor.triage.resolutions import NEEDS_PERSON, NOT_CHECKED, PLAIN, hypothesis_of
from watchfloor.triage.stability import Shaken, shaken, stability
from watchfloor.triage.terms import Terms
from watchfloor.triage.trace import never_asked, traced
from watchfloor.triage.weighing import NOTHING_READ, Weighed, leaning, weigh
from watchfloor.triage.wording import probability_words, sentence, verdict_name

__all__ = ["Inputs", "Prepared", "decide", "prepare"]


class Prepared(NamedTuple):
    """What a verdict rests on and that neither the cases near by nor the class's labels change."""

    weighed: Weighed
    investigation: Investigation
    terms: Terms
    shaken: tuple[Shaken, ...]


def prepare(
    inputs: Inputs, investigation: Investigation | None = None, known: Mapping[Key, Answer] = NOTHING_READ
) -> Prepared:
    """The first half of deciding. `investigation` is the one that led to these inputs, and `known` the answers that it
    read, where they are at hand: neither changes a byte."""
    weighed = weigh(inputs, known)
    # What is struck out was an answer while it was asked: only what is weighed counts.
    if investigation is None or any(not claim.grounded for claim in weighed.claims):
        investigation = traced(inputs, weighed.answers)
    terms = Terms(weighed.answers, inputs.questions, inputs.scorecard, inputs.findings)
    seed = "|".join((inputs.case.uid, inputs.scorecard.digest(), *_rests_on(weighed)))
    return Prepared(weighed, investigation, terms, shaken(terms, inputs.questions, digest_of(seed.encode())))


def decide(inputs: Inputs, prepared: Prepared | None = None) -> Verdict:
    """The verdict on a case: hypotheses weighed, claims checked, closing gates applied, counterfactual found.

    `prepared` spares the first half; it changes no byte.
    """
    weighed, investigation, terms, tries = prepared or prepare(inputs)
    board = Board(inputs, weighed, investigation, terms)
    settled = board.settle()
    probability = settled.posterior["malicious"]
    verdict = verdict_name(settled.posterior, settled.hypothesis, bool(board.terms.counted))
    if settled.disposition == "close":
        # Closing says what it was: every gate holds, so the hypothesis that leads is the answer.
        verdict = settled.hypothesis
    unchecked = _unchecked(weighed.answers, never_asked(inputs, investigation))
    digest = inputs.digest()
    return Verdict(
        tenant=inputs.tenant,
        uid=short_id("v", inputs.case.uid, digest),
        case_uid=inputs.case.uid,
        time=inputs.as_of,
        hypothesis=settled.hypothesis,
        verdict_id=VERDICT_ID[verdict],
        verdict=verdict,
        posterior=settled.posterior,
        probability=probability,
        probability_words=probability_words(probability),
        disposition=settled.disposition,
        resolution_code=_resolution(inputs, verdict, settled.hypothesis, weighed, unchecked),
        sentence=sentence(probability, verdict, weighed.claims, unchecked),
        answers=(*board.terms.rows(inputs.case.uid), *sorted(weighed.answers, key=_by_weight)),
        claims=weighed.claims,
        could_not_check=unchecked,
        investigation=investigation,
        counterfactual=counterfactual(board, settled),
        stability=stability(board, settled, tries),
        gates=board.gates(probability),
        rests_on=_rests_on(weighed),
        inputs_digest=digest,
        scorecard_digest=inputs.scorecard.digest(),
        policy_digest=inputs.policy.digest(),
    )


def _rests_on(weighed: Weighed) -> tuple[str, ...]:
    """The evidence that was read, by uid."""
    return tuple(sorted({uid for answer in weighed.answers for uid in answer.evidence}))


def _by_weight(answer: Answer) -> tuple[bool, bool, float, str, str, tuple[str, ...]]:
    """Counted answers first, the heaviest first; then by name."""
    _, strength = leaning(answer.weights)
    counted = answer.counted and answer.status == "answered"
    return (not counted, answer.status != "answered", -strength, answer.question, answer.about, answer.lookups)


def _unchecked(answers: tuple[Answer, ...], never: tuple[CouldNotCheck, ...]) -> tuple[CouldNotCheck, ...]:
    found = (
        *never,
        *(
            CouldNotCheck(question=a.question, title=a.title, about=a.about, reason=a.reason, required=a.required)
            for a in answers
            if a.status == "could_not_check"
        ),
    )
    return tuple(sorted(found, key=lambda u: (not u.required, u.question, u.about, u.reason)))


def _resolution(
    inputs: Inputs,
    verdict: str,
    hypothesis: Hypothesis,
    weighed: Weighed,
    unchecked: tuple[CouldNotCheck, ...],
) -> str:
    """The code that the strongest counted answer for the leading hypothesis speaks for, or the plain one."""
    if verdict == "unsure":
        blocked = any(u.required for u in unchecked) or any(not c.grounded for c in weighed.claims)
        return NOT_CHECKED if blocked else NEEDS_PERSON
    questions = {q.id: q for q in inputs.questions}
    codes = (
        (-a.weights.get(hypothesis, 0.0), option.resolution)
        for a in weighed.answers
        if a.counted and a.weights
        for option in questions[a.question].answers
        if option.value == a.value
    )
    spoken = [(weight, code) for weight, code in codes if hypothesis_of(code) == hypothesis]
    return min(spoken)[1] if spoken else PLAIN[hypothesis]
