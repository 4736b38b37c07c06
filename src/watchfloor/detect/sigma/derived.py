"""Fields that no record has and rules want: what compares two parts of one mail, and what a call to a cloud hands out
(derived_cloud). Rules name them `derived.NAME`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from watchfloor.detect.sigma.derived_cloud import account_foreign, policy_allows_everything, policy_for_everyone
from watchfloor.detect.sigma.seen import Seen

# A domain or address that a reader takes for one: `portal.acme.example`, not `e.g.` or `3.5`.
_SHOWN = re.compile(r"(?:https?://|@|\b)((?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24})\b", re.IGNORECASE)

_SHOWN_ADDRESS = re.compile(r"[\w.+-]{1,64}@((?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24})\b", re.IGNORECASE)
# Top-level names of RFC 2606 and private networks, which no list of public suffixes has.
_RESERVED = (".example", ".test", ".invalid", ".internal", ".local")


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()  # 40 ms; only when a mail rule first asks


def organisation(domain: str) -> str:
    """The registered part of a domain, `mail.acme.co.uk` -> `acme.co.uk`; the domain itself when it is a suffix."""
    name = domain.strip().strip(".").lower()
    return _suffixes().privatesuffix(name) or name


def _domain(value: object) -> str:
    return organisation(value.rpartition("@")[2]) if isinstance(value, str) and "@" in value else ""


def _shown(text: object) -> Iterator[str]:
    """The organisations that a text shows."""
    for found in _SHOWN.findall(text[:500]) if isinstance(text, str) else ():
        if _suffixes().publicsuffix(found.lower(), accept_unknown=False) or found.lower().endswith(_RESERVED):
            yield organisation(found)


def reply_to_foreign(event: Seen) -> bool | None:
    """Answers go to another organisation than the one that the sender's address names."""
    sender, reply = _domain(event.original.get("from")), _domain(event.original.get("reply_to"))
    return sender != reply if sender and reply else None


def display_name_foreign(event: Seen) -> bool | None:
    """The sender's shown name has a mail address of another organisation than the real address."""
    sender, name = _domain(event.original.get("from")), event.original.get("from_name")
    # Not mere domains: "News.com Daily" and "C. R.Hughes" would be ones.
    shown = [organisation(d) for d in _SHOWN_ADDRESS.findall(name[:500])] if isinstance(name, str) else []
    return any(each != sender for each in shown) if sender and shown else None


def link_text_foreign(event: Seen) -> bool | None:
    """A link's text shows a domain of another organisation than the link leads to."""
    links = event.original.get("links")
    pairs = [(link.get("text"), link.get("href")) for link in links or () if isinstance(link, dict)]
    found = False
    for text, href in pairs:
        target = organisation(_host(href))
        # Text that is a domain and little else; prose with a name in it says nothing of where the link leads.
        if target and isinstance(text, str) and " " not in text.strip():
            found = found or any(shown != target for shown in _shown(text))
    return found if pairs else None


# What an eye takes for another letter: pairs first, then single ones, and the Cyrillic and Greek letters that look Latin.
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_ALIKE = str.maketrans("01358|ıіаеорсухѕһԁɡαορν", "olesbliiaeopcyxshdgaopv")
_LEAST = 5
"""Letters that a name has at least: shorter ones resemble each other by chance."""


def sender_imitates_recipient(event: Event) -> bool | None:
    """The sender's domain looks like a recipient's, letter for letter or but for one, and is another."""
    labels = _sender_and_recipients(event)
    if labels is None:
        return None
    sender, recipients = labels
    return any(sender != own and (_looks(sender) == _looks(own) or _one_apart(sender, own)) for own in recipients)


def sender_extends_recipient(event: Event) -> bool | None:
    """The sender's domain is a recipient's name with something added by a hyphen: `acme-payroll` for `acme`."""
    labels = _sender_and_recipients(event)
    if labels is None:
        return None
    sender, recipients = labels
    return any(sender.startswith(f"{own}-") or sender.endswith(f"-{own}") for own in recipients)


def name_claims_recipient(event: Event) -> bool | None:
    """The sender's shown name has the name of a recipient's organisation, and the address is of another."""
    labels, name = _sender_and_recipients(event), event.original.get("from_name")
    if labels is None or not isinstance(name, str):
        return None
    words = {*re.findall(r"[\w-]+", name[:500].lower())}
    return any(own in words and own not in labels[0] for own in labels[1])


def _sender_and_recipients(event: Event) -> tuple[str, set[str]] | None:
    """The first label of the sender's registered domain and those of the recipients' that are long enough."""
    sender, to = _domain(event.original.get("from")), event.original.get("to")
    own = {_label(domain) for each in (to if isinstance(to, list) else [to])[:50] if (domain := _domain(each))}
    own = {label for label in own if len(label) >= _LEAST}
    return (_label(sender), own) if sender and own else None


def _label(domain: str) -> str:
    first = domain.partition(".")[0]
    if first.startswith("xn--"):
        try:
            return first[4:].encode().decode("punycode")
        except (UnicodeError, ValueError, OverflowError):
            return first
    return first


def _looks(label: str) -> str:
    """A label as an eye reads it."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", label) if not unicodedata.combining(c)).translate(_ALIKE)
    for pair, one in _PAIRS:
        plain = plain.replace(pair, one)
    return plain.replace("i", "l")


def _one_apart(a: str, b: str) -> bool:
    """Whether one letter more, less or other, or two neighbours exchanged, makes the one into the other."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    x, y = a[start:], b[start:]
    return x[1:] == y[1:] or x[1:] == y or x == y[1:] or (x[1::-1] == y[:2] and x[2:] == y[2:])


def _host(href: object) -> str:
    try:
        return urlsplit(href).hostname or "" if isinstance(href, str) and href[:4].lower() == "http" else ""
    except ValueError:
        return ""


DERIVED: dict[str, Callable[[Seen], bool | None]] = {
    "reply_to_foreign": reply_to_foreign,
    "display_name_foreign": display_name_foreign,
    "link_text_foreign": link_text_foreign,
    "sender_imitates_recipient": sender_imitates_recipient,
    "sender_extends_recipient": sender_extends_recipient,
    "name_claims_recipient": name_claims_recipient,
    "account_foreign": account_foreign,
    "policy_allows_everything": policy_allows_everything,
    "policy_for_everyone": policy_for_everyone,
}
