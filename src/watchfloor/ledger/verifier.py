"""Verify an exported ledger, or a proof. Stands alone: needs Python's standard library, nothing of the product.

    python verify.py FOLDER-OR-PROOF --key BASE64 [--kept HEADS.jsonl]

A folder holds entries.jsonl (one entry a line), heads.jsonl (signed Merkle tree heads, RFC 6962), leaves.txt (the hash
of each entry, to find the place of damage) and public_key.txt; a proof is the file that `ledger prove` wrote. `--key`
is the owner's public key as you had it by another way: the one in the export proves nothing about who signed. `--kept`
are heads that you kept from before: with them a log that was cut back or rewritten since then is found, too.
Exit code 0: all is well; 1: something is not; 2: it could not be checked.
"""

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise, zip_longest
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
    """The outcome: how many entries and signed heads were checked, the newest root, what is wrong."""

    entries: int
    heads: int
    root: str
    problems: tuple[Problem, ...]


class _Line(NamedTuple):
    offset: int
    leaf: bytes
    note: str


def verify(folder: Path, key: str | None = None, kept: Path | None = None) -> Report:
    """Check an export. Raises OSError when a file cannot be read and ValueError when the key is not base64."""
    used = key or (folder / "public_key.txt").read_text("ascii").strip()
    problems: list[Problem] = []
    files = [path for path in (folder / "heads.jsonl", kept) if path]
    heads = [head for file in files for head in _heads(file.name, file.read_bytes(), used, problems)]
    lines, leaves = list(_entries(folder / "entries.jsonl")), _leaves(folder / "leaves.txt")
    hashes = [line.leaf for line in lines]
    differs = next((i for i, (a, b) in enumerate(zip_longest(hashes, leaves)) if a != b), None)
    unproven = list(_by_heads(hashes, heads))
    if not unproven or any(_by_heads(leaves, heads)):
        problems += [Problem("entries.jsonl", i, x.offset, x.note) for i, x in enumerate(lines) if x.note] + unproven
        if differs is not None:
            problems.append(Problem("leaves.txt", differs, differs * 65, "not the hash of that entry"))
    else:
        problems += _by_leaves(folder / "entries.jsonl", lines, leaves, differs or 0)
    root = _root(_tree(hashes), 0, len(hashes))
    return Report(len(lines), len(heads), "sha256:" + root.hex(), tuple(problems))


def verify_proof(file: Path, key: str | None = None, kept: Path | None = None) -> Report:
    """Check what `ledger prove` wrote: an entry, and nodes that with it make up the trees of `head` and of `since`.

    Nodes that meet end to end make up both trees only when one log begins with the other. Raises as `verify` does.
    """
    problems: list[Problem] = []
    try:
        proof = json.loads(file.read_bytes())
        line, seq, used = proof["entry"].encode(), json.loads(proof["entry"])["seq"], key or proof["head"]["public_key"]
        signed = b"\n".join(_canonical(proof[name]) for name in ("head", "since") if proof[name])
        heads = list(_heads(file.name, signed, used, problems))
        size, root = heads[0] if heads else (0, b"")
        tree = {(at, to): bytes.fromhex(node) for at, to, node in proof["nodes"]}
        tree[seq, seq + 1] = hashlib.sha256(b"\x00" + line).digest()
        whole = all(a[0] <= a[1] == b[0] for a, b in pairwise([(0, 0), *sorted(tree), (size, size)]))
        if not whole or any(_root(tree, 0, size) != root for size, root in heads):
            problems.append(Problem(file.name, seq, None, "its nodes do not lead from this entry to what was signed"))
    except (LookupError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{file} is no whole proof") from None
    if kept and not set(heads[-1:]) & set(_heads(kept.name, kept.read_bytes(), used, problems)):
        problems.append(Problem(kept.name, None, None, "none of these heads is that from which the proof begins"))
    return Report(1, len(heads), "sha256:" + root.hex(), tuple(problems))


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


def _heads(name: str, data: bytes, key: str, problems: list[Problem]) -> Iterator[tuple[int, bytes]]:
    """Size and root of the heads that the key signed; the others become problems."""
    if len(base64.b64decode(key, validate=True)) != 32:
        raise ValueError("an Ed25519 public key is 32 bytes in base64")
    offset = 0
    for raw in data.removesuffix(b"\n").split(b"\n"):
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
        problems += [Problem(name, None, offset, what)] if what else []
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
    tree, last = _tree(hashes), len(hashes)
    holds = {head: 0 <= head[0] <= last and _root(tree, 0, head[0]) == head[1] for head in heads}
    proven = max((size for (size, _), held in holds.items() if held), default=0)
    for size in sorted({size for (size, _), held in holds.items() if not held}):
        cut = f"cut off: {size} entries were signed, {last} are here"
        other = f"the first {size} entries are not those that were signed; the first {proven} are"
        yield Problem("entries.jsonl", proven, None, cut if size > last else other)
    if not heads:
        yield Problem("heads.jsonl", None, None, "no valid signed head: the entries are not proven")
    elif last > (signed := max(heads)[0]):
        yield Problem("entries.jsonl", signed, None, f"{last - signed} entries that no head signed")


def _by_leaves(path: Path, lines: Sequence[_Line], leaves: Sequence[bytes], start: int) -> Iterator[Problem]:
    """The exact places: the heads prove the leaves, so each line is compared to what it was."""
    hashes = [line.leaf for line in lines]
    number, here = {leaf: seq for seq, leaf in enumerate(leaves)}, set(hashes)
    for tag, *places in SequenceMatcher(None, hashes[start:], leaves[start:], autojunk=False).get_opcodes():
        at, to, first, last = (place + start for place in places)
        for i in range(at, at if tag == "equal" else to):
            seq, line = min(first + i - at, last), lines[i]
            if line.leaf not in number and seq < last:
                yield _changed(path, line, seq, leaves[seq])
            else:
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
    for flip in sorted(range(1, 256), key=int.bit_count) if len(raw) <= 4096 else ():
        for at, byte in enumerate(raw):
            was = bytes([byte ^ flip])
            if hashlib.sha256(b"\x00" + raw[:at] + was + raw[at + 1 :]).digest() == leaf:
                what = f"one byte is changed: {was!r} was signed, {bytes([byte])!r} is here"
                return Problem(path.name, seq, line.offset + at, what)
    return Problem(path.name, seq, line.offset, f"not what was signed; {line.note}".rstrip("; "))


def _tree(leaves: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """The nodes of a Merkle tree by the entries, from and to, that they stand for: at first its leaves."""
    return {(0, 0): hashlib.sha256(b"").digest()} | {(seq, seq + 1): leaf for seq, leaf in enumerate(leaves)}


def _root(tree: dict[tuple[int, int], bytes], start: int, end: int) -> bytes:
    """The root over some entries (RFC 6962, section 2.1). Raises KeyError where nodes are missing."""
    if (start, end) not in tree and end - start > 1:
        split = start + (1 << (end - start - 1).bit_length() - 1)
        tree[start, end] = hashlib.sha256(b"\x01" + _root(tree, start, split) + _root(tree, split, end)).digest()
    return tree[start, end]


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
    x = x * pow(2, (P - 1) // 4, P) % P if (x * x - square) % P else x
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
    rest = _times(number >> 1, _add(point, point)) if number else (0, 1, 1, 0)
    return _add(rest, point) if number & 1 else rest


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Verify an exported Watchfloor ledger.")
    parser.add_argument("path", type=Path, help="the export's folder, or the file that `ledger prove` wrote")
    parser.add_argument("--key", help="the owner's public key, base64, as you had it by another way")
    parser.add_argument("--kept", type=Path, help="a heads.jsonl that you kept from an earlier export")
    given = parser.parse_args(arguments)
    try:
        report = (verify_proof if given.path.is_file() else verify)(given.path, given.key, given.kept)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"could not check: {error}\n")
        return 2
    found = [str(problem) for problem in report.problems[:SHOWN]]
    state = f"{len(report.problems)} problems ({len(found)} shown)" if report.problems else "OK"
    if not given.key:
        found.append("NOTE: only the export's own key was used. Whoever made the export chose it: pass --key")
    found.append(f"{state}: {report.entries} entries, {report.heads} signed heads, root {report.root}")
    sys.stdout.write("\n".join(found) + "\n")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
