"""A case for which nothing can have changed is not asked about again; whatever can change its verdict, is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.triage.build import finding
from watchfloor.app.decide import Decider
from watchfloor.app.freshness import Freshness, Settled, World, digest
from watchfloor.app.story import Story
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.case import Case
from watchfloor.core.verdict import Verdict
from watchfloor.triage.bound import ClassRecord
from watchfloor.triage.catalogue import Catalogue

Asked = Callable[[], set[str]]


@pytest.fixture
def asked(decided_day: Watchfloor, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Run triage; the cases that were asked about."""
    found: set[str] = set()
    ask = Catalogue.ask

    def counted(self: Catalogue, case: Case, *rest: object) -> object:
        found.add(case.uid)
        return ask(self, case, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Catalogue, "ask", counted)

    def run() -> set[str]:
        found.clear()
        decided_day.pipeline.triage()
        return set(found)

    return run


def cases(product: Watchfloor) -> dict[str, Case]:
    return {row.case.uid: row.case for row in product.desk.queue(limit=None) if row.verdict}


def trail(folder: Path, time: str) -> Path:
    """A file with an API call that nobody has a detection for."""
    text = (
        '{"eventVersion": "1.08", "eventTime": "%s", "eventSource": "s3.amazonaws.com", "eventName": "ListBuckets"}\n'
    )
    file = folder / "trail.jsonl"
    file.write_text(text % time)
    return file


def test_what_is_asked_about_again(decided_day: Watchfloor, asked: Asked, tmp_path: Path) -> None:
    """One product from change to change: each looks at all cases, which takes its time."""
    desk = decided_day.desk
    assert asked() == set(cases(decided_day)), "a process that has just started knows nothing"
    unanswered = {row.case.uid for row in desk.queue(limit=None) if row.verdict and row.verdict.could_not_check}
    rest = asked()
    assert rest <= unanswered

    noon = 1_792_065_600_000
    decided_day.pipeline.ingest([trail(tmp_path, "2026-10-15T12:00:00Z")])
    after = {uid for uid, case in cases(decided_day).items() if case.last_time > noon}
    assert asked() - rest == after - rest, "what comes late is history of the cases after it"
    assert 0 < len(after) < len(cases(decided_day))
    decided_day.pipeline.ingest([trail(tmp_path, "2026-11-14T12:00:00Z")])
    assert asked() == rest, "it is after all of them"

    queued = desk.queue(disposition="queue", limit=None)
    case = next(row.case for row in queued if row.verdict and row.verdict.wants_to_close)
    desk.resolve(case.uid, "malicious", "lena", "malicious.contained")
    again = asked()
    assert {c.uid for c in cases(decided_day).values() if c.detection_class == case.detection_class} <= again
    assert len(again) < len(cases(decided_day)) / 2, "an attack among what would be closed tells of its class"


WORLD = World("catalogue", "scorecard", "policy", "context", (1, 2), 3)
LABELS = ClassRecord(detection_class="sigma/aws @ aws_cloudtrail")
CASE = Case.from_dict(
    {
        "tenant": "acme", "uid": "c-1", "time": 1_000, "last_time": 2_000, "title": "t", "severity": 3,
        "findings": ["f-1"], "involved": [], "detection_class": LABELS.detection_class,
    }
)  # fmt: skip
SETTLED = Settled("", 2_000, LABELS, "queue", ())


def settled() -> Freshness:
    fresh = Freshness()
    fresh.begin(WORLD, (), None)
    fresh.settle("c-1", SETTLED._replace(digest=digest(CASE, ())))
    fresh.ended(2)
    return fresh


@pytest.mark.parametrize("name", World._fields)
def test_what_holds_for_all_cases_makes_all_of_them_stale(name: str) -> None:
    fresh, same = settled(), WORLD._replace(verdicts=5)
    fresh.begin(same, (), None)
    assert fresh.of(CASE, (), LABELS)
    fresh.begin(same._replace(**{name: 9}), (), None)
    assert not fresh.of(CASE, (), LABELS)


@pytest.mark.parametrize(("earliest", "held"), [(None, True), (2_000, True), (1_999, False)])
def test_an_event_before_its_newest_finding_makes_a_case_stale(earliest: int | None, held: bool) -> None:
    fresh = settled()
    fresh.begin(WORLD._replace(verdicts=5), (), earliest)
    assert bool(fresh.of(CASE, (), LABELS)) is held


def test_another_case_or_record_of_its_class_is_stale_and_people_make_none() -> None:
    fresh = settled()
    assert fresh.of(CASE.model_copy(update={"status": "in_progress", "assignee": "ana"}), (), LABELS)
    assert not fresh.of(CASE.model_copy(update={"related": ("c-2",)}), (), LABELS)
    assert fresh.of(CASE, (), LABELS.model_copy(update={"labels": 1, "counted": 1})), "counts that change nothing"
    assert not fresh.of(CASE, (), LABELS.model_copy(update={"missed": 1}))
    assert not fresh.of(CASE, (), LABELS.model_copy(update={"may_close": True}))


def decisions(product: Watchfloor) -> dict[str, tuple[str, tuple[str, ...], str, tuple[str, ...]]]:
    """Per case what its verdict says and rests on; when evidence was collected aside."""
    return {
        row.case.uid: (
            row.verdict.disposition,
            row.verdict.rests_on,
            f"{row.verdict.probability:.9f}",
            row.case.findings,
        )
        for row in product.desk.queue(limit=None)
        if row.verdict
    }


def test_deciding_as_it_comes_is_deciding_anew_each_time(story: Story, tmp_path: Path) -> None:
    """Records in an order that is none of time; one product remembers, one forgets everything before each run."""
    parts = [[story.records / "identity" / "entra-signins-2026-10-15.jsonl.gz"], [story.records / "email"]]
    parts += [[story.records / "cloud" / "cloudtrail"]]
    found = {}
    for remembers in (True, False):
        home = tmp_path / f"{remembers}"
        with Watchfloor.open(home, story.settings()) as product:
            for paths in parts:
                product.pipeline.ingest(paths)
                if not remembers:
                    product.pipeline._decider = Decider(product.parts)  # what a new process begins with
                product.pipeline.triage()
            found[remembers] = decisions(product)
            verdicts = product.parts.documents.count(product.parts.tenant, Verdict)
        found[f"{remembers} verdicts"] = verdicts
        shutil.rmtree(home)
    assert found[True] == found[False]
    assert len(found[True]) > 10
    assert found["True verdicts"] == found["False verdicts"] > len(found[True])


def test_what_is_found_in_the_past_is_the_past_of_the_cases_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int | None] = []
    monkeypatch.setattr(Freshness, "begin", lambda self, world, labels, earliest: told.append(earliest))
    old, new = (finding(n, "host:h:target", minute=n) for n in (1, 2))
    with Watchfloor.open(tmp_path) as product:
        decider = Decider(product.parts)
        for found in ((new,), (new,), (old, new)):
            decider._begin((), found)
    assert told == [new.time, None, old.time]
