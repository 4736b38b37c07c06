"""Business context from files: YAML, JSON and CSV say the same; a mistake names file, entry and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watchfloor.content import folder
from watchfloor.core.entity import Entity
from watchfloor.core.errors import WatchfloorError
from watchfloor.ingest.context import load_context

WINDOW = {
    "id": "W-1",
    "kind": "scanner",
    "title": "Scan",
    "start": "2026-10-13T18:00:00Z",
    "end": "2026-10-13T20:00:00+00:00",
}


def test_three_formats_say_the_same(tmp_path: Path) -> None:
    for name in ("yaml", "json", "csv"):
        (tmp_path / name).mkdir()
    (tmp_path / "yaml/assets.yaml").write_text("- host: fs02\n  addresses: [10.0.0.2, 10.0.0.3]\n  criticality: high\n")
    (tmp_path / "json/assets.json").write_text(
        json.dumps([{"host": "fs02", "addresses": ["10.0.0.2", "10.0.0.3"], "criticality": "high"}])
    )
    (tmp_path / "csv/assets.csv").write_text("host,addresses,criticality,owner\nfs02,10.0.0.2; 10.0.0.3,high,\n")
    read = [load_context(tmp_path / name) for name in ("yaml", "json", "csv")]
    assert read[0] == read[1] == read[2]
    assert read[0].assets[0].addresses == ("10.0.0.2", "10.0.0.3")


def test_times_days_and_accounts(tmp_path: Path) -> None:
    (tmp_path / "windows.json").write_text(json.dumps([WINDOW]))
    (tmp_path / "company.yaml").write_text(
        "name: A\ntimezone: Europe/Berlin\nworking_hours: {start: '07:00', end: '16:30', days: [mon, sat]}\n"
        "cloud_accounts: [{provider: aws, id: 111122223333}, '4444']\n"
    )
    context = load_context(tmp_path)
    assert (context.windows[0].start, context.windows[0].end) == (1_791_914_400_000, 1_791_921_600_000)
    assert context.company.working_hours == ("07:00", "16:30")
    assert context.company.working_days == (0, 5)
    assert context.company.cloud_accounts == ("111122223333", "4444")


def test_a_csv_of_identities(tmp_path: Path) -> None:
    (tmp_path / "identities.csv").write_text(
        "user,aliases,privileged,leaving_on\nann,ACME\\ann;ann@x.example,true,2026-10-23\n"
    )
    context = load_context(tmp_path)
    assert context.identities[0].privileged is True
    assert context.resolve(Entity(type="mailbox", value="ann@x.example")).key == "user:ann"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "assets.yaml",
            "- host: a\n- host: b\n  critical: high\n",
            "assets.yaml, entry 2 (b): critical: there is no such key",
        ),
        ("assets.yaml", "- host: a\n  criticality: huge\n", "assets.yaml, entry 1 (a): not a valid Asset: criticality"),
        ("assets.yaml", "- host: a\n  addresses: [10.0.0.300]\n", "addresses: '10.0.0.300' is neither"),
        ("assets.yaml", "just text", "assets.yaml: a list of assets is expected, not str"),
        ("assets.yaml", "- [1]", "assets.yaml, entry 1: a mapping is expected"),
        ("assets.yaml", "- host: [", "not valid YAML"),
        ("assets.json", "[{]", "assets.json: "),
        ("windows.json", json.dumps([{**WINDOW, "start": "soon"}]), "windows.json, entry 1 (W-1): start: 'soon'"),
        ("windows.json", json.dumps([{**WINDOW, "end": WINDOW["start"]}]), "end: is not after start"),
        ("company.yaml", "timezone: Mars/Olympus", "company.yaml, entry 1: timezone: 'Mars/Olympus'"),
        ("company.yaml", "working_hours: [early, late]", "working_hours: 'early'"),
        ("identities.csv", "user,title\na,b,c\n", "identities.csv: a row has more columns"),
    ],
)
def test_mistakes_have_a_place(tmp_path: Path, file: str, text: str, said: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(WatchfloorError) as caught:
        load_context(tmp_path)
    assert said in str(caught.value)


def test_one_part_in_two_files_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "assets.yaml").write_text("[]")
    (tmp_path / "assets.csv").write_text("host\n")
    with pytest.raises(WatchfloorError, match="keep one of them"):
        load_context(tmp_path)
    with pytest.raises(WatchfloorError, match="no such folder"):
        load_context(tmp_path / "absent")


def test_the_storys_context() -> None:
    context = load_context(folder("story") / "context")
    assert len(context.assets) > 50
    assert {w.kind for w in context.windows} == {"maintenance", "red_team", "scanner", "roll_out", "travel"}
    assert context.asset(Entity(type="host", value="ws-001.corp.marlund.example")) is not None
