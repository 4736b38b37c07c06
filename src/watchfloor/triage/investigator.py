"""The investigator: which question next, and when to stop. Pure: the same answers lead down the same way.

It asks what tells most about the decision for its cost, a few questions at a time, and stops when no answer to what is
left could change disposition, leading hypothesis or the verdict's name, when all is asked, or when policy's budget is
used. What a plan acts on is asked even then. See docs/explanation/deciding.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import exp, fsum
from typing import Literal, NamedTuple

from watchfloor.core.policy import TriagePolicy
from watchfloor.core.question import Asked, Question
from watchfloor.core.scorecard import Scorecard, Weights
from watchfloor.triage.prospects import (
    NOTHING,
    Chance,
    Prospect,
    Vector,
    entropy,
    informs,
    joined,
    malice,
    prospect,
    vector,
)
from watchfloor.triage.reach import Decisions, Range, added, decisions, range_of, range_of_group, shares

# Collectors get what many cases ask in one batch. Rounds double from a few questions on: where the most telling ones
# have not settled it, the next few seldom do, and choosing costs as well.
ROUND = 8
# Scores are compared at so many places, so that two machines ask in one order.
_PLACES = 9

Key = tuple[str, str, str]


class Reply(NamedTuple):
    """What came of one look-up: the answer's value or its status, and the weights of an answer."""

    value: str
    weights: Vector | None
    """None for what is no answer."""
    unknown: bool = False
    """Whether it could not be checked."""


class Choice(NamedTuple):
    """An asked subject with the reason why it is next."""

    asked: Asked
    information: float
    turns: float
    cost: float
    purpose: Literal["decision", "plan"]


class Stand(NamedTuple):
    """Where the decision stands."""

    probability: float
    entropy: float


class _Standing(NamedTuple):
    """Where a ranking starts from, and which weights would turn the decision from there, as far as that was tried."""

    sums: Vector
    posterior: Vector
    decided: tuple[bool, bool, int, int]
    turned: dict[Vector, bool]


def key_of(asked: Asked) -> Key:
    return (asked.question, asked.about, asked.lookup.uid)


class _Line:
    """One question of the case: what its subjects have answered, and which of them are still open."""

    def __init__(self, question: Question, given: Prospect) -> None:
        self.question, self.prospect = question, given
        self.open: dict[Key, Asked] = {}
        self.left_out = False
        self.counts: Vector = NOTHING
        """What it adds as things stand."""
        self._best: tuple[float, str, str, Vector] | None = None
        self._unknown = False
        self._outcomes: tuple[Vector, ...] | None = None
        self._range: Range | None = None

    def add(self, asked: Asked) -> None:
        self.open[key_of(asked)] = asked
        self.left_out = self.left_out or asked.left_out > 0

    def take(self, asked: Asked, reply: Reply) -> None:
        del self.open[key_of(asked)]
        self._outcomes = self._range = None
        self._unknown = self._unknown or reply.unknown
        if reply.weights is not None:
            found = (-malice(reply.weights), asked.about, asked.lookup.uid, reply.weights)
            self._best = found if self._best is None else min(self._best, found)
        if self._best is not None:
            self.counts = NOTHING if self._best[0] > 0 and self._doubtful else self._best[3]

    @property
    def _doubtful(self) -> bool:
        """Whether a subject is unknown, so that nothing may speak for innocence (`weighing._one_counts`)."""
        return self.left_out or self._unknown

    @property
    def outcomes(self) -> tuple[Vector, ...]:
        """All that it may add in the end."""
        if self._outcomes is None:
            self._outcomes = self._reckoned()
        return self._outcomes

    def _reckoned(self) -> tuple[Vector, ...]:
        if not self.open:
            return (self.counts,)
        may_be = self.prospect.hostile if self._doubtful else self.prospect.outcomes
        if self._best is None:
            return may_be
        beaten = -self._best[0]
        more = {w for w in may_be if malice(w) >= beaten} | {self.counts}
        if beaten < 0:  # another subject that cannot be checked takes it away
            more.add(NOTHING)
        return tuple(sorted(more))

    @property
    def range(self) -> Range:
        if self._range is None:
            self._range = range_of(self.outcomes)
        return self._range

    def chances(self, before: int) -> tuple[Chance, ...]:
        """What one more subject may answer, as the change that it would make."""
        every = self.prospect.chances(before)
        if self._best is None:
            return every
        now, beaten = self.counts, -self._best[0]
        kept = [c for c in every if malice(c.weights) > beaten]
        rest = [c.likelihood for c in every if malice(c.weights) <= beaten]
        same = (fsum(r[0] for r in rest), fsum(r[1] for r in rest), fsum(r[2] for r in rest))
        return (Chance(NOTHING, same), *(Chance(_minus(c.weights, now), c.likelihood) for c in kept))


class Investigator:
    """One case's questions, asked in rounds: `next`, then `take`, until `next` gives nothing.

    `base` are the sums before any question (the prior and what the case's classes add); `may_close` whether every
    closing gate holds that no answer can change.
    """

    def __init__(
        self,
        offered: Iterable[Asked],
        questions: Mapping[str, Question],
        scorecard: Scorecard,
        policy: TriagePolicy,
        *,
        base: Weights,
        may_close: bool,
    ) -> None:
        self._scorecard, self._policy, self._may_close = scorecard, policy, may_close
        self._base = vector(base)
        self._lines: dict[str, _Line] = {}
        for asked in sorted(offered, key=key_of):
            line = self._lines.get(asked.question)
            if line is None:
                question = questions[asked.question]
                line = self._lines[asked.question] = _Line(question, prospect(question, scorecard))
            line.add(asked)
        self._groups: dict[str, list[_Line]] = {}
        self._single: list[_Line] = []
        # Of questions without a group and of groups: what they come to now, as far as that is anything.
        self._counting: dict[tuple[str, str], Vector] = {}
        # Of each group: its members that weigh something now.
        self._speaking: Counter[str] = Counter()
        for line in self._lines.values():
            if line.question.group:
                self._groups.setdefault(line.question.group, []).append(line)
            else:
                self._single.append(line)
        self._looked_up: set[str] = set()
        # Of each group: where it may still go; reckoned anew when a member has answered.
        self._ranges: dict[str, Range] = {}
        self._unanswered = False
        self._size = ROUND
        self.cost = 0.0
        self.stopped = ""
        """Why `next` gave nothing: `settled`, `all_asked` or `budget`."""

    # What there is to ask

    @property
    def open(self) -> list[Asked]:
        """What has not been asked, in order."""
        return [asked for line in self._lines.values() for asked in line.open.values()]

    def next(self) -> list[Choice]:
        """The next round: the best questions, and whatever else their look-ups answer. Empty when it is over."""
        if not any(line.open for line in self._lines.values()):
            self.stopped = "all_asked"
            return []
        if not self.settled:
            chosen = self._round(self._ranked())
            self._size *= 2
            self.stopped = "" if chosen else "budget"
            return chosen
        chosen = self._round(self._for_plan())
        self.stopped = "" if chosen else "settled"
        return chosen

    def beside(self, asked: Iterable[Asked]) -> list[Choice]:
        """The given ones as a round of its own: for what somebody asked although it was not needed."""
        stands = self._standing()
        return [self._choice(self._lines[a.question], a, stands) for a in sorted(asked, key=key_of)]

    def take(self, asked: Asked, reply: Reply) -> Stand:
        """What a look-up came to. Each of a round in turn; gives where the decision stands then."""
        line = self._lines[asked.question]
        if asked.lookup.uid not in self._looked_up:
            self._looked_up.add(asked.lookup.uid)
            self.cost += line.question.cost
        self._take(line, asked, reply)
        self._unanswered = self._unanswered or (line.question.required and reply.unknown)
        posterior = self._posterior()
        return Stand(posterior[0], entropy(posterior))

    def _take(self, line: _Line, asked: Asked, reply: Reply) -> None:
        group, before = line.question.group, line.counts
        line.take(asked, reply)
        self._ranges.pop(group, None)
        if line.counts == before:
            return
        self._speaking[group] += any(line.counts) - any(before)
        if group:
            members = [member.counts for member in self._groups[group]]
            self._counting[group, ""] = joined(members, self._scorecard.overlap)
        else:
            self._counting["", line.question.id] = line.counts

    # When it is over

    @property
    def settled(self) -> bool:
        """Whether no answer to what is open could change the decision."""
        return self.may_be.one

    @property
    def may_be(self) -> Decisions:
        """All that the decision may still be."""
        required = any(line.open and line.question.required for line in self._lines.values())
        outcomes = {line.outcomes for line in self._lines.values()}
        surely = any(NOTHING not in one for one in outcomes)
        maybe = any(one != (NOTHING,) for one in outcomes)
        found = decisions(
            self.reach,
            self._scorecard.temperature,
            self._policy,
            may_close=self._may_close and not self._unanswered,
            evidence=frozenset({True} if surely else {True, False} if maybe else {False}),
        )
        if required and "close" in found.dispositions:  # it may yet turn out that it cannot be checked
            found = found._replace(dispositions=found.dispositions | {"queue"})
        return found

    @property
    def reach(self) -> Range:
        """Where the sums may still go."""
        for group, lines in self._groups.items():
            if group not in self._ranges:
                self._ranges[group] = range_of_group(tuple(line.outcomes for line in lines), self._scorecard.overlap)
        base = range_of((self._base,))
        return added([base, *(line.range for line in self._single), *self._ranges.values()])

    def bounds(self) -> tuple[float, float]:
        """The least and greatest probability of malicious that can still come out."""
        found = shares(self.reach, self._scorecard.temperature)
        return found.low[0], found.high[0]

    def pull(self, question: str) -> tuple[float, float]:
        """How far a question may still move malicious, down and up (log-odds against the better benign one)."""
        line = self._lines[question]
        moves = [malice(w) - malice(line.counts) for w in line.outcomes]
        return min(moves), max(moves)

    # How it chooses

    def sums(self) -> Vector:
        """The sums as things stand."""
        a, b, c = zip(self._base, *self._counting.values(), strict=True)
        return (fsum(a), fsum(b), fsum(c))

    def _posterior(self) -> Vector:
        return self._shares(self.sums())

    def _shares(self, sums: Vector) -> Vector:
        heat = self._scorecard.temperature
        most = max(sums)
        a, b, c = (exp((value - most) / heat) for value in sums)
        whole = a + b + c
        return (a / whole, b / whole, c / whole)

    def _decided(self, sums: Vector) -> tuple[bool, bool, int, int]:
        """The decision at these sums, coarsely: what tells one from another, not its name."""
        posterior = self._shares(sums)
        probability, policy = posterior[0], self._policy
        band = (probability >= 0.2) + (probability >= 0.45) + (probability >= 0.8)
        return (
            probability >= policy.escalate_at,
            self._may_close and probability <= policy.close_below,
            max(range(3), key=lambda i: posterior[i]),
            band,
        )

    def _ranked(self) -> list[Choice]:
        """The next subject of every open question, the most telling for its cost first."""
        stands = self._standing()
        chosen = [
            self._choice(line, next(iter(line.open.values())), stands) for line in self._lines.values() if line.open
        ]
        return sorted(chosen, key=self._rank)

    def _rank(self, choice: Choice) -> tuple[float, bool, Key]:
        line = self._lines[choice.asked.question]
        worth = round((choice.information + choice.turns) / line.question.cost, _PLACES)
        return (-worth, not line.question.required, key_of(choice.asked))

    def _standing(self) -> _Standing:
        sums = self.sums()
        return _Standing(sums, self._shares(sums), self._decided(sums), {})

    def _turns(self, weights: Vector, stands: _Standing) -> bool:
        """Whether the decision would be another with these weights added."""
        found = stands.turned.get(weights)
        if found is None:
            found = stands.turned[weights] = self._decided(_plus(stands.sums, weights)) != stands.decided
        return found

    def _choice(self, line: _Line, asked: Asked, stands: _Standing) -> Choice:
        group = line.question.group
        before = self._speaking[group] - any(line.counts) if group else 0
        chances = line.chances(before)
        p0, p1, p2 = stands.posterior
        turns = fsum(
            p0 * likely[0] + p1 * likely[1] + p2 * likely[2]
            for weights, likely in chances
            if self._turns(weights, stands)
        )
        return Choice(asked, informs(stands.posterior, chances), turns, line.question.cost, "decision")

    def _for_plan(self) -> list[Choice]:
        """Intelligence on entities: where an attack leads, a plan acts on what it names (`known_bad`)."""
        posterior = self._posterior()
        if max(posterior) != posterior[0]:
            return []
        return [
            Choice(asked, 0.0, 0.0, line.question.cost, "plan")
            for line in self._lines.values()
            if line.question.collector == "intel"
            for asked in line.open.values()
            if any(w[0] > 0 for w in line.prospect.outcomes)
        ]

    def _round(self, ranked: Sequence[Choice]) -> list[Choice]:
        """The first few within the budget, with all that the same look-ups answer."""
        left = float("inf") if self._policy.budget is None else self._policy.budget - self.cost
        lookups: dict[str, Choice] = {}
        for choice in ranked:
            uid = choice.asked.lookup.uid
            if uid in lookups or (uid not in self._looked_up and choice.cost > left):
                continue
            if len(lookups) == self._size:
                break
            left -= 0.0 if uid in self._looked_up else choice.cost
            lookups[uid] = choice
        chosen = {key_of(choice.asked): choice for choice in lookups.values()}
        told = {key_of(choice.asked): choice for choice in ranked}
        for asked in self.open:
            if asked.lookup.uid in lookups and (key := key_of(asked)) not in chosen:
                known = told.get(key) or Choice(asked, 0.0, 0.0, 0.0, lookups[asked.lookup.uid].purpose)
                chosen[key] = known._replace(cost=0.0)
        return list(chosen.values())


def _plus(a: Vector, b: Vector) -> Vector:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _minus(a: Vector, b: Vector) -> Vector:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


__all__ = ["Choice", "Investigator", "Reply", "Stand", "key_of"]
