"""Similar cases: the nearest by what they are made of, in order, and why."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.triage.build import TENANT
from tests.triage.test_decide import FINDINGS, LOUD, QUIET, made
from watchfloor.triage.decide import decide
from watchfloor.triage.resolutions import SYSTEMS, hypothesis_of, shipped
from watchfloor.triage.similar import Signature, likeness, nearest, signature_of

BAGS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.1, 3.0), max_size=8)


def signature(uid: str, features: dict[str, float], time: int = 0) -> Signature:
    return Signature(
        tenant=TENANT, uid=uid, time=time, title=uid, detection_class="c", features=features, words={"a": "the first"}
    )


@given(BAGS, BAGS)
def test_likeness_is_a_share_the_same_both_ways_and_one_for_the_same(
    one: dict[str, float], two: dict[str, float]
) -> None:
    found = likeness(one, two)
    assert 0.0 <= found <= 1.0 + 1e-12
    assert abs(found - likeness(two, one)) < 1e-12
    assert not one or abs(likeness(one, one) - 1.0) < 1e-12
    assert one.keys() & two.keys() or found == 0.0


def test_the_nearest_come_first_and_say_what_both_have() -> None:
    mine = signature("mine", {"a": 3.0, "detection:b": 1.0, "c": 0.5})
    others = [
        signature("far", {"x": 3.0}),
        signature("near", {"a": 3.0, "detection:b": 1.0}),
        signature("same", {"a": 3.0, "detection:b": 1.0, "c": 0.5}),
        mine,
    ]
    found = nearest(mine, others)
    assert [one.signature.uid for one in found] == ["same", "near"]
    assert found[0].likeness == 1.0
    assert found[1].shared == ("the first", "b")


def test_a_signature_holds_what_counted_and_says_it_in_words() -> None:
    inputs = made({**QUIET, **LOUD})
    verdict = decide(inputs)
    found = signature_of(inputs.case, inputs.findings, verdict)
    assert {f"detection:{f.detection.uid}" for f in FINDINGS} <= found.features.keys()
    answers = {name for name in found.features if name.startswith("answer:")}
    counted = {a.question for a in verdict.answers if a.lookups and a.counted and any(a.weights.values())}
    assert len(answers) == len(counted)
    assert answers <= found.words.keys()
    quiet = signature_of(inputs.case, inputs.findings, decide(made(QUIET)))
    assert 0 < likeness(found.features, quiet.features) < 1


def test_every_resolution_code_says_what_it_is_called_elsewhere() -> None:
    for code in shipped().values():
        assert code.elsewhere.keys() == SYSTEMS.keys()
        if hypothesis_of(code.code) is not None:
            assert all(code.elsewhere.values()), code.code
    by_start = {"true_positive": "TruePositive", "benign": "BenignPositive", "false_positive": "FalsePositive"}
    for code in shipped().values():
        wanted = by_start.get(code.code.partition(".")[0], "Undetermined")
        assert code.elsewhere["sentinel"].startswith(wanted), code.code
