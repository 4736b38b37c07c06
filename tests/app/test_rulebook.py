"""Rules in use: loaded again without losing what was counted, never for a broken set, each version written down."""

from __future__ import annotations

import json
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.records import trails
from watchfloor.app import rulebook
from watchfloor.app.provenance import place_of
from watchfloor.app.settings import Settings
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.rule_set import RuleSet

ONE, TWO, MANY = (f"5f0f9a0e-3c1e-4b0c-9f5b-1f0a5e8a7c1{n}" for n in range(3))


def rule(uid: str, title: str, name: str = "StopLogging", **more: Any) -> dict[str, Any]:
    return {
        "title": title, "id": uid, "level": "high", "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {"sel": {"eventName": name}, "condition": "sel"}, **more,
    }  # fmt: skip


COUNTED = {
    "title": "Trails stopped", "id": MANY, "level": "high",
    "correlation": {"type": "event_count", "rules": [ONE], "group-by": ["sourceIPAddress"], "timespan": "1h",
                    "condition": {"gte": 4}, "generate": True},
}  # fmt: skip


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    put(folder, one=rule(ONE, "Trail stopped"))
    return folder


@pytest.fixture
def product(tmp_path: Path, rules: Path) -> Iterator[Watchfloor]:
    with Watchfloor.open(tmp_path / "home", Settings(rules=(rules,), shipped_rules=False)) as product:
        yield product


def put(folder: Path, **documents: dict[str, Any]) -> None:
    for name, data in documents.items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump(data))


def bring(product: Watchfloor, folder: Path, name: str, count: int) -> set[str]:
    """Trails stop; returns the titles of all findings so far."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"Records": trails(count, requestID=name)}))
    product.pipeline.ingest([file])
    return {finding.title for finding in product.pipeline.findings()}


def entries(product: Watchfloor) -> list[tuple[str, str, dict[str, Any]]]:
    found = product.parts.ledger.of_subject("default", "detections")
    return [(entry.kind, entry.actor, json.loads(entry.body)) for entry in found]


def test_what_was_counted_before_counts_after(product: Watchfloor, rules: Path, tmp_path: Path) -> None:
    put(rules, many=COUNTED)
    assert bring(product, tmp_path, "a", 3) == {"Trail stopped"}
    put(rules, one=rule(ONE, "A trail was stopped"), two=rule(TWO, "Other", "StartLogging"))
    found = product.rulebook.reload("ana")
    assert found.words == "1 added, 1 changed, 0 removed"
    assert bring(product, tmp_path, "b", 1) == {"Trail stopped", "A trail was stopped", "Trails stopped"}
    (first, second) = entries(product)
    assert (first[0], first[1], first[2]["counts"]["added"]) == ("detections.changed", "watchfloor", 2)
    assert (second[1], [one["uid"] for one in second[2]["changed"]]) == ("ana", [ONE])
    versions = product.rulebook.versions(ONE)
    assert [one.title for one in versions] == ["A trail was stopped", "Trail stopped"]
    assert len({one.version for one in versions}) == 2
    (rules / "two.yml").unlink()
    assert product.rulebook.reload("ana").words == "0 added, 0 changed, 1 removed"


def test_a_broken_set_never_takes_the_place_of_a_working_one(product: Watchfloor, rules: Path, tmp_path: Path) -> None:
    assert bring(product, tmp_path, "a", 1) == {"Trail stopped"}
    put(rules, one=rule(ONE, "Broken", detection={"sel": {"a|nosuch": 1}, "condition": "sel"}), two=rule(TWO, "Two"))
    with pytest.raises(WatchfloorError, match=r"1 rules do not load.*Broken"):
        product.rulebook.reload("ana")
    assert bring(product, tmp_path, "b", 1) == {"Trail stopped"}
    current = product.rulebook.current()
    assert current is not None
    assert len(current.refused) == 1
    assert [one.title for one in current.rules] == ["Trail stopped"]
    put(rules, one=rule(ONE, "Mended"))
    product.rulebook.reload("ana")
    assert bring(product, tmp_path, "c", 1) == {"Trail stopped", "Mended", "Two"}
    current = product.rulebook.current()
    assert current is not None
    assert current.refused == ()
    assert [kind for kind, _, _ in entries(product)] == [
        "detections.changed",
        "detections.refused",
        "detections.changed",
    ]


def test_what_did_not_load_before_does_not_hold_up_the_rest(product: Watchfloor, rules: Path, tmp_path: Path) -> None:
    put(rules, odd=rule(TWO, "Odd", detection={"sel": {"a|expand": "%nobody%"}, "condition": "sel"}))
    bring(product, tmp_path, "a", 1)
    put(rules, one=rule(ONE, "Newer"))
    assert product.rulebook.reload("ana").words == "0 added, 1 changed, 0 removed"


def test_a_folder_that_is_gone_leaves_the_rules_in_use(product: Watchfloor, rules: Path, tmp_path: Path) -> None:
    bring(product, tmp_path, "a", 1)
    rules.rename(tmp_path / "elsewhere")
    with pytest.raises(WatchfloorError, match="no such file or folder"):
        product.rulebook.reload("ana")
    assert len(product.parts.detector.rules) == 1


def wait_for(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_a_server_follows_changes_of_files_and_answers_who_asks(
    product: Watchfloor, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rulebook, "LOOK_SECONDS", 0.02)

    def current() -> RuleSet:
        found = product.rulebook.current()
        assert found is not None
        return found

    def titles() -> list[str]:
        return [one.title for one in product.parts.detector.rules]

    with product.rulebook.running():
        wait_for(lambda: product.rulebook.current() is not None)
        put(rules, one=rule(ONE, "Changed"))
        wait_for(lambda: titles() == ["Changed"])
        (rules / "one.yml").write_text("title: [")
        wait_for(lambda: bool(current().refused))
        assert titles() == ["Changed"]
        put(rules, one=rule(ONE, "Mended"))
        wait_for(lambda: titles() == ["Mended"])
        wanted = product.rulebook.want_reload("ana")
        wait_for(lambda: current().answered >= wanted.time)
        product.rulebook.ask("SIGHUP")
        put(rules, two=rule(TWO, "Two"))
        wait_for(lambda: titles() == ["Mended", "Two"])
    assert [by for _, by, _ in entries(product)][-1] in ("SIGHUP", "watchfloor")


def git(folder: Path, *words: str) -> str:
    own = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": str(folder)}
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *who, *words], cwd=folder, env=own, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def checkout(rules: Path) -> Path:
    try:
        git(rules, "init", "-q", "-b", "main")
    except FileNotFoundError:
        pytest.skip("git is not installed")
    git(rules, "add", ".")
    git(rules, "commit", "-qm", "one")
    return rules


@pytest.mark.parametrize("packed", [False, True])
def test_a_checkout_says_its_commit_and_whether_it_was_changed(packed: bool, checkout: Path) -> None:
    if packed:
        git(checkout, "pack-refs", "--all")
    commit = git(checkout, "rev-parse", "HEAD").strip()
    place = place_of(checkout)
    assert (place.kind, place.commit, place.branch, place.dirty) == ("git", commit, "main", False)
    put(checkout, one=rule(ONE, "Other"))
    assert place_of(checkout).dirty is True
    git(checkout, "commit", "-aqm", "two")
    assert place_of(checkout).dirty is False
    put(checkout, two=rule(TWO, "Untracked"))
    assert place_of(checkout).dirty is True
    (checkout / "two.yml").unlink()
    git(checkout, "checkout", "-q", "--detach")
    assert (place_of(checkout).branch, place_of(checkout).dirty) == ("", False)
    (checkout / "deep").mkdir()
    put(checkout / "deep", x=rule(TWO, "X"))
    git(checkout, "add", ".")
    assert (place_of(checkout / "deep").kind, place_of(checkout / "deep").dirty) == ("git", False)


def test_a_hostile_checkout_is_read_and_runs_nothing(checkout: Path, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    for name in ("core.fsmonitor", "core.pager", "filter.x.clean", "core.sshCommand", "alias.status"):
        git(checkout, "config", name, f"touch {trap}")
    (checkout / ".gitattributes").write_text("*.yml filter=x\n")
    (checkout / ".git" / "hooks" / "post-index-change").write_text(f"#!/bin/sh\ntouch {trap}\n")
    trap.unlink(missing_ok=True)
    assert place_of(checkout).kind == "git"
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/../../../../etc/passwd\n")
    (checkout / ".git" / "index").write_bytes(b"DIRC\0\0\0\2\xff\xff\xff\xff" + b"x" * 100)
    place = place_of(checkout)
    assert (place.commit, place.dirty) == ("", None)
    assert not trap.exists()


def test_what_a_place_is(tmp_path: Path, rules: Path) -> None:
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.write(rules / "one.yml", "one.yml")
    kinds = {path.name: place_of(path).kind for path in (rules, rules / "one.yml", tmp_path / "r.zip", tmp_path / "no")}
    assert kinds == {"rules": "folder", "one.yml": "file", "r.zip": "zip", "no": "absent"}
