"""Uploads: files that a person hands over. Their records get a source that lasts when the file does not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

_PREFIX = "upload/"
_DIGITS = 16
_LONGEST_NAME = 100


class Upload(NamedTuple):
    """A file as it was sent: the name that the sender gave it, and where its bytes lie for now."""

    name: str
    path: Path


def named(uploads: Sequence[Upload], kept: Iterable[str]) -> dict[Path, str]:
    """The source of each upload's records: `upload/<digest of its content>/<its name>`.

    The digest tells two files of one name apart. Content that one of the `kept` sources had already keeps that
    source, whatever it is called now, so that its records count once.
    """
    sources = {_digest_in(source): source.partition("!")[0] for source in kept if source.startswith(_PREFIX)}
    found: dict[Path, str] = {}
    for upload in uploads:
        with upload.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
        found[upload.path] = sources.setdefault(digest, f"{_PREFIX}{digest}/{harmless(upload.name)}")
    return found


def harmless(name: str) -> str:
    """What is left of a sender's file name when nothing in it means anything: letters, digits and `-_.`."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c for c in last.replace(" ", "_") if c.isalnum() or c in "-_.")
    return kept.lstrip(".")[-_LONGEST_NAME:] or "upload"


def _digest_in(source: str) -> str:
    return source.removeprefix(_PREFIX).partition("/")[0]
