"""Evidence store: raw answers of look-ups and raw bytes of dead letters, kept and read back by digest.

The envelope of evidence (its look-up, source, times) is a document; its content stands by digest in a folder
of the tenant's own, in one SQLite file. A file per content was measured too: 0.7k/s durable against 60k/s.
To read one without us: `sqlite3 contents.db "SELECT data FROM contents WHERE digest = '...'"`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa

from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError
from watchfloor.core.evidence import Evidence
from watchfloor.core.noun import digest_of
from watchfloor.store.database import Database, write_rows
from watchfloor.store.documents import Documents
from watchfloor.store.schema import CONTENTS
from watchfloor.store.schema import contents as table
from watchfloor.store.tenancy import checked, own

_CHUNK = 500


class DamagedError(WatchfloorError):
    """Stored bytes are not those that were recorded."""


class EvidenceStore:
    """Evidence and raw bytes of tenants, one folder each. Safe to share between threads."""

    def __init__(self, folder: Path, documents: Documents) -> None:
        self._folder = folder
        self._documents = documents
        self._opened: dict[str, Database] = {}
        self._opening = threading.Lock()

    def put(self, tenant: str, *evidence: Evidence) -> None:
        """Record evidence; many at once cost one commit.

        Raises RefusedError for another tenant's evidence, or content that has not its own digest.
        """
        for one in evidence:
            own(tenant, one)
            if digest_of(one.content.encode()) != one.content_digest:
                raise RefusedError("the content has not the digest that it claims", where=f"evidence {one.uid}")
        # Contents first: after a crash in between there is content without an envelope, never the reverse.
        self._keep(tenant, {one.content_digest: one.content.encode() for one in evidence})
        self._documents.put(tenant, *(one.model_copy(update={"content": ""}) for one in evidence))

    def get(self, tenant: str, uid: str) -> Evidence:
        """Evidence with its content. Raises NotFoundError; DamagedError when one byte is not as recorded."""
        return self.get_many(tenant, (uid,))[uid]

    def get_many(self, tenant: str, uids: Iterable[str]) -> dict[str, Evidence]:
        """Evidence by uid. Raises like `get`, for the first that is absent or damaged."""
        wanted = list(dict.fromkeys(uids))
        envelopes = self._documents.get_many(tenant, Evidence, wanted)
        contents = self._read(tenant, [envelope.content_digest for envelope in envelopes])
        found: dict[str, Evidence] = {}
        for uid, envelope in zip(wanted, envelopes, strict=True):
            if envelope.uid != uid:
                raise DamagedError("the envelope is not as it was recorded", where=f"evidence {uid}")
            content = contents[envelope.content_digest].decode()
            found[uid] = envelope.model_copy(update={"content": content})
        return found

    def put_bytes(self, tenant: str, data: bytes) -> str:
        """Keep raw bytes; gives their digest."""
        return self.put_all_bytes(tenant, (data,))[0]

    def put_all_bytes(self, tenant: str, contents: Sequence[bytes]) -> list[str]:
        """Keep raw bytes, many at one commit; gives their digests in order."""
        digests = [digest_of(data) for data in contents]
        self._keep(tenant, dict(zip(digests, contents, strict=True)))
        return digests

    def get_bytes(self, tenant: str, digest: str) -> bytes:
        """The bytes of a digest. Raises NotFoundError; DamagedError when one byte is not as recorded."""
        return self._read(tenant, [digest])[digest]

    def get_all_bytes(self, tenant: str, digests: Iterable[str]) -> list[bytes]:
        """The bytes of digests, in their order, in one look. Raises as `get_bytes` does, for the first."""
        wanted = list(digests)
        found = self._read(tenant, list(dict.fromkeys(wanted)))
        return [found[digest] for digest in wanted]

    def close(self) -> None:
        with self._opening:
            for database in self._opened.values():
                database.close()
            self._opened.clear()

    def _keep(self, tenant: str, contents: dict[str, bytes]) -> None:
        if contents:
            with self._database(tenant).write() as connection:
                write_rows(connection, table, ("digest", "data"), list(contents.items()), replace=False)

    def _read(self, tenant: str, digests: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        with self._database(tenant).read() as connection:
            for start in range(0, len(digests), _CHUNK):
                some = table.c.digest.in_(digests[start : start + _CHUNK])
                for digest, data in connection.execute(sa.select(table.c.digest, table.c.data).where(some)):
                    found[digest] = data
        for digest in digests:
            if digest not in found:
                raise NotFoundError(f"tenant {tenant} has no content {digest}")
            if (actual := digest_of(found[digest])) != digest:
                raise DamagedError(
                    f"stored bytes have changed: their digest is {actual} now",
                    where=f"evidence content {digest}",
                    do="Restore the evidence folder from a backup; what cites this content cannot be trusted",
                )
        return found

    def _database(self, tenant: str) -> Database:
        with self._opening:
            if tenant not in self._opened:
                folder = self._folder / checked(tenant)
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._opened[tenant] = Database.open(folder / "contents.db", CONTENTS)
            return self._opened[tenant]
