"""Training: a scorecard fitted on exports, with its evidence: held-out figures, and why each weight moved."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import log
from typing import NamedTuple, TypeVar

from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.core.noun import Digest, Noun, Tenant, canonical, digest_of, short_id
from watchfloor.core.scorecard import PLACES, Scorecard, Weights
from watchfloor.core.verdict import HYPOTHESES, Hypothesis
from watchfloor.improve.calibration import Calibration, calibrated, measured, mend, mended
from watchfloor.improve.example import Example, in_order
from watchfloor.improve.learning import NONE, Questions, fit, score

FEWEST = 10
"""Labels from which on training is offered: fewer say nothing that a person could check."""
MOST_PARTS = 20
_TIMES = 5
_LEAST = 1e-6

Judge = Callable[[Example], Weights]
T = TypeVar("T")


class Figures(Noun):
    """Held-out figures of one way to judge: over the three hypotheses, and the calibration of `malicious`."""

    macro_f1: float
    accuracy: float
    log_loss: float
    calibration: Calibration


class Change(Noun):
    """One weight that moved: of an answer (`question` and value), of a class (`class.<level>` and name) or a prior."""

    what: str
    value: str
    before: Weights
    after: Weights
    labels: int
    """Labelled cases that it was fitted on."""
    attacks: int


class Training(Noun):
    """A new version of the scorecard and its evidence. Applied only by a person's signature over its digest."""

    tenant: Tenant
    uid: str
    time: int
    """Of the newest example (ms)."""
    scorecard: Scorecard
    scorecard_digest: Digest
    start: Digest
    """Of the scorecard that it was learnt from."""
    data: Digest
    """Of the examples, in order."""
    examples: int
    groups: dict[str, int]
    held_out: str
    """How examples were held out, in words."""
    tested: int
    learnt: Figures
    plain: dict[str, Figures]
    """The expert's card and plain baselines, on the same held-out examples."""
    changes: tuple[Change, ...]
    """What moved most first."""
    seal: str = ""
    """The digest of all the rest."""

    def sealed(self) -> Training:
        """With its seal."""
        return self.model_copy(update={"seal": self.model_copy(update={"seal": ""}).digest()})

    @classmethod
    def opened(cls, data: bytes | str, where: str) -> Training:
        """From the bytes of a file. Raises RefusedError when one of them is not as it was written."""
        found = cls.from_json(data)
        if found.sealed().seal != found.seal or found.scorecard.digest() != found.scorecard_digest:
            raise RefusedError("the scorecard or its evidence was changed since it was trained", where=where)
        return found

    @property
    def better(self) -> bool:
        """Whether held-out examples are explained better than by the scorecard that it started from."""
        return self.learnt.log_loss < self.plain["start"].log_loss


class Fold(NamedTuple):
    """What is learnt from, and what is tested."""

    train: list[Example]
    test: list[Example]


def train(tenant: str, examples: Sequence[Example], start: Scorecard, questions: Questions = NONE) -> Training:
    """Fit and evaluate. Raises WatchfloorError where there are too few examples, or of one outcome only."""
    known = in_order(examples)
    if len(known) < FEWEST or len({one.truth for one in known}) < 2:
        raise WatchfloorError(
            f"{len(known)} labelled cases of {len({one.truth for one in known})} outcomes are too few to learn from",
            do=f"Resolve cases first: at least {FEWEST}, of two outcomes",
        )
    held_out, folds = held_out_folds(known)
    tested = [one for fold in folds for one in fold.test]
    said: dict[str, list[list[Weights]]] = defaultdict(list)
    for fold in folds:
        for name, judge in _judges(fold.train, start, questions).items():
            said[name].append([judge(one) for one in fold.test])
    truths = [[one.truth for one in fold.test] for fold in folds]
    learnt = said.pop("learnt")
    card = calibrated(fit(known, start, questions=questions), mend(_flat(learnt), _flat(truths)))
    digest, data = card.digest(), digest_of(canonical([one.to_dict() for one in known]))
    return Training(
        tenant=tenant,
        uid=short_id("scorecard", digest, data),
        time=max(one.time for one in known),
        scorecard=card,
        scorecard_digest=digest,
        start=start.digest(),
        data=data,
        examples=len(known),
        groups=dict(sorted(Counter(one.group for one in known).items())),
        held_out=held_out,
        tested=len(tested),
        learnt=figures(_flat(_cross_mended(learnt, truths)), _flat(truths)),
        plain={name: figures(_flat(one), _flat(truths)) for name, one in said.items()},
        changes=changes(start, card, known),
    ).sealed()


def held_out_folds(examples: Sequence[Example]) -> tuple[str, list[Fold]]:
    """Each group held out once; of many groups several at once; of one or two groups what came later."""
    groups = sorted({one.group for one in examples})
    if len(groups) >= 3:
        parts = min(len(groups), MOST_PARTS)
        sizes = Counter(one.group for one in examples)
        loads, place = [0] * parts, {}
        for group in sorted(groups, key=lambda name: (-sizes[name], name)):
            place[group] = loads.index(min(loads))
            loads[place[group]] += sizes[group]
        folds = [
            Fold([e for e in examples if place[e.group] != part], [e for e in examples if place[e.group] == part])
            for part in range(parts)
        ]
        words = "each group held out once" if parts == len(groups) else f"groups held out, in {parts} parts"
        return f"{words} ({len(groups)} groups)", folds
    timed = sorted(examples, key=lambda one: (one.time, one.uid))
    size = -(-len(timed) // _TIMES)
    later = [Fold(timed[:at], timed[at : at + size]) for at in range(size, len(timed), size)]
    return f"by time: learnt from what came before, in {_TIMES} parts", later


def _judges(train: Sequence[Example], start: Scorecard, questions: Questions) -> dict[str, Judge]:
    card = fit(train, start, questions=questions)
    base, look_up = _rates(train), _look_up(train)
    return {
        "learnt": lambda one: score(card, one, questions),
        "start": lambda one: score(start, one, questions),
        "base rates": lambda _: base,
        "rule look-up": look_up,
    }


def _rates(examples: Sequence[Example], prior: Weights | None = None) -> Weights:
    """Shares of the outcomes; with a prior worth one label."""
    counts = Counter(one.truth for one in examples)
    before = prior or {name: 1.0 / len(HYPOTHESES) for name in HYPOTHESES}
    return {name: (counts[name] + before[name]) / (len(examples) + 1.0) for name in HYPOTHESES}


def _look_up(train: Sequence[Example]) -> Judge:
    """How cases of the same narrowest class turned out; of a class that nobody saw, the base rates."""
    held: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for one in train:
        for level_and_class in one.classes[:1]:
            held[level_and_class].append(one)
    base = _rates(train)
    known = {key: _rates(mine, base) for key, mine in held.items()}
    return lambda one: known.get(one.classes[0], base) if one.classes else base


def _cross_mended(said: Sequence[list[Weights]], truths: Sequence[list[Hypothesis]]) -> list[list[Weights]]:
    """Each part mended by what the other parts say, so that the figures are of cases that the mend never saw."""
    found = []
    for at, mine in enumerate(said):
        others = [n for n in range(len(said)) if n != at]
        by = mend(_flat([said[n] for n in others]), _flat([truths[n] for n in others])) if others else None
        found.append(mended(mine, by) if by else mine)
    return found


def figures(posteriors: Sequence[Weights], truths: Sequence[Hypothesis]) -> Figures:
    """Figures of posteriors against truths, one each."""
    given = [max(HYPOTHESES, key=lambda name: one[name]) for one in posteriors]
    right = [said == truth for said, truth in zip(given, truths, strict=True)]
    scores = []
    for name in HYPOTHESES:
        hit = sum(ok for ok, truth in zip(right, truths, strict=True) if truth == name)
        both = given.count(name) + list(truths).count(name)
        if both:
            scores.append(2.0 * hit / both)
    lost = [-log(max(one[truth], _LEAST)) for one, truth in zip(posteriors, truths, strict=True)]
    count = max(len(truths), 1)
    return Figures(
        macro_f1=round(sum(scores) / max(len(scores), 1), PLACES),
        accuracy=round(sum(right) / count, PLACES),
        log_loss=round(sum(lost) / count, PLACES),
        calibration=measured(posteriors, truths),
    )


def changes(before: Scorecard, after: Scorecard, examples: Sequence[Example]) -> tuple[Change, ...]:
    """Every weight that differs, with the labels that it was fitted on: why it moved."""
    labels: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for one in examples:
        labels["prior", ""].append(one)
        for key in {*one.answers.items(), *((f"class.{level}", name) for level, name in one.classes)}:
            labels[key].append(one)
    old, new = dict(_terms(before)), dict(_terms(after))
    nothing: Weights = dict.fromkeys(HYPOTHESES, 0.0)
    found = [
        Change(
            what=key[0],
            value=key[1],
            before=old.get(key, nothing),
            after=new.get(key, nothing),
            labels=len(labels[key]),
            attacks=sum(one.truth == "malicious" for one in labels[key]),
        )
        for key in sorted({*old, *new})
        if _differ(old.get(key, nothing), new.get(key, nothing)) > 0
    ]
    return tuple(sorted(found, key=lambda one: (-_differ(one.before, one.after), one.what, one.value)))


def _terms(card: Scorecard) -> Iterator[tuple[tuple[str, str], Weights]]:
    yield ("prior", ""), card.priors
    for uid, values in card.weights.items():
        for value, weights in values.items():
            yield (uid, value), weights
    for held in card.reliability:
        for name, weights in held.values.items():
            yield (f"class.{held.level}", name), weights


def _differ(one: Mapping[Hypothesis, float], other: Mapping[Hypothesis, float]) -> float:
    return round(sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in HYPOTHESES), PLACES)


def _flat(parts: Sequence[Sequence[T]]) -> list[T]:
    return [one for part in parts for one in part]
