"""Who may hand records in: live sources with their tokens, each token shown once and kept as a digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
import uuid
from typing import NamedTuple

from watchfloor.app.parts import Parts
from watchfloor.core.errors import NotFoundError, RefusedError
from watchfloor.core.intake import LiveSource, SourceKind
from watchfloor.core.noun import digest_of
from watchfloor.store.secret_file import secret_in

FRESH_SECONDS = 1.0


class Admission(NamedTuple):
    """What a new source's sender is told, once. The signing secret is for senders that sign instead of showing a
    token (webhooks); it is not kept, but made again from the home's own key."""

    source: LiveSource
    token: str
    signing_secret: str


class LiveSources:
    """The live sources of one tenant. Safe to share between threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._known: tuple[LiveSource, ...] = ()
        self._read_at = -FRESH_SECONDS

    def add(self, name: str, kind: SourceKind) -> Admission:
        """A new source, or a removed one again with a new token. Raises RefusedError when the name is taken."""
        parts = self._parts
        if any(source.uid == name for source in self.list()):
            raise RefusedError(f"there is a source {name} already", do=f"Run: watchfloor source remove {name}")
        # Splunk's tokens are UUIDs, and some of its senders take nothing else.
        token = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)) if kind == "hec" else secrets.token_urlsafe(32)
        source = LiveSource.from_dict(
            {
                "tenant": parts.tenant,
                "uid": name,
                "time": parts.clock(),
                "kind": kind,
                "token_digest": digest_of(token.encode()),
            }
        )
        self._write(source, "source.added")
        return Admission(source, token, self.signing_secret(source))

    def remove(self, name: str) -> LiveSource:
        """Its token counts no more; what it has sent stays. Raises NotFoundError."""
        source = next((one for one in self.list() if one.uid == name), None)
        if source is None:
            raise NotFoundError(f"there is no source {name}", do="Run: watchfloor source list")
        removed = source.model_copy(update={"status": "removed"})
        self._write(removed, "source.removed")
        return removed

    def list(self) -> list[LiveSource]:
        """Those that may hand in, by name."""
        parts = self._parts
        return sorted(
            parts.documents.find(parts.tenant, LiveSource, status="active", limit=None), key=lambda source: source.uid
        )

    def with_token(self, kind: SourceKind, token: str) -> LiveSource | None:
        """Whose token it is; None when nobody's of this kind. What was added or removed counts within a second."""
        shown, found = digest_of(token.encode("utf-8", "surrogateescape")), None
        for source in self._fresh():
            if hmac.compare_digest(source.token_digest, shown) and source.kind == kind:
                found = source
        return found

    def named(self, kind: SourceKind, name: str) -> LiveSource | None:
        """The source of a kind by its name."""
        return next((source for source in self._fresh() if source.uid == name and source.kind == kind), None)

    def signing_secret(self, source: LiveSource) -> str:
        """What the source's sender signs with (HMAC-SHA256), as text."""
        key = secret_in(self._parts.home.keys / "intake.key", lambda: secrets.token_bytes(32))
        about = "\n".join(("watchfloor-signing-secret-v1", source.tenant, source.uid, source.token_digest))
        return hmac.new(key, about.encode(), hashlib.sha256).hexdigest()

    def _fresh(self) -> tuple[LiveSource, ...]:
        if time.monotonic() >= self._read_at + FRESH_SECONDS:
            self._known, self._read_at = tuple(self.list()), time.monotonic()
        return self._known

    def _write(self, source: LiveSource, kind: str) -> None:
        parts = self._parts
        body = {"source": source.source, "token_digest": source.token_digest}
        with parts.together():
            parts.documents.put(parts.tenant, source)
            parts.ledger.append(
                parts.tenant, kind=kind, subject=source.uid, actor="watchfloor", body=body, time=parts.clock()
            )
        self._read_at = -FRESH_SECONDS
