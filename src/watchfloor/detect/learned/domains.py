"""The pieces of a domain: what it looks like if it looks like a known name, else the letters of its own label."""

from __future__ import annotations

import re

from watchfloor.core.look_alike import hosted, look_alike, registrable, unicode_of
from watchfloor.core.text import whole

LONGEST = 253
_NAME = re.compile(r"[^\s/@:?#\[\]]+\.[^\s/@:?#\[\].\d][^\s/@:?#\[\].]*")  # a dot, and a last label that is no number
# Names that no registry gives out: hosts of the owner's own networks, and addresses turned round.
_OWN_NETWORK = ("arpa", "local", "localdomain", "lan", "internal", "intranet", "home", "corp", "localhost", "onion")
_VOWELS = re.compile(r"[aeiouy]")
_CONSONANTS = re.compile(r"[b-df-hj-np-tv-xz]+")
_WORDS = re.compile(r"[a-z]+")
_CHANGES = re.compile(r"[a-z](?=\d)|\d(?=[a-z])")


def plain(value: str) -> str:
    """A host as it is judged: lower case, without the dot at its end; empty for what is no name of the internet."""
    host = whole(value[: LONGEST + 1]).strip().strip(".").lower()
    if len(host) > LONGEST or not _NAME.fullmatch(host) or host.rpartition(".")[2] in _OWN_NETWORK:
        return ""
    return host


def pieces(host: str, own: tuple[str, ...] = ()) -> list[str]:
    """The pieces of a plain host; `own` are the owner's domains."""
    found = look_alike(host, own)
    return _imitation(host, found["how"]) if found is not None else _letters(host)


def said(told: list[str]) -> str:
    """What a host looks like, by its pieces."""
    return (
        "The domain imitates a known name" if told[0].startswith("like:") else "The domain looks made by an algorithm"
    )


def _imitation(host: str, how: str) -> list[str]:
    words = dict.fromkeys(_WORDS.findall(unicode_of(host).rpartition(".")[0]))
    told = [f"like:{_HOW[how]}", *(f"word:{word}" for word in words if len(word) > 2)]
    if "xn--" in host:
        told.append("like:letters of another alphabet")
    if "-" in host:
        told.append("like:a hyphen")
    return told


_HOW = {
    "homoglyph": "letters that look like a known name's",
    "near": "a known name with a letter or two changed",
    "other_suffix": "the owner's name under another suffix",
    "contains": "a known name inside another's domain",
}


def _letters(host: str) -> list[str]:
    domain = registrable(host)
    if hosted(domain):
        return ["is:a name that a hoster gives out"]
    label = domain.partition(".")[0]
    bare, size = label.replace("-", ""), max(len(label), 1)
    digits = sum(map(str.isdigit, label))
    vowels = len(_VOWELS.findall(label)) / max(size - digits, 1)
    run = max(map(len, _CONSONANTS.findall(label)), default=0)
    told = [
        f"is:{_up_to(size, (4, 7, 10, 13, 16, 20, 25, 32))} letters long",
        f"is:digits are {_share(digits / size)}",
        f"is:vowels are {_share(vowels)} of the letters",
        f"is:{min(run, 9)} consonants in a row",
        f"is:letters and digits change places {min(len(_CHANGES.findall(label)), 6)} times",
        f"is:{_up_to(len(set(bare)), (4, 6, 8, 10, 12, 15))} different letters",
    ]
    if size >= 12 and digits and not set(bare) - set("0123456789abcdef"):
        told.append("is:nothing but hexadecimal digits")
    text = f"^{label}$"
    grams = [f"letters:{text[i : i + n]}" for n in (2, 3) for i in range(len(text) - n + 1)]
    return [*told, *dict.fromkeys(grams)]


def _up_to(count: int, steps: tuple[int, ...]) -> str:
    for step in steps:
        if count <= step:
            return f"up to {step}"
    return f"more than {steps[-1]}"


def _share(part: float) -> str:
    for step, said in ((0.0, "none"), (0.15, "a few"), (0.25, "a quarter"), (0.35, "a third"), (0.5, "a half")):
        if part <= step:
            return said
    return "most"
