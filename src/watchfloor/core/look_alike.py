"""Domains that look like another's: homoglyphs, near spellings, a known name inside a foreign one.

Skeletons follow the idea of Unicode TR 39: letters that look alike become one letter, then names are compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from confusable_homoglyphs import confusables
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
# Brands that are no word of their own, so that even as a part of a name they stand for the brand.
_BRANDS = frozenset(
    {"microsoft", "microsoftonline", "office365", "paypal", "docusign", "dropbox", "linkedin", "netflix", "icloud",
     "onedrive", "sharepoint", "whatsapp", "coinbase", "americanexpress", "wellsfargo"}
)  # fmt: skip
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"), ("3", "e"), ("4", "a"))


@lru_cache(maxsize=1)
def _suffixes() -> Any:
    return PublicSuffixList()


@lru_cache(maxsize=8_192)
def registrable(host: str) -> str:
    """`mail.evil.co.uk` -> `evil.co.uk`; a host without a public suffix, or an address, stays as it is."""
    text = whole(host).strip().strip(".").lower()
    try:
        return _suffixes().privatesuffix(text) or text
    except (ValueError, UnicodeError):
        return text


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
    found = confusables.is_confusable(sign, preferred_aliases=["latin"], greedy=True)
    glyphs = [g["c"] for one in found or () for g in one["homoglyphs"] if g["c"].isascii()]
    return str(min(glyphs)).lower() if glyphs else sign


def look_alike(host: str, own: Iterable[str]) -> dict[str, str] | None:
    """`{"domain", "of", "how"}` when a host looks like one of the company's `own` domains or a well-known one.

    `how`: `homoglyph`, `near` (one or two letters off), `other_suffix` (of our own name only) or `contains`.
    """
    mine = tuple(dict.fromkeys(registrable(domain) for domain in own if domain))
    shown = unicode_of(host)[:253]
    domain = registrable(host)
    if not domain or domain in mine or domain in WELL_KNOWN:
        return None
    for known in (*mine, *WELL_KNOWN):
        if how := _how(shown, unicode_of(domain), known, known in mine):
            return {"domain": host.lower()[:253], "of": known, "how": how}
    return None


def _how(host: str, domain: str, known: str, own: bool) -> str:
    label, suffix = domain.partition(".")[::2]
    wanted, wanted_suffix = known.partition(".")[::2]
    if label == wanted:
        return "other_suffix" if own and suffix != wanted_suffix else ""
    if len(wanted) >= 4 and skeleton(label) == skeleton(wanted):
        return "homoglyph"
    allowed = 0 if len(wanted) < 6 else 1 if len(wanted) < 9 else 2
    if allowed and _distance(label, wanted, allowed) <= allowed:
        return "near"
    inside = f".{known}." in f".{host}" or f"{known}-" in host or f"-{known}" in host
    parts = {part for piece in host.split(".")[:-1] for part in piece.split("-")}
    named = wanted in _BRANDS or (own and len(wanted) >= 5)
    return "contains" if inside or (named and wanted in parts) else ""


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
