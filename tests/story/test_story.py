"""The bundled story is what its generator writes, and it holds what it promises."""

from __future__ import annotations

import email
import gzip
import json
import mailbox
import re
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
STORY = ROOT / "src" / "watchfloor" / "content" / "story"
START, END = datetime(2026, 10, 13, tzinfo=UTC), datetime(2026, 10, 16, tzinfo=UTC)
LAYERS = {"endpoint", "network", "identity", "cloud", "email", "threat_intelligence"}


@pytest.fixture(scope="module", autouse=True)
def _tools_on_the_path() -> None:
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))


def _bytes(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _records(path: Path) -> list[Any]:
    """A file's records, counted as truth.yaml counts them."""
    if path.suffix == ".mbox":
        return [message for _, message in sorted(mailbox.mbox(path).items())]
    if path.suffix == ".eml":
        return [email.message_from_bytes(path.read_bytes())]
    text = _bytes(path).decode()
    if "cloudtrail" in path.parts:
        found: list[Any] = json.loads(text)["Records"]
        return found
    lines = text.splitlines()
    return lines if path.suffix == ".log" else [json.loads(line) for line in lines]


def _time(record: Any) -> datetime:
    if isinstance(record, str):
        return datetime.fromisoformat(record.split(" ")[0])
    if not isinstance(record, dict):
        return parsedate_to_datetime(record["Date"])
    fields = ("@timestamp", "eventTime", "CreationTime", "time", "ts", "timestamp")
    stamp = next(record[name] for name in fields if name in record)
    # Python 3.11 reads at most six digits of a second.
    at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", stamp).replace("+0000", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def records() -> dict[str, list[Any]]:
    files = sorted(path for path in (STORY / "records").rglob("*") if path.is_file())
    return {path.relative_to(STORY).as_posix(): _records(path) for path in files}


@pytest.fixture(scope="module")
def truth() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((STORY / "truth.yaml").read_text())["incidents"]
    return found


def test_the_committed_story_is_what_the_generator_writes() -> None:
    from tools.story.build import differences

    assert differences() == []


def test_check_notices_a_changed_a_missing_and_a_foreign_file(tmp_path: Path) -> None:
    from tools.story.build import differences, write

    write(tmp_path)
    (tmp_path / "truth.yaml").write_text("incidents: []\n")
    (tmp_path / "intel" / "indicators.csv").unlink()
    (tmp_path / "notes.txt").write_text("x")
    assert differences(tmp_path) == [
        "notes.txt: should not be there",
        "intel/indicators.csv: is missing",
        "truth.yaml: differs",
    ]


def test_all_six_layers_hold_records(records: dict[str, list[Any]]) -> None:
    by_layer = Counter(dict.fromkeys(LAYERS, 0))
    for path, found in records.items():
        by_layer[path.split("/")[1]] += len(found)
    assert set(by_layer) == LAYERS
    assert min(by_layer.values()) >= 30
    assert 15_000 <= sum(by_layer.values()) <= 25_000


def test_the_story_stays_small() -> None:
    assert sum(path.stat().st_size for path in STORY.rglob("*") if path.is_file()) < 2_500_000


def test_every_time_is_inside_the_three_days(records: dict[str, list[Any]]) -> None:
    outside = [
        (path, position)
        for path, found in records.items()
        for position, record in enumerate(found)
        # A mail's Date is the sender's clock, a few seconds before it came in.
        if not START - timedelta(seconds=10) <= _time(record) < END
    ]
    assert outside == []


def test_files_are_in_order_of_time(records: dict[str, list[Any]]) -> None:
    for path, found in records.items():
        times = [_time(record) for record in found]
        assert times == sorted(times), path


def test_truth_positions_exist_and_belong_to_one_incident(
    records: dict[str, list[Any]], truth: list[dict[str, Any]]
) -> None:
    seen: set[tuple[str, int]] = set()
    for incident in truth:
        assert incident["records"], incident["id"]
        for row in incident["records"]:
            places = {(row["file"], position) for position in row["positions"]}
            assert max(row["positions"]) < len(records[row["file"]]), row["file"]
            assert not places & seen, incident["id"]
            seen |= places


def test_truth_positions_point_at_the_records_they_mean(
    records: dict[str, list[Any]], truth: list[dict[str, Any]]
) -> None:
    marks = {
        "attack-leaked-cloud-key": '"StopLogging"',
        "attack-phishing-session": '"New-InboxRule"',
        "attack-ransomware-precursor": "vssadmin delete shadows /all /quiet",
        "attack-web-shell": "cv_2214.php?c=id",
        "attack-insider-download": '"FileSyncDownloadedFull"',
        "attack-password-spray": '"passwordSpray"',
        "red-team-exercise": "MiniDump",
    }
    for incident in truth:
        if incident["id"] in marks:
            told = "\n".join(
                json.dumps(records[row["file"]][position])
                for row in incident["records"]
                for position in row["positions"]
                if isinstance(records[row["file"]][position], dict)
            )
            assert marks[incident["id"]] in told, incident["id"]


def test_at_least_five_attack_chains_and_the_hard_benign_stories(truth: list[dict[str, Any]]) -> None:
    kinds = Counter(incident["kind"] for incident in truth)
    assert kinds["attack"] >= 5
    verdicts = {incident["id"]: incident["verdict"] for incident in truth}
    for identity in ("vulnerability-scan", "maintenance-night", "red-team-exercise", "software-roll-out"):
        assert verdicts[identity] == "benign_true_positive"
    assert verdicts["travelling-employee"] == "false_positive"


def test_at_least_four_hundred_benign_vendor_alerts(records: dict[str, list[Any]], truth: list[dict[str, Any]]) -> None:
    attack = {
        (row["file"], position)
        for incident in truth
        if incident["kind"] == "attack"
        for row in incident["records"]
        for position in row["positions"]
    }
    benign = Counter(
        "suricata" if record.get("event_type") == "alert" else "wazuh"
        for path, found in records.items()
        for position, record in enumerate(found)
        if (path, position) not in attack
        and isinstance(record, dict)
        and (record.get("event_type") == "alert" or ("rule" in record and "manager" in record))
    )
    assert min(benign.values()) >= 200
    assert sum(benign.values()) >= 400


def test_the_red_team_window_does_not_cover_the_attack_of_that_day(
    truth: list[dict[str, Any]], records: dict[str, list[Any]]
) -> None:
    windows = yaml.safe_load((STORY / "context" / "windows.yaml").read_text())
    window = next(one for one in windows if one["kind"] == "red_team")
    attack = next(one for one in truth if one["id"] == "attack-ransomware-precursor")
    assert attack["start"] < window["end"]
    assert attack["end"] > window["start"]
    named = {host.lower() for host in window["hosts"]}
    touched = {
        records[row["file"]][position]["winlog"]["computer_name"].split(".")[0]
        for row in attack["records"]
        if "winlogbeat" in row["file"]
        for position in row["positions"]
    }
    assert touched
    assert not touched & named


def test_context_names_every_host_and_person_that_the_windows_name() -> None:
    context = STORY / "context"
    assets = {one["host"] for one in yaml.safe_load((context / "assets.yaml").read_text())}
    identities = {one["user"] for one in yaml.safe_load((context / "identities.yaml").read_text())}
    later = {"adm.mzimmer", "max.zimmer"}  # the new starter, whose accounts do not exist before Thursday
    for window in yaml.safe_load((context / "windows.yaml").read_text()):
        assert set(window["hosts"]) <= assets, window["id"]
        assert set(window["users"]) - later <= identities, window["id"]
        assert datetime.fromisoformat(window["start"]) < datetime.fromisoformat(window["end"])


def test_intelligence_knows_some_of_the_attackers_and_one_stale_address() -> None:
    listed = (STORY / "intel" / "indicators.csv").read_text()
    bundle = json.loads((STORY / "intel" / "bundle.json").read_text())
    patterns = [one["pattern"] for one in bundle["objects"] if one["type"] == "indicator"]
    assert "203.0.113.121" in listed
    assert any("api.metrics-edge.example" in pattern for pattern in patterns)
    assert any("SHA-256" in pattern for pattern in patterns)
    assert re.search(r"203\.0\.113\.140,.*2024-08-01", listed)
    assert "dropfile.example" not in listed + str(patterns)
