"""Stability: the decision taken again on perturbed inputs. Arithmetic on terms only, and the same bytes every time.

What is shaken, one thing at a time: each counted answer left out; each turned to its neighbour (the next stronger or
weaker answer of the same question); all weights at once, each by up to a quarter, drawn from the case and its
evidence; the prior odds of an attack halved and doubled; the order of the terms. What that comes to is reckoned once:
the gates that turn it into a disposition change more often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import log
from typing import NamedTuple

from watchfloor.core.noun import digest_of
from watchfloor.core.question import Question
from watchfloor.core.scorecard import Weights
from watchfloor.core.verdict import Answer, Disposition, Fragile, Stability
from watchfloor.triage.gates import Board, Settled
from watchfloor.triage.prospects import Vector, malice, prospect
from watchfloor.triage.terms import Terms
from watchfloor.triage.wording import DISPOSITION_WORDS

JITTERS, JITTER, SHUFFLES = 16, 0.25, 2
_PLACES = 4


class Shaken(NamedTuple):
    """What one perturbation comes to."""

    kind: str
    posterior: Weights
    answer: Answer | None = None
    """The one answer that was left out or turned, ..."""
    value: str = ""
    """... and what it was turned to."""


def shaken(terms: Terms, questions: Iterable[Question], seed: str) -> tuple[Shaken, ...]:
    """All perturbations of a decision's terms. The same `seed` draws the same."""
    return tuple(_tries(terms, {q.id: q for q in questions}, seed))


def stability(board: Board, settled: Settled, tries: Iterable[Shaken]) -> Stability:
    """How many perturbed decisions keep the disposition, and the answer on which it hangs most."""
    tried: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    probabilities = [settled.posterior["malicious"]]
    worst: tuple[bool, float, str, str] | None = None
    fragile: tuple[Shaken, Disposition, float] | None = None
    for one in tries:
        without = (one.answer.question,) if one.answer is not None and not one.value else ()
        other = board.outcome(one.posterior, without)
        probability = other.posterior["malicious"]
        same = other.disposition == settled.disposition
        tried[one.kind] += 1
        kept[one.kind] += same
        probabilities.append(probability)
        if one.answer is not None:
            moved = round(abs(probability - settled.posterior["malicious"]), _PLACES)
            rank = (same, -moved, one.answer.question, one.value)
            if worst is None or rank < worst:
                worst, fragile = rank, (one, other.disposition, probability)
    return Stability(
        tried=tried.total(),
        kept=kept.total(),
        kinds={kind: (tried[kind], kept[kind]) for kind in sorted(tried)},
        low=round(min(probabilities), _PLACES),
        high=round(max(probabilities), _PLACES),
        fragile=_told(*fragile, settled.disposition) if fragile else None,
    )


def _tries(terms: Terms, questions: Mapping[str, Question], seed: str) -> Iterator[Shaken]:
    weights, base, posterior = terms.weights, terms.base, terms.posterior_of
    for uid, answer in sorted(terms.counted.items()):
        yield Shaken("left_out", posterior({name: w for name, w in weights.items() if name != uid}, base), answer)
        known = prospect(questions[uid], terms.scorecard).weights
        for value in _neighbours(known, answer.value):
            yield Shaken("neighbour", posterior({**weights, uid: known[value]}, base), answer, value)
    for n in range(JITTERS if weights else 0):
        jittered = {uid: _times(w, 1.0 + JITTER * (2.0 * _drawn(seed, n, uid) - 1.0)) for uid, w in weights.items()}
        yield Shaken("weights", posterior(jittered, base))
    for odds in (0.5, 2.0):
        yield Shaken("prior", posterior(weights, (base[0] + log(odds), base[1], base[2])))
    for n in range(SHUFFLES if weights else 0):
        order = sorted((_drawn(seed, -1 - n, uid), uid) for uid in weights)
        yield Shaken("order", posterior({uid: weights[uid] for _, uid in order}, base))


def _drawn(seed: str, number: int, uid: str) -> float:
    """A number from 0 to 1 that looks like chance and is a function of its seed."""
    return int(digest_of(f"{seed}|{number}|{uid}".encode())[-16:], 16) / 2.0**64


def _neighbours(known: Mapping[str, Vector], value: str) -> list[str]:
    """The answers that stand next to a value when all are ordered by what they say of an attack."""
    order = sorted(known, key=lambda name: (malice(known[name]), name))
    at = order.index(value) if value in known else -1
    return [] if at < 0 else [order[i] for i in (at - 1, at + 1) if 0 <= i < len(order)]


def _times(weights: Vector, share: float) -> Vector:
    return (weights[0] * share, weights[1] * share, weights[2] * share)


def _told(one: Shaken, disposition: Disposition, probability: float, before: Disposition) -> Fragile | None:
    answer = one.answer
    if answer is None:
        return None
    what = f"were “{one.value.replace('_', ' ')}”" if one.value else "were not known"
    fate = "still " if disposition == before else ""
    return Fragile(
        question=answer.question,
        title=answer.title,
        about=answer.about,
        sentence=(
            f"If the answer to “{answer.title}” {what}, the case would {fate}be {DISPOSITION_WORDS[disposition]}: "
            f"attack {probability:.0%}."
        ),
    )
