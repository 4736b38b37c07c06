"""The main job: records in, cases with verdicts out, nothing lost, bad input kept with a clear message."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from tests.conftest import last_day
from tests.records import trails
from watchfloor.app.settings import Settings
from watchfloor.app.story import Story
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.event import LAYERS
from watchfloor.core.record import DeadLetter
from watchfloor.core.verdict import Verdict


def test_the_story_goes_from_records_to_checked_verdicts(decided: Watchfloor, story: Story) -> None:
    ingested = next(e for e in decided.desk.ledger_entries(limit=10_000) if e.kind == "ingest")
    body = json.loads(ingested.body)
    assert body["records"] == body["events"] + body["dead_letters"] > 15_000
    assert set(body["layers"]) == set(LAYERS)
    summary = decided.summary(story.truth())
    assert summary.findings > 400
    assert summary.cases == summary.closed + summary.queued + summary.escalated
    assert summary.claims_struck == 0
    assert summary.truth is not None
    assert len(summary.truth.attacks) >= 5
    assert summary.truth.attacks_missed == 0
    assert summary.closed > 0
    assert decided.desk.ledger_state().problems == []


def test_taking_the_same_records_in_again_changes_nothing(decided_day: Watchfloor, story: Story) -> None:
    before = decided_day.summary()
    decided_day.pipeline.ingest(last_day(story.records / "cloud"))
    assert decided_day.pipeline.triage() == []
    assert decided_day.summary() == before


def test_the_truth_is_no_part_of_what_decides(story: Story) -> None:
    settings = story.settings()
    places = [settings.context, settings.labels, *settings.intel, story.records]
    truth = story.folder / "truth.yaml"
    assert all(place is not None and not truth.is_relative_to(place) for place in places)


def test_bad_input_is_kept_with_one_clear_message_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = "".join(json.dumps(t) + "\n" for t in trails(3))
    (folder / "truncated.jsonl").write_text(good + '{"eventName": "Stop')
    (folder / "long-line.jsonl").write_bytes(good.encode() + b'{"a": "' + b"x" * 50_000_000 + b'"}\n' + good.encode())
    (folder / "encoding.jsonl").write_bytes(good.encode() + b'{"eventName": "\xff\xfe\xfa"}\n' + good.encode())
    (folder / "utf16.jsonl").write_text(good, encoding="utf-16")
    (folder / "headless.eml").write_bytes(b"\r\nno header at all\r\n")
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress(good.encode() * 200)[:-200])
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros.jsonl", b"0" * 600_000_000)
    with Watchfloor.open(tmp_path / "home") as product:
        done = product.pipeline.ingest([folder])
        kept = product.parts.documents.find(product.parts.tenant, DeadLetter, limit=None)
        assert done.records == done.events + done.dead_letters
        assert len(kept) == done.dead_letters
        by_file: dict[str, list[str]] = {}
        for letter in kept:
            by_file.setdefault(Path(letter.source.partition("!")[0]).name, []).append(letter.reason)
        for name in ("truncated.jsonl", "long-line.jsonl", "cut.jsonl.gz", "bomb.zip"):
            assert len(by_file[name]) == 1, by_file
            assert len(by_file[name][0]) < 300
        assert done.mappings["aws_cloudtrail"] >= 3 + 6 + 6 + 3
        assert all(
            letter.content is None or product.parts.evidence.get_bytes("default", letter.content) for letter in kept
        )


def test_a_case_comes_out_of_a_single_file_with_no_settings_at_all(tmp_path: Path) -> None:
    (tmp_path / "trail.json").write_text(json.dumps({"Records": trails(2)}))
    with Watchfloor.open(tmp_path / "home") as product:
        product.pipeline.ingest([tmp_path / "trail.json"])
        (uid,) = product.pipeline.triage()
        verdict = product.parts.documents.latest(product.parts.tenant, Verdict, uid)
        assert verdict is not None
        assert verdict.disposition != "close"
        assert verdict.could_not_check, "with no context and no intelligence, some questions cannot be answered"


def test_tenants_of_one_home_see_nothing_of_each_other(tmp_path: Path) -> None:
    (tmp_path / "trail.json").write_text(json.dumps({"Records": trails(2)}))
    with Watchfloor.open(tmp_path / "home", Settings(tenant="one")) as one:
        one.pipeline.ingest([tmp_path / "trail.json"])
        one.pipeline.triage()
        assert one.desk.queue()
    with Watchfloor.open(tmp_path / "home", Settings(tenant="two")) as two:
        assert two.desk.queue() == []
        assert two.pipeline.findings() == []
        assert two.desk.ledger_entries() == []
        assert two.desk.sources() == []


@pytest.mark.parametrize("folders", [("aws_dataset", "evtx-to-mitre", "mordor", "mail")])
def test_real_records_with_the_real_rules_end_with_verdicts(
    shared_data: Path, tmp_path: Path, folders: tuple[str, ...]
) -> None:
    settings = Settings(rules=(shared_data / "sigma" / "rules",))
    with Watchfloor.open(tmp_path / "home", settings) as product:
        done = product.pipeline.ingest([shared_data / name for name in folders])
        assert done.records == done.events + done.dead_letters > 14_000
        decided = product.pipeline.triage()
        rows = product.desk.queue(limit=None)
        assert {row.case.uid for row in rows} == set(decided)
        assert all(row.verdict is not None for row in rows)
        assert len(rows) > 30
