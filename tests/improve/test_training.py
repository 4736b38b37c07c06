"""Training: its evidence is held out, its file cannot be changed unseen, and it says why weights moved."""

from __future__ import annotations

import random

import orjson
import pytest

from tests.improve.given import EXPERT, SHIPPED, company, questions_of
from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.improve.training import Training, held_out_folds, train

ASKED = questions_of(trusted=True)[:2]
THREE = [*company(1, 40, asked=ASKED), *company(2, 40, asked=ASKED), *company(3, 40, asked=ASKED)]


def trained() -> Training:
    return train("acme", THREE, EXPERT, SHIPPED.questions)


def test_a_training_has_its_evidence() -> None:
    found = trained()
    assert found.examples == found.tested == 120
    assert found.groups == {"company-1": 40, "company-2": 40, "company-3": 40}
    assert "each group held out once" in found.held_out
    assert set(found.plain) == {"start", "base rates", "rule look-up"}
    assert found.better
    assert found.learnt.log_loss < found.plain["base rates"].log_loss
    assert found.start == EXPERT.digest()
    assert found.scorecard.digest() == found.scorecard_digest
    assert sum(one.cases for one in found.learnt.calibration.bins) == 120


def test_every_moved_weight_says_on_how_many_labels() -> None:
    found = trained()
    prior = next(one for one in found.changes if one.what == "prior")
    assert (prior.labels, prior.attacks) == (120, sum(one.truth == "malicious" for one in THREE))
    asked = [one for one in found.changes if one.what == ASKED[0].id]
    assert asked
    assert all(one.labels == sum(e.answers[one.what] == one.value for e in THREE) for one in asked)
    assert all(one.before != one.after for one in found.changes)


def test_order_does_not_matter() -> None:
    mixed = random.Random(5).sample(THREE, len(THREE))
    assert train("acme", mixed, EXPERT, SHIPPED.questions).canonical() == trained().canonical()


def test_labels_that_say_nothing_are_not_called_better() -> None:
    chance = random.Random(2)
    truths = [one.truth for one in THREE]
    chance.shuffle(truths)
    shuffled = [one.model_copy(update={"truth": truth}) for one, truth in zip(THREE, truths, strict=True)]
    found = train("acme", shuffled, EXPERT, SHIPPED.questions)
    # A leak would let it know what was shuffled.
    assert found.learnt.log_loss > 0.95 * found.plain["base rates"].log_loss


@pytest.mark.parametrize("what", ["scorecard", "figures", "examples"])
def test_a_changed_file_is_refused(what: str) -> None:
    data = orjson.loads(trained().canonical())
    assert Training.opened(orjson.dumps(data), "file").better
    if what == "scorecard":
        data["scorecard"]["priors"]["malicious"] -= 1.0
    elif what == "figures":
        data["learnt"]["log_loss"] = 0.01
    else:
        data["examples"] = 100_000
    with pytest.raises(RefusedError, match="changed since it was trained"):
        Training.opened(orjson.dumps(data), "file")


def test_one_company_is_held_out_by_time() -> None:
    words, folds = held_out_folds(company(1, 50, group="acme"))
    assert words.startswith("by time")
    for fold in folds:
        assert max(one.time for one in fold.train) <= min(one.time for one in fold.test)


def test_no_company_is_on_both_sides() -> None:
    many = [one for seed in range(30) for one in company(seed, 3)]
    _, folds = held_out_folds(many)
    assert len(folds) == 20
    for fold in folds:
        assert not {one.group for one in fold.train} & {one.group for one in fold.test}
    assert sorted(one.uid for fold in folds for one in fold.test) == sorted(one.uid for one in many)


def test_too_few_cases_are_an_error() -> None:
    with pytest.raises(WatchfloorError, match="too few"):
        train("acme", THREE[:9], EXPERT)
    with pytest.raises(WatchfloorError, match="1 outcomes"):
        train("acme", [one for one in THREE if one.truth == "malicious"][:20], EXPERT)
