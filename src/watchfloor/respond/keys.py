"""Keys: one Ed25519 key a person, its private part sealed under the person's passphrase (scrypt, AES-256-GCM)."""

from __future__ import annotations

import base64
import os
import re
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from watchfloor.core.errors import NotFoundError, RefusedError, WatchfloorError
from watchfloor.core.noun import Noun

_USER = re.compile(r"[a-z0-9][a-z0-9._@-]{0,127}")
# OWASP's recommendation for scrypt with 64 MiB (password storage cheat sheet, N=2^16, r=8, p=2).
_N, _R, _P = 2**16, 8, 2


class SealedKey(Noun):
    """A person's key as it lies on disk; everything but the public key is useless without the passphrase."""

    user: str
    public_key: str
    salt: str
    nonce: str
    sealed: str
    n: int
    r: int
    p: int
    """scrypt's cost."""


class KeyRing:
    """The keys of a home: one file a person in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, user: str, passphrase: str) -> str:
        """Make a person's key; returns the public part, base64. Raises WatchfloorError when there is one already."""
        if not passphrase:
            raise WatchfloorError("a key needs a passphrase", where=user)
        private = Ed25519PrivateKey.generate()
        public = base64.b64encode(private.public_key().public_bytes_raw()).decode()
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        sealed = AESGCM(_stretched(passphrase, salt, _N, _R, _P)).encrypt(
            nonce, private.private_bytes_raw(), _bound(user, public)
        )
        key = SealedKey(
            user=user,
            public_key=public,
            salt=_text(salt),
            nonce=_text(nonce),
            sealed=_text(sealed),
            n=_N,
            r=_R,
            p=_P,
        )
        file = self._file(user)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.draft")
        draft.touch(mode=0o600)
        draft.write_bytes(key.canonical())
        try:
            # A link fails where the name is taken, so that no key is ever overwritten.
            os.link(draft, file)
        except FileExistsError:
            raise WatchfloorError("has a key already", where=user) from None
        finally:
            draft.unlink()
        return public

    def has(self, user: str) -> bool:
        """Whether this person has a key."""
        return _USER.fullmatch(user) is not None and self._file(user).exists()

    def public(self, user: str) -> str:
        """A person's public key, base64. Raises NotFoundError."""
        return self._read(user).public_key

    def sign(self, user: str, passphrase: str, message: bytes) -> str:
        """A person's signature, base64. Raises RefusedError for a wrong passphrase, NotFoundError for no key."""
        key = self._read(user)
        stretched = _stretched(passphrase, _bytes(key.salt), key.n, key.r, key.p)
        try:
            private = AESGCM(stretched).decrypt(_bytes(key.nonce), _bytes(key.sealed), _bound(user, key.public_key))
        except InvalidTag:
            raise RefusedError("wrong passphrase, or the key's file was changed", where=user) from None
        return _text(Ed25519PrivateKey.from_private_bytes(private).sign(message))

    def _read(self, user: str) -> SealedKey:
        file = self._file(user)
        if not file.exists():
            raise NotFoundError("has no signing key", where=user, do="Create one for this user first")
        key = SealedKey.from_json(file.read_bytes())
        if key.user != user:
            raise WatchfloorError(f"holds the key of {key.user}", where=str(file))
        return key

    def _file(self, user: str) -> Path:
        if not _USER.fullmatch(user):
            raise WatchfloorError(f"not a user name: {user[:80]!r}", do="Use lower-case letters, digits and . _ @ -")
        return self._folder / f"{user}.json"


def _stretched(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode())


def _bound(user: str, public: str) -> bytes:
    return f"watchfloor-key-v1\n{user}\n{public}".encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
