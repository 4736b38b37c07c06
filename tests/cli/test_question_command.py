"""`watchfloor question`, and questions of one's own with the commands that decide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from watchfloor.app.settings import Settings

from .test_cli import run

MINE = {
    "id": "asset.old_system",
    "title": "Is it a system that gets no updates any more?",
    "asks": {"layers": ["endpoint"]},
    "about": "host:target",
    "collector": "context",
    "query": {"entity": "{entity.key}"},
    "answers": [
        {
            "value": "outdated",
            "when": {"asset.tags": {"contains": "end_of_life"}},
            "weights": {"malicious": 0.4},
            "why": "What gets no updates is easier to take over",
            "claim": "{entity} is tagged {evidence.asset.tags}.",
        }
    ],
    "tests": [{"evidence": {"asset": {"tags": ["end_of_life"]}}, "value": "outdated"}],
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "questions"
    folder.mkdir()
    (folder / "mine.yaml").write_text(yaml.safe_dump([MINE]))
    return folder


def test_questions_are_listed_with_what_asking_them_takes(mine: Path) -> None:
    rows = [
        json.loads(line)
        for line in run("question", "list", "--questions", mine, "--format", "jsonl").stdout.splitlines()
    ]
    known = {row["question"]: row for row in rows}
    assert known["asset.old_system"]["layers"] == ["endpoint"]
    assert known["context.announced_activity"]["required"] is True
    assert known["identity.user_country"]["cost"] == 0.5
    cloud = run("question", "list", "--layer", "cloud").stdout
    assert "cloud.looked_around" in cloud
    assert "program.place" not in cloud


def test_a_question_is_shown_with_every_weight_and_why(mine: Path) -> None:
    shown = " ".join(run("question", "show", "asset.old_system", "--questions", mine).stdout.split())
    assert "outdated: malicious +0.4" in shown
    assert "easier to take over" in shown
    assert "may speak for and against an attack" in shown
    assert "may only speak for an attack" in run("question", "show", "program.place").stdout


def test_a_question_that_is_not_there_names_what_is_near() -> None:
    failed = run("question", "show", "program.plaice")
    assert failed.returncode == 1
    assert "program.place" in failed.stderr


def test_the_tests_inside_questions_are_run(mine: Path) -> None:
    assert "questions passed" in run("question", "test", mine).stderr
    wrong = {**MINE, "tests": [{"evidence": {"asset": {"tags": []}}, "value": "outdated"}]}
    (mine / "mine.yaml").write_text(yaml.safe_dump([wrong]))
    failed = run("question", "test", mine)
    assert "asset.old_system, test 1: expected outdated, got not_applicable" in failed.stdout
    assert failed.returncode == 1
    assert "1 of" in failed.stderr


def test_a_mistake_is_told_with_its_place(mine: Path) -> None:
    (mine / "mine.yaml").write_text(yaml.safe_dump([{**MINE, "collector": "oracle"}]))
    failed = run("question", "list", "--questions", mine)
    assert failed.returncode == 1
    assert "mine.yaml, question 1 (asset.old_system): collector: unknown 'oracle'" in " ".join(failed.stderr.split())


def test_a_home_keeps_where_its_questions_lie(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "watchfloor.yaml").write_text("questions: [questions]\n")
    assert Settings.read(tmp_path).questions == (mine,)
