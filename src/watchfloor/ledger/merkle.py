"""Merkle trees of RFC 6962, section 2.1: roots, inclusion and consistency proofs and how to verify them. Pure.

A leaf is hashed with a 0x00 before it, an inner node with a 0x01, so that neither can be taken for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Path = tuple[bytes, ...]


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Edge(NamedTuple):
    """The right edge of a tree: the roots of its full subtrees, largest first, one a bit of `size`.

    It is all that appending needs: O(log n) to keep, O(1) amortised a leaf.
    """

    size: int = 0
    roots: Path = ()

    def append(self, leaf: bytes) -> Edge:
        """The edge with one more leaf hash."""
        roots = [*self.roots, leaf]
        below = self.size
        while below & 1:
            right = roots.pop()
            roots[-1] = node_hash(roots[-1], right)
            below >>= 1
        return Edge(self.size + 1, tuple(roots))

    def root(self) -> bytes:
        """The root of the tree."""
        if not self.roots:
            return EMPTY_ROOT
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        return b"".join(self.roots)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Edge:
        """The edge that `to_bytes` gave. Raises ValueError when it does not fit the size."""
        if len(data) != HASH_SIZE * size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} roots on its edge")
        return cls(size, tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)))


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    edge = Edge()
    for leaf in leaves:
        edge = edge.append(leaf)
    return edge.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> Path:
    """The audit path of leaf `index` in the tree over these leaf hashes. Raises ValueError out of range."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"leaf {index} is not in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion_proof(leaves[:split], index), root_of(leaves[split:]))
    return (*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split]))


def consistency_proof(leaves: Sequence[bytes], first: int) -> Path:
    """The proof that the tree over the first `first` leaves is a prefix of the tree over all of them."""
    if not 0 < first <= len(leaves):
        raise ValueError(f"no consistency proof from {first} to {len(leaves)} leaves")
    return _subproof(leaves, first, whole=True)


def _subproof(leaves: Sequence[bytes], first: int, *, whole: bool) -> Path:
    if first == len(leaves):
        return () if whole else (root_of(leaves),)
    split = _split(len(leaves))
    if first <= split:
        return (*_subproof(leaves[:split], first, whole=whole), root_of(leaves[split:]))
    return (*_subproof(leaves[split:], first - split, whole=False), root_of(leaves[:split]))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Path, root: bytes) -> bool:
    """Whether a proof shows that `leaf` is leaf `index` of the tree of `size` leaves with this root."""
    if not 0 <= index < size:
        return False
    at, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            value = node_hash(sibling, value)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and value == root


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Path) -> bool:
    """Whether a proof shows that the tree of `second` leaves begins with that of `first` (RFC 9162)."""
    if first == second:
        return not proof and first_root == second_root
    if not 0 < first < second or not proof:
        return False
    path = (first_root, *proof) if first & (first - 1) == 0 else proof
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two below `size`: where RFC 6962 parts a tree."""
    return 1 << (size - 1).bit_length() - 1
