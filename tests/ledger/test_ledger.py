"""The ledger: a chain and a tree that only grow, heads that are signed once, proofs that verify."""

from __future__ import annotations

import base64
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.exc import IntegrityError

from watchfloor.core.entry import ZERO, Entry
from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError
from watchfloor.core.noun import digest_of
from watchfloor.ledger import merkle
from watchfloor.ledger.ledger import Draft, Ledger
from watchfloor.ledger.signing import SigningKey
from watchfloor.store.database import Database
from watchfloor.store.home import Home


def whole(ledger: Ledger, tenant: str) -> list[Entry]:
    return ledger.latest(tenant, 10_000)[::-1]


def test_entries_form_a_chain(ledger: Ledger, tenant: str, drafts: list[Draft]) -> None:
    made = ledger.append_many(tenant, drafts)
    made.append(ledger.append(tenant, kind="x", subject="case-1", actor="alice", body={"a": 1}, time=9))
    assert whole(ledger, tenant) == made
    assert [entry.seq for entry in made] == list(range(6))
    assert [entry.previous for entry in made] == [ZERO, *(entry.digest() for entry in made[:-1])]
    assert all(entry.body_digest == digest_of(entry.body.encode()) for entry in made)
    assert ledger.of_subject(tenant, "case-1") == [made[1], made[5]]
    assert ledger.latest(tenant, 2) == [made[5], made[4]]
    assert ledger.size(tenant) == 6


def test_one_by_one_or_together_gives_the_same_log(ledger: Ledger, drafts: list[Draft]) -> None:
    together = ledger.append_many("one", drafts)
    for draft in drafts:
        ledger.append("two", **draft._asdict())
    assert [e.body for e in whole(ledger, "two")] == [e.body for e in together]
    single = merkle.root_of([merkle.leaf_hash(e.canonical()) for e in whole(ledger, "two")])
    assert ledger.head("two", 1).root == f"sha256:{single.hex()}"


def test_tenants_have_logs_of_their_own(ledger: Ledger, drafts: list[Draft]) -> None:
    ledger.append_many("one", drafts)
    assert ledger.append("two", **drafts[0]._asdict()).seq == 0
    assert (ledger.size("one"), ledger.size("two"), ledger.size("three")) == (5, 1, 0)
    with pytest.raises(RefusedError):
        ledger.append("../one", **drafts[0]._asdict())


def test_nothing_is_changed_deleted_or_replaced(ledger: Ledger, tmp_path: Path, drafts: list[Draft]) -> None:
    ledger.append_many("one", drafts)
    ledger.head("one", 1)
    with sqlite3.connect(tmp_path / "home" / "watchfloor.db") as other:
        for table, key in (("entries", "seq"), ("heads", "size")):
            for statement in (
                f"UPDATE {table} SET body = x'00'",
                f"DELETE FROM {table}",
                f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE {key} = {key} LIMIT 1",
            ):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    other.execute(statement)
    other.close()


def test_a_taken_number_is_an_error(ledger: Ledger, tmp_path: Path, drafts: list[Draft]) -> None:
    ledger.append_many("one", drafts)
    with sqlite3.connect(tmp_path / "home" / "watchfloor.db") as other:
        other.execute("DELETE FROM edges")
    other.close()
    with pytest.raises(IntegrityError):
        ledger.append_many("one", drafts)
    assert len(whole(ledger, "one")) == 5


def test_a_head_is_signed_once_for_a_size(ledger: Ledger, tenant: str, drafts: list[Draft]) -> None:
    assert ledger.head(tenant, 5).root == f"sha256:{merkle.EMPTY_ROOT.hex()}"
    ledger.append_many(tenant, drafts)
    head = ledger.head(tenant, 6)
    assert (head.size, head.time, head.public_key) == (5, 6, ledger.public_key)
    assert ledger.head(tenant, 7) == head
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(head.public_key))
    key.verify(base64.b64decode(head.signature), head.signed_bytes())


def test_a_proof_holds_its_entry_and_the_heads(ledger: Ledger, tenant: str, drafts: list[Draft]) -> None:
    ledger.append_many(tenant, drafts[:3])
    first = ledger.head(tenant, 1)
    ledger.append_many(tenant, drafts)
    for entry in whole(ledger, tenant):
        for since in (0, 3, 8):
            proof = json.loads(ledger.prove(tenant, entry.seq, 2, since))
            assert proof["entry"] == entry.canonical().decode()
            assert proof["head"] == ledger.head(tenant, 2).to_dict()
            assert proof["since"] == {0: None, 3: first.to_dict(), 8: proof["head"]}[since]
    for seq in (8, -1):
        with pytest.raises(NotFoundError, match="8 entries"):
            ledger.prove(tenant, seq, 2)
    for since in (4, 9, -1):
        with pytest.raises(NotFoundError, match="Name one of 3, 8"):
            ledger.prove(tenant, 0, 2, since)


def test_no_proof_is_given_where_the_record_was_changed(
    ledger: Ledger, tenant: str, tmp_path: Path, drafts: list[Draft]
) -> None:
    """Somebody with the database in hand, past its triggers: what no signed head bears out is not given out."""
    ledger.append_many(tenant, drafts)
    ledger.prove(tenant, 1, 1)
    with closing(sqlite3.connect(tmp_path / "home" / "watchfloor.db")) as other, other:
        for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f"DROP TRIGGER {name}")
        other.execute("UPDATE entries SET body = CAST(replace(body, 'watchfloor', 'somebody') AS BLOB) WHERE seq = 3")
    for seq in (1, 3):
        with pytest.raises(WatchfloorError, match=f"no proof of entry {seq}: .* do not lead from this entry"):
            ledger.prove(tenant, seq, 1)
    with closing(sqlite3.connect(tmp_path / "home" / "watchfloor.db")) as other, other:
        other.execute("DELETE FROM entries WHERE seq = 4")
    with pytest.raises(WatchfloorError, match="5 entries were signed, 4 are there"):
        ledger.prove(tenant, 1, 1)


def test_an_append_commits_with_what_it_tells_of(tmp_path: Path, drafts: list[Draft]) -> None:
    database = Database.open(tmp_path / "w.db")
    ledger = Ledger(database, SigningKey.open(tmp_path))
    ledger.append_many("one", drafts)

    def act() -> None:
        with database.write():
            ledger.append_many("one", drafts)
            assert ledger.size("one") == 10
            raise RuntimeError("the act failed")

    with pytest.raises(RuntimeError, match="the act failed"):
        act()
    assert ledger.size("one") == len(whole(ledger, "one")) == 5
    assert ledger.append("one", **drafts[0]._asdict()).seq == 5
    database.close()


def test_threads_do_not_fork_the_chain(ledger: Ledger, tenant: str, drafts: list[Draft]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ledger.append_many(tenant, drafts), range(16)))
    entries = whole(ledger, tenant)
    assert [entry.seq for entry in entries] == list(range(80))
    assert all(b.previous == a.digest() for a, b in pairwise(entries))


def test_an_export_goes_into_a_new_folder_only(ledger: Ledger, tenant: str, tmp_path: Path) -> None:
    folder = ledger.export(tenant, tmp_path / "a" / "out")
    names = {"entries.jsonl", "heads.jsonl", "leaves.txt", "public_key.txt", "README.txt", "verify.py"}
    assert {file.name for file in folder.iterdir()} == names
    with pytest.raises(WatchfloorError, match="not empty"):
        ledger.export(tenant, folder)


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    with ThreadPoolExecutor(8) as pool:
        keys = {key.public for key in pool.map(lambda _: SigningKey.open(home.keys), range(8))}
    assert len(keys) == 1
    file = home.keys / "ledger.key"
    assert [path.name for path in home.keys.iterdir()] == ["ledger.key"]
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(RefusedError, match="chmod 600"):
        SigningKey.open(home.keys)
    file.chmod(0o600)
    file.write_text("no key")
    with pytest.raises(WatchfloorError, match="not an Ed25519 key"):
        SigningKey.open(home.keys)
