"""The files that rules stand in: of files, folders, checkouts and zips. Nothing that is foreign can make it large."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".yml", ".yaml")
_LARGEST_FILE = 4 << 20
"""Bytes of one rule file; the largest of SigmaHQ has 60 KB."""
_LARGEST_ZIP = 256 << 20
"""Bytes of all rule files of one zip, unpacked; SigmaHQ's have 12 MB."""


class RuleFile(NamedTuple):
    """A file's name (of a zip's member `outer.zip!inner.yml`) and its bytes, or why it could not be read."""

    name: str
    text: bytes = b""
    problem: str = ""


def rule_files(path: Path) -> Iterator[RuleFile]:
    """Every YAML file of a file, folder or zip, in order of name. What `.git` holds is not the checkout's content."""
    if path.is_dir():
        yield from map(_read, paths_in(path))
    elif not path.is_file():
        yield RuleFile(str(path), problem="no such file or folder")
    elif path.suffix == ".zip":
        yield from _zipped(path)
    else:
        yield _read(path)


def paths_in(folder: Path) -> list[Path]:
    """The YAML files of a folder, without what stands in `.git`."""
    found: list[str] = []
    for within, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        found += [os.path.join(within, name) for name in files if name.endswith(SUFFIXES)]
    return [Path(path) for path in sorted(found, key=lambda path: path.split(os.sep)) if os.path.isfile(path)]


def _read(path: Path) -> RuleFile:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            return RuleFile(str(path), problem=f"larger than {_LARGEST_FILE} bytes")
        return RuleFile(str(path), path.read_bytes())
    except OSError as error:
        return RuleFile(str(path), problem=f"cannot be read: {error.strerror or error}")


def _zipped(path: Path) -> Iterator[RuleFile]:
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            for info in sorted(archive.infolist(), key=lambda i: i.filename):
                if not info.filename.endswith(SUFFIXES) or ".git" in info.filename.split("/"):
                    continue
                where = f"{path}!{info.filename}"
                with archive.open(info) as member:
                    content = member.read(_LARGEST_FILE + 1)  # the size in the directory may lie
                total += len(content)
                if total > _LARGEST_ZIP:
                    yield RuleFile(
                        str(path), problem=f"unpacks to more than {_LARGEST_ZIP} bytes: the rest is not read"
                    )
                    return
                if len(content) > _LARGEST_FILE:
                    yield RuleFile(where, problem=f"larger than {_LARGEST_FILE} bytes")
                else:
                    yield RuleFile(where, content)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        yield RuleFile(str(path), problem=f"not a readable zip: {error}")
