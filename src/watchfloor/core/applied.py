"""Applied: a person's signature under which a scorecard decides from then on."""

from __future__ import annotations

from typing import Literal

from watchfloor.core.noun import Digest, Noun, Tenant, canonical

HOLDER = "scorecard"


class Applied(Noun):
    """An Ed25519 signature over `signed_bytes`: this scorecard after that one, this person, this time."""

    tenant: Tenant
    uid: str
    case_uid: str = HOLDER
    """What documents are found by; it belongs to no case."""
    time: int
    purpose: Literal["apply", "undo"] = "apply"
    number: int
    """1 for the first of a tenant, then one more each."""
    before: Digest
    scorecard: Digest
    training: str = ""
    """The uid of the training; of an undo, that of what was undone."""
    seal: str = ""
    """Of the training, as it was shown to the person."""
    by: str
    public_key: str
    signature: str

    def signed_bytes(self) -> bytes:
        """What the signature covers: everything but the signature itself."""
        fields = self.to_dict()
        del fields["signature"]
        return b"watchfloor-scorecard-v1\n" + canonical(fields)
