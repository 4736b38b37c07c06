"""`watchfloor mapping`, and mappings of one's own with the commands that read records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .test_cli import run

RECORDS = [
    {
        "at": f"2026-10-13T07:01:0{n}Z",
        "product": "Door",
        "event_type": "badge_login",
        "user": user,
        "ip": "198.51.100.7",
    }
    for n, user in enumerate(["alice", "bob"])
]


@pytest.fixture
def door(tmp_path: Path) -> Path:
    file = tmp_path / "door.jsonl"
    file.write_text("\n".join(map(json.dumps, RECORDS)))
    return file


def test_a_mapping_from_samples_to_use(door: Path, tmp_path: Path) -> None:
    made = run("mapping", "new", door)
    assert made.returncode == 0, made.stderr
    assert "made from 2 records" in made.stderr
    mapping = tmp_path / "mappings" / "door.yaml"
    mapping.parent.mkdir()
    mapping.write_text(made.stdout)
    assert "1 tests passed" in run("mapping", "test", mapping).stderr
    explained = [json.loads(x) for x in run("normalize", "--explain", "--mappings", mapping, door).stdout.splitlines()]
    assert [e["mapping"] for e in explained] == ["door"] * 2
    assert explained[0]["because"]["product"] == "Door"
    shown = run("normalize", "--explain", "--format", "text", "--mappings", mapping.parent, door).stdout
    assert "door.jsonl, line 1: door, sign-in (Authentication)" in shown
    assert "product is Door" in shown
    listed = run("mapping", "list", "--mappings", mapping, "--format", "jsonl").stdout.splitlines()
    assert {"door", "aws_cloudtrail"} <= {json.loads(line)["mapping"] for line in listed}
    assert run("detect", door, "--mappings", mapping).returncode == 0


def test_without_a_mapping_an_unknown_product_says_so(door: Path) -> None:
    shown = run("normalize", "--explain", "--format", "text", door).stdout
    assert "no product's mapping takes it" in shown


def test_triage_takes_own_mappings_and_a_home_keeps_them(door: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "door.yaml"
    mapping.write_text(run("mapping", "new", door).stdout)
    home = tmp_path / "home"
    done = run("triage", door, "--mappings", mapping, "--home", home, "--format", "jsonl")
    assert "all of known products" in done.stderr
    assert "mappings:" in (home / "watchfloor.yaml").read_text()


def test_failing_tests_and_mistakes_are_told(door: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "door.yaml"
    text = run("mapping", "new", door).stdout
    mapping.write_text(text.replace("status: Unknown", "").replace("user.name: alice", "user.name: mallory"))
    failed = run("mapping", "test", mapping)
    assert failed.returncode == 1
    assert "'alice', expected is 'mallory'" in failed.stdout
    mapping.write_text(text.replace("class: authentication", "class: nonsense"))
    wrong = run("normalize", "--mappings", mapping, door)
    assert wrong.returncode == 1
    line = text.splitlines().index("  class: authentication") + 1
    assert f"door.yaml, line {line}, types.0.class: no class 'nonsense'" in wrong.stderr
