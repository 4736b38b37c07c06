"""`watchfloor case merge|split|unlink|take-back`, and what `case show` tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.triage.build import finding
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import app
from watchfloor.core.case import Case


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Watchfloor.open(tmp_path / "home") as product:
        tenant = product.parts.tenant
        product.parts.documents.put(
            tenant,
            finding(1, "user:alice:actor", "host:ws-1:target", tenant=tenant),
            finding(2, "user:alice:actor", "host:ws-1:target", minute=5, rule="b", tenant=tenant),
            finding(3, "host:ws-2:target", minute=5, rule="c", tenant=tenant),
        )
        product.pipeline.triage()
        product.add_user("nora", "correct horse battery", ("analyst",))
    return tmp_path / "home"


def run(home: Path, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["case", *words, "--home", str(home)], env={"COLUMNS": "400"})
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def cases(home: Path) -> dict[tuple[str, ...], Case]:
    with Watchfloor.open(home) as product:
        found = product.parts.documents.find(product.parts.tenant, Case, limit=None)
    return {case.findings: case for case in found if not case.merged_into}


def test_cases_are_merged_split_and_put_back(home: Path) -> None:
    alice, other = cases(home)["f-000001", "f-000002"], cases(home)["f-000003",]
    told = run(home, "merge", alice.uid, other.uid, "--user", "nora")
    assert f"nora merged {alice.uid} and {other.uid}" in told
    assert list(cases(home)) == [("f-000001", "f-000002", "f-000003")]
    shown = run(home, "show", alice.uid)
    assert "why its findings stand together" in shown
    assert f"took in {other.uid}" in shown
    assert f"its findings stand in {alice.uid} now" in run(home, "show", other.uid)
    regrouping = told.rpartition("(")[2].rstrip(") ")
    assert "took back" in run(home, "take-back", regrouping, "--user", "nora")
    assert cases(home).keys() == {("f-000001", "f-000002"), ("f-000003",)}
    run(home, "split", alice.uid, "f-000002", "--user", "nora")
    assert cases(home).keys() == {("f-000001",), ("f-000002",), ("f-000003",)}
    shown = run(home, "show", alice.uid)
    assert "related cases, not merged" in shown
    assert "a person said that they stand apart" in shown


def test_a_link_is_undone_by_the_name_that_show_gives(home: Path) -> None:
    alice = cases(home)["f-000001", "f-000002"]
    (link,) = alice.links
    assert link.uid in run(home, "show", alice.uid)
    run(home, "unlink", alice.uid, link.uid, "--user", "nora")
    assert ("f-000002",) in cases(home)
    run(home, "unlink", alice.uid, link.uid, "--user", "nora", code=1)
    run(home, "unlink", alice.uid, link.uid, "--user", "nobody", code=1)
