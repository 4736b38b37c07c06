"""Stability shakes what a decision rests on; no order matters; what changed is told answer by answer."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.triage.test_decide import ENOUGH, LOUD, QUIET, made
from watchfloor.core.policy import Policy, TriagePolicy
from watchfloor.core.verdict import Stability, Verdict
from watchfloor.triage.decide import Inputs, decide
from watchfloor.triage.reopening import changes
from watchfloor.triage.stability import JITTERS, SHUFFLES


def shaken(verdict: Verdict) -> Stability:
    assert verdict.stability is not None
    return verdict.stability


def test_a_plain_attack_stands_firmly_and_a_close_call_does_not() -> None:
    firm = shaken(decide(made(LOUD)))
    assert firm.share == 1.0
    assert firm.low > 0.5
    one = {"case.severity": LOUD["case.severity"], "intel.address": LOUD["intel.address"]}
    probability = decide(made(one)).probability
    close_call = shaken(decide(made(one, policy=Policy(triage=TriagePolicy(escalate_at=probability - 0.001)))))
    assert close_call.share < 0.9
    assert close_call.fragile is not None
    assert close_call.fragile.question == "intel.address"
    assert "would be left to a person in the queue" in close_call.fragile.sentence


def test_each_kind_is_tried_and_the_figures_add_up() -> None:
    verdict = decide(made({**QUIET, **LOUD}))
    found = shaken(verdict)
    counted = [a for a in verdict.answers if a.counted and a.lookups and any(a.weights.values())]
    assert found.kinds["left_out"][0] == len(counted)
    assert found.kinds["weights"][0] == JITTERS
    assert found.kinds["prior"][0] == 2
    assert found.kinds["order"] == (SHUFFLES, SHUFFLES)
    assert found.tried == sum(tried for tried, _ in found.kinds.values())
    assert found.kept == sum(kept for _, kept in found.kinds.values())
    assert found.low <= verdict.probability + 1e-4
    assert verdict.probability - 1e-4 <= found.high


def test_leaving_an_answer_out_is_what_deciding_without_it_gives() -> None:
    """Against the definition, for the one answer that a closed case hangs on."""
    verdict = decide(made(QUIET, labels=ENOUGH))
    assert verdict.disposition == "close"
    without = {k: v for k, v in QUIET.items() if k != "context.announced_activity"}
    other = decide(made(without, labels=ENOUGH))
    tried, kept = shaken(verdict).kinds["left_out"]
    assert kept < tried or other.disposition == "close"


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_the_order_of_what_comes_in_changes_no_byte_of_trace_or_stability(rng: random.Random) -> None:
    inputs = made({**QUIET, **LOUD})
    data = inputs.to_dict()
    for name in ("findings", "questions", "asked", "evidence"):
        rng.shuffle(data[name])
    one, other = decide(inputs), decide(Inputs.from_dict(data))
    assert one.investigation == other.investigation
    assert one.stability == other.stability
    assert one.canonical() == other.canonical()


def test_changes_name_what_became_of_each_answer_with_the_evidence_of_both() -> None:
    before = decide(made({**QUIET, "intel.address": {"indicators": []}}))
    now = decide(made({**QUIET, "intel.address": LOUD["intel.address"]}))
    (change,) = changes(before, now)
    assert change.question == "intel.address"
    assert change.sentence.endswith(f"changed from {change.before} to {change.after}")
    assert change.before != change.after
    assert change.evidence_before[0] in before.rests_on
    assert change.evidence_after[0] in now.rests_on
    assert set(change.evidence_before).isdisjoint(change.evidence_after)
    assert change.moved > 1
    assert changes(before, before) == ()


def test_a_question_that_came_or_went_is_told_too() -> None:
    before, now = decide(made(QUIET)), decide(made({**QUIET, "intel.address": LOUD["intel.address"]}))
    assert [(c.question, c.before) for c in changes(before, now)] == [("intel.address", "not asked")]
    assert [(c.question, c.after) for c in changes(now, before)] == [("intel.address", "not asked")]


def test_a_prior_that_is_doubled_moves_the_odds_by_two() -> None:
    verdict = decide(made({"case.severity": QUIET["case.severity"]}))
    p, high = verdict.probability, shaken(verdict).high
    assert high / (1 - high) >= 2 * p / (1 - p) * 0.99
