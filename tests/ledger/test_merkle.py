"""RFC 6962 trees: known values, and proofs against a naive implementation written straight from the RFC."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchfloor.ledger import merkle, verifier


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(str(i).encode()) for i in range(size)]


# The values that implementations of RFC 6962 share: the empty tree, the empty leaf, and the tree over the eight
# inputs of the reference implementation's own tests.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_empty_tree() -> None:
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root_of([]) == merkle.Edge().root() == merkle.EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_of_the_reference_inputs(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(data)) for data in INPUTS[:size]]
    assert merkle.root_of(leaves).hex() == ROOTS[size - 1]


def test_a_leaf_is_never_a_node() -> None:
    left, right = leaves_of(2)
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


@given(st.integers(0, 130))
def test_the_edge_gives_the_naive_root_and_survives_storage(size: int) -> None:
    edge = merkle.Edge()
    for leaf in leaves_of(size):
        edge = merkle.Edge.from_bytes(edge.size, edge.to_bytes()).append(leaf)
    assert edge.size == size
    assert edge.root() == naive_root(leaves_of(size))


def test_an_edge_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 roots"):
        merkle.Edge.from_bytes(3, b"\0" * 32)


def root_from(nodes: list[merkle.Node], leaf: bytes, index: int, size: int) -> bytes:
    """What the verifier makes of the nodes and the leaf."""
    tree = {(node.start, node.end): node.root for node in nodes} | {(index, index + 1): leaf}
    return verifier._root(tree, 0, size)


@given(st.integers(1, 70), st.data())
def test_the_nodes_around_a_leaf_make_up_both_trees_and_are_few(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(0, size))
    nodes = merkle.covering(leaves, index, first)
    ends = [(0, 0), *sorted([(n.start, n.end) for n in nodes] + [(index, index + 1)]), (size, size)]
    assert all(a[1] == b[0] for a, b in pairwise(ends))
    assert root_from(nodes, leaves[index], index, size) == naive_root(leaves)
    if first:
        assert root_from(nodes, leaves[index], index, first) == naive_root(leaves[:first])
    assert root_from(nodes, merkle.leaf_hash(b"x"), index, size) != naive_root(leaves)
    assert len(nodes) <= 2 * size.bit_length()


def test_the_audit_path_of_the_reference_implementation() -> None:
    """Leaf 5 of its eight inputs: the path is leaf 4, the node over 6 and 7, and that over 0 to 3."""
    leaves = [merkle.leaf_hash(bytes.fromhex(data)) for data in INPUTS]
    assert [(n.start, n.end, n.root.hex()) for n in merkle.covering(leaves, 5)] == [
        (0, 4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        (4, 5, "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
        (6, 8, "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"),
    ]


@pytest.mark.parametrize(("size", "index"), [(0, 0), (3, 3), (3, -1)])
def test_no_proof_of_what_is_not_there(size: int, index: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.covering(leaves_of(size), index)


@pytest.mark.parametrize("first", [-1, 4])
def test_no_beginning_that_is_longer_than_the_tree(first: int) -> None:
    with pytest.raises(ValueError, match="does not begin"):
        merkle.covering(leaves_of(3), 0, first)
