"""`watchfloor source`: what is collected is written to `sources.yaml`, and the ledger knows who changed it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import app
from watchfloor.core.errors import RefusedError, WatchfloorError
from watchfloor.core.source import Checkpoint, SourceHealth
from watchfloor.ingest.sources import KINDS
from watchfloor.ingest.sources.options import options_of
from watchfloor.store.spool import Spool

OWN = "# ours\nsources:\n  # the web\n  - {name: web, kind: tail, paths: [/var/log/nginx]}   # all of it\n"
KAFKA = ("--kind", "kafka", "--option", "brokers=[a:9092, b:9092]", "--option", "topics=auth")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    Watchfloor.open(tmp_path / "home").close()
    (tmp_path / "home" / "sources.yaml").write_text(OWN)
    return tmp_path / "home"


def run(home: Path, *words: str, answer: str = "") -> Any:
    return CliRunner().invoke(app, ["source", *words, "--home", str(home)], input=answer)


def told(home: Path) -> list[tuple[str, str, Any]]:
    with Watchfloor.open(home) as product:
        entries = product.parts.ledger.latest(product.parts.tenant)
    return [
        (entry.kind, entry.subject, json.loads(entry.body))
        for entry in sorted(entries, key=lambda one: one.seq)
        if entry.kind.startswith("source.")
    ]


def test_one_that_is_collected_is_added_listed_and_removed_and_all_else_stays(home: Path) -> None:
    assert run(home, "add", "logs", *KAFKA).exit_code == 0
    text = (home / "sources.yaml").read_text()
    assert text.startswith(OWN)
    assert "brokers: ['a:9092', 'b:9092']" in text
    shown = run(home, "list").stdout
    assert "logs                     kafka    never heard" in shown
    assert "web                      tail" in shown
    assert run(home, "remove", "logs").exit_code == 0
    assert (home / "sources.yaml").read_text() == OWN
    (added, removed) = told(home)
    assert added[:2] == ("source.added", "logs")
    assert added[2]["source"] == "kafka/logs"
    assert added[2]["settings"]["topics"] == ["auth"]
    assert removed[:2] == ("source.removed", "logs")


def test_the_first_one_makes_the_file_for_its_owner_alone(home: Path) -> None:
    (home / "sources.yaml").unlink()
    assert run(home, "add", "logs", *KAFKA).exit_code == 0
    assert (home / "sources.yaml").stat().st_mode & 0o777 == 0o600
    with Watchfloor.open(home) as product:
        assert [source.source for source in product.collected.sources()] == ["kafka/logs"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("logs", "--kind", "kafka"), "brokers"),
        (("logs", *KAFKA, "--option", "pattern=^a"), "topics or pattern"),
        (("logs", *KAFKA, "--option", "brokrs=a"), "no option"),
        (("LOGS", *KAFKA), "name"),
        (("web", *KAFKA), "there is a source web already"),
        (("logs", "--kind", "kafak"), "One of: webhook"),
        (("logs", "--kind", "hec", "--option", "a=b"), "takes no options"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(words: tuple[str, ...], says: str, home: Path) -> None:
    done = run(home, "add", *words)
    assert isinstance(done.exception, WatchfloorError)
    assert says in str(done.exception)
    assert (home / "sources.yaml").read_text() == OWN
    assert {path.name for path in home.glob("*.yaml")} == {
        "sources.yaml",
        *(["watchfloor.yaml"] if (home / "watchfloor.yaml").exists() else []),
    }
    assert told(home) == []


@pytest.mark.parametrize(
    "text", ["sources: &all\n- {name: web, kind: tail, paths: [/a]}\n...\n", "sources: [\n", "sources: {}\n"]
)
def test_a_file_that_cannot_be_changed_safely_stays_as_it_is(text: str, home: Path) -> None:
    (home / "sources.yaml").write_text(text)
    done = run(home, "add", "logs", *KAFKA)
    assert isinstance(done.exception, WatchfloorError)
    assert (home / "sources.yaml").read_text() == text


def test_a_link_stays_a_link(home: Path) -> None:
    kept = home.with_name("kept.yaml")
    (home / "sources.yaml").rename(kept)
    (home / "sources.yaml").symlink_to(kept)
    assert run(home, "add", "logs", *KAFKA).exit_code == 0
    assert (home / "sources.yaml").is_symlink()
    assert "kafka" in kept.read_text()


def test_a_name_that_two_have_is_not_guessed(home: Path) -> None:
    assert run(home, "add", "web", "--kind", "hec").exit_code == 0
    done = run(home, "remove", "web")
    assert isinstance(done.exception, RefusedError)
    assert "hec/web, tail/web" in str(done.exception)
    assert run(home, "remove", "tail/web").exit_code == 0
    assert run(home, "remove", "web").exit_code == 0
    assert [kind for kind, *_ in told(home)] == ["source.added", "source.removed", "source.removed"]


def test_the_kinds_say_what_they_take(home: Path) -> None:
    shown = CliRunner().invoke(app, ["source", "kinds"]).stdout
    for name, kind in KINDS.items():
        assert f"{name}: " in shown
        for option in options_of(kind):
            assert option.about in shown
    assert "* brokers" in CliRunner().invoke(app, ["source", "kinds", "kafka"]).stdout
    assert "One of" in str(CliRunner().invoke(app, ["source", "kinds", "x"]).exception)


def kept(home: Path, source: str) -> dict[str, Any]:
    with Watchfloor.open(home) as product:
        return product.parts.documents.get(product.parts.tenant, Checkpoint, source).data


def test_rewind_asks_forgets_and_is_told(home: Path) -> None:
    run(home, "add", "logs", *KAFKA)
    with Watchfloor.open(home) as product:
        for source in ("tail/web", "kafka/logs"):
            product.parts.documents.put(
                product.parts.tenant, Checkpoint(tenant=product.parts.tenant, uid=source, time=1, data={"files": {}})
            )
    assert run(home, "rewind", "web", answer="n\n").exit_code != 0
    assert kept(home, "tail/web") == {"files": {}}
    assert run(home, "rewind", "web", answer="y\n").exit_code == 0
    assert run(home, "rewind", "kafka/logs", "--yes").exit_code == 0
    assert (kept(home, "tail/web"), kept(home, "kafka/logs")) == ({}, {"again": True})
    assert [kind for kind, *_ in told(home)] == ["source.added", "source.rewound", "source.rewound"]


def test_rewind_is_refused_while_a_server_runs(home: Path) -> None:
    with Watchfloor.open(home) as product:
        spool = Spool(product.parts.home.spool)
    done = run(home, "rewind", "web", "--yes")
    spool.close()
    assert isinstance(done.exception, RefusedError)
    assert "Stop `watchfloor serve`" in str(done.exception)
    assert run(home, "rewind", "web", "--yes").exit_code == 0


def test_a_broken_file_does_not_keep_from_looking(home: Path) -> None:
    (home / "sources.yaml").write_text("sources: [\n")
    with Watchfloor.open(home) as product:
        health = SourceHealth(tenant=product.parts.tenant, uid="tail/web", time=1, status="working", note="7 behind")
        product.parts.documents.put(product.parts.tenant, health)
    shown = run(home, "list")
    assert shown.exit_code == 0
    assert "working since 1970-01-01T00:00:00.001Z: 7 behind" in shown.stdout
    assert "reading sources.yaml" in shown.stderr
