"""Which labels count for the bound of a class, and which only show misses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triage.build import START, TENANT, finding, label, one_case
from watchfloor.core.clock import DAY, MINUTE
from watchfloor.core.closing import ClassState, Draw
from watchfloor.core.label import Label
from watchfloor.core.noun import digest_of
from watchfloor.core.policy import Policy, TriagePolicy
from watchfloor.triage.bound import ClassRecord, LabelBook, Standing, reasons

CLASS = "sigma/windows @ sysmon"
RULES = digest_of(b"rules")


def draw(number: int, **more: Any) -> Draw:
    """A case that would be closed and was drawn, the `number`-th."""
    return Draw.from_dict(
        {
            "tenant": TENANT,
            "uid": f"draw-{number:04d}",
            "case_uid": f"case-{number:04d}",
            "time": START + number * MINUTE,
            "detection_class": CLASS,
            "detection": "r1",
            "alike": digest_of(f"{number}".encode()),
            "would_close": True,
            "rules": RULES,
            "period": "2026-W38",
            "place": 0.5,
            "share": 1.0,
            **more,
        }
    )


def judged(number: int, verdict: str = "false_positive", **more: Any) -> Label:
    """What a person said of it a day later."""
    given = label(number, verdict=verdict, case_uid=f"case-{number:04d}")
    return given.model_copy(
        update={"basis": "chosen", "time": START + DAY + number * MINUTE, "by": f"p{number}", **more}
    )


def state(**more: Any) -> ClassState:
    given = {"tenant": TENANT, "uid": "class-1", "time": START, "detection_class": CLASS, "rules": RULES, **more}
    return ClassState.from_dict(given)


def standing(
    labels: Sequence[Label], draws: Sequence[Draw] = (), *states: ClassState, now: int = START, **policy: Any
) -> Standing:
    return LabelBook(labels, draws, states, policy=TriagePolicy(**policy), now=now).standing(TENANT, CLASS)


def counts(found: Standing) -> tuple[int, int]:
    return found.record.counted, found.record.missed


def test_a_class_record_counts_only_its_class_and_tenant() -> None:
    case = one_case([finding(1, "host:ws-1:target")])
    labels = [
        label(1),
        label(2, verdict="malicious"),
        label(3, would_close=False),
        label(4).model_copy(update={"detection_class": "other @ x"}),
        label(5).model_copy(update={"tenant": "other"}),
        label(6, verdict="malicious", would_close=False, case_uid=case.uid),
    ]
    record = LabelBook(labels).record(case)
    assert (record.labels, record.malicious, record.counted, record.missed) == (4, 2, 2, 1)
    assert record.said_malicious == ("label-6",)


def test_what_people_choose_to_judge_shows_misses_and_is_never_clean() -> None:
    chosen = [label(n).model_copy(update={"basis": "chosen"}) for n in range(500)]
    assert counts(standing(chosen)) == (0, 0)
    assert counts(standing([*chosen, label(600, verdict="malicious").model_copy(update={"basis": "chosen"})])) == (1, 1)
    assert counts(standing([judged(1), judged(2, "malicious")])) == (1, 1), "cases that were not drawn"
    passed = draw(1, place=0.9, share=0.05)
    assert counts(standing([judged(1)], [passed])) == (0, 0)


def test_labels_count_in_the_order_of_the_draw_up_to_the_first_case_that_nobody_judged() -> None:
    draws = [draw(n) for n in range(10)]
    easy = [judged(n) for n in range(10) if n != 4]
    found = standing(easy, draws)
    assert counts(found) == (4, 0)
    assert [one.case_uid for one in found.unjudged] == ["case-0004"]
    assert found.uncounted == {"behind a case that nobody has judged": 5}
    assert counts(standing([*easy, judged(4)], draws)) == (10, 0)
    assert counts(standing([*easy, judged(4, "malicious")], draws)) == (10, 1)
    late = [judged(n) for n in range(4)] + [judged(9, "malicious")]
    assert counts(standing(late, draws)) == (5, 1), "a miss counts wherever it stands"


def test_cases_that_the_rules_of_now_would_not_close_say_nothing_of_what_is_closed() -> None:
    draws = [draw(1, would_close=False), draw(2, rules=digest_of(b"older")), draw(3)]
    labels = [judged(n, would_close=True) for n in (1, 2, 3)]
    assert counts(standing(labels, draws, state())) == (1, 0)
    file = [label(4), label(5).model_copy(update={"time": START + 2 * DAY})]
    assert counts(standing(file, (), state(rules_since=START + DAY))) == (1, 0), (
        "nobody can decide a file's cases again"
    )


def test_the_same_thing_again_and_a_flood_of_one_person_count_once_and_up_to_a_day() -> None:
    draws = [draw(n, alike=digest_of(b"one thing")) for n in range(50)]
    assert counts(standing([judged(n) for n in range(50)], draws)) == (1, 0)
    draws = [draw(n) for n in range(300)]
    flood = [judged(n, by="ana") for n in range(300)]
    assert counts(standing(flood, draws, labels_a_day=80)) == (80, 0)
    assert counts(standing([*flood[:299], judged(299, "malicious", by="ana")], draws, labels_a_day=80)) == (81, 1)


def test_an_attack_among_what_was_closed_takes_the_clean_labels_before_it_away_and_stays() -> None:
    before, after = [draw(n) for n in range(200)], [draw(n + 2_000) for n in range(200)]
    closed = draw(210, closed=True, place=0.01, share=0.05)
    clean = [judged(n) for n in range(200)]
    assert standing(clean, before).record.may_close
    attack = judged(210, "malicious")
    found = standing([*clean, attack], [*before, closed])
    assert counts(found) == (1, 1)
    assert not found.record.may_close
    again = [judged(n + 2_000) for n in range(200)]
    assert counts(standing([*clean, attack, *again], [*before, closed, *after])) == (201, 1)
    assert counts(standing([*clean, judged(200, "malicious")], [*before, draw(200)])) == (201, 1), "it was not closed"


def test_a_review_that_is_overdue_shuts_the_class_until_it_is_done() -> None:
    draws = [draw(n) for n in range(200)]
    review = draw(300, closed=True, place=0.01, share=0.05, due=START + 7 * DAY)
    clean = [judged(n) for n in range(200)]
    assert standing(clean, [*draws, review], now=START + 7 * DAY).record.may_close
    late = standing(clean, [*draws, review], now=START + 7 * DAY + 1)
    assert not late.record.may_close
    assert "case-0300" in late.record.shut[0]
    assert [one.case_uid for one in late.overdue] == ["case-0300"]
    assert standing([*clean, judged(300)], [*draws, review], now=START + 30 * DAY).record.may_close


def test_a_new_version_of_a_detection_takes_the_labels_of_the_one_before_away() -> None:
    draws = [draw(1, version="a"), draw(2, version="b"), draw(3, detection="r2", version="x")]
    known = state(versions={"r1": "b", "r2": "x"}, changed=("r1",))
    labels = [judged(n) for n in (1, 2, 3)]
    assert counts(standing(labels, draws, known)) == (2, 0)
    file = [label(7), label(8).model_copy(update={"version": "b"}), label(9).model_copy(update={"detection": "r2"})]
    assert counts(standing(file, (), known)) == (2, 0), "of a file that does not tell the version"


def test_drift_takes_the_clean_labels_before_it_away() -> None:
    draws = [draw(n) for n in range(200)]
    clean = [judged(n) for n in range(200)]
    drifted = state(drifted_at=START + 100 * MINUTE, drifted_why="its cases are others")
    found = standing(clean, draws, drifted)
    assert counts(found) == (99, 0)
    assert "its cases are others" in reasons(found, Policy())
    assert standing([label(1)], (), drifted).record.counted == 0


@given(
    st.lists(st.tuples(st.sampled_from(["clean", "miss", "none"]), st.booleans(), st.booleans()), max_size=60),
    st.integers(0, 59),
)
def test_one_more_clean_label_never_hurts_and_one_more_miss_never_helps(
    cases: list[tuple[str, bool, bool]], which: int
) -> None:
    draws = [
        draw(n, would_close=would, place=0.01 if drawn else 0.9, share=0.5) for n, (_, would, drawn) in enumerate(cases)
    ]
    words = {"clean": "false_positive", "miss": "malicious"}
    labels = [judged(n, words[what]) for n, (what, _, _) in enumerate(cases) if what != "none"]
    now = standing(labels, draws)
    if which < len(cases) and cases[which][0] == "none":
        assert standing([*labels, judged(which)], draws).bound <= now.bound
        assert standing([*labels, judged(which, "malicious")], draws).bound >= standing(labels, draws).bound


@pytest.mark.parametrize(
    ("before", "now", "still"),
    [
        ({"labels": 3, "counted": 3}, {"labels": 4, "counted": 4}, True),
        ({"may_close": False}, {"may_close": True}, False),
        ({"may_close": True}, {"may_close": False, "shut": ("overdue",)}, True),
        ({"may_close": True}, {"may_close": False, "missed": 1, "counted": 1}, False),
        ({}, {"said_malicious": ("label-1",)}, False),
    ],
)
def test_a_case_is_decided_anew_when_the_class_opens_or_misses_an_attack(
    before: dict[str, Any], now: dict[str, Any], still: bool
) -> None:
    one = ClassRecord(detection_class=CLASS)
    assert one.model_copy(update=now).still(one.model_copy(update=before)) is still
