"""Verify an exported ledger. Stands alone: it needs Python's standard library and nothing of the product.

    python verify.py FOLDER --key BASE64 [--kept HEADS.jsonl]

FOLDER holds entries.jsonl (one entry a line), heads.jsonl (signed Merkle tree heads, RFC 6962), leaves.txt
(the hash of each entry, to find the place of damage) and public_key.txt. `--key` is the owner's public key as
you had it by another way: the one in the export proves nothing about who signed. `--kept` are heads that you
kept from an earlier export: with them a log that was cut back or rewritten since then is found, too.
Exit code 0: all is well; 1: something is not; 2: it could not be checked.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

ENTRY_FIELDS = {"tenant", "seq", "time", "kind", "subject", "actor", "body", "body_digest", "previous"}
HEAD_FIELDS = {"tenant", "size", "time", "root", "public_key", "signature"}
SHOWN = 20


class Problem(NamedTuple):
    """What is wrong and where: `entry` counts lines from 0 as `seq` does, `offset` in bytes."""

    file: str
    entry: int | None
    offset: int | None
    what: str

    def __str__(self) -> str:
        entry = "" if self.entry is None else f", entry {self.entry}"
        return self.file + entry + ("" if self.offset is None else f", byte {self.offset}") + f": {self.what}"


class Report(NamedTuple):
    """The outcome. `pinned` tells whether the key came from outside the export."""

    entries: int
    heads: int
    root: str
    pinned: bool
    problems: tuple[Problem, ...]


class _Line(NamedTuple):
    offset: int
    leaf: bytes
    note: str


def verify(folder: Path, key: str | None = None, kept: Path | None = None) -> Report:
    """Check an export. Raises OSError when a file cannot be read and ValueError when the key is not one."""
    used = key or (folder / "public_key.txt").read_text("ascii").strip()
    if len(base64.b64decode(used, validate=True)) != 32:
        raise ValueError("an Ed25519 public key is 32 bytes in base64")
    problems: list[Problem] = []
    heads = [head for path in (folder / "heads.jsonl", kept) if path for head in _heads(path, used, problems)]
    if not heads:
        problems.append(Problem("heads.jsonl", None, None, "no valid signed head: the entries are not proven"))
    lines, leaves = list(_entries(folder / "entries.jsonl")), _leaves(folder / "leaves.txt")
    hashes = [line.leaf for line in lines]
    proven = _proven(hashes, heads)
    differs = next((i for i, (a, b) in enumerate(zip_longest(hashes, leaves)) if a != b), None)
    if proven or not _proven(leaves, heads):
        problems += [Problem("entries.jsonl", i, x.offset, x.note) for i, x in enumerate(lines) if x.note]
        problems += [] if proven else _by_heads(hashes, heads)
        if differs is not None:
            problems.append(Problem("leaves.txt", differs, differs * 65, "not the hash of that entry"))
    else:
        problems += _by_leaves(folder / "entries.jsonl", lines, leaves, differs or 0)
    root = max(heads)[1] if proven else _roots(hashes, {len(hashes)})[len(hashes)]
    return Report(len(lines), len(heads), "sha256:" + root.hex(), key is not None, tuple(problems))


def _entries(path: Path) -> Iterator[_Line]:
    """Each line with what it says wrongly about itself and about the line before."""
    offset, previous, tenant = 0, "sha256:" + "0" * 64, None
    with path.open("rb") as file:
        for seq, raw in enumerate(file):
            line = raw.removesuffix(b"\n")
            entry = _parsed(line, ENTRY_FIELDS)
            tenant = tenant or (entry and entry["tenant"])
            body = hashlib.sha256(str(entry and entry["body"]).encode(errors="replace")).hexdigest()
            note = "" if raw.endswith(b"\n") else "the line is cut off"
            if entry is None:
                note = note or "not an entry (JSON with the fields of one)"
            elif entry["body_digest"] != "sha256:" + body:
                note = "its body is not that of its body_digest"
            elif entry["previous"] != previous:
                note = "the hash chain is broken: it does not follow on the entry before"
            elif (entry["seq"], entry["tenant"]) != (seq, tenant):
                note = f"it says that it is entry {entry['seq']} of tenant {entry['tenant']}"
            yield _Line(offset, hashlib.sha256(b"\x00" + line).digest(), note)
            previous, offset = "sha256:" + hashlib.sha256(line).hexdigest(), offset + len(raw)


def _heads(path: Path, key: str, problems: list[Problem]) -> Iterator[tuple[int, bytes]]:
    """Size and root of the heads that the key signed; the others become problems."""
    offset = 0
    for raw in path.read_bytes().removesuffix(b"\n").split(b"\n"):
        head = _parsed(raw, HEAD_FIELDS)
        if head is None or _canonical(head) != raw or not isinstance(head["size"], int):
            what = "not a tree head (canonical JSON with its fields)"
        elif head["public_key"] != key:
            what = f"a forged head or the wrong key: it names the key {head['public_key']}, not {key}"
        elif not _signed(head, key):
            what = f"a forged head: the signature over {head['size']} entries does not verify"
        else:
            what = ""
            yield head["size"], bytes.fromhex(str(head["root"]).removeprefix("sha256:"))
        problems += [Problem(path.name, None, offset, what)] if what else []
        offset += len(raw) + 1


def _signed(head: dict[str, Any], key: str) -> bool:
    message = _canonical({name: value for name, value in head.items() if name != "signature"})
    try:
        signature = base64.b64decode(head["signature"], validate=True)
    except (ValueError, TypeError):
        return False
    exact = base64.b64encode(signature).decode() == head["signature"]
    return exact and ed25519_valid(base64.b64decode(key), b"watchfloor-tree-head-v1\n" + message, signature)


def _leaves(path: Path) -> list[bytes]:
    """Leaf hashes, which are nothing until heads prove them; none when the file is not as it should be."""
    try:
        return [bytes.fromhex(line) for line in path.read_text("ascii").split("\n")[:-1]]
    except (OSError, ValueError):
        return []


def _by_heads(hashes: Sequence[bytes], heads: Sequence[tuple[int, bytes]]) -> Iterator[Problem]:
    """What signed heads alone can say: how far the entries are proven, and that what follows is not right."""
    roots = _roots(hashes, {size for size, _ in heads})
    proven = max((size for size, root in heads if roots.get(size) == root), default=0)
    for size in sorted({size for size, root in heads if roots.get(size) != root}):
        what = f"cut off: {size} entries were signed, {len(hashes)} are here"
        if size <= len(hashes):
            what = f"the first {size} entries are not those that were signed; the first {proven} are"
        yield Problem("entries.jsonl", proven, None, what)
    if len(hashes) > (signed := max((size for size, _ in heads), default=0)):
        yield Problem("entries.jsonl", signed, None, f"{len(hashes) - signed} entries that no head signed")


def _by_leaves(path: Path, lines: Sequence[_Line], leaves: Sequence[bytes], start: int) -> Iterator[Problem]:
    """The exact places: the heads prove the leaves, so each line is compared to what it was."""
    hashes = [line.leaf for line in lines]
    number, here = {leaf: seq for seq, leaf in enumerate(leaves)}, set(hashes)
    matcher = SequenceMatcher(None, hashes[start:], leaves[start:], autojunk=False)
    for tag, *places in matcher.get_opcodes():
        at, to, first, last = (place + start for place in places)
        for i in range(at, at if tag == "equal" else to):
            seq, line = min(first + i - at, last), lines[i]
            if line.leaf not in number and seq < last:
                yield _changed(path, line, seq, leaves[seq])
                continue
            moved = f"entry {number.get(line.leaf)} stands here: moved, swapped or copied"
            what = moved if line.leaf in number else "an entry that was never signed: inserted"
            yield Problem(path.name, i, line.offset, what)
        offset = lines[to].offset if to < len(lines) else path.stat().st_size
        for seq in range(min(first + to - at, last), last):
            what = "moved or swapped" if leaves[seq] in here else "missing: dropped or cut off"
            yield Problem(path.name, seq, offset, f"entry {seq} is {what}")


def _changed(path: Path, line: _Line, seq: int, leaf: bytes) -> Problem:
    """A line that is not what was signed; when a single byte was changed, which one and what it was."""
    with path.open("rb") as file:
        file.seek(line.offset)
        raw = file.readline().removesuffix(b"\n")
    flips = sorted(range(1, 256), key=int.bit_count)
    for some in (flips[:8], flips[8:]) if len(raw) <= 4096 else ():
        for at, byte in enumerate(raw):
            for was in (bytes([byte ^ flip]) for flip in some):
                if hashlib.sha256(b"\x00" + raw[:at] + was + raw[at + 1 :]).digest() == leaf:
                    what = f"one byte is changed: {was!r} was signed, {bytes([byte])!r} is here"
                    return Problem(path.name, seq, line.offset + at, what)
    return Problem(path.name, seq, line.offset, f"not what was signed; {line.note}".rstrip("; "))


def _roots(leaves: Sequence[bytes], sizes: set[int]) -> dict[int, bytes]:
    """The RFC 6962 roots of the first so many leaf hashes, for each of the sizes that is reached."""
    roots: dict[int, bytes] = {}
    edge: list[bytes] = []  # the roots of full subtrees, largest first
    for size in range(len(leaves) + 1):
        if size in sizes:
            root = edge[-1] if edge else hashlib.sha256(b"").digest()
            for left in reversed(edge[:-1]):
                root = hashlib.sha256(b"\x01" + left + root).digest()
            roots[size] = root
        edge += leaves[size : size + 1]
        below = size
        while below & 1 and size < len(leaves):
            right = edge.pop()
            edge[-1] = hashlib.sha256(b"\x01" + edge[-1] + right).digest()
            below >>= 1
    return roots


def _proven(leaves: Sequence[bytes], heads: Sequence[tuple[int, bytes]]) -> bool:
    """Whether the heads prove these leaf hashes, all of them."""
    roots = _roots(leaves, {size for size, _ in heads})
    return len(leaves) in roots and all(roots.get(size) == root for size, root in heads)


def _parsed(line: bytes, fields: set[str]) -> dict[str, Any] | None:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and data.keys() == fields else None


def _canonical(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


# Ed25519 verification after RFC 8032, section 5.1, in extended coordinates (X, Y, Z, T).
_Point = tuple[int, int, int, int]
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BASE = (4 * pow(5, -1, P) % P).to_bytes(32, "little")


def ed25519_valid(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature over a message is that of a public key."""
    base, key, r = map(_point, (BASE, public, signature[:32]))
    s = int.from_bytes(signature[32:], "little")
    if base is None or key is None or r is None or len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = _times(s, base), _add(r, _times(k, key))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


def _point(encoded: bytes) -> _Point | None:
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if len(encoded) != 32 or y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def _add(one: _Point, two: _Point) -> _Point:
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % P, (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number: int, point: _Point) -> _Point:
    if number == 0:
        return 0, 1, 1, 0
    rest = _times(number >> 1, _add(point, point))
    return _add(rest, point) if number & 1 else rest


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Verify an exported Watchfloor ledger.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", help="the owner's public key, base64, as you had it by another way")
    parser.add_argument("--kept", type=Path, help="a heads.jsonl that you kept from an earlier export")
    given = parser.parse_args(arguments)
    try:
        report = verify(given.folder, given.key, given.kept)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"could not check: {error}\n")
        return 2
    found = [str(problem) for problem in report.problems[:SHOWN]]
    state = f"{len(report.problems)} problems ({len(found)} shown)" if report.problems else "OK"
    if not report.pinned:
        found.append("NOTE: only the export's own key was used. Whoever made the export chose it: pass --key")
    found.append(f"{state}: {report.entries} entries, {report.heads} signed heads, root {report.root}")
    sys.stdout.write("\n".join(found) + "\n")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
