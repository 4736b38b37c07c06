"""Similarity: MinHash signatures of texts, so that a campaign's mails, command lines or paths are found alike.

Values are masked first (numbers, hex, base64, quoted secrets), for they differ within one campaign. A signature is 64
minima of hashes over word triples, a byte each (b-bit minwise hashing, Li and König 2010); the share of equal bytes
estimates the Jaccard index of the triples. Banding (16 x 4) finds what is worth comparing without comparing all.
Everything is a function of the text alone: hashes are keyed by a constant, never by the process.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import blake2b

import numpy as np

HASHES, BAND = 64, 4
ALIKE = 0.7
"""Estimated similarity from which two texts are of one making."""
_KEY = b"watchfloor.similarity.1"
_WORDS = 3
# A text with fewer different triples says nothing of its own: `whoami /all` is everybody's.
LEAST = 8
_LONGEST = 20_000
_CHANCE = 1 / 256
_MASKS = tuple(
    (re.compile(pattern), mask)
    for pattern, mask in (
        (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "guid"),
        (r"(?<![\w+/])(?=[a-z+/]*\d)[\w+/]{24,}={0,2}|[\w+/]{64,}={0,2}", "blob"),
        (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "ip"),
        (r"\b(?:0x)?(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", "hex"),
        (r"\d+", "0"),
    )
)
_WORD = re.compile(r"\w+")


def masked(text: str) -> str:
    """Lower-case text with what differs from one use to the next put as words: `ping -n 0 ip`."""
    text = text[:_LONGEST].lower()
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


def signature(text: str) -> str:
    """64 bytes as base64 (88 characters); empty for a text that says too little to be like another one."""
    words = _WORD.findall(masked(text))
    triples = {" ".join(words[at : at + _WORDS]) for at in range(len(words) - _WORDS + 1)}
    if len(triples) < LEAST:
        return ""
    hashed = b"".join(blake2b(t.encode("utf-8", "replace"), digest_size=8, key=_KEY).digest() for t in triples)
    least = (np.frombuffer(hashed, dtype="<u8")[:, None] * _FACTORS + _ADDENDS).min(axis=0)
    # Minima are small numbers: mixed again, so that each byte is even.
    mixed = (least ^ (least >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return b64encode((mixed >> np.uint64(56)).astype(np.uint8).tobytes()).decode()


def similarity(one: str, other: str) -> float:
    """The Jaccard index that two signatures tell, from 0 to 1; 0 where one is empty. Standard error about 0.06."""
    if not one or not other:
        return 0.0
    equal = np.frombuffer(b64decode(one), np.uint8) == np.frombuffer(b64decode(other), np.uint8)
    return max(0.0, (float(equal.mean()) - _CHANCE) / (1 - _CHANCE))


def bands(text_signature: str) -> tuple[str, ...]:
    """16 keys; texts that are 0.7 alike share one with probability 0.99, those 0.3 alike with 0.12."""
    data = b64decode(text_signature)
    return tuple(f"{at // BAND}:{data[at : at + BAND].hex()}" for at in range(0, len(data), BAND))


def _drawn(what: str, odd: int) -> np.ndarray:
    stream = b"".join(blake2b(f"{what}{n}".encode(), digest_size=8, key=_KEY).digest() for n in range(HASHES))
    return np.frombuffer(stream, dtype="<u8") | np.uint64(odd)


_FACTORS, _ADDENDS = _drawn("factor", 1), _drawn("addend", 0)
