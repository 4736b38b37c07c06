"""What is learnt: the expert's with no labels, the same bytes in any order, and nothing that lets an attacker in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.improve.given import EXPERT, SHIPPED, TRUTHS, company, example, questions_of
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.scorecard import Weights, malice
from watchfloor.improve.example import Example, levels_of
from watchfloor.improve.learning import fit, score

ASKED = [*questions_of(trusted=True)[:3], *questions_of(trusted=False)[:3]]
QUESTIONS = SHIPPED.questions
A_SET = [*company(1, 60, asked=ASKED), *company(2, 60, asked=ASKED), *company(3, 60, asked=ASKED)]


def test_with_no_labels_it_is_the_experts() -> None:
    assert fit([], EXPERT, questions=QUESTIONS) is EXPERT


def test_any_order_and_repetition_give_the_same_bytes() -> None:
    card = fit(A_SET, EXPERT, questions=QUESTIONS)
    for seed in range(3):
        mixed = random.Random(seed).sample(A_SET, len(A_SET)) + A_SET[:7]
        assert fit(mixed, EXPERT, questions=QUESTIONS).canonical() == card.canonical()
    assert (card.name, card.version) == ("learnt", 2)


def test_labels_help_on_cases_of_a_company_that_was_not_seen() -> None:
    unseen = company(9, 200, asked=ASKED)
    card = fit(A_SET, EXPERT, questions=QUESTIONS)

    def off(one: Example, said: float) -> float:
        return (said - (one.truth == "malicious")) ** 2

    before = sum(off(one, score(EXPERT, one, QUESTIONS)["malicious"]) for one in unseen)
    after = sum(off(one, score(card, one, QUESTIONS)["malicious"]) for one in unseen)
    assert after < 0.8 * before


def test_a_detection_that_is_always_right_is_learnt_to_be() -> None:
    card = fit([one for seed in (1, 2, 3) for one in company(seed, 60)], EXPERT)
    known = next(r for r in card.reliability if r.level == "detection").values
    assert malice(known["d1"]) > max(malice(w) for name, w in known.items() if name != "d1")


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from(TRUTHS))
def test_ten_labels_move_no_weight_far(seed: int, truth: str) -> None:
    few = [one.model_copy(update={"truth": truth}) for one in company(seed, 10, asked=ASKED)]
    card = fit(few, EXPERT, questions=QUESTIONS)
    for uid, values in card.weights.items():
        for value, weights in values.items():
            for name, weight in weights.items():
                assert abs(weight - EXPERT.weights[uid][value].get(name, 0.0)) <= 10 / 32


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_what_an_attacker_writes_is_never_learnt_to_speak_for_innocence(seed: int, attacks: float) -> None:
    untrusted = questions_of(trusted=False)[:6]
    # Here such answers go with innocence, as an attacker could arrange.
    turned = [
        one.model_copy(update={"truth": "malicious" if one.truth != "malicious" else "false_positive"})
        for one in company(seed, 50, asked=untrusted, attacks=attacks)
    ]
    card = fit(turned, EXPERT, questions=QUESTIONS)
    for question in untrusted:
        for weights in card.weights[question.id].values():
            assert weights.get("malicious", 0.0) >= 0.0
            assert not any(weights.get(name, 0.0) for name in TRUTHS[1:])
    for one in turned:
        for uid in one.answers:
            without = one.model_copy(update={"answers": {k: v for k, v in one.answers.items() if k != uid}})
            assert score(card, one, QUESTIONS)["malicious"] >= score(card, without, QUESTIONS)["malicious"] - 2e-6


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from(TRUTHS[1:]))
def test_more_benign_labels_do_not_raise_the_suspicion_of_their_class_beyond_a_step(
    seed: int, more: int, benign: str
) -> None:
    before = company(seed, 40)
    again = [
        example(10_000 + n, benign, group=f"company-{seed}", detection="d3").model_copy(  # type: ignore[arg-type]
            update={"classes": (("detection", "d3"), ("family", "f1"))}
        )
        for n in range(more)
    ]
    asked = again[0]
    one = score(fit(before, EXPERT), asked)["malicious"]
    other = score(fit([*before, *again], EXPERT), asked)["malicious"]
    # How firmly answers are held is chosen in steps: at one of them a case rose by three points at most in 250 draws.
    assert other <= one + 0.05


def test_a_flood_of_alike_labels_of_one_group_is_bounded() -> None:
    base = [*company(4, 60), *company(5, 60), *company(6, 60)]

    def flooded(times: int) -> float:
        flood = [example(n, "false_positive", group="flood", detection="d1") for n in range(times)]
        flood = [one.model_copy(update={"classes": (("detection", "d1"), ("family", "f1"))}) for one in flood]
        card = fit([*base, *flood], EXPERT)
        return score(card, company(7, 1)[0].model_copy(update={"classes": flood[0].classes}))["malicious"]

    some, many = flooded(1_000), flooded(8_000)
    assert some - many < 0.05
    # ... and the honest labels of the others still count: a plain share of attacks would be a fifth of this at most.
    honest = [one for one in base if one.classes[0] == ("detection", "d1")]
    assert len(honest) > 10
    assert many > 5 * len(honest) / (len(honest) + 8_000)


def test_levels_come_broad_first_and_disagreement_is_an_error() -> None:
    one = example(1, "malicious")
    assert levels_of([one, one.model_copy(update={"classes": (("detection", "x"),)})]) == ("family", "detection")
    turned = one.model_copy(update={"classes": tuple(reversed(one.classes))})
    with pytest.raises(WatchfloorError, match="different ways"):
        levels_of([one, turned])


def test_the_overlap_of_answers_is_learnt_as_it_is_weighed() -> None:
    group = next(q.group for q in SHIPPED.questions.values() if q.group and q.trusted)
    asked = questions_of(trusted=True, group=group)[:3]
    assert len(asked) >= 2
    cases = [*company(11, 80, asked=asked), *company(12, 80, asked=asked), *company(13, 80, asked=asked)]
    card = fit(cases, EXPERT, questions=QUESTIONS)
    apart = fit(cases, EXPERT)
    assert card.weights != apart.weights
    for one in cases[:20]:
        assert sum(score(card, one, QUESTIONS).values()) == pytest.approx(1.0, abs=1e-5)


def test_answers_that_do_not_carry_to_other_groups_stay_where_they_start() -> None:
    plain = EXPERT.model_copy(update={"weights": {}})

    def learnt(carries: bool) -> Weights:
        # What goes with an attack is the same everywhere, or turned round in every other company.
        found = [
            example(group * 10 + number, TRUTHS[number % 2], group=f"company-{group}", asked=answer)
            for group in range(60)
            for number in range(6)
            for answer in ["yes" if (number % 2 == 0) == (carries or group % 2 == 0) else "no"]
        ]
        return fit(found, plain).weights["asked"]["yes"]

    assert not any(learnt(carries=False).values())
    assert learnt(carries=True)["malicious"] > 0.5
