"""What people said on which findings belong together holds in every later correlation, and can be taken back."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.triage.build import TENANT, finding
from tests.triage.test_correlation import POLICY, noise
from watchfloor.core.case import Case
from watchfloor.core.clock import DAY
from watchfloor.core.context import Context
from watchfloor.core.correlated import Correlated
from watchfloor.core.finding import Finding, Severity
from watchfloor.core.regrouping import Regrouping, Regroups, standing
from watchfloor.triage.correlation import Correlation, correlate


def said(
    number: int, kind: Regroups, one: list[Finding], other: list[Finding], takes_back: tuple[str, ...] = ()
) -> Regrouping:
    return Regrouping(
        tenant=TENANT,
        uid=f"regrouping-{number}",
        time=number,
        kind=kind,
        by="nora",
        case_uid="case-1",
        one=tuple(f.uid for f in one),
        other=tuple(f.uid for f in other),
        takes_back=takes_back,
        sentence="nora said so",
    )


def cases(findings: list[Finding], *regroupings: Regrouping) -> list[Case]:
    return correlate(findings, Context(), POLICY, regroupings)


def groups(findings: list[Finding], *regroupings: Regrouping) -> list[set[str]]:
    return [set(case.findings) for case in cases(findings, *regroupings)]


ALICE = [
    finding(n, "user:alice:actor", "host:ws-1:target", *(["file:drop:related"] if n else []), minute=n, rule=f"r{n}")
    for n in range(3)
]
BOB = [finding(10 + n, "user:bob:actor", "host:ws-2:target", minute=n, rule=f"r{n}") for n in range(3)]
LATER = finding(20, "user:alice:actor", "host:ws-1:target", "file:drop:related", minute=30, rule="late")


def test_what_a_person_put_together_is_one_case_that_says_who() -> None:
    (case,) = cases([*ALICE, *BOB], said(1, "together", ALICE, BOB))
    assert len(case.findings) == 6
    (link,) = [link for link in case.links if link.because == "person"]
    assert (link.shared, "nora said so" in link.sentence) == ("regrouping-1", True)
    assert case.uid == cases(ALICE)[0].uid


def test_what_a_person_parted_stays_apart_and_what_comes_later_joins_what_it_fits_best() -> None:
    apart = said(1, "apart", ALICE[:1], ALICE[1:])
    one, other = cases([*ALICE, LATER], apart)
    assert set(one.findings) == {ALICE[0].uid}
    assert set(other.findings) == {ALICE[1].uid, ALICE[2].uid, LATER.uid}
    assert one.related == (other.uid,)
    assert "a person said that they stand apart" in one.relations[0].sentence
    assert one.uid == cases(ALICE)[0].uid


def test_what_was_moved_is_one_case_even_where_nothing_else_ties_it() -> None:
    moved = said(1, "moved", [ALICE[0], ALICE[1], BOB[0], BOB[1]], [ALICE[2], BOB[2]])
    assert {ALICE[2].uid, BOB[2].uid} in groups([*ALICE, *BOB], moved)
    assert len(groups([*ALICE, *BOB], moved)) == 3


def test_a_repetition_can_be_parted() -> None:
    again = [finding(n, "host:ws-1:target", minute=n) for n in range(5)]
    assert groups(again, said(1, "apart", again[:3], again[3:])) == [
        {f.uid for f in again[:3]},
        {f.uid for f in again[3:]},
    ]


def test_to_part_counts_for_more_than_to_put_together() -> None:
    both = said(1, "together", ALICE, BOB), said(2, "apart", ALICE, BOB)
    assert len(cases([*ALICE, *BOB], *both)) == 2


def test_what_takes_back_can_be_taken_back() -> None:
    apart = said(1, "apart", ALICE[:1], ALICE[1:])
    undone = said(2, "undone", [], [], takes_back=("regrouping-1",))
    again = said(3, "undone", [], [], takes_back=("regrouping-2",))
    assert standing([undone, apart]) == [undone]
    assert standing([apart, again, undone]) == [apart, again]
    assert cases(ALICE, apart, undone) == cases(ALICE)
    assert cases(ALICE, apart, undone, again) == cases(ALICE, apart)


def _counted(time: int, lasts: int) -> Correlated:
    """What rests on events of days."""
    return Correlated(
        kind="event_count", sentence="counted", value=2, group={}, span=lasts, first=time, last=time + lasts,
        total=2, events=(),
    )  # fmt: skip


def _some(rng: random.Random, findings: list[Finding], number: int, before: list[Regrouping]) -> Regrouping:
    kind: Regroups = rng.choice(["together", "apart", "moved", "undone"])
    if kind == "undone":
        return said(number, kind, [], [], tuple(r.uid for r in rng.sample(before, min(1, len(before)))))
    chosen = rng.sample(findings, rng.randint(2, 6))
    at = rng.randint(1, len(chosen) - 1)
    return said(number, kind, chosen[:at], chosen[at:])


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_what_people_said_is_honoured_and_taken_back_without_a_trace(seed: int) -> None:
    rng = random.Random(seed)
    findings = noise(50, seed=seed, hosts=6)
    regroupings: list[Regrouping] = []
    for number in range(rng.randint(1, 6)):
        regroupings.append(_some(rng, findings, number, regroupings))
    found = cases(findings, *regroupings)
    holder = {uid: case.uid for case in found for uid in case.findings}
    assert sorted(holder) == sorted(f.uid for f in findings)
    for one in standing(regroupings):
        if one.kind in ("apart", "moved"):
            assert not {holder[uid] for uid in one.one} & {holder[uid] for uid in one.other}
    kinds = {one.kind for one in standing(regroupings)}
    if kinds <= {"together", "undone"}:
        for one in standing(regroupings):
            assert len({holder[uid] for uid in (*one.one, *one.other)}) <= 1
    rest = said(99, "undone", [], [], tuple(one.uid for one in regroupings))
    assert cases(findings, *regroupings, rest) == cases(findings)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000))
def test_as_they_come_cases_are_the_same_as_all_at_once(seed: int) -> None:
    """Whatever the order and the size of what comes, and what changes, goes or is said meanwhile."""
    rng = random.Random(seed)
    spread = rng.choice([1.0, 4.0, 12.0])
    findings = [
        f.model_copy(
            update={
                "time": (time := f.time + int((f.time % 864_000_000) * spread)),
                "severity": Severity(rng.choice([1, 3, 4])),
                "correlated": _counted(time, rng.randrange(5 * DAY)) if rng.random() < 0.1 else None,
            }
        )
        for f in noise(70, seed=seed, hosts=rng.choice([3, 12]))
    ]
    if rng.random() < 0.5:
        findings.sort(key=lambda f: f.time)
    else:
        rng.shuffle(findings)
    live, here, regroupings = Correlation(Context(), POLICY), [], []
    while findings:
        some = rng.randint(4, 30)
        here, findings = here + findings[:some], findings[some:]
        change = rng.random()
        if change < 0.2:
            here.pop(rng.randrange(len(here)))
        elif change < 0.4 and here:
            at = rng.randrange(len(here))
            here[at] = here[at].model_copy(update={"thread": (f"t{rng.randrange(3)}",)})
        elif change < 0.7 and len(here) > 6:
            regroupings.append(_some(rng, here, len(regroupings), regroupings))
        assert live.cases(here, regroupings) == correlate(here, Context(), POLICY, regroupings)
        assert live.cases(here, regroupings) == live.cases(reversed(here), regroupings)
