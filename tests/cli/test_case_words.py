"""What `case resolutions` prints, for people and for programs, and how similar cases and changes read on a terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.server.test_could_not_check import decided
from tests.triage.test_decide import LOUD, QUIET, made
from watchfloor.app.similar import SimilarCase
from watchfloor.app.views import Reopened
from watchfloor.cli import app, output
from watchfloor.cli.way import print_reopened, print_similar, print_way
from watchfloor.triage.decide import decide
from watchfloor.triage.reopening import changes
from watchfloor.triage.resolutions import shipped


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    found = io.StringIO()
    monkeypatch.setattr(output, "out", Console(file=found, width=10_000))
    return found


def test_resolution_codes_are_listed_with_their_names_elsewhere() -> None:
    text = " ".join(CliRunner().invoke(app, ["case", "resolutions"]).stdout.split())  # however wide the terminal is
    rows = CliRunner().invoke(app, ["case", "resolutions", "--format", "jsonl"]).stdout.splitlines()
    assert [json.loads(row)["code"] for row in rows] == list(shipped())
    for code in shipped().values():
        assert code.code in text
        assert code.meaning in text
        assert all(name in text for name in code.elsewhere.values())


def test_every_step_and_what_was_not_needed_is_printed(written: io.StringIO) -> None:
    verdict, _ = decided({}, left=1)
    assert verdict.investigation is not None
    print_way(verdict, every=True)
    text = written.getvalue()
    assert text.count(" bits, ") == len(verdict.investigation.steps)
    assert text.count("not needed: ") == len(verdict.investigation.not_needed) == 1


def test_why_it_was_decided_again_and_what_is_similar(written: io.StringIO) -> None:
    before, now = decide(made({**QUIET, "intel.address": {"indicators": []}})), decide(made({**QUIET, **LOUD}))
    print_reopened(Reopened(0, "close", 0.01, changes(before, now)))
    print_similar([SimilarCase("c-1", "Earlier", 0, 0.5, ("x",), "queue", "unsure", "false_positive", "ana")])
    text = written.getvalue()
    assert "reopened on" in text
    assert "intelligence name this address?” changed from" in text
    assert "c-1 Earlier: false positive, said ana; both: x" in text
