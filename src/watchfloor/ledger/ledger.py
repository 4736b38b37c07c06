"""Ledger: append entries, sign tree heads, prove, export for an auditor. Nothing is ever changed or deleted."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from watchfloor.core.entry import ZERO, Entry, TreeHead
from watchfloor.core.errors import NotFoundError, WatchfloorError
from watchfloor.core.noun import canonical, digest_of
from watchfloor.ledger import merkle, verifier
from watchfloor.ledger.signing import SigningKey
from watchfloor.store.database import Database, write_rows
from watchfloor.store.schema import edges, entries, heads
from watchfloor.store.tenancy import checked

_README = """\
The ledger of tenant {tenant}: {size} entries.

entries.jsonl   one entry a line, in order; `seq` counts from 0. The bytes of a line (without its end) are
                what is hashed. `previous` is the SHA-256 of the line before; `body` is what happened, as JSON
                text, and `body_digest` its SHA-256. Bodies name evidence, plans and verdicts by such digests.
heads.jsonl     signed tree heads. `root` is the Merkle tree hash (RFC 6962, section 2.1) over the first
                `size` lines. The Ed25519 signature covers "watchfloor-tree-head-v1", a line feed, and the
                head as JSON with sorted keys and no white space, without `signature`.
leaves.txt      the RFC 6962 leaf hash of each line, to find the very place of damage.
public_key.txt  the key that signed the heads. Do not trust this copy: get it from the owner by another way.
verify.py       the verifier. It needs Python 3.11 or later and nothing else; read it, it is short.
                It checks single proofs (`watchfloor ledger prove`), too: name the proof's file instead of the folder.

    python verify.py . --key THE-KEY-THAT-THE-OWNER-GAVE-YOU

Keep heads.jsonl. With `--kept` and your copy no later export can hide that the log was cut back or rewritten.
"""


_CHUNK = 500  # of one `IN (...)`


class Draft(NamedTuple):
    """An entry before it has its place: what happened (`body`) to what (`subject`), by whom, when (ms)."""

    kind: str
    subject: str
    actor: str
    body: dict[str, Any]
    time: int


class Ledger:
    """One log a tenant. Safe to share between threads and processes.

    Inside `Database.write()` an append commits with what it tells of, or not at all.
    """

    def __init__(self, database: Database, key: SigningKey) -> None:
        self._database = database
        self._key = key

    @property
    def public_key(self) -> str:
        """Raw, base64: what the owner hands to auditors by another way than the export."""
        return self._key.public

    def append(self, tenant: str, *, kind: str, subject: str, actor: str, body: dict[str, Any], time: int) -> Entry:
        """Add one entry."""
        return self.append_many(tenant, [Draft(kind, subject, actor, body, time)])[0]

    def append_many(self, tenant: str, drafts: Iterable[Draft]) -> list[Entry]:
        """Add entries in order, all or none."""
        with self._database.write() as connection:
            edge, previous = self._edge(connection, tenant)
            made: list[Entry] = []
            rows: list[dict[str, Any]] = []
            for draft in drafts:
                entry = _entry(tenant, edge.size, previous, draft)
                line = entry.canonical()
                edge, previous = edge.append(merkle.leaf_hash(line)), digest_of(line)
                made.append(entry)
                rows.append({"tenant": tenant, "seq": entry.seq, "subject": entry.subject, "body": line})
            if not rows:
                return []
            # A plain insert: a number that is taken is an error here, never replaced.
            connection.execute(entries.insert(), rows)
            columns = ("tenant", "size", "previous", "edge")
            write_rows(connection, edges, columns, [(tenant, edge.size, previous, edge.to_bytes())])
        return made

    def size(self, tenant: str) -> int:
        """How many entries there are."""
        with self._database.read() as connection:
            return self._edge(connection, tenant)[0].size

    def of_subject(self, tenant: str, subject: str, *, newest: int | None = None) -> list[Entry]:
        """Everything about one thing (a case's uid), in order; or its `newest` so many, the newest first."""
        order = entries.c.seq if newest is None else entries.c.seq.desc()
        return self._find(tenant, order, entries.c.subject == subject, limit=newest)

    def newest_each(self, tenant: str, subjects: Sequence[str], kinds: str) -> dict[str, Entry]:
        """Of each subject the newest entry whose kind begins with `kinds` (`verdict.`)."""
        found: dict[str, Entry] = {}
        for start in range(0, len(subjects), _CHUNK):
            mine = entries.c.subject.in_(subjects[start : start + _CHUNK])
            for entry in self._find(tenant, entries.c.seq, mine):
                if entry.kind.startswith(kinds):
                    found[entry.subject] = entry
        return found

    def latest(self, tenant: str, limit: int = 100) -> list[Entry]:
        """The newest entries, newest first."""
        return self._find(tenant, entries.c.seq.desc(), limit=limit)

    def head(self, tenant: str, time: int) -> TreeHead:
        """The signed tree head over all entries; signed now (`time`, ms) unless this size has one."""
        with self._database.write() as connection:
            edge, _ = self._edge(connection, tenant)
            mine = sa.select(heads.c.body).where(heads.c.tenant == tenant, heads.c.size == edge.size)
            if (body := connection.execute(mine).scalar_one_or_none()) is not None:
                return TreeHead.from_json(body)
            unsigned = TreeHead(
                tenant=tenant,
                size=edge.size,
                time=time,
                root=f"sha256:{edge.root().hex()}",
                public_key=self._key.public,
                signature="",
            )
            head = unsigned.model_copy(update={"signature": self._key.sign(unsigned.signed_bytes())})
            connection.execute(heads.insert().values(tenant=tenant, size=head.size, body=head.canonical()))
        return head

    def prove(self, tenant: str, seq: int, time: int, since: int = 0) -> str:
        """The proof that entry `seq` is in the signed log, as JSON; checked by the stand-alone verifier.

        `entry` is the entry's line, `head` the newest signed head (signed now, at `time`, if need be), `nodes` the tree
        without that entry, each `[from, to, hash in hex]`. With `since`, a number of entries that a head was signed
        over, the same nodes prove that the log of then is the beginning of that of now. Raises NotFoundError, and
        WatchfloorError when the entries that are there do not bear it out.
        """
        head = self.head(tenant, time)
        if not 0 <= seq < head.size:
            raise NotFoundError(f"the ledger has {head.size} entries, numbered from 0: there is no entry {seq}")
        older = self._signed_before(tenant, since) if since else None
        lines = self._lines(tenant, head.size)
        if len(lines) < head.size:
            raise WatchfloorError(f"{head.size} entries were signed, {len(lines)} are there", do="Restore a backup")
        proof = {
            "entry": lines[seq].decode(),
            "nodes": [
                [node.start, node.end, node.root.hex()]
                for node in merkle.covering([merkle.leaf_hash(line) for line in lines], seq, since)
            ],
            "head": head.to_dict(),
            "since": older.to_dict() if older else None,
        }
        text = json.dumps(proof, indent=2, ensure_ascii=False) + "\n"
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "proof"
            file.write_text(text, "utf-8")
            problems = verifier.verify_proof(file, self.public_key).problems
        if problems:
            raise WatchfloorError(f"no proof of entry {seq}: {problems[0].what}", do="Run: watchfloor ledger verify")
        return text

    def export(self, tenant: str, folder: Path) -> Path:
        """Write everything an auditor needs into a new folder, whole or not at all. Gives the folder.

        Signs a head over the last entry, at that entry's time, when there is none yet.
        Raises WatchfloorError when the folder exists and is not empty.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise WatchfloorError("is not empty", where=str(folder), do="Name a new folder for the export")
        last = self.latest(tenant, 1)
        head = self.head(tenant, last[0].time if last else 0)
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            self._write_log(tenant, head.size, draft)
            (draft / "public_key.txt").write_text(self._key.public + "\n")
            (draft / "README.txt").write_text(_README.format(tenant=tenant, size=head.size))
            shutil.copyfile(verifier.__file__, draft / "verify.py")
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return folder

    def _write_log(self, tenant: str, size: int, folder: Path) -> None:
        lines = sa.select(entries.c.body).where(entries.c.tenant == tenant, entries.c.seq < size)
        signed = sa.select(heads.c.body).where(heads.c.tenant == tenant, heads.c.size <= size)
        with (
            self._database.read() as connection,
            (folder / "entries.jsonl").open("wb") as log,
            (folder / "leaves.txt").open("w") as leaves,
        ):
            in_order = lines.order_by(entries.c.seq).execution_options(yield_per=1000)
            for line in connection.scalars(in_order):
                log.write(line + b"\n")
                leaves.write(merkle.leaf_hash(line).hex() + "\n")
            bodies = connection.scalars(signed.order_by(heads.c.size)).all()
        (folder / "heads.jsonl").write_bytes(b"".join(body + b"\n" for body in bodies))

    def _find(
        self, tenant: str, order: sa.ColumnElement[Any], *where: sa.ColumnElement[bool], limit: int | None = None
    ) -> list[Entry]:
        query = sa.select(entries.c.body).where(entries.c.tenant == checked(tenant), *where)
        with self._database.read() as connection:
            return [Entry.from_json(body) for body in connection.scalars(query.order_by(order).limit(limit))]

    def _lines(self, tenant: str, size: int) -> list[bytes]:
        query = sa.select(entries.c.body).where(entries.c.tenant == checked(tenant), entries.c.seq < size)
        with self._database.read() as connection:
            return list(connection.scalars(query.order_by(entries.c.seq)))

    def _signed_before(self, tenant: str, size: int) -> TreeHead:
        mine = sa.select(heads).where(heads.c.tenant == tenant).order_by(heads.c.size)
        with self._database.read() as connection:
            signed = {row.size: row.body for row in connection.execute(mine)}
        if size not in signed:
            raise NotFoundError(
                f"no tree head was signed over {size} entries", do=f"Name one of {', '.join(map(str, signed))}"
            )
        return TreeHead.from_json(signed[size])

    @staticmethod
    def _edge(connection: sa.Connection, tenant: str) -> tuple[merkle.Edge, str]:
        """The right edge of the tree and the digest of the last entry."""
        row = connection.execute(sa.select(edges).where(edges.c.tenant == checked(tenant))).one_or_none()
        return (merkle.Edge.from_bytes(row.size, row.edge), row.previous) if row else (merkle.Edge(), ZERO)


def _entry(tenant: str, seq: int, previous: str, draft: Draft) -> Entry:
    body = canonical(draft.body)
    return Entry(
        tenant=tenant,
        seq=seq,
        time=draft.time,
        kind=draft.kind,
        subject=draft.subject,
        actor=draft.actor,
        body=body.decode(),
        body_digest=digest_of(body),
        previous=previous,
    )
