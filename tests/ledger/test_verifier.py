"""The verifier's own Ed25519, and what it says of heads, keys and files that are not as they should be."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from watchfloor.core.noun import canonical
from watchfloor.ledger import verifier
from watchfloor.ledger.ledger import Draft, Ledger

# RFC 8032, section 7.1: tests 1 to 3.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f05"
        "95bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb"
        "4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e97"
        "16ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_rfc_8032_vectors(public: str, message: str, signature: str) -> None:
    key, text, signed = (bytes.fromhex(x) for x in (public, message, signature))
    assert verifier.ed25519_valid(key, text, signed)
    assert not verifier.ed25519_valid(key, text + b"x", signed)
    # The same signature with s + L: valid mathematics, forbidden by the RFC, since it makes a second spelling.
    s = int.from_bytes(signed[32:], "little") + verifier.L
    assert not verifier.ed25519_valid(key, text, signed[:32] + s.to_bytes(32, "little"))


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
def test_it_agrees_with_cryptography(seed: bytes, message: bytes, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), bytearray(key.sign(message))
    assert verifier.ed25519_valid(public, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not verifier.ed25519_valid(public, message, bytes(signature))
    assert not verifier.ed25519_valid(public[:31], message, bytes(signature))


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(-(2**53), 2**53))))
def test_its_canonical_json_is_ours(data: dict[str, str | int]) -> None:
    assert verifier._canonical(data) == canonical(data)


@pytest.fixture
def export(ledger: Ledger, tenant: str, drafts: list[Draft], tmp_path: Path) -> Path:
    ledger.append_many(tenant, drafts[:3])
    ledger.head(tenant, 1)
    ledger.append_many(tenant, drafts)
    return ledger.export(tenant, tmp_path / "out")


def problems(folder: Path, key: str | None = None, kept: Path | None = None) -> list[str]:
    return [str(problem) for problem in verifier.verify(folder, key, kept).problems]


def test_a_good_export(export: Path, ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert verifier.main([str(export), "--key", ledger.public_key]) == 0
    told = capsys.readouterr().out
    assert told.startswith("OK: 8 entries, 2 signed heads, root sha256:")
    assert verifier.main([str(export)]) == 0
    assert "NOTE: only the export's own key was used" in capsys.readouterr().out


def test_the_empty_log_is_good(ledger: Ledger, tmp_path: Path) -> None:
    assert problems(ledger.export("nobody", tmp_path / "none"), ledger.public_key) == []


def test_a_wrong_key(export: Path) -> None:
    other = base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    found = problems(export, other)
    assert sum("a forged head or the wrong key" in line for line in found) == 2
    assert any("no valid signed head" in line for line in found)


@pytest.mark.parametrize("key", ["short", "AAAA", "é"])
def test_no_key_at_all_is_could_not_check(export: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verifier.main([str(export), "--key", key]) == 2
    assert "could not check" in capsys.readouterr().err


def test_a_missing_file_is_could_not_check(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (export / "entries.jsonl").unlink()
    assert verifier.main([str(export)]) == 2
    assert "entries.jsonl" in capsys.readouterr().err


def test_every_flipped_byte_of_the_heads_is_found(export: Path, ledger: Ledger) -> None:
    file = export / "heads.jsonl"
    good = file.read_bytes()
    second = good.index(b"\n") + 1
    for at in range(len(good) - 1):
        file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        found = problems(export, ledger.public_key)
        line = second if at >= second else 0
        assert any(text.startswith(f"heads.jsonl, byte {line}: ") for text in found), (at, found)


def test_a_head_signed_by_another_is_located(export: Path, ledger: Ledger) -> None:
    file = export / "heads.jsonl"
    lines = file.read_bytes().splitlines()
    forger = Ed25519PrivateKey.generate()
    head = json.loads(lines[1])
    del head["signature"]
    head["root"] = "sha256:" + "0" * 64
    head["signature"] = base64.b64encode(forger.sign(b"watchfloor-tree-head-v1\n" + canonical(head))).decode()
    file.write_bytes(lines[0] + b"\n" + canonical(head) + b"\n")
    found = problems(export, ledger.public_key)
    assert found[0].startswith(f"heads.jsonl, byte {len(lines[0]) + 1}: a forged head: the signature over 8")


def test_a_damaged_leaves_file_is_told_apart_from_damaged_entries(export: Path, ledger: Ledger) -> None:
    file = export / "leaves.txt"
    good = file.read_text().splitlines()
    good[2] = "0" * 64
    file.write_text("\n".join(good) + "\n")
    assert problems(export, ledger.public_key) == ["leaves.txt, entry 2, byte 130: not the hash of that entry"]
    file.unlink()
    assert problems(export, ledger.public_key) == ["leaves.txt, entry 0, byte 0: not the hash of that entry"]


def test_without_leaves_the_chain_and_the_heads_still_locate(export: Path, ledger: Ledger) -> None:
    (export / "leaves.txt").unlink()
    file = export / "entries.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:4], lines[4].replace(b"Watchfloor".lower(), b"somebodyxx"), *lines[5:]]))
    found = problems(export, ledger.public_key)
    start = sum(map(len, lines[:5]))
    assert found[0].startswith(f"entries.jsonl, entry 5, byte {start}: the hash chain is broken")
    assert found[1].startswith("entries.jsonl, entry 3: the first 8 entries are not those that were signed")


def test_a_log_cut_back_to_an_older_head_is_found_by_kept_heads(export: Path, ledger: Ledger, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes((export / "heads.jsonl").read_bytes())
    for name, lines in (("entries.jsonl", 3), ("leaves.txt", 3), ("heads.jsonl", 1)):
        file = export / name
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:lines]))
    assert problems(export, ledger.public_key) == []
    found = problems(export, ledger.public_key, kept)
    assert found == ["entries.jsonl, entry 3: cut off: 8 entries were signed, 3 are here"]


def test_entries_that_nobody_signed_are_found(export: Path, ledger: Ledger, drafts: list[Draft]) -> None:
    lines = (export / "heads.jsonl").read_bytes().splitlines(keepends=True)
    (export / "heads.jsonl").write_bytes(lines[0])
    found = problems(export, ledger.public_key)
    assert "entries.jsonl, entry 3: 5 entries that no head signed" in found


@pytest.mark.parametrize("line", [b"", b"{}", b"[" * 100_000, b"\xff", b'"\\ud800"', b"null"])
def test_hostile_lines_are_located_and_never_crash(
    export: Path, ledger: Ledger, line: bytes, load: Callable[[Path], ModuleType]
) -> None:
    for name in ("entries.jsonl", "heads.jsonl"):
        file = export / name
        good = file.read_bytes()
        file.write_bytes(line + b"\n" + good)
        found = load(export).verify(export, ledger.public_key).problems
        assert found[0][:1] + found[0][2:3] == (name, 0), found
        file.write_bytes(good)
    assert problems(export, ledger.public_key) == []


@pytest.fixture
def proof(export: Path, ledger: Ledger, tenant: str, tmp_path: Path) -> Path:
    """That entry 4 of 8 is in the log, which began with that of 3."""
    file = tmp_path / "proof.json"
    file.write_text(ledger.prove(tenant, 4, 9, 3))
    return file


def told(proof: Path, key: str, change: dict[str, Any], kept: Path | None = None) -> list[str]:
    """What the verifier says of a proof in which something was changed."""
    file = proof.with_name("changed")
    file.write_text(json.dumps(json.loads(proof.read_text()) | change))
    return [str(problem) for problem in verifier.verify_proof(file, key, kept).problems]


def test_a_good_proof(proof: Path, export: Path, ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert verifier.main([str(proof), "--key", ledger.public_key]) == 0
    assert capsys.readouterr().out.startswith("OK: 1 entries, 2 signed heads, root sha256:")
    assert verifier.main([str(proof)]) == 0
    assert "Whoever made the export chose it" in capsys.readouterr().out
    assert verifier.main([str(proof), "--key", ledger.public_key, "--kept", str(export / "heads.jsonl")]) == 0


def test_a_proof_with_another_entry_node_or_head_does_not_hold(
    proof: Path, export: Path, ledger: Ledger, tenant: str
) -> None:
    key, good = ledger.public_key, json.loads(proof.read_text())
    assert told(proof, key, {}) == []
    wrong = "its nodes do not lead from this entry to what was signed"
    assert wrong in told(proof, key, {"entry": good["entry"].replace("watchfloor", "somebody")})[0]
    others = (export / "entries.jsonl").read_text().splitlines()
    for seq in (0, 3, 5, 7):
        assert wrong in told(proof, key, {"entry": others[seq]})[0]
    for at, (start, end, node) in enumerate(good["nodes"]):
        nodes = [*good["nodes"][:at], [start, end, "0" * 64], *good["nodes"][at + 1 :]]
        assert wrong in told(proof, key, {"nodes": nodes})[0]
        assert wrong in told(proof, key, {"nodes": good["nodes"] + [[start, end + 1, node]]})[0]
    for name in ("head", "since"):
        for field, value in (("size", 5), ("root", "sha256:" + "0" * 64), ("time", 3), ("tenant", "other")):
            assert "a forged head" in told(proof, key, {name: good[name] | {field: value}})[0]
    assert told(proof, key, {"since": None}) == []
    assert wrong in told(proof, key, {"head": good["since"], "since": None})[0]


def test_an_entry_beside_the_tree_proves_nothing(proof: Path, ledger: Ledger) -> None:
    """The forger has the true root, and hangs an entry of their own where no node of the true tree is."""
    good = json.loads(proof.read_text())
    root = good["head"]["root"].removeprefix("sha256:")
    for seq, nodes in (
        (8, [[0, 8, root], [9, 8, root]]),
        (8, [[0, 8, root]]),
        (-1, [[0, 8, root], [0, -1, root]]),
        (3, [[0, 8, root]]),
        (0, [[0, 8, root], [1, 8, root]]),
    ):
        entry = json.dumps(json.loads(good["entry"]) | {"seq": seq, "actor": "mallory"})
        assert told(proof, ledger.public_key, {"entry": entry, "nodes": nodes, "since": None}) != [], (seq, nodes)


def test_a_proof_begins_from_a_head_that_was_kept(proof: Path, export: Path, ledger: Ledger) -> None:
    kept = proof.with_name("kept.jsonl")
    lines = (export / "heads.jsonl").read_bytes().splitlines()
    kept.write_bytes(lines[0])
    assert told(proof, ledger.public_key, {}, kept) == []
    assert "none of these heads" in told(proof, ledger.public_key, {"since": None}, kept)[0]
    kept.write_bytes(lines[1])
    assert "none of these heads" in told(proof, ledger.public_key, {}, kept)[0]


@pytest.mark.parametrize(
    "change",
    [{"entry": None}, {"entry": "[" * 100_000}, {"entry": "{}"}, {"nodes": [[0, 1]]}, {"nodes": [["a", 1, "00"]]},
     {"nodes": [[0, 1, "zz"]]}, {"nodes": None}, {"head": None}, {"head": "x"}, {"head": []}, {"nodes": []}],
)  # fmt: skip
def test_hostile_proofs_fail_and_never_crash(
    proof: Path, ledger: Ledger, change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    file = proof.with_name("hostile")
    file.write_text(json.dumps(json.loads(proof.read_text()) | change))
    assert verifier.main([str(file), "--key", ledger.public_key]) in (1, 2)
    assert verifier.main([str(file)]) in (1, 2)
    file.write_bytes(b"\xff")
    assert verifier.main([str(file)]) == 2
    assert "could not check" in capsys.readouterr().err
