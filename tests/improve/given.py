"""Small labelled sets for the tests of learning."""

from __future__ import annotations

import random
from collections.abc import Sequence

from watchfloor.core.question import Question
from watchfloor.core.scorecard import Scorecard
from watchfloor.core.verdict import Hypothesis
from watchfloor.improve.example import Example
from watchfloor.triage.catalogue import Catalogue

SHIPPED = Catalogue.shipped()
EXPERT = Scorecard.expert(SHIPPED)
TRUTHS: tuple[Hypothesis, ...] = ("malicious", "benign_true_positive", "false_positive")
DAY = 86_400_000


def questions_of(*, trusted: bool, group: str = "") -> list[Question]:
    """Shipped questions, those that an attacker answers or those that he does not; in order."""
    return [q for q in SHIPPED.questions.values() if q.trusted is trusted and (not group or q.group == group)]


def example(number: int, truth: Hypothesis, *, group: str = "acme", detection: str = "d1", **answers: str) -> Example:
    return Example(
        uid=f"case-{number:05}",
        group=group,
        time=number * DAY,
        truth=truth,
        answers=answers,
        classes=(("detection", detection), ("family", detection[0])),
    )


def company(
    seed: int, count: int, *, group: str = "", asked: Sequence[Question] = (), attacks: float = 0.3
) -> list[Example]:
    """Cases of eight detections, one of which is nearly always right; the answers lean towards the truth."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        detection = chance.randrange(8)
        right = chance.random() < (0.9 if detection == 1 else attacks / 4)
        truth: Hypothesis = "malicious" if right else chance.choice(TRUTHS[1:])
        answers = {}
        for question in asked:
            leaning = sorted(question.answers, key=lambda o: o.weights.get("malicious", 0.0), reverse=right)
            answers[question.id] = (leaning[0] if chance.random() < 0.7 else chance.choice(leaning)).value
        found.append(
            Example(
                uid=f"{group or seed}-{number:05}",
                group=group or f"company-{seed}",
                time=number * DAY // 10,
                truth=truth,
                answers=answers,
                classes=(("detection", f"d{detection}"), ("family", f"f{detection % 2}")),
            )
        )
    return found
