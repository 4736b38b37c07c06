"""The command line: help with an example for each command, data on stdout, one clear line on stderr for errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main

from watchfloor.cli import app
from watchfloor.cli.later import LATER

TRAIL = {
    "eventVersion": "1.08",
    "eventTime": "2026-10-13T07:01:02Z",
    "eventSource": "cloudtrail.amazonaws.com",
    "eventName": "StopLogging",
    "awsRegion": "eu-central-1",
    "sourceIPAddress": "203.0.113.9",
    "userAgent": "aws-cli/2.15",
    "userIdentity": {"type": "IAMUser", "userName": "mallory", "accountId": "111122223333"},
    "requestParameters": {"name": "main"},
    "eventID": "0a",
    "eventType": "AwsApiCall",
}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "watchfloor.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    file = tmp_path / "trail.json"
    file.write_text(json.dumps({"Records": [TRAIL, TRAIL | {"eventID": "0b"}]}))
    return file


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "list_commands"):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))
    else:
        yield path, command


@pytest.mark.parametrize(("path", "command"), list(commands(typer.main.get_command(app))))
def test_every_command_has_help_and_the_working_ones_an_example(path: tuple[str, ...], command: Any) -> None:
    assert command.help
    if path[0] in LATER:
        assert "Comes later" in command.help
    else:
        assert f"watchfloor {' '.join(path)}" in command.help


@pytest.mark.parametrize("name", sorted(LATER))
def test_what_comes_later_says_so_and_fails(name: str) -> None:
    done = run(name, "anything")
    assert done.returncode == 1
    assert "later version" in done.stderr
    assert done.stdout == ""


def test_normalize_gives_ocsf_events_as_json_lines(records: Path) -> None:
    done = run("normalize", records)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [e["api"]["operation"] for e in events] == ["StopLogging"] * 2
    assert "2 records read = 2 events" in done.stderr
    explained = [json.loads(line) for line in run("normalize", "--explain", records).stdout.splitlines()]
    assert [e["mapping"] for e in explained] == ["aws_cloudtrail"] * 2


def test_normalize_takes_every_record_as_one_products_when_told(records: Path) -> None:
    done = run("normalize", "--source", "aws_cloudtrail", records)
    assert len(done.stdout.splitlines()) == 2
    wrong = run("normalize", "--source", "nonsense", records)
    assert wrong.returncode == 1
    assert "aws_cloudtrail" in wrong.stderr


def test_detect_gives_one_line_a_match(records: Path) -> None:
    done = run("detect", records, "--format", "jsonl")
    matches = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert matches
    assert set(matches[0]) == {"rule_id", "title", "level", "file", "record", "time"}
    assert {m["record"] for m in matches} == {1, 2}
    assert {m["time"] for m in matches} == {"2026-10-13T07:01:02.000Z"}


def test_triage_gives_one_line_a_case_and_the_same_one_again(records: Path) -> None:
    first, second = (run("triage", records, "--format", "jsonl") for _ in range(2))
    assert first.returncode == 0
    (case,) = [json.loads(line) for line in first.stdout.splitlines()]
    assert case["disposition"] in ("queue", "escalate")
    assert [f["record"] for f in case["findings"]] == [1, 2]
    assert second.stdout == first.stdout


def test_a_kept_home_can_be_looked_at_replayed_exported_and_verified(records: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("triage", records, "--home", home).returncode == 0
    (case,) = [json.loads(x) for x in run("case", "list", "--home", home, "--format", "jsonl").stdout.splitlines()]
    shown = run("case", "show", case["case"], "--home", home)
    assert case["sentence"].split()[0] in shown.stdout
    assert "1 verdicts decided again" in run("case", "replay", "--home", home).stderr
    assert run("ledger", "verify", "--home", home).returncode == 0
    proof, export = tmp_path / "proof.json", tmp_path / "export"
    size = len(run("ledger", "list", "--home", home).stdout.splitlines())
    proven = run("ledger", "prove", "0", "--since", str(size), "--home", home)
    proof.write_text(proven.stdout)
    assert run("ledger", "export", export, "--home", home).returncode == 0
    assert json.loads(proven.stdout)["entry"] == (export / "entries.jsonl").read_text().splitlines()[0]
    key = proven.stderr.split()[-1]
    assert run("ledger", "verify", proof, "--key", key, "--kept", export / "heads.jsonl").returncode == 0
    proof.write_text(proven.stdout.replace("watchfloor", "somebody", 1))
    forged = run("ledger", "verify", proof, "--key", key)
    assert (forged.returncode, "do not lead from this entry" in forged.stdout) == (1, True)
    assert run("ledger", "verify", tmp_path / "export").returncode == 0
    entries = tmp_path / "export" / "entries.jsonl"
    entries.write_bytes(entries.read_bytes().replace(b"watchfloor", b"watchfl00r", 1))
    broken = run("ledger", "verify", tmp_path / "export")
    assert broken.returncode == 1
    assert "entry 0" in broken.stdout
    assert run("doctor", "--home", home).stdout.count("works") >= 5


def test_errors_are_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    for arguments in (
        ("case", "show", "case-none", "--home", tmp_path / "home"),
        ("policy", "show", "nonsense"),
        ("ledger", "export", tmp_path, "--home", tmp_path / "home"),
    ):
        done = run(*arguments)
        assert done.returncode == 1, arguments
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert run("triage", tmp_path / "absent").returncode == 2
    assert run("nonsense").returncode == 2
