"""The command line: help with an example for each command, data on stdout, one clear line on stderr for errors."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import click
import pytest
import typer.main

from tests.records import TRAIL, trails
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import app, main
from watchfloor.cli.later import LATER, STANDS_IN

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in this process, or in one of its own where it needs an environment."""
    words = [str(argument) for argument in arguments]
    if environment:
        command = [sys.executable, "-m", "watchfloor.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    told, said = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: Any = 0
    with mock.patch.object(sys, "argv", ["watchfloor", *words]), redirect_stdout(told), redirect_stderr(said):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    texts = [stream.buffer.getvalue().decode() for stream in (told, said)]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(words, code, *texts)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    file = tmp_path / "trail.json"
    file.write_text(json.dumps({"Records": trails(2)}))
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
def test_what_comes_later_says_so_and_where_it_stands(name: str) -> None:
    done = run(name, "anything", "--at", "all")
    assert done.returncode == 2
    assert "later version" in done.stderr
    assert STANDS_IN in done.stderr
    assert f"`{name}`" in (ROOT / STANDS_IN).read_text() or f"watchfloor {name}" in (ROOT / STANDS_IN).read_text()
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
    assert set(matches[0]) == {"rule_id", "title", "level", "file", "record", "time", "risk"}
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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases of two users, one of whom bears a name that would steer a terminal. Not changed by tests."""
    folder = tmp_path_factory.mktemp("two")
    steering = TRAIL["userIdentity"] | {"userName": "eve\x1b[2J\u202e"}
    (folder / "logs").mkdir()
    (folder / "logs" / "a.json").write_text(json.dumps({"Records": trails(2)}))
    (folder / "logs" / "b.json").write_text(
        json.dumps({"Records": trails(1, userIdentity=steering, sourceIPAddress="203.0.113.77")})
    )
    with Watchfloor.open(folder / "home") as product:
        product.pipeline.ingest([folder / "logs"])
        assert len(product.pipeline.triage()) == 2
    return folder / "home"


def test_the_queue_is_two_lines_a_case_that_fit_a_narrow_terminal(home: Path) -> None:
    for columns in ("80", "120"):
        done = run("case", "list", "--home", home, COLUMNS=columns)
        shown = done.stdout.splitlines()
        assert len(shown) == 4
        assert all(len(line) <= int(columns) for line in shown)
        assert [line.startswith("  ") for line in shown] == [False, True, False, True]
        assert all(re.match(r"person( now)? +[<>]?\d+ %  \w+ +case-[0-9a-f]{16}  \w", line) for line in shown[::2])
    assert run("case", "list", "--home", home, "--limit", "1").stderr.startswith("... and 1 more of 2 cases")
    assert run("case", "list", "--home", home, "--disposition", "close").stdout == ""


def test_nothing_in_a_record_steers_the_terminal(home: Path) -> None:
    uids = [json.loads(x)["case"] for x in run("case", "list", "--home", home, "--format", "jsonl").stdout.splitlines()]
    told = "".join(run("case", "show", uid, "--home", home).stdout for uid in uids)
    told += run("case", "list", "--home", home, COLUMNS="200").stdout
    told += run("detect", home.parent / "logs").stdout
    assert "eve" in told
    assert not {c for c in told if not c.isprintable()} - {"\n"}


def test_a_case_is_found_by_the_beginning_of_its_uid_and_near_ones_are_named(home: Path) -> None:
    first, second = (
        json.loads(x)["case"] for x in run("case", "list", "--home", home, "--format", "jsonl").stdout.splitlines()
    )
    for short in (first[:-3], first.removeprefix("case-")[:9]):
        assert first in run("case", "show", short, "--home", home).stdout
    wrong = run("case", "show", first[:-1] + "x", "--home", home)
    assert (wrong.returncode, first in wrong.stderr) == (1, True)
    both = run("case", "show", "case-", "--home", home)
    assert both.returncode == 1
    assert first in both.stderr
    assert second in both.stderr


def test_a_plan_is_named_exactly_or_not_at_all(home: Path) -> None:
    with Watchfloor.open(home) as product:
        plan = next(plan for row in product.desk.queue() if (plan := product.desk.case_view(row.case.uid).plan))
    assert json.loads(run("plan", "show", plan.uid, "--home", home).stdout)["uid"] == plan.uid
    for near in (plan.uid[:-1], plan.case_uid):
        done = run("plan", "approve", near, "--user", "ana", "--passphrase", "x", "--home", home)
        assert done.returncode == 1
        assert f"Did you mean {plan.uid}?" in done.stderr


def test_who_does_it_must_be_somebody(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "home")
    with Watchfloor.open(tmp_path / "home") as product:
        product.add_user("ana", "correct horse", ("analyst",))
        case = product.desk.queue()[0].case.uid
    wrong = run("case", "resolve", case, "false_positive", "--user", "anna", "--home", tmp_path / "home")
    assert (wrong.returncode, "Did you mean ana?" in wrong.stderr) == (1, True)
    assert run("case", "resolve", case, "false_positive", "--user", "ana", "--home", tmp_path / "home").returncode == 0
    assert "resolved by ana: false positive" in run("case", "show", case, "--home", tmp_path / "home").stdout
    assert "user.added" not in run("ledger", "list", "--home", tmp_path / "home", "--limit", "1").stdout


def test_a_mistyped_home_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    absent = tmp_path / "hoem"
    for arguments in (
        ("case", "list"), ("case", "show", "x"), ("case", "replay"), ("plan", "show", "x"), ("ledger", "list"),
        ("ledger", "verify"), ("ledger", "export", tmp_path / "export"), ("ledger", "prove", "0"), ("serve",),
    ):  # fmt: skip
        done = run(*arguments, "--home", absent)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert "nothing is kept here" in done.stderr
        assert not absent.exists()


def test_a_mistyped_path_names_what_is_near(records: Path) -> None:
    done = run("detect", records.with_name("trial.json"))
    assert done.returncode == 2
    assert "trail.json?" in re.sub(r"[\s│]+", "", done.stderr)
    done = run("detect", records.parent.with_name(records.parent.name[:-1] + "x") / "deep" / "er")
    assert records.parent.name in re.sub(r"[\s│]+", "", done.stderr)


def test_errors_are_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Watchfloor.open(tmp_path / "home").close()
    for arguments in (
        ("case", "show", "case-none", "--home", tmp_path / "home"),
        ("policy", "show", "nonsense"),
        ("normalize", "--tenant", "Not One", tmp_path),
        ("integration", "simulate", tmp_path / "file"),
        ("ledger", "export", tmp_path, "--home", tmp_path / "home"),
    ):
        done = run(*arguments)
        assert done.returncode == 1, arguments
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert run("triage", tmp_path / "absent").returncode == 2
    assert run("nonsense").returncode == 2
