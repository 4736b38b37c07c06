"""Record: one raw input item with its source and position. Dead letter: one that could not be read."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from watchfloor.core.noun import Digest, Noun, Tenant, digest_of, short_id

Unit = Literal["line", "record", "row", "message", "byte", "file"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One raw item as it came.

    `source` is where it came from (a path or URL; members of archives as `outer.zip!inner.json`), `position` its
    0-based index in `unit`s, `format` the reader that read it, `raw` its very bytes, `data` the parsed form.
    A live record was handed in by a sender who may send it again: its position says nothing of which one it is.
    `entry` counts the records that one piece of input at one position held.
    A msgspec struct, not a pydantic one: it is made for every record.
    """

    tenant: str
    source: str
    position: int
    unit: Unit
    format: str
    raw: bytes
    data: dict[str, Any]
    live: bool = False
    entry: int = 0

    @property
    def uid(self) -> str:
        """The same record at the same place has the same id, so that ingesting twice counts once.

        A live one has its id from its source and bytes: the same bytes sent again are the same record.
        """
        if self.live:
            entry = (str(self.entry),) if self.entry else ()
            return short_id("r", self.tenant, self.source, digest_of(self.raw), *entry, digits=32)
        # One hash over all of it: this is reckoned for every record.
        position = f"{self.position}/{self.entry}" if self.entry else self.position
        place = f"{self.tenant}\x1f{self.source}\x1f{position}\x1f".encode("utf-8", "surrogatepass")
        return f"r-{hashlib.sha256(place + self.raw).hexdigest()[:16]}"

    @property
    def where(self) -> str:
        """`file, line 12` for people; positions count from 1 there."""
        entry = f", entry {self.entry + 1}" if self.entry else ""
        return f"{self.source}, {self.unit} {self.position + 1}{entry}"


class DeadLetter(Noun):
    """What could not be read or normalised, kept with the reason. Its bytes stand in the evidence store."""

    tenant: Tenant
    uid: str
    time: int
    source: str
    position: int
    unit: Unit
    reason: str
    content: Digest | None
    size: int
    status: Literal["dead", "replayed"] = "dead"
    """`replayed`: its bytes could be read later, and are events now."""
    live: bool = False
    """Whether a live source handed it in. Then its bytes are all there; of a file's at most the first 64 KiB."""
    form: str = ""
    """The reader that a live source named for it."""

    @property
    def where(self) -> str:
        return f"{self.source}, {self.unit} {self.position + 1}"
