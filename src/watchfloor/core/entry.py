"""Ledger entry: one line of the append-only signed log."""

from __future__ import annotations

from watchfloor.core.noun import Digest, Noun, Tenant, canonical

ZERO = "sha256:" + "0" * 64


class Entry(Noun):
    """`body` is canonical JSON text of what happened; `previous` the digest of the entry before, at first ZERO."""

    tenant: Tenant
    seq: int
    time: int
    kind: str
    subject: str
    actor: str
    body: str
    body_digest: Digest
    previous: Digest


class TreeHead(Noun):
    """A signed Merkle tree head (RFC 6962) over the first `size` entries."""

    tenant: Tenant
    size: int
    time: int
    root: Digest
    public_key: str
    signature: str

    def signed_bytes(self) -> bytes:
        """What the signature covers: everything but the signature itself."""
        fields = self.to_dict()
        del fields["signature"]
        return b"watchfloor-tree-head-v1\n" + canonical(fields)
