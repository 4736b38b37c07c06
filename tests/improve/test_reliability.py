"""Which levels count, and that nothing which is held out has a part in what judges it."""

from __future__ import annotations

import numpy as np
import pytest

from watchfloor.improve.reliability import Entries, Floats, Held, Ints, choose, fit_levels, tiled

GROUPS, EACH, CLASSES = 60, 6, 12
N = GROUPS * EACH
GROUP = np.repeat(np.arange(GROUPS), EACH)
FOLDS = [np.where(fold == GROUP % 3, 0.0, 1.0) for fold in range(3)]
EVEN = np.zeros((N, 3))
NARROW = np.random.default_rng(0).integers(0, CLASSES, N)


def level(value: Ints) -> Entries:
    return Entries(np.arange(N), value, int(value.max()) + 1)


def labels(by: Ints, seed: int = 1) -> Held:
    """Eight in ten turn out as their class (`by`) does."""
    chance = np.random.default_rng(seed)
    outcome = np.where(chance.random(N) < 0.8, by % 3, chance.integers(0, 3, N))
    return Held(np.eye(3)[outcome], np.ones(N), GROUP, GROUP)


def chosen(entries: list[Entries], held: Held) -> tuple[int, ...]:
    return choose(*tiled(entries, held, FOLDS), np.tile(EVEN, (3, 1))).levels


@pytest.mark.parametrize("finer", [1, 2])
def test_of_levels_that_say_the_same_one_counts(finer: int) -> None:
    same = [level(NARROW), level(NARROW * finer + (np.arange(N) % finer))]
    assert len(chosen(same, labels(NARROW))) == 1


def test_a_broad_level_does_not_crowd_out_the_one_that_explains() -> None:
    # The broad one goes with it half-way.
    broad = level(NARROW // 2)
    assert 1 in chosen([broad, level(NARROW)], labels(NARROW))
    assert chosen([broad, level(NARROW)], labels(NARROW // 2)) == (0,)


def test_what_says_nothing_is_seldom_chosen() -> None:
    nothing = [labels(np.random.default_rng(seed).integers(0, 3, N), seed + 1000) for seed in range(100, 120)]
    assert sum(bool(chosen([level(NARROW)], held)) for held in nothing) <= 4


def test_what_is_held_out_has_no_part_in_what_judges_it() -> None:
    entries = [level(NARROW // 2), level(NARROW)]
    held = labels(NARROW)
    out = FOLDS[0] == 0.0
    other = held._replace(truth=np.where(out[:, None], np.roll(held.truth, 1, axis=1), held.truth))
    # Judged by what is the same in both, so that the same is chosen: the terms of those held out stay to the last bit.
    terms: list[Floats] = []
    for one in (held, other):
        copies, kept, judged = tiled(entries, one, FOLDS[:1])
        assert not (kept.weight * judged).any()
        terms.append(choose(copies, kept, kept.weight, EVEN).terms[:, out])
    assert np.array_equal(terms[0], terms[1])
    assert terms[0].any()


def test_a_class_is_worth_its_groups_not_its_cases() -> None:
    # One class of one group alone, a hundred times over: its labels count as the group does.
    value = np.zeros(N, np.int64)
    held = labels(value)
    chain = choose([level(value)], held, held.weight, EVEN)

    def term(weight: float) -> float:
        weights = np.where(GROUP == 0, weight, 1e-9)
        return float(np.abs(fit_levels(chain, [level(value)], held._replace(weight=weights), EVEN)[0].terms).max())

    assert term(1.0 / EACH) < term(1.0)
