"""A dead letter that reads after a reader was mended becomes events, once, with the balance and the ledger right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.app.test_intake import SOURCE, kept_events, parcel, put, state, trail
from watchfloor.app.watchfloor import Watchfloor
from watchfloor.cli import app
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.intake import Tally
from watchfloor.ingest.readers import json as json_reader
from watchfloor.store.spool import Spool

SINGLE = trail(2).replace(b'"', b"'")


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A reader that has learned to read single quotes, from when it is called."""
    parse = json_reader.parse

    def mend() -> None:
        monkeypatch.setattr(json_reader, "parse", lambda text: parse(text.replace(b"'", b'"')))

    return mend


def test_what_reads_now_becomes_an_event_as_if_it_had_been_read_at_first(
    product: Watchfloor, spool: Spool, mended: Any
) -> None:
    put(product, spool, parcel(trail(1), SINGLE, b"{hopeless"))
    product.intake.work(spool)
    assert state(product).tally == Tally(received=3, events=1, dead_letters=2)
    hopeless, single = sorted(product.dead_letters.find(), key=lambda letter: letter.size)
    assert product.dead_letters.replay(single.uid, "ana").events == 0, "nothing is mended yet"
    mended()
    done = product.dead_letters.replay(single.uid, "ana")
    assert (done.events, done.findings, done.letter.status) == (1, 1, "replayed")
    assert state(product).tally == Tally(received=3, events=2, dead_letters=1)
    assert product.dead_letters.find() == [hopeless]
    assert "no valid JSON" in product.dead_letters.replay(hopeless.uid, "ana").reason
    with pytest.raises(RefusedError, match="events already"):
        product.dead_letters.replay(single.uid, "ana")
    (entry,) = [e for e in product.desk.ledger_entries() if e.kind == "deadletter.replayed"]
    assert (entry.subject, entry.actor, len(json.loads(entry.body)["events"])) == (single.uid, "ana", 1)
    # Sent again, its bytes are the record that is there.
    put(product, spool, parcel(SINGLE))
    product.intake.work(spool)
    assert state(product).tally == Tally(received=4, events=2, dead_letters=1, repeats=1)
    assert kept_events(product) == 2


def test_a_whole_body_that_could_not_be_told_is_read_as_all_its_records(
    product: Watchfloor, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = trail(1) + b"\n" + trail(2) + b"\n{broken"
    with monkeypatch.context() as patch:
        patch.setattr("watchfloor.ingest.readers.live_format", lambda *_: None)
        put(product, spool, parcel(body, form=""))
        product.intake.work(spool)
    (letter,) = product.dead_letters.find()
    assert product.dead_letters.content(letter) == body
    assert product.dead_letters.replay(letter.uid, "ana").events == 2
    assert state(product).tally == Tally(received=3, events=2, dead_letters=1)
    assert product.dead_letters.content(product.dead_letters.find()[0]) == b"{broken"


def test_a_record_of_a_file_is_the_one_that_the_file_has(product: Watchfloor, tmp_path: Path, mended: Any) -> None:
    file = tmp_path / "trails.jsonl"
    file.write_bytes(b"\n".join([trail(1), SINGLE, trail(3)]))
    product.pipeline.ingest([file])
    (letter,) = product.dead_letters.find()
    mended()
    assert product.dead_letters.replay(letter.uid, "ana").events == 1
    assert kept_events(product) == 3
    product.pipeline.ingest([file])
    assert kept_events(product) == 3, "reading the file again finds the same records"


def test_of_a_file_that_was_cut_the_rest_is_not_invented(product: Watchfloor, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(trail(1) + b'\n{"a": "' + b"x" * 100_000)
    (tmp_path / "none.bin").write_bytes(b"\0\1\2")
    product.pipeline.ingest([tmp_path / "x.jsonl", tmp_path / "none.bin"])
    letters = product.dead_letters.find()
    assert len(letters) == 2
    for letter in letters:
        with pytest.raises(RefusedError, match="only the beginning"):
            product.dead_letters.replay(letter.uid, "ana")
    with pytest.raises(NotFoundError):
        product.dead_letters.get("d-none")


def test_the_command_line_lists_shows_and_replays(tmp_path: Path, mended: Any) -> None:
    home = tmp_path / "home"
    with Watchfloor.open(home) as product:
        spool = Spool(product.parts.home.spool)
        put(product, spool, parcel(SINGLE, b"{hopeless", b"\xff\x1b[31m{"))
        product.intake.work(spool)
        spool.close()
        uid = next(letter.uid for letter in product.dead_letters.find() if letter.size == len(SINGLE))

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["deadletter", *words, "--home", str(home)], catch_exceptions=False)

    listed = run("list", "--source", SOURCE).stdout
    assert uid in listed
    assert listed.count("no valid JSON") == 3
    assert "no dead letters" in run("list", "--source", "hec/none").stderr
    assert run("show", uid, "--raw").stdout_bytes == SINGLE
    assert "\x1b" not in "".join(run("show", letter.split()[0]).stdout for letter in listed.splitlines())
    mended()
    done = run("replay", "--all")
    assert "1 of 3 dead letters read again: 1 events, 1 findings" in done.stdout
    assert done.stderr.count("still cannot be read") == 2
    with Watchfloor.open(home) as product:
        assert product.desk.queue()[0].verdict is not None
