"""The key that signs tree heads: Ed25519, made at first use, readable by its owner only."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from watchfloor.core.errors import WatchfloorError
from watchfloor.store.secret_file import secret_in

NAME = "ledger.key"


class SigningKey:
    """An Ed25519 private key. `public` is the raw public key, base64: what an auditor pins."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = base64.b64encode(private.public_key().public_bytes_raw()).decode()

    @classmethod
    def open(cls, folder: Path) -> SigningKey:
        """The key of a folder, made where there is none yet; two processes that start at once agree on one.

        Raises RefusedError when others may read it, WatchfloorError when it is no key.
        """
        path = folder / NAME
        secret = secret_in(path, lambda: Ed25519PrivateKey.generate().private_bytes_raw(), "an Ed25519 key")
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(secret))
        except ValueError:
            raise WatchfloorError("not an Ed25519 key", where=str(path), do="Restore it from a backup") from None

    def sign(self, data: bytes) -> str:
        """The signature over bytes, base64."""
        return base64.b64encode(self._private.sign(data)).decode()
