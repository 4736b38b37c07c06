"""Lint: each mistake is found, with its place, and what is right is let be."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.detect.helpers import event
from watchfloor.content import folder
from watchfloor.detect import Detector
from watchfloor.detect.engineering.lint import Linted, lint
from watchfloor.detect.engineering.problem import Problem
from watchfloor.detect.sigma.logsource import LogSource

GOOD = """\
title: Shadow copies deleted
id: 5f0f9a0e-3c1e-4b0c-9f5b-1f0a5e8a7c11
description: Backups are removed.
logsource: {product: windows, category: process_creation}
detection:
  selection:
    CommandLine|contains|all: [vssadmin, delete]
  condition: selection
falsepositives: [an administrator]
level: high
tags: [attack.impact, attack.t1490]
tests:
  match: [{CommandLine: vssadmin delete}]
  no_match: [{CommandLine: vssadmin list}]
"""


def linted(where: Path, *texts: str, **options: object) -> Linted:
    for n, text in enumerate(texts):
        (where / f"r{n}.yml").write_text(text, encoding="utf-8")
    return lint([where], shipped=False, **options)  # type: ignore[arg-type]


def only(found: Linted) -> Problem:
    (problem,) = found.problems
    return problem


def test_a_good_rule_is_let_be(tmp_path: Path) -> None:
    assert linted(tmp_path, GOOD) == Linted([], 1, 1)


@pytest.mark.parametrize(
    ("old", "new", "check", "place"),
    [
        ("contains|all", "contians|all", "unknown-modifier", ("error", 7, 5)),
        ("contains|all: [vssadmin, delete]", "contains|all: [vssadmin]", "all-with-one-value", ("warning", 7, 5)),
        ("CommandLine|contains|all: [vssadmin, delete]", "CommandLine|contains: [vssadmin, '-e']", "short-contains",
         ("warning", 7, 38)),
        ("CommandLine|contains|all: [vssadmin, delete]", "Image: '*\\vssadmin.exe'", "wildcard-for-modifier",
         ("warning", 7, 12)),
        ("CommandLine|contains|all: [vssadmin, delete]", "CommandLine|re: '(a'", "regex-broken", ("error", 7, 21)),
        ("CommandLine|contains|all: [vssadmin, delete]", "CommandLine|re: 'del(?!ta)'", "regex-not-re2",
         ("warning", 7, 21)),
        ("CommandLine|contains|all: [vssadmin, delete]", "CommandLine|re: '([a-z]|x1|y2){900}'", "regex-expensive",
         ("warning", 7, 21)),
        ("CommandLine|contains|all", "Commandline|contains|all", "unknown-field", ("warning", 7, 5)),
        ("category: process_creation}", "category: process_creatoin}", "unknown-log-source", ("warning", 4, 1)),
        ("condition: selection", "condition: selektion", "absent-selection", ("error", 8, 14)),
        ("  condition: selection", "  filter: {Image: x}\n  condition: selection", "unused-selection",
         ("warning", 8, 3)),
        ("attack.impact", "attack.imapct", "invalid-attack-tag", ("error", 11, 8)),
        ("attack.t1490", "attack.s0001", "missing-attack-tag", ("warning", 11, 1)),
        ("level: high", "level: hgih", "unknown-level", ("error", 10, 8)),
        ("level: high\n", "", "missing-level", ("warning", 1, 1)),
        ("description: Backups are removed.\n", "", "missing-description", ("warning", 1, 1)),
        ("falsepositives: [an administrator]", "falsepositives: []", "missing-falsepositives", ("warning", 9, 1)),
        ("id: 5f0f9a0e-3c1e-4b0c-9f5b-1f0a5e8a7c11\n", "", "missing-id", ("warning", 1, 1)),
        ("  no_match: [{CommandLine: vssadmin list}]\n", "", "missing-tests", ("warning", 12, 1)),
    ],
    ids=lambda value: value if isinstance(value, str) and value.count("-") and " " not in value else "",
)  # fmt: skip
def test_each_mistake_has_its_place(
    old: str, new: str, check: str, place: tuple[str, int, int], tmp_path: Path
) -> None:
    assert old in GOOD
    found = linted(tmp_path, GOOD.replace(old, new))
    mine = [problem for problem in found.problems if problem.check == check]
    assert [(p.level, p.place.line, p.place.column) for p in mine] == [place], found.problems
    assert mine[0].what
    assert mine[0].do
    assert len(found.problems) <= 2  # and what follows from it, at the most


def test_a_selection_that_is_one_of_many_is_used(tmp_path: Path) -> None:
    text = GOOD.replace("  condition: selection", "  sel_b: {Image: x}\n  condition: 1 of sel*")
    assert linted(tmp_path, text).problems == []
    assert linted(tmp_path, text.replace("1 of sel*", "all of them")).problems == []


@pytest.mark.parametrize(
    ("mine", "theirs", "unreachable"),
    [
        ("Image: C:/a.exe", "Image: C:/b.exe", True),
        ("Image|endswith: /a.exe", "Image: C:/b.exe", True),
        ("Image|endswith: /a.exe", "Image: C:/a.exe", False),
        ("Image|endswith: /a.exe", "Image|startswith: C:/", False),
        ("Image: [C:/a.exe, C:/b.exe]", "Image: C:/b.exe", False),
        ("Image|contains: a", "Image: C:/b.exe", False),
        ("Image: 'C:/*'", "Image: C:/b.exe", False),
        ("Image: C:/a.exe", "User: bob", False),
    ],
)
def test_a_filter_that_can_take_nothing_out(mine: str, theirs: str, unreachable: bool, tmp_path: Path) -> None:
    text = GOOD.replace("CommandLine|contains|all: [vssadmin, delete]", mine)
    text = text.replace(
        "  condition: selection", f"  filter_a: {{{theirs}}}\n  condition: selection and not 1 of filter_*"
    )
    assert ("unreachable-filter" in {p.check for p in linted(tmp_path, text).problems}) is unreachable


def test_ids_and_titles_that_stand_there_twice(tmp_path: Path) -> None:
    found = linted(tmp_path, GOOD, GOOD)
    assert [(p.check, p.place.file[-6:], p.place.line) for p in found.problems] == [
        ("duplicate-title", "r1.yml", 1),
        ("duplicate-id", "r1.yml", 2),
    ]


def test_a_correlation_to_a_rule_that_is_not_there(tmp_path: Path) -> None:
    text = (
        "title: Many\nid: 1b0f7a52-6f0c-4f0a-9a55-0f6f3c1d2e11\ndescription: x\nfalsepositives: [x]\nlevel: low\n"
        "tags: [attack.t1490]\ncorrelation:\n  type: event_count\n  rules: [nobody]\n  group-by: [User]\n"
        "  timespan: 1h\n  condition: {gte: 3}\ntests: {match: [[]], no_match: [[]]}\n"
    )
    problem = only(linted(tmp_path, text))
    assert (problem.check, problem.level, problem.place.line) == ("absent-rule", "error", 9)


def test_what_is_no_yaml_and_no_rule(tmp_path: Path) -> None:
    found = linted(tmp_path, "title: [\n", "- 1\n", "title: x\ndetection: {a: {b: 1}}\n", "a: &a [*a, *a]\n")
    said = [(p.check, p.place.file[-6:], p.level) for p in found.problems if p.level == "error"]
    assert ("unreadable", "r0.yml", "error") in said
    assert ("unreadable", "r1.yml", "error") in said
    assert ("not-loaded", "r2.yml", "error") in said


def test_fields_are_doubted_that_no_event_of_the_lake_has(tmp_path: Path) -> None:
    source = LogSource("windows", "process_creation")
    some = [event({"CommandLine": "x", "Image": "y"}, uid=f"e{n}") for n in range(60)]

    def sample(detector: Detector) -> dict[LogSource, tuple[int, list[object]]]:
        assert len(detector.rules) == 1
        return {source: (60, list(some))}

    assert linted(tmp_path, GOOD, sample=sample).problems == []
    problem = only(linted(tmp_path, GOOD.replace("CommandLine|contains", "Sha9|contains"), sample=sample))
    assert (problem.check, problem.place.line) == ("unknown-field", 7)
    assert "none of the 60 events" in problem.what


def test_techniques_that_attack_does_not_have(tmp_path: Path) -> None:
    assert only(linted(tmp_path, GOOD, techniques={"T1059"})).check == "unknown-technique"
    assert linted(tmp_path, GOOD, techniques={"T1490"}).problems == []


def test_a_zip_has_places_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rules.zip", "w") as archive:
        archive.writestr("a/b.yml", GOOD.replace("contains|all", "contians|all"))
        archive.writestr(".git/x.yml", "not: a rule")
    problem = only(lint([tmp_path / "rules.zip"], shipped=False))
    assert str(problem.place).endswith("rules.zip!a/b.yml:7:5")


def test_our_own_detections_have_no_errors() -> None:
    found = lint([folder("detections")])
    assert [p for p in found.problems if p.level == "error"] == []
    assert found.rules >= 100


def test_all_shared_rules_are_told_of_and_little_is_wrong(shared_data: Path) -> None:
    """What is there to be mended in them is in a few of them; only tests and techniques lack in many."""
    folders = [shared_data / "sigma" / name for name in ("rules", "rules-emerging-threats", "rules-threat-hunting")]
    found = lint(folders, shipped=False)
    assert found.rules == found.files >= 3_700
    assert {(p.check, p.what) for p in found.problems if p.level == "error"} == {
        ("not-loaded", "placeholder %known_cdcs% has no values here")
    }
    counts = [p.check for p in found.problems if p.check not in ("missing-tests", "missing-attack-tag")]
    assert 0 < len(counts) < 0.1 * found.rules
    unreachable = {Path(p.place.file).stem for p in found.problems if p.check == "unreachable-filter"}
    assert "image_load_side_load_rjvplatform_non_default_location" in unreachable
