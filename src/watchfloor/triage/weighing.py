"""Weighing: answers become additive terms. Analysis of competing hypotheses: the sum of the terms is the posterior."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from watchfloor.core.evidence import Evidence
from watchfloor.core.grounding import intact, problem_of_all
from watchfloor.core.noun import short_id
from watchfloor.core.scorecard import PLACES
from watchfloor.core.verdict import HYPOTHESES, Answer, Claim, Hypothesis
from watchfloor.triage.inputs import Inputs
from watchfloor.triage.investigator import Key, key_of
from watchfloor.triage.prospects import prospect
from watchfloor.triage.reading import read

NOTHING_READ: Mapping[Key, Answer] = MappingProxyType({})


class Weighed(NamedTuple):
    """Every answer with the weights that count, and the claims as the grounding check left them."""

    answers: tuple[Answer, ...]
    claims: tuple[Claim, ...]


def weigh(inputs: Inputs, known: Mapping[Key, Answer] = NOTHING_READ) -> Weighed:
    """Read every question's evidence, check what it cites, and settle which answer of each question counts.

    `known` are answers that were read already from this evidence by these weights: that changes no byte.
    """
    questions = {q.id: q for q in inputs.questions}
    evidence = {e.uid: e for e in inputs.evidence}
    of_lookup = {e.lookup.uid: e for e in inputs.evidence}
    left_out = {a.question: a.left_out for a in inputs.asked}
    read_of: dict[str, list[Answer]] = defaultdict(list)
    struck: list[Claim] = []
    for asked in inputs.asked:
        question, item = questions[asked.question], of_lookup.get(asked.lookup.uid)
        answer = known.get(key_of(asked)) or read(question, asked, item, prospect(question, inputs.scorecard).shares)
        if problem := _problem(answer, item, evidence):
            # What changed so that no answer fits any more is shown as struck, too, or tampering could make a question
            # vanish.
            struck.append(_claim(inputs.case.uid, answer, question.title, problem))
            answer = _struck(answer, problem)
        read_of[question.id].append(answer)
    counted = [a for name, given in read_of.items() for a in _one_counts(given, left_out[name])]
    telling = {(a.question, a.about, a.claim) for a in counted if a.counted and any(a.weights.values())}
    grounded = (
        _claim(inputs.case.uid, answer)
        for given in read_of.values()
        for answer in given
        if answer.status == "answered" and (answer.question, answer.about, answer.claim) in telling
    )
    kept = sorted([*struck, *grounded], key=lambda c: (not c.grounded, -c.strength, c.question, c.about, c.uid))
    return Weighed(tuple(counted), tuple({c.uid: c for c in kept}.values()))


def _problem(answer: Answer, item: Evidence | None, evidence: Mapping[str, Evidence]) -> str:
    """Why what was read does not hold, or the empty string."""
    if answer.status == "answered":
        return problem_of_all(answer.citations, evidence)
    return "" if item is None or intact(item) else f"evidence {item.uid} has changed since it was recorded"


def _struck(answer: Answer, problem: str) -> Answer:
    nothing = {"status": "could_not_check", "weights": {}, "counted": False, "reason": problem, "claim": ""}
    return answer.model_copy(update=nothing)


def _claim(case_uid: str, answer: Answer, title: str = "", problem: str = "") -> Claim:
    supports, strength = leaning(answer.weights)
    sentence = answer.claim if answer.status == "answered" else title
    return Claim(
        uid=short_id("c", case_uid, answer.question, answer.about, sentence, *answer.lookups),
        sentence=sentence,
        question=answer.question,
        about=answer.about,
        supports=supports,
        strength=strength,
        citations=answer.citations,
        grounded=not problem,
        problem=problem,
    )


def leaning(weights: Mapping[Hypothesis, float]) -> tuple[Hypothesis, float]:
    """Which hypothesis weights speak for, and by how much malicious and the better benign one part (log-odds)."""
    malicious = weights.get("malicious", 0.0)
    benign: Hypothesis = max(HYPOTHESES[1:], key=lambda name: weights.get(name, 0.0))
    margin = malicious - weights.get(benign, 0.0)
    return ("malicious" if margin >= 0 else benign), round(abs(margin), PLACES)


def _one_counts(answers: Sequence[Answer], left_out: int) -> list[Answer]:
    """Of one question's answers that of the highest malicious weight counts; the others are shown.

    What speaks for innocence must hold for every subject: one that could not be checked or was left out takes its
    weight away.
    """
    given = [a for a in answers if a.status == "answered"]
    if not given:
        return list(answers)
    chosen = min(given, key=lambda a: (-_malice(a), -leaning(a.weights)[1], a.about, a.lookups))
    unknown = sum(1 for a in answers if a.status == "could_not_check")
    if _malice(chosen) < 0 and (left_out or unknown):
        reason = f"adds nothing: {left_out + unknown} more could not be checked"
        chosen_now = chosen.model_copy(update={"weights": {}, "why": f"{chosen.why} ({reason})"})
    else:
        chosen_now = chosen
    return [chosen_now if a is chosen else a.model_copy(update={"counted": False}) for a in answers]


def _malice(answer: Answer) -> float:
    """How much an answer moves malicious against the better of the benign hypotheses."""
    weights = answer.weights
    return weights.get("malicious", 0.0) - max(
        weights.get("benign_true_positive", 0.0), weights.get("false_positive", 0.0)
    )
