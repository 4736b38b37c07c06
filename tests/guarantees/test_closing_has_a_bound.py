"""Promise 3: a case closes by itself only where the owner's own labels bound what would be missed."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from watchfloor.app.story import Story
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.clock import DAY, parse_iso
from watchfloor.core.label import Basis, Label
from watchfloor.core.noun import short_id
from watchfloor.core.policy import Policy, TriagePolicy
from watchfloor.triage.anytime import labels_needed

CLASS = "wazuh/audit @ wazuh/alert"
NEEDED = labels_needed(TriagePolicy().max_missed_share, TriagePolicy().confidence)


class Clock:
    """Goes a millisecond on at each look."""

    def __init__(self) -> None:
        self.now = parse_iso("2026-10-16T08:00:00Z")

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture(scope="module")
def home(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of one kind of alert at the story's company, taken in and not decided; without its labels."""
    folder = tmp_path_factory.mktemp("closing")
    day = gzip.decompress((story.records / "endpoint" / "wazuh-alerts-2026-10-15.jsonl.gz").read_bytes())
    alerts = folder / "alerts.jsonl"
    alerts.write_bytes(b"".join(line for line in day.splitlines(keepends=True) if b"80792" in line))
    settings = story.settings().model_copy(update={"labels": None})
    with Watchfloor.open(folder / "home", settings, clock=Clock()) as product:
        product.pipeline.ingest([alerts], names={alerts: "alerts.jsonl"})
    return folder / "home"


Make = Callable[..., Watchfloor]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(home: Path, tmp_path: Path, clock: Clock) -> Iterator[Make]:
    """The product on that day, with a policy of its own."""
    opened: list[Watchfloor] = []

    def product(**triage: float) -> Watchfloor:
        copy = tmp_path / f"home-{len(opened)}"
        shutil.copytree(home, copy)
        made = Watchfloor.open(copy, clock=clock)
        made.parts.__dict__["policy"] = Policy(triage=TriagePolicy.from_dict(triage))
        opened.append(made)
        return made

    yield product
    for one in opened:
        one.close()


def give(
    product: Watchfloor, count: int, missed: int = 0, *, basis: Basis = "all", klass: str = CLASS, detection: str = ""
) -> None:
    """Labels as from a file: of whom all cases were judged, unless another basis is said."""
    labels = [
        Label(
            tenant=product.parts.tenant,
            uid=short_id("label", klass, basis, str(n)),
            time=1_700_000_000_000 + n,
            detection_class=klass,
            detection=detection or "wazuh/80792",
            verdict="malicious" if n < missed else "benign_true_positive",
            would_close=True,
            basis=basis,
            by="ana",
        )
        for n in range(count)
    ]
    product.parts.documents.put(product.parts.tenant, *labels)


def closed(product: Watchfloor) -> list[Case]:
    return [row.case for row in product.desk.queue(disposition="close", limit=None)]


def ready(product: Watchfloor) -> list[Case]:
    """Cases of the class that nothing but its bound keeps from closing."""
    rows = product.desk.queue(limit=None)
    return [r.case for r in rows if r.verdict and r.verdict.wants_to_close and r.case.detection_class == CLASS]


def told(product: Watchfloor, kind: str) -> list[dict[str, object]]:
    entries = product.desk.ledger_entries(limit=10_000)
    return [json.loads(entry.body) for entry in reversed(entries) if entry.kind == kind]


def test_a_class_closes_from_the_exact_number_of_fair_labels_on_and_a_miss_opens_its_cases_again(make: Make) -> None:
    product = make()
    product.pipeline.triage()
    assert not closed(product), "without labels nothing closes"
    give(product, 5 * NEEDED, basis="chosen")
    product.pipeline.triage()
    assert len(ready(product)) > 3
    assert not closed(product), "however many cases people chose to judge"

    give(product, NEEDED - 1)
    product.pipeline.triage()
    assert not closed(product)
    row = next(row for row in product.desk.closing() if row.name == CLASS)
    assert (row.open, row.standing.record.counted, row.standing.needed) == (False, NEEDED - 1, 1)
    assert "1 more labels without an attack" in row.reasons[0]

    give(product, NEEDED)
    product.pipeline.triage()
    those = closed(product)
    assert those
    assert {case.detection_class for case in those} == {CLASS}
    assert {case.status for case in those} == {"closed"}
    assert [body["counted"] for body in told(product, "closing.opened")] == [NEEDED]

    give(product, NEEDED, missed=1)
    product.pipeline.triage()
    assert not closed(product)
    assert product.desk.case_view(those[0].uid).case.status == "new"
    assert [body["missed"] for body in told(product, "closing.shut")] == [1]


def test_looking_after_every_label_opens_no_class_earlier(make: Make) -> None:
    product = make()
    opened = []
    for count in range(1, NEEDED + 1):
        give(product, count)
        opened.append(next(row for row in product.desk.closing() if row.name == CLASS).open)
    assert opened == [False] * (NEEDED - 1) + [True]


def test_labels_of_cases_count_when_chance_drew_them_in_order_and_one_case_is_one_label(make: Make) -> None:
    product = make()
    give(product, NEEDED, basis="chosen")
    product.pipeline.triage()
    desk = product.desk
    draws = [draw for row in desk.closing() if row.name == CLASS for draw in row.standing.unjudged]
    assert len(draws) > 3

    for _ in range(5):
        desk.resolve(draws[0].case_uid, "benign_true_positive", "ana", "expected_activity")
    for draw in draws[2:]:
        desk.resolve(draw.case_uid, "benign_true_positive", "ana", "expected_activity")
    row = next(row for row in desk.closing() if row.name == CLASS)
    assert row.standing.record.counted == 1, "the second was left lying, and holds up all behind it"
    assert [d.case_uid for d in row.standing.unjudged] == [draws[1].case_uid]

    desk.resolve(draws[1].case_uid, "benign_true_positive", "ana", "expected_activity")
    row = next(row for row in desk.closing() if row.name == CLASS)
    again = row.standing.uncounted.get("the same thing again", 0)
    assert row.standing.record.counted == len(draws) - again, "each case once, the same thing of one day once"
    desk.reopen(draws[0].case_uid, "ana")
    row = next(row for row in desk.closing() if row.name == CLASS)
    assert row.standing.record.counted == 0, "a label that was withdrawn is none, and its case waits again"


def test_what_was_closed_is_reviewed_or_the_class_stops_closing(make: Make, clock: Clock) -> None:
    product = make(review_share=0.4)
    # Of eight cases chance draws none in one of sixty homes: a home whose secret is known.
    (product.parts.home.keys / f"{product.parts.tenant}.draw").write_bytes(bytes(32))
    give(product, NEEDED)
    product.pipeline.triage()
    those, reviews = closed(product), product.desk.reviews()
    assert 0 < len(reviews) < len(those), "chance drew some"
    assert {draw.case_uid for draw in reviews} <= {case.uid for case in those}
    assert product.desk.review(reviews[0].case_uid), "the page folds away what the product said of it"

    clock.now += 8 * DAY
    product.pipeline.triage()
    row = next(row for row in product.desk.closing() if row.name == CLASS)
    assert not row.open
    assert "should have been done" in row.reasons[-1]
    assert len(closed(product)) == len(those), "what was closed under a bound that held stays closed"
    shown = told(product, "closing.draw_revealed")
    assert [body["period"] for body in shown] == ["2026-W42"], "the week is over: anyone can draw again"
    assert product.desk.draw_problems() == []

    for draw in product.desk.reviews():
        product.desk.resolve(draw.case_uid, "benign_true_positive", "ana", "expected_activity")
    assert next(row for row in product.desk.closing() if row.name == CLASS).open
    last = product.desk.closing()[0].standing
    assert last.reviewed >= len(reviews)
    assert last.record.counted > NEEDED, "the labels of reviews count"


def test_an_attack_among_what_was_closed_takes_all_clean_labels_before_it_away(make: Make) -> None:
    product = make(review_share=1.0)
    give(product, 20 * NEEDED)
    product.pipeline.triage()
    those, review = closed(product), product.desk.reviews()[0]
    product.desk.resolve(review.case_uid, "malicious", "ana", "confirmed_attack")
    row = next(row for row in product.desk.closing() if row.name == CLASS)
    assert (row.open, row.standing.record.counted, row.standing.record.missed) == (False, 1, 1)
    product.pipeline.triage()
    assert not closed(product)
    assert all(product.desk.case_view(case.uid).case.status != "closed" for case in those)


def test_cases_that_are_no_longer_such_as_were_labelled_stop_the_class_within_the_run(make: Make) -> None:
    product = make(drift_every=100)
    give(product, NEEDED, detection="wazuh/1")
    product.pipeline.triage()
    assert told(product, "closing.opened")
    assert told(product, "closing.drifted")
    assert not closed(product)
    row = next(row for row in product.desk.closing() if row.name == CLASS)
    assert row.reasons[0].startswith("its cases are no longer such as were labelled")
    assert row.standing.record.counted == 0

    same = make(drift_every=100)
    give(same, NEEDED)
    same.pipeline.triage()
    assert closed(same), "the same labels of the same detection"
    assert not told(same, "closing.drifted")
