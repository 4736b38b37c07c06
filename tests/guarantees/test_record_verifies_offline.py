"""Promise 5: anyone can verify the record. The export is checked by its own verifier, alone, with Python's
standard library, in another folder; whatever is done to the entries is found, and the very place is told."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchfloor.app.watchfloor import Watchfloor
from watchfloor.ledger import verifier
from watchfloor.ledger.ledger import Draft, Ledger
from watchfloor.ledger.signing import SigningKey
from watchfloor.store.database import Database
from watchfloor.store.home import Home


class Export:
    """One small export, and what its own verifier says when the entries file is replaced."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        self.entries = folder / "entries.jsonl"
        self.good = self.entries.read_bytes()
        self.lines = self.good.splitlines(keepends=True)
        self.starts = [sum(map(len, self.lines[:i])) for i in range(len(self.lines) + 1)]
        spec = importlib.util.spec_from_file_location("verify_alone", folder / "verify.py")
        assert spec is not None
        assert spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        # The same head is checked thousands of times here; a pure function may answer from memory.
        self.module.ed25519_valid = cache(self.module.ed25519_valid)  # type: ignore[attr-defined]

    def problems(self, changed: bytes) -> list[tuple[Any, ...]]:
        self.entries.write_bytes(changed)
        try:
            return list(self.module.verify(self.folder, self.key).problems)
        finally:
            self.entries.write_bytes(self.good)

    def alone(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run verify.py as an auditor does: isolated, without site packages, in a folder of its own."""
        command = [sys.executable, "-I", "-S", str(self.folder / "verify.py"), str(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, env={})


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Export]:
    home = Home.open(tmp_path_factory.mktemp("home"))
    database = Database.open(home.database)
    ledger = Ledger(database, SigningKey.open(home.keys))
    for i, kind in enumerate(["ingest", "verdict", "plan.approved", "action.succeeded", "case.closed"]):
        body = {"evidence": "sha256:" + f"{i}" * 64, "who": "Zoë"}
        ledger.append_many("acme", [Draft(kind, f"case-{i % 2}", "alice", body, 1_760_000_000_000 + i)])
    yield Export(ledger.export("acme", tmp_path_factory.mktemp("audit") / "acme"), ledger.public_key)
    database.close()


def test_the_verifier_is_short_and_needs_nothing_of_ours(export: Export) -> None:
    source = (export.folder / "verify.py").read_text()
    assert source == Path(verifier.__file__).read_text()
    assert len(source.splitlines()) < 300
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import", "from"))}
    assert imported <= sys.stdlib_module_names


def test_an_untouched_record_verifies(export: Export) -> None:
    done = export.alone("--key", export.key)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK: 5 entries, 1 signed heads")


def test_it_says_when_the_key_came_with_the_export(export: Export) -> None:
    done = export.alone()
    assert done.returncode == 0
    assert "only the export's own key was used" in done.stdout


def test_a_flipped_byte_fails_the_command(export: Export, tmp_path: Path) -> None:
    other = Export(Path(shutil.copytree(export.folder, tmp_path / "copy")), export.key)
    at = other.starts[2] + 30
    changed = bytearray(other.good)
    changed[at] ^= 4
    other.entries.write_bytes(bytes(changed))
    done = other.alone("--key", other.key)
    assert done.returncode == 1
    assert done.stdout.startswith(f"entries.jsonl, entry 2, byte {at}: one byte is changed")


def test_every_flipped_byte_is_found_and_located(export: Export) -> None:
    """Each byte of the file in turn. A line end that is lost joins two lines; both are named at once."""
    for at, byte in enumerate(export.good):
        entry = next(i for i, start in enumerate(export.starts[1:]) if at < start)
        changed = export.good[:at] + bytes([byte ^ (1 << at % 8)]) + export.good[at + 1 :]
        first = export.problems(changed)[0]
        if export.good[at : at + 1] == b"\n" or changed[at : at + 1] == b"\n":
            assert first[:3] == ("entries.jsonl", entry, export.starts[entry]), (at, first)
        else:
            assert first[:3] == ("entries.jsonl", entry, at), (at, first)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_other_byte_is_found_and_located(export: Export, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(export.good) - 1).filter(lambda i: export.good[i] != 10))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b not in (export.good[at], 10)))
    entry = next(i for i, start in enumerate(export.starts[1:]) if at < start)
    found = export.problems(export.good[:at] + bytes([byte]) + export.good[at + 1 :])
    assert [problem[:3] for problem in found] == [("entries.jsonl", entry, at)]


@pytest.mark.parametrize("gone", range(5))
def test_a_dropped_entry_is_found_and_located(export: Export, gone: int) -> None:
    found = export.problems(b"".join(line for i, line in enumerate(export.lines) if i != gone))
    place = ("entries.jsonl", gone, export.starts[gone], f"entry {gone} is missing: dropped or cut off")
    assert [tuple(problem) for problem in found] == [place]


@pytest.mark.parametrize(("a", "b"), [(a, b) for a in range(5) for b in range(a + 1, 5)])
def test_swapped_entries_are_found_and_located(export: Export, a: int, b: int) -> None:
    lines = list(export.lines)
    lines[a], lines[b] = lines[b], lines[a]
    found = export.problems(b"".join(lines))
    assert {problem[1] for problem in found} <= set(range(a, b + 1))
    assert found[0][1:3] == (a, export.starts[a])
    assert all("swapped" in problem[3] for problem in found)


@pytest.mark.parametrize("copied", range(5))
@pytest.mark.parametrize("to", range(6))
def test_a_copied_entry_is_found_and_located(export: Export, copied: int, to: int) -> None:
    found = export.problems(b"".join([*export.lines[:to], export.lines[copied], *export.lines[to:]]))
    assert len(found) == 1
    # Beside its original the copy cannot be told from it; the second of the two is named.
    assert found[0][1] == (to + 1 if copied == to else to)
    assert f"entry {copied} stands here" in found[0][3]


@pytest.mark.parametrize("to", range(6))
def test_an_inserted_entry_is_found_and_located(export: Export, to: int) -> None:
    forged = export.lines[0].replace(b"alice", b"mallory")
    found = export.problems(b"".join([*export.lines[:to], forged, *export.lines[to:]]))
    place = ("entries.jsonl", to, export.starts[to], "an entry that was never signed: inserted")
    assert [tuple(problem) for problem in found] == [place]


@pytest.mark.parametrize("left", range(5))
def test_a_truncated_log_is_found_and_located(export: Export, left: int) -> None:
    found = export.problems(b"".join(export.lines[:left]))
    assert [problem[1:3] for problem in found] == [(seq, export.starts[left]) for seq in range(left, 5)]
    half = export.problems(export.good[: export.starts[left] + 40])
    assert half[0][1:3] == (left, export.starts[left])


def test_a_log_rewritten_from_one_entry_on_is_found_and_located(export: Export, tmp_path: Path) -> None:
    """The strongest forger without the key: changes an entry and mends the whole chain after it."""
    database = Database.open(tmp_path / "forger.db")
    forger = Ledger(database, SigningKey.open(tmp_path))
    for i, kind in enumerate(["ingest", "verdict", "plan.approved", "nothing.happened", "case.closed"]):
        body = {"evidence": "sha256:" + f"{i}" * 64, "who": "Zoë"}
        forger.append_many("acme", [Draft(kind, f"case-{i % 2}", "alice", body, 1_760_000_000_000 + i)])
    theirs = forger.export("acme", tmp_path / "theirs")
    database.close()
    found = export.problems((theirs / "entries.jsonl").read_bytes())
    assert [problem[1:3] for problem in found] == [(3, export.starts[3]), (4, found[1][2])]


def test_the_products_own_record_and_its_proofs_verify_alone(decided: Watchfloor, tmp_path: Path) -> None:
    """The record of the bundled story, as an auditor has it; and one entry that is proven without the others."""
    before = decided.desk.ledger_state().size
    decided.desk.comment(decided.desk.queue()[0].case.uid, "ana", "seen")
    export = Export(decided.desk.export_ledger(tmp_path / "audit"), decided.parts.ledger_key.public)
    done = export.alone("--key", export.key)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"OK: {before + 1} entries")
    proof = tmp_path / "proof.json"
    proof.write_text(decided.desk.prove(before, since=before))
    command = [sys.executable, "-I", "-S", str(export.folder / "verify.py"), str(proof), "--key", export.key]
    assert subprocess.run(command, check=False, env={}).returncode == 0
    proof.write_text(proof.read_text().replace("seen", "sent"))
    assert subprocess.run(command, check=False, env={}).returncode == 1
    at = export.starts[before // 2] + 40
    export.entries.write_bytes(export.good[:at] + bytes([export.good[at] ^ 1]) + export.good[at + 1 :])
    changed = export.alone("--key", export.key)
    assert changed.returncode == 1
    assert changed.stdout.startswith(f"entries.jsonl, entry {before // 2}, byte {at}: one byte is changed")
