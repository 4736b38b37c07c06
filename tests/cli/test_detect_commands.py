"""`watchfloor detect`: the plain command beside its own sub-commands, lint and test for a build, and the look back."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.records import trails
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor

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
        assert [set(line) for line in lines] == [{"rule_id", "title", "level", "file", "record", "time", "risk"}] * 3
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
    (line, _) = [
        json.loads(x) for x in run("detect", "lint", "--no-shipped", rules, "--format", "jsonl").stdout.splitlines()
    ]
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
    lines = [
        json.loads(x) for x in run("detect", "test", "--no-shipped", rules, "--format", "jsonl").stdout.splitlines()
    ]
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


@pytest.fixture
def home(logs: Path, rules: Path, tmp_path: Path) -> Path:
    """A home that has the rule of its own, two people, and findings."""
    home = tmp_path / "kept"
    with Watchfloor.open(home, Settings(rules=(rules,), shipped_rules=False)) as product:
        for name in ("ana", "lena"):
            product.add_user(name, "correct horse battery", ("lead",))
        product.pipeline.ingest([logs])
        product.pipeline.triage()
    return home


def test_findings_are_held_back_in_somebodys_name(home: Path, logs: Path, rules: Path) -> None:
    add = ("detect", "suppress", "add", "--home", home, "--detection", "5f0f9a0e", "--until", "30d", "--user", "ana")
    made = run(*add, "--reason", "a test", "--owner", "lena", "--entity", "user:mallory")
    assert made.returncode == 0, made.stderr
    (uid,) = made.stdout.split()
    (logs / "more.json").write_text(json.dumps({"Records": trails(2, requestID="more")}))
    done = run("triage", logs, "--home", home, "--rules", rules, "--no-shipped")
    assert "2 findings are held back" in done.stderr
    (line,) = run("detect", "suppress", "list", "--home", home, "--format", "jsonl").stdout.splitlines()
    wanted = {"uid": uid, "owner": "lena", "made_by": "ana", "findings": 2, "in_force": True}
    assert json.loads(line).items() >= wanted.items()
    assert len(ids(run("detect", "suppress", "show", uid, "--home", home, "--format", "jsonl").stdout)) == 2
    before = len(in_cases(home))
    gone = run("detect", "suppress", "remove", uid, "--bring-back", "--user", "ana", "--home", home)
    assert gone.returncode == 0, gone.stderr
    assert len(in_cases(home)) == before + 2
    told = run("detect", "history", "--home", home, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in told] == [
        "suppression.lifted",
        "suppression.added",
        "detections.changed",
    ]


def in_cases(home: Path) -> set[tuple[str, int]]:
    """File and record of what stands in a case."""
    cases = run("case", "list", "--home", home, "--format", "jsonl").stdout.splitlines()
    return {(one["file"], one["record"]) for case in cases for one in json.loads(case)["findings"]}


def test_a_suppression_that_names_nobody_or_nothing_is_refused(home: Path) -> None:
    add = ("detect", "suppress", "add", "--home", home, "--reason", "x", "--until", "30d", "--user")
    assert "there is no user" in run(*add, "mallory", "--detection", "5f0f9a0e").stderr
    assert "names a detection or a family" in run(*add, "ana", "--entity", "user:mallory").stderr
    assert "there is no one detection" in run(*add, "ana", "--detection", "none").stderr
    assert "90 days" in run(*add, "ana", "--detection", "5f0f9a0e", "--until", "91d").stderr


def test_who_changed_a_rule_can_be_seen(home: Path, rules: Path) -> None:
    (rules / "stop.yml").write_text(RULE.replace("level: high", "level: low\nmodified: 2026-11-02"))
    done = run("detect", "reload", "--user", "ana", "--home", home)
    assert done.returncode == 0, done.stderr
    assert "0 added, 1 changed, 0 removed" in done.stderr
    told = run("detect", "history", "5f0f9a0e", "--home", home, "--format", "jsonl").stdout.splitlines()
    assert [(v["by"], v["level"], v["modified"], v["in_use"]) for v in map(json.loads, told)] == [
        ("ana", "low", "2026-11-02", True),
        ("watchfloor", "high", "", False),
    ]
    (rules / "stop.yml").write_text(RULE.replace("condition: selection", "condition: nothing"))
    done = run("detect", "reload", "--user", "ana", "--home", home)
    assert done.returncode == 1
    assert "the set in use stays" in done.stderr
    assert "a newer set is broken" in run("doctor", "--home", home).stdout


def test_a_server_loads_rules_again_when_it_is_asked_and_on_sighup(home: Path, rules: Path) -> None:
    command = [sys.executable, "-m", "watchfloor.cli", "serve", "--home", str(home), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
        try:
            assert server.stderr is not None
            assert b"console:" in server.stderr.readline()
            (rules / "two.yml").write_text(RULE.replace("5f0f9a0e", "5f0f9a0f").replace("Trail stopped", "Two"))
            done = run("detect", "reload", "--user", "ana", "--home", home)
            assert done.returncode == 0, done.stderr
            (rules / "three.yml").write_text(RULE.replace("5f0f9a0e", "5f0f9a10").replace("Trail stopped", "Three"))
            server.send_signal(signal.SIGHUP)
            while "Three" not in titles(home):
                assert server.poll() is None
                time.sleep(0.2)
            (rules / "two.yml").write_text("title: [")
            refused = run("detect", "reload", "--user", "ana", "--home", home)
            assert refused.returncode == 1
            assert "the server refused 1 rules" in refused.stderr
            assert titles(home) == {"Trail stopped", "Two", "Three"}
        finally:
            server.terminate()
            server.communicate()


def titles(home: Path) -> set[str]:
    with Watchfloor.open(home) as product:
        current = product.rulebook.current()
    return {one.title for one in current.rules} if current else set()


def test_placeholders_stand_in_the_business_context(logs: Path, rules: Path, tmp_path: Path) -> None:
    """`%name%` of rules with the expand modifier: the owner's lists, in company.yaml."""
    (rules / "stop.yml").write_text(RULE.replace("eventName: StopLogging}\n", "eventName|expand: '%blinding%'}\n"))
    without = run("detect", logs, "--rules", rules, "--no-shipped", "--format", "jsonl")
    assert "placeholder %blinding% has no values here" in without.stderr
    context = tmp_path / "context"
    context.mkdir()
    (context / "company.yaml").write_text("placeholders: {blinding: [StopLogging, DeleteTrail]}\n")
    plain = run("detect", logs, "--rules", rules, "--no-shipped", "--context", context, "--format", "jsonl")
    assert plain.returncode == 0, plain.stderr
    assert "placeholder" not in plain.stderr
    (rules / "stop.yml").write_text(RULE)
    asked = run("detect", logs, "--rules", rules, "--no-shipped", "--format", "jsonl")
    assert ids(plain.stdout) == ids(asked.stdout) != []


def test_checks_of_rules_read_the_placeholders_of_the_home(rules: Path, tmp_path: Path) -> None:
    (rules / "stop.yml").write_text(RULE.replace("eventName: StopLogging}\n", "eventName|expand: '%blinding%'}\n"))
    context, home = tmp_path / "context", tmp_path / "kept"
    context.mkdir()
    (context / "company.yaml").write_text("placeholders: {blinding: [StopLogging, DeleteTrail]}\n")
    said = "placeholder %blinding% has no values here"
    without = [run("detect", "lint", rules, "--home", home), run("doctor", "--rules", rules, "--home", home)]
    assert all(said in one.stdout + one.stderr for one in without)
    Watchfloor.open(home, Settings(context=context)).close()
    with_it = [run("detect", "lint", rules, "--home", home), run("doctor", "--rules", rules, "--home", home)]
    assert not any(said in one.stdout + one.stderr for one in with_it)
    assert with_it[0].returncode == 0
