"""Counterfactual: the smallest set of answers without which the outcome would differ, by settling again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from watchfloor.core.verdict import Answer, Counterfactual
from watchfloor.triage.gates import Board, Settled
from watchfloor.triage.wording import DISPOSITION_WORDS, HYPOTHESIS_WORDS

MOST_REMOVED = 3
# Answers are additive, so the smallest set lies among those that push hardest one way. The eight strongest each way
# bound the search to 2 x 92 settlements.
MOST_TRIED = 8


def counterfactual(board: Board, settled: Settled) -> Counterfactual | None:
    """The first smallest set of questions (up to three) whose absence changes disposition or leading hypothesis."""
    up, down = _pushing(board)
    for size in range(1, MOST_REMOVED + 1):
        for without in _sets(up, down, size):
            other = board.settle([a.question for a in without])
            if (other.disposition, other.hypothesis) != (settled.disposition, settled.hypothesis):
                return _told(without, other)
    return None


def _pushing(board: Board) -> tuple[list[Answer], list[Answer]]:
    """Counted answers that push towards malicious, and those that push away, strongest first."""
    pushes = sorted(
        ((_push(answer), answer) for answer in board.terms.counted.values()),
        key=lambda pair: (-abs(pair[0]), pair[1].question),
    )
    up = [answer for push, answer in pushes if push > 0]
    down = [answer for push, answer in pushes if push <= 0]
    return up[:MOST_TRIED], down[:MOST_TRIED]


def _push(answer: Answer) -> float:
    weights = answer.weights
    benign = max(weights.get("benign_true_positive", 0.0), weights.get("false_positive", 0.0))
    return weights.get("malicious", 0.0) - benign


def _sets(up: Sequence[Answer], down: Sequence[Answer], size: int) -> Iterator[tuple[Answer, ...]]:
    yield from combinations(up, size)
    yield from combinations(down, size)


def _told(without: Sequence[Answer], other: Settled) -> Counterfactual:
    names = " and ".join(f"“{a.title}”" for a in without)
    probability = other.posterior["malicious"]
    return Counterfactual(
        without=tuple(f"{a.question}|{a.about}" for a in without),
        disposition=other.disposition,
        hypothesis=other.hypothesis,
        sentence=(
            f"Without the answer to {names} the case would be {DISPOSITION_WORDS[other.disposition]}: "
            f"{HYPOTHESIS_WORDS[other.hypothesis]}, attack {probability:.0%}."
        ),
    )
