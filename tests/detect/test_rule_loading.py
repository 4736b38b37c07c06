"""Rules from files, folders and zips: what cannot be loaded is listed with file and reason and stops nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.detect.helpers import event, rule_text
from watchfloor.detect import Detector

GOOD = rule_text({"sel": {"a": "x"}}, title="Good")
BROKEN = {
    "not YAML at all: [": "not valid YAML",
    "a: 1\na: 2\n": "Duplicate key",
    "title: Word\n": "not a Sigma rule",
    "- 1\n- 2\n": "not a Sigma rule",
    rule_text({"sel": {"a|frob": "x"}}): "Unknown modifier",
    rule_text({"sel": {"a": "x"}, "condition": "other"}): "not defined",
    rule_text({"sel": {"a": "x"}, "condition": "sel and"}): "Expected",
    rule_text({"sel": {"a": "x"}, "condition": "1 of zzz*"}): "doesn't match any detection",
    rule_text({"sel": {"a": "x"}, "condition": "sel | count() > 5"}): "pipe syntax",
    rule_text({"sel": {"a|re": "(x"}}): "not a regular expression",
    rule_text({"sel": {"a|cidr": "10.0.0.1/99"}}): "Invalid CIDR",
    rule_text({"sel": {"a": "x"}}, logsource={}): "log source can't be empty",
    rule_text({"sel": {"a|lt": "x"}}): "incompatible",
    rule_text({"sel": [None]}): "without a field",
    "title: D\nlogsource: {product: test}\ndetection: {sel: {a: x}}\n": "at least one condition",
    "title: D\nlogsource: {product: test}\ndetection: 7\n": "SigmaDetectionError",
    "x: &a [*a]\ntitle: L\nlogsource: {product: test}\ndetection: {sel: {a: x}, condition: sel}\nfields: *a\n": "",
}


@pytest.mark.parametrize(("text", "reason"), BROKEN.items())
def test_a_broken_rule_is_listed_and_the_good_one_loads(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "bad.yml").write_text(text)
    (tmp_path / "good.yaml").write_text(GOOD)
    found = Detector.load([tmp_path], shipped=False)
    assert "Good" in {rule.title for rule in found.rules}
    if reason:
        assert [rule.title for rule in found.rules] == ["Good"]
        (problem,) = found.problems
        assert problem.file.endswith("bad.yml")
        assert reason in problem.reason
        assert str(problem).startswith(problem.file)


def test_bytes_that_are_no_text_and_a_missing_path(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(b"\xff\xfe\x00title")
    found = Detector.load([tmp_path, tmp_path / "absent"], shipped=False)
    assert found.rules == ()
    assert len(found.problems) == 2
    assert found.problems[1].reason == "no such file or folder"


def test_zip_with_a_bomb_and_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "rules.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rules/good.yml", GOOD)
        archive.writestr("rules/bomb.yml", b"a" * 50_000_000)
        archive.writestr("rules/readme.txt", "not a rule")
    found = Detector.load([path], shipped=False)
    assert [rule.title for rule in found.rules] == ["Good"]
    assert found.rules[0].file == f"{path}!rules/good.yml"
    assert [p.reason for p in found.problems] == ["larger than 4194304 bytes"]
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    assert "not a readable zip" in Detector.load([tmp_path / "broken.zip"], shipped=False).problems[0].reason


def test_metadata_mistakes_do_not_cost_the_rule(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(rule_text({"sel": {"a": "x"}}, id="not-a-uuid", date="soon"))
    found = Detector.load([tmp_path], shipped=False)
    assert len(found.rules) == 1
    assert all(p.reason.startswith("loaded, but") and not p.fatal for p in found.problems)
    assert len(found.problems) == 2
    assert len(found.findings(event({"a": "x"}))) == 1


def test_metadata_of_the_wrong_shape_is_kept_readable(tmp_path: Path) -> None:
    text = rule_text(
        {"sel": {"a": "x"}}, title=None, falsepositives="Backups", references="https://a.example", description=7
    )
    (tmp_path / "a.yml").write_text(text)
    (finding,) = Detector.load([tmp_path], shipped=False).findings(event({"a": "x"}))
    assert finding.detection.false_positives == ("Backups",)
    assert finding.detection.references == ("https://a.example",)
    assert finding.title == "untitled"


def test_a_rule_without_an_id_has_the_same_one_each_time(tmp_path: Path) -> None:
    """Filters put random names into a rule; its id must not follow them."""
    (tmp_path / "rule.yml").write_text(rule_text({"sel": {"a": "x"}}))
    (tmp_path / "filter.yml").write_text(
        "title: F\nlogsource: {product: test}\nfilter: {rules: any, s: {host: h}, condition: not s}\n"
    )
    one, two = (Detector.load([tmp_path], shipped=False).rules[0].uid for _ in range(2))
    assert one == two


def test_of_two_rules_with_one_id_the_first_counts(tmp_path: Path) -> None:
    uid = "0d8b1f1e-4a0c-4e3d-9f6e-0c8d6d0f5a11"
    for name in ("a", "b"):
        (tmp_path / f"{name}.yml").write_text(rule_text({"sel": {"a": "x"}}, id=uid, title=name))
    found = Detector.load([tmp_path], shipped=False)
    assert [rule.title for rule in found.rules] == ["a"]
    assert "has the id of" in found.problems[0].reason


def test_a_filter_narrows_the_rules_it_names(tmp_path: Path) -> None:
    uid = "0d8b1f1e-4a0c-4e3d-9f6e-0c8d6d0f5a11"
    (tmp_path / "rule.yml").write_text(rule_text({"sel": {"a": "x"}}, id=uid))
    (tmp_path / "filter.yml").write_text(
        "title: Not the scanner\nlogsource: {product: test}\n"
        f"filter: {{rules: [{uid}], allowed: {{host: scanner}}, condition: not allowed}}\n"
    )
    found = Detector.load([tmp_path], shipped=False)
    assert found.problems == []
    assert len(found.findings(event({"a": "x", "host": "ws1"}))) == 1
    assert found.findings(event({"a": "x", "host": "scanner"})) == []
