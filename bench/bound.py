"""How often a class that should stay shut is opened: the bound that we use beside those that one might.

Each run is a class whose cases that would be closed are attacks with a fixed share, or with one that jumps; labels of a
fair sample come one by one; after each it is looked whether the bound is under the limit. What counts is the share of
runs in which it ever was although the true share is over the limit: it may be at most 1 - confidence.

    python -m bench.bound [RUNS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import numpy.typing as npt

from watchfloor.triage.anytime import clopper_pearson, closing_bound

Runs = npt.NDArray[np.bool_]
_MOST_MISSES = 400
_BATCH = 500


@dataclass(frozen=True)
class Scheme:
    """A rule for opening: `most[n]` is the greatest number of misses among n labels with which it is open, or -1."""

    name: str
    most: npt.NDArray[np.int64]

    @classmethod
    @cache
    def anytime(cls, limit: float, confidence: float, labels: int) -> Self:
        """The product's own."""
        return cls("the product's", _most(lambda k, n: closing_bound(k, n, confidence), limit, labels))

    @classmethod
    @cache
    def one_look(cls, limit: float, confidence: float, labels: int) -> Self:
        """Clopper-Pearson for one look, looked at all the time."""
        return cls("Clopper-Pearson", _most(lambda k, n: clopper_pearson(k, n, confidence), limit, labels))

    @classmethod
    @cache
    def spending(cls, limit: float, confidence: float, labels: int) -> Self:
        """Clopper-Pearson at looks 1.5 times as far apart each, with halved alpha; between looks it stays as it was."""
        most = np.full(labels + 1, -1, dtype=np.int64)
        look, alpha = 183, (1 - confidence) / 2
        while look <= labels:
            k = -1
            while clopper_pearson(k + 1, look, 1 - alpha) <= limit:
                k += 1
            most[look] = k
            look, alpha = int(look * 1.5), alpha / 2
        return cls("alpha spending", most)


def _most(bound: Callable[[int, int], float], limit: float, labels: int) -> npt.NDArray[np.int64]:
    most = np.full(labels + 1, -1, dtype=np.int64)
    k = -1
    for n in range(1, labels + 1):
        while k + 1 <= n and bound(k + 1, n) <= limit:
            k += 1
        most[n] = k
    return most


def simulated(
    scheme: Scheme, rng: np.random.Generator, *, runs: int, labels: int, share: float | npt.NDArray[np.float64]
) -> Runs:
    """Of each run whether the class was ever open within so many labels. `share`: of attacks, or one a label."""
    opened = np.zeros(runs, dtype=np.bool_)
    most = scheme.most[1 : labels + 1]
    for start in range(0, runs, _BATCH):
        size = min(_BATCH, runs - start)
        misses = np.cumsum(rng.random((size, labels), dtype=np.float32) < share, axis=1, dtype=np.int32)
        opened[start : start + size] = (misses <= most).any(axis=1)
    return opened


def first_wrong(
    limit: float, confidence: float, rng: np.random.Generator, *, runs: int, labels: int, share: float
) -> Runs:
    """A class that was open turns bad: of each run whether it opens again after its first reviewed attack.

    The attack stays counted, and the clean labels before it do not: what comes after it stands alone.
    """
    own = Scheme.anytime(limit, confidence, labels)
    # Of n labels after it, n + 1 count and one of them is a miss already.
    after = Scheme("after a miss", np.concatenate(([-1], own.most[2:] - 1, [-1])))
    return simulated(after, rng, runs=runs, labels=labels, share=share)


def main(runs: int) -> None:
    limit, confidence, labels = 0.02, 0.95, 5_000
    schemes = [make(limit, confidence, labels) for make in (Scheme.anytime, Scheme.spending, Scheme.one_look)]
    print(f"limit {limit:.1%}, confidence {confidence:.0%}, {runs:,} runs of {labels:,} labels, looked at after each\n")
    print(f"{'true share of attacks':<34}" + "".join(f"{scheme.name:>17}" for scheme in schemes) + "   ever opened")
    for share in (0.005, 0.01, 0.015, 0.0205, 0.022, 0.025, 0.03, 0.05):
        over = "over the limit" if share > limit else ""
        row = [_rate(scheme, runs, labels, share) for scheme in schemes]
        print(f"{f'{share:.2%} {over}':<34}" + "".join(f"{rate:>17.2%}" for rate in row))
    at = np.arange(labels)
    for name, shares in (
        ("2.05 % to 5 %, steadily", 0.0205 + (0.05 - 0.0205) * at / labels),
        ("5 % and 2.05 % by turns of 100", np.where(at // 100 % 2, 0.0205, 0.05)),
    ):
        row = [_rate(scheme, runs, labels, shares) for scheme in schemes]
        print(f"{name:<34}" + "".join(f"{rate:>17.2%}" for rate in row))
    again = first_wrong(limit, confidence, np.random.default_rng(1), runs=runs, labels=labels, share=0.0205)
    print(f"\nopened again after an attack among what was closed, at 2.05 %: {again.mean():.2%} of runs (product's)")
    print("\nlabels that are needed with so many misses among them:")
    print(f"{'misses':<34}" + "".join(f"{scheme.name:>17}" for scheme in schemes))
    for missed in (0, 1, 2, 3, 5, 10, 20, 40):
        needed = [int(np.argmax(scheme.most >= missed)) for scheme in schemes]
        print(f"{missed:<34}" + "".join(f"{n if n else f'over {labels:,}':>17}" for n in needed))


def _rate(scheme: Scheme, runs: int, labels: int, share: float | npt.NDArray[np.float64]) -> float:
    """The same labels for every scheme."""
    return float(simulated(scheme, np.random.default_rng(1), runs=runs, labels=labels, share=share).mean())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
