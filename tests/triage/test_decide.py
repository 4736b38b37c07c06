"""A decision is a pure function of its inputs; what it says stands in evidence; closing needs every gate."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.triage.build import finding, inputs, label
from watchfloor.core.evidence import Evidence
from watchfloor.core.finding import Severity
from watchfloor.core.label import Label
from watchfloor.core.policy import Policy, TriagePolicy
from watchfloor.core.scorecard import Scorecard, shrunk
from watchfloor.core.verdict import HYPOTHESES
from watchfloor.triage.catalogue import Catalogue
from watchfloor.triage.decide import Inputs, decide

SHIPPED = Catalogue.shipped()
FACETS = {
    "user": "alice",
    "host": "ws-17",
    "src_ip": "198.51.100.7",
    "cmd_line": "powershell -enc AAAA",
    "process": "powershell.exe",
    "parent_process": "winword.exe",
}
FINDINGS = [
    finding(n, "user:alice:actor", "host:ws-17:target", "address:198.51.100.7:source", minute=n, rule=f"r{n}")
    for n in range(3)
]
WINDOW = {"kind": "maintenance", "covers": True, "title": "Move", "ticket": "CHG-1", "approved_by": "nora"}
QUIET: dict[str, Any] = {
    "case.severity": {"severity": 2, "severity_name": "low", "findings": 3},
    "case.detections": {"detections": 1, "titles": ["Rule r0"]},
    "context.announced_activity": {"windows": [WINDOW], "covered_by": "W-1"},
    "reliability.detection_here": {
        "detection": {"malicious": 0, "total": 40, "false_positive": 40},
        "family": {"malicious": 0, "total": 90},
    },
}
LOUD: dict[str, Any] = {
    "case.severity": {"severity": 4, "severity_name": "high", "findings": 3},
    "case.stages": {"stages_in_order": 4, "minutes": 20, "tactics": ["execution", "impact"]},
    "context.announced_activity": {"windows": [], "covered_by": None},
    "intel.address": {
        "indicators": [{"validity": "valid", "confidence": 90, "source": "feed", "description": "C2 of Zoë"}]
    },
    "command.credentials": {
        "hits": [{"family": "credential_access", "trait": "dump", "technique": "T1003", "matched": "lsass"}]
    },
}
ENOUGH = [label(n) for n in range(200)]


def made(contents: dict[str, Any], **more: Any) -> Inputs:
    return inputs(SHIPPED, FINDINGS, contents, facets={f.event_uid: FACETS for f in FINDINGS}, **more)


def gate(given: Inputs, name: str) -> Any:
    return next(g for g in decide(given).gates if g.name == name)


def test_a_quiet_announced_case_with_a_proven_class_is_closed() -> None:
    verdict = decide(made(QUIET, labels=ENOUGH))
    assert verdict.disposition == "close"
    assert verdict.verdict == "benign_true_positive"
    assert verdict.resolution_code == "benign.maintenance"
    assert verdict.probability < 0.01
    assert all(g.holds for g in verdict.gates)
    assert "“Move” (CHG-1, approved by nora)" in verdict.sentence


def test_an_attack_is_escalated_and_says_why() -> None:
    verdict = decide(made(LOUD))
    assert verdict.disposition == "escalate"
    assert (verdict.verdict, verdict.verdict_id) == ("malicious", 2)
    assert verdict.resolution_code.startswith("true_positive.")
    assert verdict.probability_words == "almost certainly"
    assert "198.51.100.7" in verdict.sentence
    assert all(c.grounded and c.citations for c in verdict.claims)


def test_the_same_bytes_come_out_again_and_in_another_process(tmp_path: Path) -> None:
    given_inputs = made({**LOUD, **{k: v for k, v in QUIET.items() if k not in LOUD}, "intel.benign_address": None})
    file = tmp_path / "inputs.json"
    file.write_bytes(given_inputs.canonical())
    first = decide(given_inputs).canonical()
    assert decide(Inputs.from_json(file.read_bytes())).canonical() == first
    program = (
        "import sys, pathlib\n"
        "from watchfloor.triage.decide import Inputs, decide\n"
        "sys.stdout.buffer.write(decide(Inputs.from_json(pathlib.Path(sys.argv[1]).read_bytes())).canonical())\n"
    )
    for seed in ("1", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", program, str(file)], env=env, capture_output=True, check=True)
        assert run.stdout == first


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_order_in_which_things_come_in_does_not_matter(rng: random.Random) -> None:
    given_inputs = made({**QUIET, **LOUD})
    data = given_inputs.to_dict()
    for name in ("findings", "questions", "asked", "evidence"):
        rng.shuffle(data[name])
    assert decide(Inputs.from_dict(data)).canonical() == decide(given_inputs).canonical()


def test_the_matrix_adds_up_to_the_posterior() -> None:
    given_inputs = made({**QUIET, **LOUD, "case.layers": {"layer_count": 3, "layers": ["a", "b", "c"]}})
    verdict = decide(given_inputs)
    rows = [a for a in verdict.answers if a.counted]
    assert {"prior", "overlap.breadth"} <= {a.question for a in rows}
    sums = {h: sum(a.weights.get(h, 0.0) for a in rows) for h in HYPOTHESES}
    whole = sum(exp(s) for s in sums.values())
    for name in HYPOTHESES:
        assert verdict.posterior[name] == pytest.approx(exp(sums[name]) / whole, abs=2e-6)


def test_each_changed_byte_of_evidence_strikes_the_claim_and_its_weight() -> None:
    given_inputs = made({"intel.address": LOUD["intel.address"]})
    honest = decide(given_inputs)
    assert honest.probability > 0.5
    (evidence,) = given_inputs.evidence
    content = evidence.content.encode()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        text = bytes(flipped).decode("utf-8", "replace")
        forged = given_inputs.model_copy(update={"evidence": (evidence.model_copy(update={"content": text}),)})
        verdict = decide(forged)
        assert verdict.probability == pytest.approx(0.05, abs=1e-6)
        assert not [c for c in verdict.claims if c.grounded]
        assert verdict.could_not_check
        assert verdict.disposition == "queue"


def test_a_struck_claim_is_shown_and_blocks_closing() -> None:
    given_inputs = made(QUIET, labels=ENOUGH)
    evidence = [
        e.model_copy(update={"content": e.content.replace("low", "l0w")}) if e.lookup.collector == "case" else e
        for e in given_inputs.evidence
    ]
    forged = given_inputs.model_copy(update={"evidence": tuple(evidence)})
    verdict = decide(forged)
    assert verdict.disposition == "queue"
    assert [c for c in verdict.claims if not c.grounded and "digest differs" in c.problem]
    assert not gate(forged, "grounding").holds


def test_what_could_not_be_checked_is_visible_and_blocks_when_required() -> None:
    given_inputs = made({**QUIET, "context.announced_activity": None}, labels=ENOUGH)
    verdict = decide(given_inputs)
    assert verdict.disposition == "queue"
    (unchecked,) = verdict.could_not_check
    assert (unchecked.required, unchecked.reason) == (True, "the source is down")
    assert "1 could not be checked, 1 of them required" in verdict.sentence
    assert not gate(given_inputs, "required_questions").holds
    optional = made({**QUIET, "intel.address": None}, labels=ENOUGH)
    assert decide(optional).disposition == "close"
    assert "1 could not be checked" in decide(optional).sentence


def test_evidence_that_was_never_collected_could_not_be_checked() -> None:
    given_inputs = made(QUIET, labels=ENOUGH)
    verdict = decide(given_inputs.model_copy(update={"evidence": ()}))
    assert verdict.verdict == "unsure"
    assert verdict.resolution_code == "undetermined.could_not_check"
    assert {u.reason for u in verdict.could_not_check} == {"it was never looked up"}


def test_innocence_must_hold_for_every_subject() -> None:
    """One host in a maintenance window does not excuse the host that is not in it."""
    findings = [finding(n, f"host:h{n}:target", minute=n, rule="same", thread=["t"]) for n in range(2)]
    facets = {f.event_uid: {"host": f"h{f.position}"} for f in findings}
    given_inputs = inputs(SHIPPED, findings, {"context.announced_activity": {"windows": [WINDOW]}}, facets=facets)
    assert decide(given_inputs).probability < 0.01
    first, second = given_inputs.evidence
    uncovered = Evidence.of(second.lookup, {"windows": []}, at=0, source="test")
    assert decide(given_inputs.model_copy(update={"evidence": (first, uncovered)})).probability == 0.05
    failed = Evidence.failed(second.lookup, "down", at=0, source="test")
    verdict = decide(given_inputs.model_copy(update={"evidence": (first, failed)}))
    assert verdict.probability == 0.05
    assert "adds nothing: 1 more could not be checked" in next(
        a.why for a in verdict.answers if a.value == "maintenance"
    )
    left_out = tuple(a.model_copy(update={"left_out": 3}) for a in given_inputs.asked)
    assert decide(given_inputs.model_copy(update={"asked": left_out})).probability == 0.05


def test_the_one_answer_that_counts_is_the_most_suspicious() -> None:
    findings = [finding(n, f"address:198.51.100.{n}:source", "host:h:target", minute=n, rule=f"r{n}") for n in (1, 2)]
    given_inputs = inputs(SHIPPED, findings, {"intel.address": {"indicators": [], "matches": 0, "stale": 0}})
    hostile = Evidence.of(given_inputs.asked[0].lookup, LOUD["intel.address"], at=0, source="test")
    others = tuple(e for e in given_inputs.evidence if e.lookup.uid != hostile.lookup.uid)
    verdict = decide(given_inputs.model_copy(update={"evidence": (*others, hostile)}))
    answers = [a for a in verdict.answers if a.question == "intel.address"]
    assert [(a.value, a.counted) for a in answers] == [("known_hostile", True), ("unnamed", False)]


@pytest.mark.parametrize("contents", [LOUD, {**QUIET, **LOUD}, QUIET])
def test_the_counterfactual_is_what_deciding_again_gives(contents: dict[str, Any]) -> None:
    given_inputs = made(contents, labels=ENOUGH)
    verdict = decide(given_inputs)
    other = verdict.counterfactual
    assert other is not None
    assert (other.disposition, other.hypothesis) != (verdict.disposition, verdict.hypothesis)
    removed = {name.partition("|")[0] for name in other.without}
    without = tuple(a for a in given_inputs.asked if a.question not in removed)
    again = decide(given_inputs.model_copy(update={"asked": without}))
    assert (again.disposition, again.hypothesis) == (other.disposition, other.hypothesis)
    if len(removed) > 1:
        for kept in removed:
            fewer = tuple(a for a in given_inputs.asked if a.question not in removed - {kept})
            same = decide(given_inputs.model_copy(update={"asked": fewer}))
            assert (same.disposition, same.hypothesis) == (verdict.disposition, verdict.hypothesis)


HOSTILE: dict[str, list[Any]] = {
    uid: [e.evidence for e in SHIPPED.examples[uid] if not e.failed]
    for uid, q in SHIPPED.questions.items()
    if not q.trusted and uid.startswith(("case.", "command."))
}


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_hostile_text_never_lowers_the_probability(data: st.DataObject) -> None:
    trusted = {k: v for k, v in QUIET.items() if not k.startswith("case.")}
    base = data.draw(st.dictionaries(st.sampled_from(sorted(trusted)), st.none()))
    contents: dict[str, Any] = {k: trusted[k] for k in base}
    chosen = data.draw(st.lists(st.sampled_from(sorted(HOSTILE)), unique=True, min_size=1, max_size=6))
    before = decide(made(contents)).probability
    held: dict[str, dict[str, Any]] = {"case": {}, "command": {}}
    for uid in chosen:
        facts = held[uid.partition(".")[0]]  # one look-up for all of them: what one was told, another is told, too
        facts |= {k: v for k, v in data.draw(st.sampled_from(HOSTILE[uid])).items() if k not in facts}
        contents[uid] = facts
        after = decide(made(contents)).probability
        assert after >= before
        before = after


def test_a_learnt_scorecard_cannot_let_hostile_text_speak_for_innocence() -> None:
    expert = Scorecard.expert(SHIPPED)
    weights = {**expert.weights, "case.severity": {"low": {"malicious": -6.0, "false_positive": 6.0}}}
    learnt = expert.model_copy(update={"weights": weights, "version": 2})
    contents = {"case.severity": QUIET["case.severity"]}
    assert decide(made(contents, scorecard=learnt)).probability == decide(made(contents)).probability == 0.05


weight = st.floats(-6, 6, allow_nan=False)


@given(st.lists(weight, max_size=8), st.floats(0, 6), st.floats(0, 0.5))
def test_shrinking_overlap_is_monotone_and_bounded(weights: list[float], more: float, overlap: float) -> None:
    before = shrunk(weights, overlap)
    assert shrunk([*weights, more], overlap) >= before - 1e-12
    assert abs(before) <= 2 * max((abs(w) for w in weights), default=0.0) + 1e-12


def _said(verdict: str) -> list[Label]:
    uid = made(QUIET).case.uid
    return [*ENOUGH, label(999, verdict=verdict, would_close=False, case_uid=uid)]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("autonomy", {"policy": Policy(autonomy="recommend"), "labels": ENOUGH}),
        ("class_bound", {"labels": ENOUGH[:100]}),
        ("class_bound", {"labels": [*ENOUGH, label(900, verdict="malicious")]}),
        ("class_bound", {}),
        ("probability", {"policy": Policy(triage=TriagePolicy(close_below=0.0)), "labels": ENOUGH}),
        ("severity", {"policy": Policy(triage=TriagePolicy(never_close_severity=3)), "labels": ENOUGH}),
        ("labels", {"labels": _said("malicious")}),
    ],
)
def test_each_gate_by_itself_stops_closing(name: str, more: dict[str, Any]) -> None:
    verdict = decide(made(QUIET, **more))
    assert verdict.disposition == "queue"
    assert [g.name for g in verdict.gates if not g.holds] == [name]


def test_a_benign_label_of_the_case_is_no_conflict() -> None:
    assert decide(made(QUIET, labels=_said("benign_true_positive"))).disposition == "close"


def test_with_no_labels_the_bound_is_one_and_says_what_is_needed() -> None:
    sentence = gate(made(QUIET), "class_bound").sentence
    assert "up to 100.0% may be missed, the limit is 2.0% (175 more labels" in sentence


def test_escalation_needs_no_gate_but_probability() -> None:
    policy = Policy(autonomy="observe", triage=TriagePolicy(escalate_at=0.05))
    assert decide(made(QUIET, policy=policy)).disposition == "queue"
    assert decide(made({"case.severity": LOUD["case.severity"]}, policy=policy)).disposition == "escalate"


def test_digests_name_what_it_rests_on() -> None:
    given_inputs = made(QUIET)
    verdict = decide(given_inputs)
    assert verdict.inputs_digest == given_inputs.digest()
    assert verdict.policy_digest == given_inputs.policy.digest()
    assert set(verdict.rests_on) == {e.uid for e in given_inputs.evidence}
    changed = decide(given_inputs.model_copy(update={"policy": Policy(version=2)}))
    assert (changed.uid, changed.policy_digest) != (verdict.uid, verdict.policy_digest)
    for other in ({"questions": ()}, {"as_of": 1}, {"escalated_near": ("case-1",)}, {"evidence": ()}):
        assert given_inputs.model_copy(update=other).digest() != given_inputs.digest()


def test_severity_alone_is_not_an_attack() -> None:
    findings = [finding(1, "host:h:target", severity=Severity.critical)]
    contents = {"case.severity": {"severity": 5, "severity_name": "critical", "findings": 1}}
    verdict = decide(inputs(SHIPPED, findings, contents))
    assert 0.05 < verdict.probability < 0.5
    assert verdict.probability == pytest.approx(1 / (1 + exp(-(log(0.05 / 0.95) + 1.8))), abs=1e-5)
