"""Weighing: answers become additive terms. Analysis of competing hypotheses: the sum of the terms is the posterior."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from watchfloor.core.evidence import Evidence
from watchfloor.core.grounding import check, intact
from watchfloor.core.noun import short_id
from watchfloor.core.question import Asked, Question
from watchfloor.core.scorecard import PLACES
from watchfloor.core.verdict import HYPOTHESES, Answer, Claim, Hypothesis
from watchfloor.triage.inputs import Inputs
from watchfloor.triage.reading import read


class Weighed(NamedTuple):
    """Every answer with the weights that count, and the claims as the grounding check left them."""

    answers: tuple[Answer, ...]
    claims: tuple[Claim, ...]


def weigh(inputs: Inputs) -> Weighed:
    """Read every question's evidence, check what it cites, and settle which answer of each question counts."""
    questions = {q.id: q for q in inputs.questions}
    evidence = {e.uid: e for e in inputs.evidence}
    of_lookup = {e.lookup.uid: e for e in inputs.evidence}
    left_out = {a.question: a.left_out for a in inputs.asked}
    answers: dict[str, list[Answer]] = defaultdict(list)
    claims: list[Claim] = []
    for asked in inputs.asked:
        question = questions[asked.question]
        answer, claim = _checked(question, asked, of_lookup.get(asked.lookup.uid), evidence, inputs)
        answers[question.id].append(answer)
        if claim is not None:
            claims.append(claim)
    counted = [a for name, given in answers.items() for a in _one_counts(given, left_out[name])]
    telling = {(a.question, a.about, a.claim) for a in counted if a.counted and any(a.weights.values())}
    kept = [c for c in claims if not c.grounded or (c.question, c.about, c.sentence) in telling]
    kept.sort(key=lambda c: (not c.grounded, -c.strength, c.question, c.about, c.uid))
    return Weighed(tuple(counted), tuple({c.uid: c for c in kept}.values()))


def _checked(
    question: Question,
    asked: Asked,
    item: Evidence | None,
    evidence: Mapping[str, Evidence],
    inputs: Inputs,
) -> tuple[Answer, Claim | None]:
    answer = read(question, asked, item)
    if answer.status == "answered":
        weights = inputs.scorecard.weighs(question, answer.value)
        answer = answer.model_copy(update={"weights": weights})
        claim = check(_claim(inputs.case.uid, answer), evidence)
    elif item is not None and not intact(item):
        # Changed so that no answer fits any more: still shown as struck, or tampering could make a question vanish.
        claim = _claim(inputs.case.uid, answer.model_copy(update={"claim": question.title}))
        claim = claim.model_copy(update={"problem": f"evidence {item.uid} has changed since it was recorded"})
    else:
        return answer, None
    if claim.grounded:
        return answer, claim
    struck = {
        "status": "could_not_check",
        "weights": {},
        "counted": False,
        "reason": claim.problem,
        "claim": "",
    }
    return answer.model_copy(update=struck), claim


def _claim(case_uid: str, answer: Answer) -> Claim:
    supports, strength = leaning(answer.weights)
    return Claim(
        uid=short_id("c", case_uid, answer.question, answer.about, answer.claim, *answer.lookups),
        sentence=answer.claim,
        question=answer.question,
        about=answer.about,
        supports=supports,
        strength=strength,
        citations=answer.citations,
        grounded=False,
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
