"""Lookup, evidence and citation: what was asked, the raw answer under its digest, and a span of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from watchfloor.core.noun import Digest, Noun, Tenant, canonical, digest_of, portable, short_id

# Admiralty code, source reliability: A completely reliable ... E unreliable, F cannot be judged.
Reliability = Literal["A", "B", "C", "D", "E", "F"]


class Lookup(Noun):
    """One thing to look up: which collector, with what query. `as_of` (ms) is the latest time it may know about."""

    tenant: Tenant
    collector: str
    query: dict[str, Any]
    as_of: int

    @cached_property
    def uid(self) -> str:
        return short_id("l", self.tenant, self.collector, canonical(self.query).decode(), str(self.as_of))


class Evidence(Noun):
    """The recorded raw answer to one look-up. Immutable; `content` is the very text, `content_digest` its digest.

    A look-up that failed is evidence too: `status` is `failed`, `reason` says why and `content` is empty.
    """

    tenant: Tenant
    lookup: Lookup
    status: Literal["ok", "failed"]
    reason: str = ""
    content: str = ""
    content_digest: Digest
    media_type: str = "application/json"
    reliability: Reliability = "F"
    collected_at: int
    source: str
    """What answered: `lake`, `context/assets.yaml`, `misp-warninglists/cloudflare`."""

    @cached_property
    def uid(self) -> str:
        """Addresses the evidence: the look-up and the digest of its answer, not the moment it was made."""
        return short_id("e", self.lookup.uid, self.status, self.content_digest)

    @property
    def time(self) -> int:
        return self.collected_at

    @classmethod
    def of(cls, lookup: Lookup, content: Any, *, at: int, source: str, reliability: Reliability = "B") -> Evidence:
        """Evidence of a successful look-up. Text stays as it is; other data becomes canonical JSON; what neither can
        carry (see `portable`) stands as text."""
        text = _text_of(content)
        return cls(
            tenant=lookup.tenant,
            lookup=lookup,
            status="ok",
            content=text,
            content_digest=digest_of(text.encode()),
            media_type="text/plain" if isinstance(content, str) else "application/json",
            reliability=reliability,
            collected_at=at,
            source=source,
        )

    @classmethod
    def failed(cls, lookup: Lookup, reason: str, *, at: int, source: str) -> Evidence:
        """Evidence of a look-up that could not be made."""
        return cls(
            tenant=lookup.tenant,
            lookup=lookup,
            status="failed",
            reason=reason,
            content_digest=digest_of(b""),
            collected_at=at,
            source=source,
        )


def _text_of(content: Any) -> str:
    try:
        text = content if isinstance(content, str) else canonical(content).decode()
        text.encode()
    except (TypeError, UnicodeEncodeError):
        plain = portable(content)
        return plain if isinstance(plain, str) else canonical(plain).decode()
    return text


class Citation(Noun):
    """A span of evidence: bytes `start` to `end` of the content's UTF-8, and what stands there."""

    evidence: str
    content_digest: Digest
    start: int
    end: int
    quote: str
    path: str = ""
