"""Evidence: content by digest, read back only when every byte is as recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.evidence import Evidence, Lookup
from watchfloor.core.noun import digest_of
from watchfloor.store.documents import Documents
from watchfloor.store.evidence import DamagedError, EvidenceStore
from watchfloor.store.home import Home


@pytest.fixture
def store(home: Home, documents: Documents) -> Iterator[EvidenceStore]:
    opened = EvidenceStore(home.evidence, documents)
    yield opened
    opened.close()


def evidence(n: int, tenant: str = "acme") -> Evidence:
    lookup = Lookup(tenant=tenant, collector="history", query={"n": n}, as_of=5)
    return Evidence.of(lookup, {"count": n, "who": "Zoë"}, at=7, source="lake")


def damage(folder: Path, digest: str, data: bytes) -> None:
    with sqlite3.connect(folder / "acme" / "contents.db") as other:
        assert other.execute("UPDATE contents SET data = ? WHERE digest = ?", (data, digest)).rowcount == 1
    other.close()


def test_evidence_comes_back_whole(store: EvidenceStore) -> None:
    lookup = Lookup(tenant="acme", collector="intel", query={}, as_of=5)
    failed = Evidence.failed(lookup, "timed out", at=7, source="intel")
    many = [evidence(n) for n in range(1200)]
    store.put("acme", *many, failed)
    assert store.get("acme", failed.uid) == failed
    assert store.get_many("acme", [e.uid for e in many]) == {e.uid: e for e in many}


def test_content_is_read_by_digest_with_sqlite_alone(store: EvidenceStore, home: Home) -> None:
    one = evidence(1)
    store.put("acme", one)
    assert store.get_bytes("acme", one.content_digest) == one.content.encode()
    with sqlite3.connect(home.evidence / "acme" / "contents.db") as auditor:
        query = "SELECT data FROM contents WHERE digest = ?"
        assert auditor.execute(query, (one.content_digest,)).fetchone() == (one.content.encode(),)
    auditor.close()


def test_one_changed_byte_is_an_error(store: EvidenceStore, home: Home) -> None:
    one = evidence(1)
    store.put("acme", one)
    content = one.content.encode()
    for at in range(len(content)):
        damage(home.evidence, one.content_digest, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(DamagedError, match="stored bytes have changed"):
            store.get("acme", one.uid)
        with pytest.raises(DamagedError, match=one.content_digest):
            store.get_bytes("acme", one.content_digest)
    # Recording the same answer again does not paint over the damage.
    store.put("acme", one)
    with pytest.raises(DamagedError):
        store.get("acme", one.uid)


def test_a_changed_envelope_is_an_error(store: EvidenceStore, documents: Documents) -> None:
    one, two = evidence(1), evidence(2)
    store.put("acme", one, two)
    with documents.database.write() as connection:
        changed = "UPDATE documents SET body = (SELECT body FROM documents WHERE uid = ?) WHERE uid = ?"
        connection.exec_driver_sql(changed, (two.uid, one.uid))
    with pytest.raises(DamagedError, match="envelope"):
        store.get("acme", one.uid)


def test_content_that_has_not_its_digest_is_refused(store: EvidenceStore) -> None:
    forged = evidence(1).model_copy(update={"content": "{}"})
    with pytest.raises(RefusedError, match="has not the digest"):
        store.put("acme", forged)
    with pytest.raises(NotFoundError):
        store.get("acme", forged.uid)


def test_tenants_have_folders_of_their_own(store: EvidenceStore, home: Home) -> None:
    digest = store.put_bytes("acme", b"raw \x00 bytes")
    assert digest == digest_of(b"raw \x00 bytes")
    assert store.get_bytes("acme", digest) == b"raw \x00 bytes"
    with pytest.raises(NotFoundError):
        store.get_bytes("other", digest)
    with pytest.raises(RefusedError, match="of tenant other"):
        store.put("acme", evidence(1, "other"))
    for hostile in ("../acme", "", "ACME", "a/../b"):
        with pytest.raises(RefusedError, match="not a tenant's name"):
            store.put_bytes(hostile, b"x")
    assert {path.name for path in home.evidence.iterdir()} <= {"acme", "other"}


def test_it_survives_a_new_start(store: EvidenceStore, home: Home, documents: Documents) -> None:
    store.put("acme", evidence(1))
    store.close()
    again = EvidenceStore(home.evidence, documents)
    assert again.get("acme", evidence(1).uid) == evidence(1)
    again.close()
