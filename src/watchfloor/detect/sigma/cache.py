"""Compiled rule files, kept between runs, one cache file for each folder or zip of rules.

It is keyed by what each rule file says and by the code that compiled it, so that it is never older than either. A cache
file with anything wrong (cut, changed, written by another version or user, open to others) is as good as absent; a
folder that cannot be written stops nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

from watchfloor.detect.sigma.entries import FileEntry

FEWEST = 50
"""Rule files from which on a cache is kept: fewer compile in no time."""
_MAGIC = b"watchfloor sigma rules 1"
_LARGEST = 256 << 20
_MOST_FILES = 16
_PRIVATE = 0o700
# What the entries of a file depend on besides its text.
_COMPILERS = (
    "compiling",
    "conditions",
    "described",
    "entries",
    "fields",
    "nodes",
    "parsed",
    "policy",
    "regex",
    "versions",
    "yaml_documents",
)
_LIBRARIES = ("pysigma", "pyyaml", "google-re2")

Entries = Mapping[str, FileEntry]
"""By the SHA-256 of a rule file."""


def folder() -> Path | None:
    """`$XDG_CACHE_HOME/watchfloor/sigma`, or under `~/.cache`; None for a user without a home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "watchfloor" / "sigma"
    except RuntimeError:
        return None


def read(rules: Path) -> Entries:
    """What is kept of these rules; nothing where nothing is, or nothing that can be trusted."""
    try:
        head, _, body = _bytes(rules).partition(b"\n")
        if head != _head(body):
            return {}
        return msgspec.msgpack.decode(body, type=dict[str, FileEntry])
    except (OSError, ValueError):  # a wrong shape is a ValueError, too
        return {}


def write(rules: Path, entries: Entries) -> None:
    """Keep entries instead of what was kept of these rules."""
    where = folder()
    if where is None:
        return
    with contextlib.suppress(OSError):
        where.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        body = msgspec.msgpack.encode(entries)
        handle, name = tempfile.mkstemp(prefix=".new-", dir=where)  # readable by its owner only
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_head(body) + b"\n" + body)
            os.replace(name, _file(where, rules))
        except OSError:
            os.unlink(name)
            raise
        kept = sorted(where.glob("*.rules"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in kept[_MOST_FILES:]:
            old.unlink()


def _bytes(rules: Path) -> bytes:
    where = folder()
    if where is None:
        return b""
    handle = os.open(_file(where, rules), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        own = not hasattr(os, "geteuid") or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)
        if not own or not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return b""
        return file.read()


def _file(where: Path, rules: Path) -> Path:
    return where / (hashlib.sha256(os.fsencode(rules.absolute())).hexdigest()[:32] + ".rules")


def _head(body: bytes) -> bytes:
    return b" ".join((_MAGIC, _compiler().encode(), hashlib.sha256(body).hexdigest().encode()))


@cache
def _compiler() -> str:
    """A digest of the code that compiles."""
    here = Path(__file__).parent
    found = hashlib.sha256()
    for name in _COMPILERS:
        found.update((here / f"{name}.py").read_bytes())
    for library in _LIBRARIES:
        found.update(version(library).encode())
    return found.hexdigest()
