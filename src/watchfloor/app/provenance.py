"""Where rules come from. A git checkout is read, file by file, and never asked: git would run what its config says."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable
from pathlib import Path

from watchfloor.core.rule_set import RulePlace
from watchfloor.detect.sigma.files import SUFFIXES, paths_in

_LARGEST_REF, _LARGEST_PACKED, _LARGEST_INDEX = 4_096, 64 << 20, 256 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs/[\w./+@-]{1,200}")
_ENTRY = struct.Struct(">40x20sH")


def place_of(path: Path) -> RulePlace:
    """What kind of place a path is; of a checkout, or a folder in one, also the commit."""
    shown = str(path)
    if not path.exists():
        return RulePlace(path=shown, kind="absent")
    top = _checkout(path)
    if top is not None:
        return _git(path, top)
    kind = "folder" if path.is_dir() else "zip" if path.suffix == ".zip" else "file"
    return RulePlace.from_dict({"path": shown, "kind": kind})


def stamp(paths: Iterable[Path]) -> str:
    """A text that is another when a rule file came, went or was written to. Reads no file."""
    seen = hashlib.sha256()
    for path in paths:
        for file in paths_in(path) if path.is_dir() else [path]:
            try:
                about = file.stat()
            except OSError:
                continue
            seen.update(f"{file}\0{about.st_mtime_ns}\0{about.st_size}\n".encode("utf-8", "surrogateescape"))
    return seen.hexdigest()


def _checkout(path: Path) -> Path | None:
    """The top of the checkout that a path is in."""
    start = path.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), None)


def _git(path: Path, top: Path) -> RulePlace:
    own = _git_folder(top)
    head = _text(own / "HEAD")
    branch, commit = "", ""
    if head.startswith("ref: "):
        ref = head[5:].strip()
        if _REF.fullmatch(ref) and ".." not in ref:
            branch, commit = ref.removeprefix("refs/heads/"), _ref(own, ref)
    elif _COMMIT.fullmatch(head.strip()):
        commit = head.strip()
    return RulePlace(path=str(path), kind="git", commit=commit, branch=branch, dirty=_dirty(path.resolve(), top, own))


def _git_folder(top: Path) -> Path:
    """`.git`, or where the `.git` file of a worktree says it is."""
    git = top / ".git"
    if git.is_file():
        said = _text(git)
        if said.startswith("gitdir: "):
            return top / said[8:].strip()
    return git


def _ref(own: Path, ref: str) -> str:
    common = own / (_text(own / "commondir").strip() or ".")
    for folder in (own, common):
        found = _text(folder / ref).strip()
        if _COMMIT.fullmatch(found):
            return found
    for line in _text(common / "packed-refs", _LARGEST_PACKED).splitlines():
        commit, _, name = line.partition(" ")
        if name == ref and _COMMIT.fullmatch(commit):
            return commit
    return ""


def _text(file: Path, most: int = _LARGEST_REF) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(most).decode("utf-8", "replace")
    except OSError:
        return ""


def _dirty(path: Path, top: Path, own: Path) -> bool | None:
    """Whether the rule files under a path differ from git's index; None where the index cannot be read."""
    index = _index(own / "index")
    if index is None:
        return None
    there = {file.relative_to(top).as_posix(): file for file in (paths_in(path) if path.is_dir() else [path])}
    prefix = path.relative_to(top).as_posix()
    wanted = {
        name for name in index if name.endswith(SUFFIXES) and (prefix in (".", name) or name.startswith(f"{prefix}/"))
    }
    if wanted != there.keys():
        return True
    return any(_blob(file) != index[name] for name, file in there.items())


def _blob(file: Path) -> bytes:
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).digest()


def _index(file: Path) -> dict[str, bytes] | None:
    """Path -> SHA-1 of git's index, versions 2 and 3 (gitformat-index); None for what is none."""
    try:
        if file.stat().st_size > _LARGEST_INDEX:
            return None
        data = file.read_bytes()
        signature, version, count = struct.unpack_from(">4sII", data)
        if signature != b"DIRC" or version not in (2, 3):
            return None
        found: dict[str, bytes] = {}
        at = 12
        for _ in range(count):
            digest, flags = _ENTRY.unpack_from(data, at)
            start = at + _ENTRY.size + (2 if flags & 0x4000 else 0)
            end = data.index(b"\0", start)
            found[data[start:end].decode("utf-8", "surrogateescape")] = digest
            at += (end - at + 8) // 8 * 8  # entries end in one to eight zeros, at a multiple of eight
    except (OSError, struct.error, ValueError):
        return None
    return found
