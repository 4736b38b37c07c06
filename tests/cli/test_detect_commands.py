"""`watchfloor detect`: the plain command beside its own sub-commands, lint and test for a build, and the look back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.records import trails

from .test_cli import run

RULE = """\
title: Trail stopped
id: 5f0f9a0e-3c1e-4b0c-9f5b-1f0a5e8a7c11
description: Nobody records what comes next.
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: StopLogging}
  condition: selection
falsepositives: [an administrator]
level: high
tags: [attack.defense-evasion, attack.t1562.008]
tests:
  match: [{eventName: StopLogging}]
  no_match: [{eventName: StartLogging}]
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "stop.yml").write_text(RULE)
    return folder


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "trail.json").write_text(json.dumps({"Records": trails(3)}))
    return folder


def ids(text: str) -> list[str]:
    return [json.loads(line)["rule_id"] for line in text.splitlines()]


def test_the_plain_command_goes_on_as_it_was(logs: Path, rules: Path) -> None:
    for words in ((logs, "--rules", rules), ("--rules", rules, logs), ("run", logs, "--rules", rules)):
        done = run("detect", *words, "--no-shipped", "--format", "jsonl")
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [set(line) for line in lines] == [{"rule_id", "title", "level", "file", "record", "time"}] * 3
        assert {line["title"] for line in lines} == {"Trail stopped"}
        assert "3 findings" in done.stderr


def test_a_folder_named_like_a_command_is_reached(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(logs, logs.parent / "lint")
    monkeypatch.chdir(logs.parent)
    for words in (("./lint",), ("--", "lint"), ("--format", "jsonl", "lint"), ("run", "lint")):
        done = run("detect", *words)
        assert done.returncode == 0, done.stderr
        assert "3 records read" in done.stderr


def test_what_it_lacks_is_said(rules: Path, logs: Path) -> None:
    assert "name files or folders" in run("detect", "--rules", rules).stderr
    assert "Leave the paths out" in run("detect", logs, "--lake").stderr
    assert "--keep is for --lake" in run("detect", logs, "--keep").stderr
    assert run("detect", "lnit").returncode == 2


def test_lint_says_where_and_fails_a_build(rules: Path) -> None:
    done = run("detect", "lint", "--no-shipped", rules)
    assert (done.returncode, done.stdout) == (0, "")
    assert "0 errors, 0 warnings in 1 rules" in done.stderr
    (rules / "stop.yml").write_text(RULE.replace("condition: selection", "condition: selektion"))
    done = run("detect", "lint", "--no-shipped", rules)
    assert done.returncode == 1
    assert "stop.yml:7:14: error absent-selection" in done.stdout
    assert "Did you mean `selection`?" in done.stdout
    (line, _) = [json.loads(x) for x in run("detect", "lint", "--no-shipped", rules, "--format", "jsonl").stdout.splitlines()]
    assert line.keys() == {"file", "line", "column", "check", "level", "rule_id", "what", "do"}


def test_warnings_fail_only_when_asked_for(rules: Path) -> None:
    (rules / "stop.yml").write_text(RULE.replace("level: high\n", ""))
    assert run("detect", "lint", "--no-shipped", rules).returncode == 0
    assert run("detect", "lint", "--no-shipped", rules, "--strict").returncode == 1


def test_the_tests_of_rules_say_why_they_fail(rules: Path) -> None:
    done = run("detect", "test", "--no-shipped", rules)
    assert done.returncode == 0, done.stderr
    assert "2 tests passed" in done.stderr
    (rules / "stop.yml").write_text(RULE.replace("match: [{eventName: StopLogging}]", "match: [{eventName: Stop}]"))
    done = run("detect", "test", "--no-shipped", rules)
    assert done.returncode == 1
    assert "eventName is not 'stoplogging'; the event has 'Stop'" in done.stdout.replace("\n", " ")


def test_recordings_beside_rules_are_run(rules: Path) -> None:
    """As SigmaHQ has them, with a recording of any kind that is read."""
    recording = rules / "regression_data" / "stop"
    recording.mkdir(parents=True)
    (recording / "trail.json").write_text(json.dumps({"Records": trails(2)}))
    info = "id: x\nrule_metadata: [{id: 5f0f9a0e-3c1e-4b0c-9f5b-1f0a5e8a7c11}]\nregression_tests_info:\n"
    info += "  - {name: Positive, path: regression_data/stop/trail.json, match_count: 2}\n"
    (recording / "info.yml").write_text(info)
    named = RULE + "regression_tests_path: regression_data/stop/info.yml\n"
    (rules / "stop.yml").write_text(named)
    lines = [json.loads(x) for x in run("detect", "test", "--no-shipped", rules, "--format", "jsonl").stdout.splitlines()]
    assert [line["state"] for line in lines] == ["passed"] * 3
    (recording / "info.yml").write_text(info.replace("match_count: 2", "match_count: 3"))
    done = run("detect", "test", "--no-shipped", rules)
    assert done.returncode == 1
    assert "2 events match, 3 should" in done.stdout
    (rules / "stop.yml").write_text(RULE + "regression_tests_path: ../../etc/passwd\n")
    assert "skipped" in run("detect", "test", "--no-shipped", rules / "stop.yml").stdout


def test_rules_look_back_over_what_is_kept(logs: Path, rules: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("triage", logs, "--home", home).returncode == 0
    hunt = ("detect", "--lake", "--home", home, "--rules", rules, "--no-shipped", "--format", "jsonl")
    done = run(*hunt, "--since", "2026-10-01", "--until", "2026-10-31")
    assert done.returncode == 0, done.stderr
    files = run("detect", logs, "--rules", rules, "--no-shipped", "--format", "jsonl").stdout
    assert sorted(done.stdout.splitlines()) == sorted(files.splitlines())
    assert "3 events looked at, 3 findings" in done.stderr
    assert run(*hunt, "--since", "2026-10-14", "--until", "2026-10-31").stdout == ""
    assert "is no time" in run(*hunt, "--since", "yesterday-ish").stderr
