"""Compiled rules are kept between runs: the same rules and problems, never older than the files, never trusted more."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.detect.helpers import rule_text
from watchfloor.detect.sigma import cache, compiling
from watchfloor.detect.sigma.fields import FieldNames
from watchfloor.detect.sigma.loader import Loader

Count = Callable[[], int]

CORRELATED = """
title: Many
correlation:
  type: event_count
  rules: [one]
  group-by: [user]
  timespan: 5m
  condition: {gte: 3}
level: high
"""
FILTER = """
title: Not on Sundays
logsource: {product: test}
filter:
  rules: [11111111-1111-1111-1111-111111111111]
  selection: {host: sunday}
  condition: not selection
"""


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four rule files, one of which does not load, and a place of its own for the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "FEWEST", 1)
    folder = tmp_path / "rules"
    folder.mkdir()
    one = {"sel": {"user|contains": ["adm", "root"], "n|gte": 5, "other|fieldref": "user"}, "kw": ["word", 7]}
    text = rule_text({**one, "condition": "sel or kw"}, id="11111111-1111-1111-1111-111111111111", name="one")
    (folder / "a.yml").write_text(text)
    (folder / "b.yml").write_text(rule_text({"sel": {"user|expand": "%nobody%"}}, title="No values"))
    (folder / "c.yml").write_text(rule_text({"sel": {"t|hour": 3, "p|re|i": "a.*b"}}, title="Third", status="wrong"))
    (folder / "d.yml").write_text(CORRELATED)
    return folder


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Count:
    """How many files were compiled so far."""
    calls: list[Any] = []
    original = compiling.Compiler.compiled

    def counted(self: Any, given: Any) -> Any:
        calls.append(given)
        return original(self, given)

    monkeypatch.setattr(compiling.Compiler, "compiled", counted)
    return lambda: len(calls)


def load(*paths: Path, **placeholders: list[str]) -> Loader:
    loader = Loader(FieldNames.shipped(), placeholders)
    loader.load(paths)
    return loader


def told(loader: Loader) -> Any:
    """Everything that a load says."""
    rules = [(rule, repr(rule.node.__class__), rule.written) for rule in loader.rules]
    return rules, loader.correlations, loader.problems


def kept(tmp_path: Path) -> Path:
    (file,) = (tmp_path / "cache" / "watchfloor" / "sigma").glob("*.rules")
    return file


def test_from_the_cache_come_the_same_rules_and_problems(rules: Path, compiled: Count) -> None:
    first = load(rules)
    assert compiled() == 4
    assert (len(first.rules), len(first.correlations), len(first.problems)) == (2, 1, 2)
    second = load(rules)
    assert compiled() == 4
    assert told(first) == told(second)


def test_one_changed_file_is_compiled_alone(rules: Path, compiled: Count) -> None:
    load(rules)
    (rules / "c.yml").write_text(rule_text({"sel": {"t": 3}}, title="Third, mended"))
    again = load(rules)
    assert compiled() == 5
    assert "Third, mended" in [rule.title for rule in again.rules]
    (rules / "a.yml").unlink()
    assert len(load(rules).rules) == 1
    assert compiled() == 5


def test_a_filter_that_comes_changes_rules_that_are_kept(rules: Path, compiled: Count) -> None:
    plain = load(rules).rules[0].written
    (rules / "filter.yml").write_text(FILTER)
    filtered = load(rules).rules[0].written
    assert filtered != plain
    assert compiled() == 9
    assert load(rules).rules[0].written == filtered
    assert compiled() == 9
    (rules / "filter.yml").unlink()
    assert load(rules).rules[0].written == plain


def test_values_of_placeholders_are_part_of_what_is_kept(rules: Path) -> None:
    assert len(load(rules).rules) == 2
    assert len(load(rules, nobody=["eve"]).rules) == 3
    assert len(load(rules).rules) == 2


@pytest.mark.parametrize(
    "change", ["cut", "flipped", "of another version", "of another kind", "empty", "open to others"]
)
def test_a_cache_file_with_anything_wrong_is_made_anew(
    rules: Path, compiled: Count, tmp_path: Path, change: str
) -> None:
    first = load(rules)
    file = kept(tmp_path)
    whole = file.read_bytes()
    wrong = {
        "cut": whole[:-10],
        "flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
        "of another version": whole.replace(b"rules 1 ", b"rules 0 ", 1),
        "of another kind": b"title: not a cache\n",
        "empty": b"",
        "open to others": whole,
    }[change]
    file.write_bytes(wrong)
    if change == "open to others":
        file.chmod(0o666)
    assert told(load(rules)) == told(first)
    assert compiled() == 8
    assert file.read_bytes() == whole
    assert file.stat().st_mode & 0o077 == 0
    load(rules)
    assert compiled() == 8


def test_a_link_in_its_place_is_not_followed(rules: Path, compiled: Count, tmp_path: Path) -> None:
    load(rules)
    file = kept(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    load(rules)
    assert compiled() == 8
    assert not file.is_symlink()


def test_a_cache_that_cannot_be_written_stops_nothing(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(load(rules).rules) == 2
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert len(load(rules).rules) == 2


def test_the_folder_does_not_grow_without_end(rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST_FILES", 3)
    for number in range(5):
        folder = tmp_path / f"rules{number}"
        folder.mkdir()
        (folder / "a.yml").write_text(rule_text({"sel": {"a": number}}))
        load(folder)
    assert len(list((tmp_path / "cache" / "watchfloor" / "sigma").iterdir())) == 3


def test_without_anything_new_pysigma_is_not_even_imported(rules: Path) -> None:
    import subprocess  # a process of its own: here it is imported already
    import sys

    load(rules)
    code = (
        "import sys; from pathlib import Path; from watchfloor.detect.sigma import cache; cache.FEWEST = 1\n"
        "from watchfloor.detect import Detector\n"
        f"found = Detector.load([Path({str(rules)!r})], shipped=False)\n"
        "assert len(found.rules) == 2 and 'sigma' not in sys.modules, sorted(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
