"""Domains that look like another's: homoglyphs, near spellings, a known name inside a foreign one.

Skeletons follow the idea of Unicode TR 39: letters that look alike become one letter, then names are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from publicsuffixlist import PublicSuffixList

from watchfloor.core.text import whole

# Names that are imitated most. Their own other suffixes (google.de) are theirs, so only spellings count.
WELL_KNOWN = (
    "microsoft.com", "office.com", "office365.com", "microsoftonline.com", "outlook.com", "sharepoint.com",
    "onedrive.com",
    "google.com", "gmail.com", "apple.com", "icloud.com", "amazon.com", "paypal.com", "facebook.com", "instagram.com",
    "whatsapp.com", "linkedin.com", "netflix.com", "dropbox.com", "docusign.com", "docusign.net", "adobe.com",
    "github.com", "gitlab.com", "okta.com", "salesforce.com", "zoom.us", "slack.com", "dhl.com", "fedex.com", "ups.com",
    "wellsfargo.com", "chase.com", "citibank.com", "americanexpress.com", "coinbase.com", "binance.com",
)  # fmt: skip
# Other domains of the same companies, and networks of delivery under which customers' names stand rightly.
_THEIRS = frozenset(
    {"cdn-apple.com", "icloud-content.com", "apple-dns.net", "onmicrosoft.com", "microsoftonline-p.com",
     "microsoftonline-p.net", "microsoftonline-int.com", "microsoftonline-p-int.com", "cloud.com", "cloud.sap",
     "akadns.net", "akamaized.net", "akamai.net", "akamaiedge.net", "edgekey.net", "edgesuite.net", "footprint.net",
     "s-microsoft.com", "nsatc.net", "cloudflare.net", "fastly.net", "trafficmanager.net", "llnwd.net", "phicdn.net"}
)  # fmt: skip
# Brands that are no word of their own, so that even as a part of a name they stand for the brand.
BRANDS = frozenset(
    {"microsoft", "microsoftonline", "office365", "paypal", "docusign", "dropbox", "linkedin", "netflix", "icloud",
     "onedrive", "sharepoint", "whatsapp", "coinbase", "americanexpress", "wellsfargo"}
)  # fmt: skip
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"), ("3", "e"), ("4", "a"))


@lru_cache(maxsize=2)
def _suffixes(only_registries: bool = False) -> Any:
    return PublicSuffixList(only_icann=only_registries)


@lru_cache(maxsize=8_192)
def registrable(host: str) -> str:
    """`mail.evil.co.uk` -> `evil.co.uk`; a host without a public suffix, or an address, stays as it is."""
    text = whole(host).strip().strip(".").lower()
    try:
        return _suffixes().privatesuffix(text) or text
    except (ValueError, UnicodeError):
        return text


def hosted(domain: str) -> bool:
    """Whether a registrable domain is one that a hoster gives out under its own (`d111.cloudfront.net`)."""
    return (_suffixes(True).privatesuffix(domain) or domain) != domain


def unicode_of(host: str) -> str:
    """A host with its punycode labels decoded; a label that does not decode stays as it is."""
    return ".".join(map(_decoded_label, host.lower().split(".")))


def _decoded_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode").encode("utf-8", "replace").decode()
    except (UnicodeError, ValueError, OverflowError):
        return label


@lru_cache(maxsize=8_192)
def skeleton(text: str) -> str:
    """What a text looks like: equal for texts that a reader may confuse."""
    plain = "".join(map(_plain_letter, text.lower()))
    for pair, letter in _PAIRS:
        plain = plain.replace(pair, letter)
    return plain


@lru_cache(maxsize=4_096)
def _plain_letter(sign: str) -> str:
    if sign.isascii():
        return sign
    from confusable_homoglyphs import confusables  # its table takes long to load, and few texts need it

    found = confusables.is_confusable(sign, preferred_aliases=["latin"], greedy=True)
    glyphs = [g["c"] for one in found or () for g in one["homoglyphs"] if g["c"].isascii()]
    return str(min(glyphs)).lower() if glyphs else sign


class _Known(NamedTuple):
    """A name that may be imitated. `allowed` is how many edits off a name still imitates it."""

    domain: str
    label: str
    suffix: str
    skeleton: str
    letters: int
    allowed: int
    own: bool


class _Index(NamedTuple):
    """All names that may be imitated, the company's own first, and what rules out most hosts without counting edits.

    `theirs` are domains that imitate nothing; `near` has, by the length of a label, the names that may be that near.
    """

    known: tuple[_Known, ...]
    theirs: frozenset[str]
    labels: frozenset[str]
    looks: frozenset[str]
    near: dict[int, tuple[_Known, ...]]
    inside: re.Pattern[str]


def look_alike(host: str, own: Iterable[str]) -> dict[str, str] | None:
    """`{"domain", "of", "how"}` when a host looks like one of the company's `own` domains or a well-known one.

    `how`: `homoglyph`, `near` (one or two letters off), `other_suffix` (of our own name only) or `contains`.
    """
    index = _index(tuple(own))
    shown = unicode_of(host)[:253]
    domain = registrable(host)
    if not domain or domain in index.theirs or domain.partition(".")[2] in _THEIRS:  # some give names out themselves
        return None
    label, suffix = unicode_of(domain).partition(".")[::2]
    looks, letters = skeleton(label), _letters(label)
    parts = {part for piece in shown.split(".")[:-1] for part in piece.split("-")}
    if not (
        looks in index.looks
        or label in index.labels
        or not parts.isdisjoint(index.labels)
        or any((letters ^ one.letters).bit_count() <= 2 * one.allowed for one in index.near.get(len(label), ()))
        or index.inside.search(shown)
    ):
        return None
    for one in index.known:
        if how := _how(shown, (label, suffix, looks), parts, one):
            return {"domain": host.lower()[:253], "of": one.domain, "how": how}
    return None


@lru_cache(maxsize=256)
def _index(own: tuple[str, ...]) -> _Index:
    mine = tuple(dict.fromkeys(registrable(domain) for domain in own if domain))
    known = []
    near: dict[int, tuple[_Known, ...]] = {}
    for domain in dict.fromkeys((*mine, *WELL_KNOWN)):
        label, suffix = domain.partition(".")[::2]
        allowed = 0 if len(label) < 6 else 1 if len(label) < 9 else 2
        one = _Known(domain, label, suffix, skeleton(label), _letters(label), allowed, domain in mine)
        known.append(one)
        for length in range(len(label) - allowed, len(label) + allowed + 1) if allowed else ():
            near[length] = (*near.get(length, ()), one)
    return _Index(
        known=tuple(known),
        theirs=frozenset((*mine, *WELL_KNOWN, *_THEIRS)),
        labels=frozenset(one.label for one in known),
        looks=frozenset(one.skeleton for one in known),
        near=near,
        inside=re.compile("|".join(re.escape(one.domain) for one in known)),
    )


def _letters(text: str) -> int:
    """The set of a text's letters as bits. An edit changes at most two of them."""
    found = 0
    for sign in text:
        found |= 1 << (ord(sign) & 63)
    return found


def _how(host: str, name: tuple[str, str, str], parts: set[str], known: _Known) -> str:
    label, suffix, looks = name
    if label == known.label:
        return "other_suffix" if known.own and suffix != known.suffix else ""
    if len(known.label) >= 4 and looks == known.skeleton:
        return "homoglyph"
    if known.allowed and _distance(label, known.label, known.allowed) <= known.allowed:
        return "near"
    domain = known.domain
    inside = f".{domain}." in f".{host}" or f"{domain}-" in host or f"-{domain}" in host
    named = known.label in BRANDS or (known.own and len(known.label) >= 5)
    return "contains" if inside or (named and known.label in parts) else ""


def _distance(one: str, other: str, most: int) -> int:
    """Edits (insert, delete, replace, swap of neighbours) between two short texts; more than `most` is `most` + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
