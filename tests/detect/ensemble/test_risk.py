"""Risk: parts add up exactly, more suspicion never lowers it, and several findings together never say less than one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.core.clock import DAY, HOUR
from watchfloor.core.entity import Entity, Involvement
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.finding import Detection, Finding, Severity
from watchfloor.core.risk import Risk, RiskPart, logistic
from watchfloor.core.signal import Signal
from watchfloor.detect.ensemble import Ensemble, Spoken, case_risk, entity_risk, members, shipped, surroundings
from watchfloor.detect.ensemble.members import evidence

KINDS = ("rule", "vendor", "indicator")
SEVERITIES = st.sampled_from([Severity.informational, Severity.low, Severity.medium, Severity.high, Severity.critical])
SPOKEN = st.builds(
    Spoken, st.sampled_from(KINDS), st.sampled_from("abcdef"), st.just("A title"), SEVERITIES, st.booleans()
)
SIGNALS = st.builds(
    Signal,
    member=st.sampled_from(["anomaly/rare", "anomaly/volume", "learned/url", "made/up"]),
    strength=st.floats(0, 1),
    said=st.sampled_from(["this", "that"]),
)


def risk(spoken: list[Spoken], signals: list[Signal]) -> Risk:
    return shipped().weigh(members(spoken, signals))


@given(st.lists(SPOKEN, max_size=6), st.lists(SIGNALS, max_size=6))
def test_base_and_parts_are_the_log_odds_exactly(spoken: list[Spoken], signals: list[Signal]) -> None:
    found = risk(spoken, signals)
    assert found.log_odds == math.fsum([found.base, *(part.contribution for part in found.parts)])
    assert found.p_critical == pytest.approx(logistic(found.log_odds), abs=1e-6)
    assert 0 <= found.p_critical <= 1
    assert 0 <= found.score <= 100
    assert all(part.contribution >= 0 for part in found.parts)
    assert [p.contribution for p in found.parts] == sorted((p.contribution for p in found.parts), reverse=True)


@given(st.lists(SPOKEN, max_size=5), st.lists(SIGNALS, max_size=5), st.randoms(use_true_random=False))
def test_the_order_in_which_members_speak_does_not_matter(spoken: list[Spoken], signals: list[Signal], r: Any) -> None:
    mixed = (r.sample(spoken, len(spoken)), r.sample(signals, len(signals)))
    assert risk(*mixed).log_odds == risk(spoken, signals).log_odds


@given(st.lists(SPOKEN, max_size=5), st.lists(SIGNALS, max_size=5), SPOKEN, SIGNALS)
def test_who_speaks_beside_others_never_lowers_the_risk(
    spoken: list[Spoken], signals: list[Signal], one: Spoken, signal: Signal
) -> None:
    before = risk(spoken, signals).log_odds
    assert risk(spoken, [*signals, signal]).log_odds >= before
    if one.uid not in {other.uid for other in spoken}:
        assert risk([*spoken, one], signals).log_odds >= before


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_severity_never_counts_less(kind: Any) -> None:
    risks = [risk([Spoken(kind, "a", "A", Severity(n))], []).log_odds for n in range(7)]
    assert risks == sorted(risks)
    assert risks[4] > risks[1]


@pytest.mark.parametrize(
    ("member", "strength", "expected"),
    [
        ("anomaly/rare", 0.999, 3.0),
        ("anomaly/rare", 1.0, 9.0),
        ("learned/url", 0.5, 0.0),
        ("learned/url", 0.2, 0.0),
        ("learned/url", 0.99, math.log(99)),
        ("learned/url", 1.0, 9.0),
        ("learned/url", math.nan, 0.0),
        ("learned/url", 2.0, 0.0),
        ("anomaly/rare", -1.0, 0.0),
    ],
)
def test_what_a_signal_says(member: str, strength: float, expected: float) -> None:
    assert evidence(Signal(member=member, strength=strength, said="x")) == pytest.approx(expected, abs=1e-6)


def test_a_risk_worked_by_hand() -> None:
    weights = {"rule >= low": 1.0, "rule >= medium": 0.5, "anomaly": 0.25, "more rules": 2.0}
    ensemble = Ensemble("test", -3.0, -4.0, weights)
    spoken = [Spoken("rule", "a", "A", Severity.medium), Spoken("rule", "b", "B", Severity.low)]
    found = ensemble.weigh(members(spoken, [Signal(member="anomaly/rare", strength=0.99, said="odd")]))
    assert [(p.member, p.contribution) for p in found.parts] == [
        ("more rules", 2.0),
        ("rule", 1.5),
        ("anomaly/rare", 0.5),
    ]
    assert found.log_odds == 1.0
    assert found.p_critical == pytest.approx(0.731059, abs=1e-6)
    assert found.score == 73


@pytest.mark.parametrize("weight", [-0.1, math.nan])
def test_a_weight_that_lowers_is_refused(weight: float) -> None:
    with pytest.raises(WatchfloorError, match="below zero"):
        Ensemble("test", 0.0, 0.0, {"rule >= low": weight})


@pytest.mark.parametrize("data", [{}, {"version": 1}, {"version": 1, "base": 0, "base_in_context": 0, "weights": []}])
def test_what_are_no_weights_is_said(data: dict[str, Any]) -> None:
    with pytest.raises(WatchfloorError, match="not the weights"):
        Ensemble.from_dict(data)


# Several findings


def finding(
    n: int, *, detection: str = "a", hour: float = 0, severity: int = 3, host: str = "ws1", **more: Any
) -> Finding:
    spoken = Spoken("rule", detection, f"Rule {detection}", Severity(severity))
    whole: dict[str, Any] = {
        "tenant": "acme",
        "uid": f"f-{n:04}",
        "time": int(hour * HOUR) + 1_790_000_000_000,
        "detection": Detection(uid=detection, title=f"Rule {detection}", family="x", source="y", kind="rule"),
        "severity": Severity(severity),
        "layer": "endpoint",
        "event_uid": f"r-{n}",
        "source": "s",
        "position": n,
        "title": f"Rule {detection}",
        "involved": (Involvement(entity=Entity(type="host", value=host), role="target"),),
        "risk": shipped().weigh(members([spoken])),
    }
    return Finding(**(whole | more))


MADE = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.floats(0, 30),
        st.integers(1, 5),
        st.sampled_from([(), ("execution",), ("impact", "discovery")]),
        st.sampled_from(["endpoint", "network"]),
    ),
    min_size=1,
    max_size=12,
)


def made(rows: list[tuple[str, float, int, tuple[str, ...], Any]]) -> list[Finding]:
    return [
        finding(n, detection=d, hour=h, severity=s, tactics=t, layer=layer)
        for n, (d, h, s, t, layer) in enumerate(rows)
    ]


@given(MADE)
def test_a_further_finding_never_lowers_the_risk_of_a_case_or_an_entity(rows: Any) -> None:
    findings = made(rows)
    around = surroundings(findings)
    for count in range(1, len(findings)):
        less, more = findings[:count], findings[: count + 1]
        before, after = case_risk(less, around), case_risk(more, around)
        assert before
        assert after
        assert after.log_odds >= before.log_odds - 1e-9
        before, after = (
            entity_risk(less, 1_790_000_000_000 + 40 * HOUR),
            entity_risk(more, 1_790_000_000_000 + 40 * HOUR),
        )
        assert before
        assert after
        assert after.log_odds >= before.log_odds - 1e-3  # each part is shown to four digits


@given(MADE)
def test_together_it_is_a_function_of_the_set_and_its_parts_add_up(rows: Any) -> None:
    findings = made(rows)
    around = surroundings(findings)
    found = case_risk(findings, around)
    assert found
    assert found == case_risk(findings[::-1], surroundings(findings[::-1]))
    assert found.base == shipped().base_in_context
    assert found.log_odds == math.fsum([found.base, *(part.contribution for part in found.parts)])
    assert Risk.from_json(found.canonical()) == found


def test_a_thousand_repetitions_say_no_more_than_one() -> None:
    one, many = [finding(0)], [finding(n, hour=n / 1_000) for n in range(1_000)]
    first, all_ = case_risk(one, surroundings(one)), case_risk(many, surroundings(many))
    assert first
    assert all_
    assert all_.log_odds == first.log_odds


def test_what_is_rare_here_and_stands_with_others_says_more_than_what_comes_every_hour() -> None:
    routine = [finding(n, detection="backup", hour=n) for n in range(48)]
    odd = [finding(n, detection=d, hour=47 + (n - 99) / 10, host="ws2") for n, d in ((100, "dump"), (101, "shell"))]
    around = surroundings([*routine, *odd])
    usual, rare = case_risk(routine[-1:], around), case_risk(odd, around)
    assert usual
    assert rare
    assert {part.member for part in usual.parts} == {"rule"}
    assert {part.member for part in rare.parts} == {"rule", "rare", "unusual"}
    assert "“Rule dump”, “Rule shell”" in next(p.sentence for p in rare.parts if p.member == "unusual")
    assert around["f-0101"].came_up.hours == 0
    assert around["f-0047"].came_up.hours == 47


def test_what_stands_around_is_what_came_within_an_hour_on_the_same_entity() -> None:
    early, other, late = finding(0), finding(1, detection="b", host="ws2"), finding(2, detection="c", hour=1.5)
    near = finding(3, detection="d", hour=2)
    around = surroundings([near, late, other, early])
    assert [uid for uid, _ in around["f-0003"].unusual] == ["c", "d"]
    assert around["f-0003"].where == "Within an hour on host:ws1"
    assert [uid for uid, _ in around["f-0001"].unusual] == ["b"]
    as_it_came = surroundings([near, late, other, early], ahead=0)
    assert as_it_came["f-0000"] == surroundings([early])["f-0000"]  # nothing later changes it
    assert [uid for uid, _ in as_it_came["f-0002"].unusual] == ["c"]
    assert [uid for uid, _ in around["f-0002"].unusual] == ["c", "d"]


def test_what_a_known_scanner_sets_off_stands_around_nothing() -> None:
    scan, other = finding(0, detection="scan"), finding(1, detection="dump", hour=0.1)
    around = surroundings([scan, other], apart={"f-0000"})
    assert [uid for uid, _ in around["f-0001"].unusual] == ["dump"]
    assert around["f-0000"].where == "By itself"
    assert [uid for uid, _ in around["f-0000"].unusual] == ["scan"]


def test_an_entity_s_risk_fades_to_half_in_a_week() -> None:
    one = finding(0, severity=5)
    assert one.risk
    told = one.risk.log_odds - one.risk.base
    for days, left in ((0, 1.0), (7, 0.5), (14, 0.25)):
        found = entity_risk([one], one.time + days * DAY)
        assert found
        assert found.log_odds - found.base == pytest.approx(told * left, abs=1e-3)


def test_findings_from_before_there_was_risk_say_nothing() -> None:
    old = finding(0, risk=None)
    assert case_risk([old], surroundings([old])) is None
    assert entity_risk([old], old.time) is None
    both = [old, finding(1, detection="b")]
    assert case_risk(both, surroundings(both)) is not None


def test_parts_are_summed_without_loss() -> None:
    parts = [RiskPart(member="a", sentence="", contribution=c) for c in (1e16, 1.0, -1e16)]
    assert Risk.of(0.5, parts, "m").log_odds == 1.5
