"""What a source refused to hand in as a whole: the first line says what and why, the rest is how it begins."""

from __future__ import annotations

from collections.abc import Iterator

from watchfloor.ingest.readers.source import DOCUMENT_LIMIT, Item, Source, clean, upto


def refusal(name: str, reason: str, beginning: bytes) -> bytes:
    """The bytes that this reader takes for a dead letter with that reason."""
    return f"{clean(name)}: {clean(reason)}\n".encode("utf-8", "replace") + beginning


def read(source: Source) -> Iterator[Item]:
    """Always a dead letter."""
    content = upto(source.stream, DOCUMENT_LIMIT)
    reason = content.partition(b"\n")[0].decode("utf-8", "replace")
    yield source.unreadable(0, "file", reason or "refused", content)
