"""Fits one additive model: cross-validated by group, calibrated, pruned, in whole numbers, with its figures beside it.

A group is a recording, a list, or a family of a generator. No group is scored by weights that have seen it. The figures
in a file are of values so held out; its weights are fitted on all of them.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import orjson
from scipy.sparse import csr_matrix
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from watchfloor.detect.learned.model import UNIT

FOLDS = 6
ONE_SIDED = 0.025


class Sample(NamedTuple):
    """One value that is judged, as `plain` leaves it, and whether it is bad. With its `group` it is held out; under its
    `family` figures are told, where that is another. What is not `learned` is scored only; of the
    many fillings of one template one is `scored`."""

    value: str
    bad: bool
    group: str
    family: str = ""
    learned: bool = True
    scored: bool = True


class Task(NamedTuple):
    """How one detector is trained.

    Pieces that fewer than `least_seen` values or `least_groups` groups have get no weight; weights under `least` are
    left out. With `hashed` the file has no text of a piece. The detector speaks where `false_positives` of the good
    values that were held out do. With `harder`, figures are told as well of whole families of templates held out; with
    `groups_alike`, each group counts the same, however many values it has.
    """

    name: str
    samples: Callable[[Path], Iterator[Sample]]
    pieces: Callable[[str], list[str]]
    least_seen: int = 3
    least_groups: int = 1
    strength: float = 1.0
    hashed: bool = False
    false_positives: float = 0.001
    least: float = 0.05
    harder: bool = False
    groups_alike: bool = False


class HeldOut(NamedTuple):
    """Samples with the log-odds that weights gave them which had not seen their group. `log_odds` is calibrated."""

    samples: list[Sample]
    log_odds: Any
    slope: float
    shift: float

    @property
    def bad(self) -> Any:
        return np.array([one.bad for one in self.samples])


class Fit(NamedTuple):
    """Weights in log-odds by piece, before they are pruned."""

    bias: float
    weights: dict[str, float]

    def log_odds(self, taken: Iterable[Sequence[str]]) -> Any:
        return np.array([self.bias + sum(self.weights.get(piece, 0.0) for piece in one) for one in taken])


def fit(samples: Sequence[Sample], taken: Sequence[Sequence[str]], task: Task) -> Fit:
    """Logistic regression, both classes at even odds, over the pieces that enough values have."""
    sizes = Counter((one.group, one.bad) for one in samples)
    counts = [1 / sizes[one.group, one.bad] if task.groups_alike else 1.0 for one in samples]
    seen = Counter(piece for one in taken for piece in one)
    names = sorted(piece for piece, count in seen.items() if count >= task.least_seen)
    if task.least_groups > 1:
        groups = Counter(
            piece for piece, _ in {(p, one.group) for one, t in zip(samples, taken, strict=True) for p in t}
        )
        names = [piece for piece in names if groups[piece] >= task.least_groups]
    column = {name: i for i, name in enumerate(names)}
    rows = [[column[piece] for piece in one if piece in column] for one in taken]
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.array([i for row in rows for i in row], dtype=np.int32)
    table = csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows), len(names)))
    model = LogisticRegression(C=task.strength, class_weight="balanced", solver="lbfgs", max_iter=400, tol=1e-5)
    with threadpool_limits(1):  # threads gain nothing here, and their order is chance
        model.fit(table, [one.bad for one in samples], counts)
    return Fit(float(model.intercept_[0]), dict(zip(names, map(float, model.coef_[0]), strict=True)))


def held_out(samples: Sequence[Sample], task: Task) -> HeldOut:
    """Each sample scored by a fit that has not seen its group, then calibrated at even odds (Platt)."""
    taken = [task.pieces(one.value) for one in samples]
    bad = np.array([one.bad for one in samples])
    learned = np.array([one.learned for one in samples])
    by_group = _folds(samples)
    folds = np.array([by_group[one.group] for one in samples])
    raw = np.zeros(len(samples))
    for fold in range(FOLDS):
        inside, outside = (folds != fold) & learned, folds == fold
        if outside.any():
            chosen = np.flatnonzero(inside)
            found = fit([samples[i] for i in chosen], [taken[i] for i in chosen], task)
            raw[outside] = found.log_odds(taken[i] for i in np.flatnonzero(outside))
    platt = LogisticRegression(C=1e6, class_weight="balanced").fit(raw[learned].reshape(-1, 1), bad[learned])
    slope, shift = float(platt.coef_[0][0]), float(platt.intercept_[0])
    scored = [i for i, one in enumerate(samples) if one.scored]
    return HeldOut([samples[i] for i in scored], slope * raw[scored] + shift, slope, shift)


def _folds(samples: Iterable[Sample]) -> dict[str, int]:
    """Groups to folds: the greatest first, each to the fold that has least of its class."""
    sizes = Counter((one.bad, one.group) for one in samples)
    load: Counter[tuple[bool, int]] = Counter()
    folds: dict[str, int] = {}
    for (bad, group), size in sorted(sizes.items(), key=lambda one: (-one[1], one[0])):
        fold = folds.setdefault(group, min(range(FOLDS), key=lambda n: (load[bad, n], n)))
        load[bad, fold] += size
    return folds


def threshold(held: HeldOut, rate: float) -> float:
    """The log-odds that at most `rate` of the good values held out reach or pass."""
    good = np.sort([s for s, one in zip(held.log_odds, held.samples, strict=True) if one.learned and not one.bad])[::-1]
    allowed = math.floor(rate * len(good))
    return math.ceil(float(np.nextafter(good[allowed], np.inf)) * UNIT) / UNIT if allowed < len(good) else -math.inf


def figures(held: HeldOut) -> dict[str, Any]:
    """AUC, and recall with its exact interval (95 %, Clopper-Pearson) at two rates of false positives; by group too."""
    judged = np.array([one.learned for one in held.samples])
    good, bad = held.log_odds[~held.bad & judged], held.log_odds[held.bad & judged]
    told: dict[str, Any] = {
        "good": len(good),
        "bad": len(bad),
        "auc": round(float(roc_auc_score(held.bad[judged], held.log_odds[judged])), 4),
    }
    for rate in (0.01, 0.001):
        told[f"recall_at_{rate}"] = recall(bad, threshold(held, rate))
    limit = threshold(held, 0.01)
    names = np.array(list(map(_family, held.samples)))
    for told_of, chosen in (("recall_at_0.01_by_family", held.bad), ("alarms_at_0.01_by_source", ~held.bad)):
        told[told_of] = {
            str(n): recall(held.log_odds[(names == n) & chosen], limit) for n in sorted(set(names[chosen]))
        }
    return told


def recall(scores: Any, limit: float) -> list[float]:
    """Share at or over the limit, and the exact interval of it."""
    return [round(part, 4) for part in interval(int((scores >= limit).sum()), len(scores))]


def interval(hits: int, of: int) -> tuple[float, float, float]:
    """A share with its exact two-sided 95 % interval (Clopper and Pearson 1934)."""
    low = float(beta.ppf(ONE_SIDED, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - ONE_SIDED, hits + 1, of - hits)) if hits < of else 1.0
    return hits / of, low, high


def trained(task: Task, data: Path) -> dict[str, Any]:
    """The whole artifact but its version: weights, threshold, what it was trained on, figures."""
    samples = list(task.samples(data))
    held = held_out(samples, task)
    limit = threshold(held, task.false_positives)
    learned = [one for one in samples if one.learned]
    found = fit(learned, [task.pieces(one.value) for one in learned], task)
    weights = {
        piece: whole
        for piece, weight in found.weights.items()
        if abs(weight * held.slope) >= task.least and (whole := round(weight * held.slope * UNIT))
    }
    body = {
        "bias": round((found.bias * held.slope + held.shift) * UNIT),
        "weights": dict(
            sorted((f"{crc32(piece.encode()):08x}" if task.hashed else piece, w) for piece, w in weights.items())
        ),
    }
    harder = {}
    if task.harder:
        families = held_out([one._replace(group=one.family) if _is_template(one) else one for one in samples], task)
        harder["families_held_out"] = figures(families)
    return {
        "name": task.name,
        "trained_on": _sources(samples),
        "held_out": figures(held),
        **harder,
        "threshold": {"log_odds": limit, "false_positives": task.false_positives},
        "hashed": task.hashed,
        "digest": digest({**body, "threshold": limit}),
        **body,
    }


def _key(piece: str, task: Task) -> str:
    return f"{crc32(piece.encode()):08x}" if task.hashed else piece


def _is_template(sample: Sample) -> bool:
    return sample.group.startswith("template ")


def _family(sample: Sample) -> str:
    return sample.family or sample.group


def _sources(samples: Sequence[Sample]) -> dict[str, Any]:
    """Per family how many values, and the digest of them all in their order."""
    told = {}
    for family in sorted({_family(one) for one in samples}):
        mine = [one for one in samples if _family(one) == family]
        text = "\n".join(one.value for one in mine).encode("utf-8", "replace")
        told[family] = {
            "bad": sum(one.bad for one in mine),
            "good": sum(not one.bad for one in mine),
            "learned": mine[0].learned,
            "sha256": hashlib.sha256(text).hexdigest()[:16],
        }
    return told


def digest(body: Any) -> str:
    """Of weights, bias and threshold: equal for equal models."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def written(artifact: dict[str, Any]) -> bytes:
    """The file: one weight a line, so that a change can be read."""
    return orjson.dumps(artifact, option=orjson.OPT_INDENT_2) + b"\n"
