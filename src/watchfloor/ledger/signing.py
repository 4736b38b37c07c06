"""The key that signs tree heads: Ed25519, made at first use, readable by its owner only."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from watchfloor.core.errors import RefusedError, WatchfloorError

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
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise RefusedError("other users may read this key", where=str(path), do=f"Run: chmod 600 {path}")
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(base64.b64decode(path.read_text(), validate=True)))
        except ValueError:
            raise WatchfloorError("not an Ed25519 key", where=str(path), do="Restore it from a backup") from None

    def sign(self, data: bytes) -> str:
        """The signature over bytes, base64."""
        return base64.b64encode(self._private.sign(data)).decode()


def _make(path: Path) -> None:
    private = Ed25519PrivateKey.generate().private_bytes_raw()
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64encode(private))
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails where the name is taken: the first one wins, and no half-written key is ever seen.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
