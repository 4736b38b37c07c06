"""The documentation is true: links lead somewhere, promises name tests, examples load and do what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.detect.helpers import event
from watchfloor.app.settings import Settings
from watchfloor.core.errors import WatchfloorError
from watchfloor.detect import Detector
from watchfloor.ingest import Normalizer
from watchfloor.triage.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += [ROOT / "tests" / "guarantees" / "README.md"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_each_promise_of_the_readme_names_a_test_that_is_there() -> None:
    promises = (ROOT / "README.md").read_text().partition("## What it promises")[2].partition("## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 6
    for row in rows:
        tests = re.findall(r"\((tests/[^)]+)\)", row)
        assert tests, row
        assert all("def test_" in (ROOT / test).read_text() for test in tests)


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_example_detection_loads_and_passes_its_own_tests(tmp_path: Path) -> None:
    text, _ = blocks("docs/how-to/write-a-detection.md", "yaml")
    (tmp_path / "example.yml").write_text(text)
    detector = Detector.load([tmp_path], shipped=False)
    assert [str(p) for p in detector.problems] == []
    (rule,), data = detector.rules, yaml.safe_load(text)
    assert rule.title == data["title"]
    for kind, expected in (("match", [rule.uid]), ("no_match", [])):
        for given in data["tests"][kind]:
            found = detector.findings(event(given, logsource=data["logsource"]))
            assert [f.detection.uid for f in found] == expected


def test_the_example_correlation_loads(tmp_path: Path) -> None:
    _, text = blocks("docs/how-to/write-a-detection.md", "yaml")
    (tmp_path / "clones.yml").write_text(text)
    detector = Detector.load([tmp_path], shipped=False)
    assert [str(p) for p in detector.problems] == []
    assert len(detector.rules) == 2
    assert {one.title for one in detector.correlations} == {
        data["title"] for data in yaml.safe_load_all(text) if "correlation" in data
    }


def test_the_example_mapping_maps_its_own_record(tmp_path: Path) -> None:
    (text,) = blocks("docs/how-to/write-a-mapping.md", "yaml")
    (tmp_path / "door.yaml").write_text(text)
    (test,) = yaml.safe_load(text)["tests"]
    (tmp_path / "records.json").write_text(str(test["record"]).replace("'", '"'))
    event = event_of(Normalizer.shipped(tmp_path / "door.yaml"), tmp_path / "records.json")
    assert event.mapping == "door_system"
    assert {path: event.get(path) for path in test["expect"]} == test["expect"]


def event_of(normalizer: Normalizer, file: Path) -> Any:
    from watchfloor.ingest import ingest

    (event,) = ingest([file], "acme", normalizer)
    return event


def test_the_example_question_passes_its_own_tests(tmp_path: Path) -> None:
    (text,) = blocks("docs/how-to/write-a-question.md", "yaml")
    (tmp_path / "example.yaml").write_text(text)
    assert Catalogue.load(tmp_path).failures() == []


def test_the_example_connections_are_read(tmp_path: Path) -> None:
    from watchfloor.integrations import read_connections

    (text,) = blocks("docs/how-to/connect-products.md", "yaml")
    (tmp_path / "connections.yaml").write_text(text)
    (connection,) = read_connections(tmp_path / "connections.yaml")
    assert connection.kinds == ("identity",)


@pytest.mark.parametrize("text", ["{}\npolicy: default\n", "policy: default\n---\npolicy: cautious\n", "policy: [\n"])
def test_settings_that_cannot_be_read_whole_are_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "watchfloor.yaml").write_text(text)
    with pytest.raises(WatchfloorError, match=r"watchfloor.yaml"):
        Settings.read(tmp_path)


def test_settings_name_the_key_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "watchfloor.yaml").write_text("polcy: default\n")
    with pytest.raises(Exception, match="polcy"):
        Settings.read(tmp_path)
