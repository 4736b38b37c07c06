"""The investigator asks what tells most first, and stops only when nothing left could change the decision."""

from __future__ import annotations

import random
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.triage.build import START, TENANT, answered, finding, label, one_case
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.core.finding import Severity
from watchfloor.core.policy import Policy, TriagePolicy
from watchfloor.core.question import Asked, Question
from watchfloor.core.scorecard import Scorecard
from watchfloor.core.verdict import HYPOTHESES, Verdict
from watchfloor.triage.bound import LabelBook
from watchfloor.triage.catalogue import Catalogue
from watchfloor.triage.decide import Inputs, decide
from watchfloor.triage.investigator import Investigator, key_of
from watchfloor.triage.prospects import NOTHING, entropy, informs, joined, prospect
from watchfloor.triage.reach import range_of_group
from watchfloor.triage.reading import read
from watchfloor.triage.trace import investigator_of, reply_of

VALUES = ("a", "b", "c", "d")
FINDINGS = [finding(n, "user:alice:actor", "address:198.51.100.7:source", minute=n) for n in range(3)]
WEIGHT = st.floats(-4.0, 4.0).map(lambda w: round(w, 2))
WEIGHTS = st.fixed_dictionaries(dict.fromkeys(HYPOTHESES, WEIGHT))


def question(number: int, weights: list[dict[str, float]], **more: Any) -> Question:
    """One question of the case, of a trusted collector; it reads the value that its evidence says."""
    return Question.from_dict(
        {
            "id": f"q.n{number:02d}",
            "title": f"Question {number}?",
            "about": "case",
            "collector": "history",
            "query": {"number": number},
            "answers": [
                {"value": value, "when": {"says": value}, "weights": w, "why": "so", "claim": f"It says {value}"}
                for value, w in zip(VALUES, weights, strict=False)
            ],
            **more,
        }
    )


@st.composite
def questions(draw: st.DrawFn) -> list[Question]:
    """A random catalogue: some questions in groups that overlap, some required, costs and weights of any kind."""
    return [
        question(
            number,
            draw(st.lists(WEIGHTS, min_size=1, max_size=4)),
            group=draw(st.sampled_from(("", "", "one", "two"))),
            required=draw(st.booleans()),
            cost=draw(st.sampled_from((0.1, 0.2, 1.0))),
        )
        for number in range(draw(st.integers(1, 9)))
    ]


def offered(catalogue: list[Question], subjects: dict[str, int], left_out: dict[str, int]) -> list[Asked]:
    """Each question, put to as many subjects as `subjects` says."""
    case = one_case(FINDINGS)
    return [
        Asked(
            question=q.id,
            about=case.uid if not n else f"user:u{n}",
            lookup=Lookup.from_dict(answered_lookup(q, n)),
            left_out=left_out.get(q.id, 0),
        )
        for q in catalogue
        for n in range(subjects.get(q.id, 1))
    ]


def answered_lookup(q: Question, subject: int) -> Any:
    return {"tenant": TENANT, "collector": q.collector, "query": {**q.query, "subject": subject}, "as_of": START}


def evidence_of(asked: Asked, says: str) -> Evidence:
    if says == "failed":
        return Evidence.failed(asked.lookup, "the source is down", at=START, source="test")
    return answered(asked, {"says": says})


def inputs_of(  # noqa: PLR0917 - what a decision takes, each time another part of it
    catalogue: list[Question],
    asked: list[Asked],
    not_asked: list[Asked],
    says: dict[str, str],
    policy: Policy,
    scorecard: Scorecard,
    labels: int,
) -> Inputs:
    case = one_case(FINDINGS)
    return Inputs.of(
        case,
        FINDINGS,
        asked,
        [evidence_of(a, says[a.lookup.uid]) for a in asked],
        not_asked=not_asked,
        catalogue=Catalogue(catalogue),
        scorecard=scorecard,
        policy=policy,
        labels=LabelBook(label(n) for n in range(labels)).record(case),
        as_of=case.last_time,
    )


def investigated(unasked: Inputs, says: dict[str, str]) -> tuple[list[Asked], Investigator]:
    """What the investigator asks when the world answers so."""
    way = investigator_of(unasked)
    by_id = {q.id: q for q in unasked.questions}
    done: list[Asked] = []
    while chosen := way.next():
        for choice in chosen:
            question, evidence = by_id[choice.asked.question], evidence_of(choice.asked, says[choice.asked.lookup.uid])
            weights = prospect(question, unasked.scorecard).shares
            way.take(choice.asked, reply_of(read(question, choice.asked, evidence, weights)))
            done.append(choice.asked)
    return done, way


def rest_of(every: list[Asked], done: list[Asked]) -> list[Asked]:
    keys = {key_of(a) for a in done}
    return [a for a in every if key_of(a) not in keys]


def outcome(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.disposition, verdict.hypothesis, verdict.verdict


@settings(max_examples=150)
@given(st.data())
def test_what_was_not_asked_could_not_have_changed_the_decision(data: st.DataObject) -> None:
    """Over random catalogues, scorecards, policies and worlds: asking all the rest never changes the decision."""
    catalogue = data.draw(questions())
    card = Scorecard.expert(Catalogue(catalogue)).model_copy(
        update={
            "temperature": data.draw(st.sampled_from((0.5, 1.0, 2.0))),
            "overlap": data.draw(st.sampled_from((0.0, 0.3, 0.5))),
            "priors": data.draw(WEIGHTS),
        }
    )
    policy = Policy(
        triage=TriagePolicy(
            escalate_at=data.draw(st.sampled_from((0.3, 0.5, 0.9))),
            close_below=data.draw(st.sampled_from((0.01, 0.05, 0.2))),
        )
    )
    every = offered(
        catalogue,
        {q.id: data.draw(st.integers(1, 3)) for q in catalogue},
        {q.id: data.draw(st.sampled_from((0, 0, 0, 2))) for q in catalogue},
    )
    says = {a.lookup.uid: data.draw(st.sampled_from((*VALUES, "other", "failed"))) for a in every}
    labels = data.draw(st.sampled_from((0, 400)))
    unasked = inputs_of(catalogue, [], every, says, policy, card, labels)
    done, way = investigated(unasked, says)
    left = rest_of(every, done)
    stopped = decide(inputs_of(catalogue, done, left, says, policy, card, labels))
    assert way.stopped == ("settled" if left else "all_asked")
    assert stopped.investigation is not None
    assert stopped.investigation.stopped == way.stopped
    assert [s.question for s in stopped.investigation.steps] == [a.question for a in done]
    assert {n.question for n in stopped.investigation.not_needed} == {a.question for a in left}
    # Another world that differs only in what was not asked: any answer to it at all.
    for _ in range(3):
        says |= {a.lookup.uid: data.draw(st.sampled_from((*VALUES, "other", "failed"))) for a in left}
        whole = decide(inputs_of(catalogue, every, [], says, policy, card, labels))
        assert outcome(whole) == outcome(stopped)
        assert stopped.investigation.low - 1e-3 <= whole.probability <= stopped.investigation.high + 1e-3


@settings(max_examples=60)
@given(st.lists(WEIGHTS, min_size=1, max_size=6), st.sampled_from((0.0, 0.3, 0.5)), st.data())
def test_the_range_of_a_group_holds_every_combination(
    weights: list[dict[str, float]], overlap: float, data: st.DataObject
) -> None:
    vectors = [tuple(w[h] for h in HYPOTHESES) for w in weights]
    members = [
        tuple({*data.draw(st.lists(st.sampled_from(vectors), min_size=1, max_size=4)), NOTHING}) for _ in vectors
    ]
    bounds = range_of_group(tuple(members), overlap)  # type: ignore[arg-type]
    for _ in range(10):
        picked = [data.draw(st.sampled_from(m)) for m in members]
        a, b, c = joined(picked, overlap)  # type: ignore[arg-type]
        for low, high, found in zip(bounds.low, bounds.high, (a - b, a - c, b - c), strict=True):
            assert low - 1e-9 <= found <= high + 1e-9


def test_a_telling_question_comes_before_a_dull_one_and_a_cheap_one_before_a_dear_one() -> None:
    strong, weak = {"malicious": 3.0}, {"malicious": 0.2}
    catalogue = [
        question(0, [weak]),
        question(1, [strong], cost=1.0),
        question(2, [strong], cost=0.2),
        question(3, [strong], cost=0.2, required=True),
    ]
    unasked = inputs_of(
        catalogue, [], offered(catalogue, {}, {}), {}, Policy(), Scorecard.expert(Catalogue(catalogue)), 0
    )
    chosen = investigator_of(unasked).next()
    assert [c.asked.question for c in chosen] == ["q.n03", "q.n02", "q.n01", "q.n00"]
    by_id = {c.asked.question: c for c in chosen}
    assert by_id["q.n01"].information == by_id["q.n02"].information > by_id["q.n00"].information > 0


def test_information_is_the_expected_fall_of_entropy() -> None:
    """Against the definition: the entropy before, less that after each answer, weighted by how likely the answer is."""
    one = prospect(question(0, [{"malicious": 2.0}, {"benign_true_positive": 1.0}]), card_of([]))
    posterior = (0.2, 0.5, 0.3)
    chances = one.chances(0)
    after = 0.0
    for chance in chances:
        joint = [p * q for p, q in zip(posterior, chance.likelihood, strict=True)]
        after += sum(joint) * entropy(tuple(j / sum(joint) for j in joint))  # type: ignore[arg-type]
    assert informs(posterior, chances) == pytest.approx(entropy(posterior) - after, abs=1e-9)
    assert entropy((1.0, 0.0, 0.0)) == 0.0


def card_of(catalogue: list[Question]) -> Scorecard:
    extra = [question(0, [{"malicious": 2.0}, {"benign_true_positive": 1.0}])]
    return Scorecard.expert(Catalogue(catalogue or extra))


def hostile(count: int, weight: float = 6.0) -> list[Question]:
    return [question(n, [{"malicious": weight}]) for n in range(count)]


def test_an_attack_that_is_plain_is_not_asked_about_for_ever_and_the_rest_is_told_as_not_needed() -> None:
    catalogue = [*hostile(3), *(question(n, [{"false_positive": 0.3}, {"malicious": 0.4}]) for n in range(10, 30))]
    every = offered(catalogue, {}, {})
    says = {a.lookup.uid: "a" for a in every}
    unasked = inputs_of(catalogue, [], every, says, Policy(), card_of(catalogue), 0)
    done, way = investigated(unasked, says)
    left = rest_of(every, done)
    assert left
    verdict = decide(inputs_of(catalogue, done, left, says, Policy(), card_of(catalogue), 0))
    assert outcome(verdict) == ("escalate", "malicious", "malicious")
    assert verdict.investigation is not None
    assert verdict.investigation.stopped == way.stopped == "settled"
    assert {n.question for n in verdict.investigation.not_needed} == {a.question for a in left}
    assert verdict.could_not_check == ()  # not needed is not "could not check" ...
    assert not {n.question for n in verdict.investigation.not_needed} & {
        a.question for a in verdict.answers
    }  # nor clean
    assert all(n.least <= 0 <= n.most for n in verdict.investigation.not_needed)
    assert verdict.investigation.saved == pytest.approx(len(left) * 1.0)
    assert "could change no more" in verdict.investigation.sentence


QUIET = [question(n, [{"false_positive": 0.4}]) for n in range(12)]


def test_a_case_closes_only_after_every_required_question() -> None:
    catalogue = [*QUIET, question(90, [{"malicious": 0.0}], required=True, cost=50.0)]
    every = offered(catalogue, {}, {})
    says = {a.lookup.uid: "a" for a in every}
    unasked = inputs_of(catalogue, [], every, says, Policy(), card_of(catalogue), 400)
    done, _ = investigated(unasked, says)
    assert "q.n90" in {a.question for a in done}
    verdict = decide(inputs_of(catalogue, done, rest_of(every, done), says, Policy(), card_of(catalogue), 400))
    assert verdict.disposition == "close"


def test_a_spent_budget_never_closes_and_says_what_it_left() -> None:
    catalogue = [*QUIET, question(90, [{"malicious": 6.0}], cost=50.0)]
    every = offered(catalogue, {}, {})
    says = {a.lookup.uid: "a" for a in every}
    plenty, scarce = (Policy(triage=TriagePolicy(budget=budget)) for budget in (100.0, 12.0))
    for policy, disposition in ((plenty, "close"), (scarce, "queue")):
        says[every[-1].lookup.uid] = "other"
        unasked = inputs_of(catalogue, [], every, says, policy, card_of(catalogue), 400)
        done, way = investigated(unasked, says)
        left = rest_of(every, done)
        verdict = decide(inputs_of(catalogue, done, left, says, policy, card_of(catalogue), 400))
        assert verdict.disposition == disposition
        assert way.cost <= (policy.triage.budget or 0)
    assert [c.question for c in verdict.could_not_check] == [a.question for a in left] == ["q.n90"]
    assert "budget" in verdict.could_not_check[0].reason
    gate = next(g for g in verdict.gates if g.name == "investigation")
    assert not gate.holds
    assert verdict.investigation is not None
    assert verdict.investigation.not_needed == ()


def test_dropping_what_could_matter_never_closes() -> None:
    """Inputs that leave out a question which could change the decision, whoever made them, are seen through."""
    catalogue = [*QUIET, question(90, [{"malicious": 6.0}])]
    every = offered(catalogue, {}, {})
    says = {a.lookup.uid: "a" for a in every}
    made = inputs_of(catalogue, every[:-1], every[-1:], says, Policy(), card_of(catalogue), 400)
    verdict = decide(made)
    assert verdict.disposition == "queue"
    assert [c.question for c in verdict.could_not_check] == ["q.n90"]


def test_questions_that_share_a_look_up_come_together_and_are_paid_once() -> None:
    shared = [question(n, [{"malicious": 2.0}], query={"same": True}) for n in range(4)]
    every = offered(shared, {}, {})
    assert len({a.lookup.uid for a in every}) == 1
    unasked = inputs_of(shared, [], every, {}, Policy(), card_of(shared), 0)
    chosen = investigator_of(unasked).next()
    assert len(chosen) == 4
    assert sorted(c.cost for c in chosen) == [0.0, 0.0, 0.0, 1.0]


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_the_order_in_which_questions_are_offered_does_not_matter(rng: random.Random) -> None:
    catalogue = [*hostile(4, 1.0), *QUIET]
    every = offered(catalogue, {}, {})
    says = {a.lookup.uid: "a" for a in every}
    card = card_of(catalogue)
    first, _ = investigated(inputs_of(catalogue, [], every, says, Policy(), card, 0), says)
    rng.shuffle(every)
    again, _ = investigated(inputs_of(catalogue, [], every, says, Policy(), card, 0), says)
    assert again == first
    assert list(islice(first, 3))


def test_intelligence_on_entities_is_asked_where_an_attack_leads_for_a_plan_acts_on_it() -> None:
    intel = question(50, [{"malicious": 0.5}], collector="intel")
    catalogue = [*hostile(12), intel]
    every = offered(catalogue, {}, {})
    says = {a.lookup.uid: "a" for a in every}
    card = card_of(catalogue).model_copy(update={"priors": {"malicious": 9.0, **dict.fromkeys(HYPOTHESES[1:], 0.0)}})
    done, _ = investigated(inputs_of(catalogue, [], every, says, Policy(), card, 0), says)
    left = rest_of(every, done)
    assert left
    verdict = decide(inputs_of(catalogue, done, left, says, Policy(), card, 0))
    assert verdict.investigation is not None
    assert [s.question for s in verdict.investigation.steps if s.purpose == "plan"] == ["q.n50"]


def test_severity_keeps_a_person_and_saves_what_only_closing_would_have_needed() -> None:
    """Where a gate forbids closing anyway, what could only have closed is not asked."""
    catalogue = [question(n, [{"false_positive": 1.0}]) for n in range(20)]
    every = offered(catalogue, {}, {})
    says = {a.lookup.uid: "a" for a in every}
    low = Policy(triage=TriagePolicy(never_close_severity=int(Severity.low)))
    card = card_of(catalogue)
    blocked, _ = investigated(inputs_of(catalogue, [], every, says, low, card, 400), says)
    open_, _ = investigated(inputs_of(catalogue, [], every, says, Policy(), card, 400), says)
    assert len(blocked) <= len(open_)
