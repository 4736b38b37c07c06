"""Retention: whole days go by the policy, never what an open case rests on, and the ledger says what went."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.records import TRAIL
from watchfloor.app.decide import Decider
from watchfloor.app.retention import Retention
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import app
from watchfloor.cli.doctor import checks
from watchfloor.core.case import Case
from watchfloor.core.clock import parse_iso
from watchfloor.store.lake import Lake
from watchfloor.store.spool import Spool

NOW = parse_iso("2024-10-20T12:00:00Z")
API = "6003"


def trail(n: int, day: str, name: str = "DescribeInstances") -> dict[str, Any]:
    return TRAIL | {"eventID": f"{n:04d}", "eventTime": f"{day}T07:01:02Z", "eventName": name}


def settings(tmp_path: Path, retention: str) -> Settings:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"name: short\nretention: {retention}\n")
    return Settings(policy=str(policy))


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Watchfloor]:
    """Four days of events; on the third, one that raised a case."""
    given = settings(tmp_path, "{days: 5}")
    records = tmp_path / "trail.json"
    days = ("2024-10-12", "2024-10-13", "2024-10-14", "2024-10-16")
    found = [trail(n, day) for n, day in enumerate(days)] + [trail(9, days[2], "StopLogging")]
    records.write_text("\n".join(map(json.dumps, found)))
    with Watchfloor.open(tmp_path / "home", given, clock=lambda: NOW) as product:
        product.pipeline.ingest([records])
        product.pipeline.triage()
        assert product.desk.queue()
        yield product


def days_kept(product: Watchfloor) -> list[str]:
    return sorted({segment.day for segment in product.parts.lake.segments(product.parts.tenant)})


def entries(product: Watchfloor) -> list[dict[str, Any]]:
    return [json.loads(e.body) for e in product.desk.ledger_entries(limit=1_000) if e.kind == "retention"]


def close_all(product: Watchfloor) -> None:
    parts = product.parts
    cases = parts.documents.find(parts.tenant, Case, limit=None)
    parts.documents.put(parts.tenant, *(case.model_copy(update={"status": "closed"}) for case in cases))


def test_days_past_their_time_go_but_not_what_an_open_case_rests_on(product: Watchfloor) -> None:
    due = Retention(product.parts).due()
    assert [(one.part, one.events, bool(one.held_by)) for one in due] == [
        (f"{API}/2024-10-12", 1, False),
        (f"{API}/2024-10-13", 1, False),
        (f"{API}/2024-10-14", 2, True),
    ]
    assert len(days_kept(product)) == 4, "to look changes nothing"
    assert Retention(product.parts).run("ana") == due
    assert days_kept(product) == ["2024-10-14", "2024-10-16"]
    (entry,) = entries(product)
    assert {part: of["events"] for part, of in entry["expired"].items()} == {
        f"{API}/2024-10-12": 1,
        f"{API}/2024-10-13": 1,
    }
    assert list(entry["held"]) == [f"{API}/2024-10-14"]
    assert [row.events for row in product.parts.lake.sources(product.parts.tenant)] == [3]
    on_disk = {file.parent.name for file in product.parts.home.lake.rglob("*.parquet")}
    assert on_disk == {"2024-10-14", "2024-10-16"}
    close_all(product)
    Retention(product.parts).run()
    assert days_kept(product) == ["2024-10-16"]
    assert len(entries(product)) == 2
    Retention(product.parts).run()
    assert len(entries(product)) == 2, "nothing went, nothing is said"


def test_a_verdict_stays_when_the_events_that_it_rested_on_are_no_longer_kept(product: Watchfloor) -> None:
    """Neither the finding's own event nor history before it is a changed fact when it is past its time."""
    close_all(product)
    decided = {row.case.uid: row.verdict for row in product.desk.queue(limit=None)}
    assert decided
    Retention(product.parts).run()
    assert days_kept(product) == ["2024-10-16"]
    product.pipeline._decider = Decider(product.parts)  # what a new process begins with
    assert product.pipeline.triage() == []
    assert {row.case.uid: row.verdict for row in product.desk.queue(limit=None)} == decided


def test_a_verdict_stays_when_the_history_before_it_is_no_longer_kept(tmp_path: Path, product: Watchfloor) -> None:
    more = tmp_path / "more.json"
    more.write_text(json.dumps(trail(20, "2024-10-17", "StopLogging")))
    product.pipeline.ingest([more])
    assert product.pipeline.triage()
    decided = {row.case.uid: row.verdict for row in product.desk.queue(limit=None)}
    Retention(product.parts).run()
    assert "2024-10-12" not in days_kept(product)
    product.pipeline._decider = Decider(product.parts)
    assert product.pipeline.triage() == []
    assert {row.case.uid: row.verdict for row in product.desk.queue(limit=None)} == decided
    more.write_text(json.dumps(trail(21, "2024-10-16")))
    product.pipeline.ingest([more])
    assert product.pipeline.triage(), "what comes late is a changed fact all the same"


def test_a_class_has_its_own_time(tmp_path: Path, product: Watchfloor) -> None:
    for text, left in (
        ("{days: 5, rules: [{class_uid: 6003}]}", 4),
        ("{rules: [{class_uid: 6003, days: 900}]}", 4),
        ("{rules: [{class_uid: 3002, days: 1}]}", 4),
        ("{rules: [{class_uid: 6003, days: 8}]}", 4),
        ("{rules: [{class_uid: 6003, days: 7}]}", 3),
    ):
        given = settings(tmp_path, text)
        with Watchfloor.open(tmp_path / "home", given, clock=lambda: NOW) as again:
            Retention(again.parts).run()
            assert len(days_kept(again)) == left


@pytest.mark.parametrize("where", ["append", "remove_expired"])
def test_cut_off_what_went_still_stands_in_the_ledger(
    product: Watchfloor, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    thing = product.parts.ledger if where == "append" else product.parts.lake
    with monkeypatch.context() as patch:
        patch.setattr(thing, where, die)
        with pytest.raises(KeyboardInterrupt):
            Retention(product.parts).run()
    assert days_kept(product) == ["2024-10-14", "2024-10-16"], "nobody looks at what is to go"
    Retention(product.parts).run()
    assert f"{API}/2024-10-12" in entries(product)[0]["expired"]
    assert not product.parts.lake.expired(product.parts.tenant)
    assert len(list(product.parts.home.lake.rglob("*.parquet"))) == 2


def test_what_went_and_comes_again_is_kept_as_new(tmp_path: Path, product: Watchfloor) -> None:
    Retention(product.parts).run()
    assert product.pipeline.ingest([tmp_path / "trail.json"]).new_events == 2
    assert len(days_kept(product)) == 4


def test_the_worker_lets_go_by_itself(product: Watchfloor, spool: Spool) -> None:
    product.intake._look_around(spool)
    assert days_kept(product) == ["2024-10-14", "2024-10-16"]


def test_the_command_says_what_would_go_and_what_went(tmp_path: Path, product: Watchfloor) -> None:
    home = str(product.parts.home.path)
    product.parts.settings.keep(product.parts.home.path)

    def run(*command: str) -> list[str]:
        done = CliRunner().invoke(app, ["lake", *command, "--home", home])
        assert done.exit_code == 0, done.output
        return done.stdout.splitlines()

    assert [line.split()[-1] for line in run("expire", "--dry-run")][:2] == ["go", "go"]
    assert run("status")[0].split()[:3] == [API, "5", "events"]
    assert [line.split()[-1] for line in run("expire")][:2] == ["gone", "gone"]
    files = run("status", "--files")
    assert all(Path(file).is_file() for file in files)
    assert run("compact") == ["0 files took the place of many small ones"]


def test_doctor_names_a_file_that_is_missing_or_not_as_it_was_written(product: Watchfloor) -> None:
    home = product.parts.home.path
    lake = Lake(product.parts.home.lake)

    def said() -> tuple[bool, str]:
        (check,) = [check for check in checks(home) if check.name == "lake"]
        return check.works, check.sentence

    assert said() == (True, "5 events in 4 files are as they were written")
    changed, missing = [product.parts.home.lake / "default" / s.file for s in lake.segments("default")][:2]
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    works, sentence = said()
    assert not works
    assert str(changed) in sentence
    missing.unlink()
    assert any(str(missing) in problem for problem in lake.problems("default"))
    (missing.parent / "other.parquet").write_bytes(b"not parquet")
    assert any("other.parquet" in problem for problem in lake.problems("default"))
