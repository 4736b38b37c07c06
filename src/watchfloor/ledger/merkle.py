"""Merkle trees of RFC 6962, section 2.1: roots, and the nodes that prove an entry and a beginning. Pure.

A leaf is hashed with a 0x00 before it, an inner node with a 0x01, so that neither can be taken for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Node(NamedTuple):
    """The root over the leaves from `start` to before `end`."""

    start: int
    end: int
    root: bytes


class Edge(NamedTuple):
    """The right edge of a tree: the roots of its full subtrees, largest first, one a bit of `size`.

    It is all that appending needs: O(log n) to keep, O(1) amortised a leaf.
    """

    size: int = 0
    roots: tuple[bytes, ...] = ()

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


def covering(leaves: Sequence[bytes], index: int, first: int = 0) -> list[Node]:
    """The largest nodes that with leaf `index` make up the tree over these leaf hashes, and over the first `first`.

    They are those of the audit path (RFC 6962, section 2.1.1) and of the consistency proof from `first` (2.1.2), each
    with its place, from left to right. Raises ValueError where there is no such leaf or no such beginning.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"leaf {index} is not in a tree of {len(leaves)}")
    if not 0 <= first <= len(leaves):
        raise ValueError(f"a tree of {len(leaves)} does not begin with one of {first}")
    return list(_covering(leaves, 0, len(leaves), index, first))


def _covering(leaves: Sequence[bytes], start: int, end: int, index: int, first: int) -> Iterator[Node]:
    if start == index and end == index + 1:
        return
    if start <= index < end or start < first < end:
        split = start + _split(end - start)
        yield from _covering(leaves, start, split, index, first)
        yield from _covering(leaves, split, end, index, first)
    else:
        yield Node(start, end, root_of(leaves[start:end]))


def _split(size: int) -> int:
    """The largest power of two below `size`: where RFC 6962 parts a tree."""
    return 1 << (size - 1).bit_length() - 1
