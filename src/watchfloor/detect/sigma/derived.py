"""Fields that no record has and rules want: what compares two parts of one mail, and what a call to a cloud hands out
(derived_cloud). Rules name them `derived.NAME`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from watchfloor.core.look_alike import look_alike
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


def sender_imitates_recipient(event: Seen) -> bool | None:
    """The sender's domain is spelt so that it is taken for a recipient's."""
    return _likeness(event, "homoglyph", "near")


def sender_extends_recipient(event: Seen) -> bool | None:
    """The sender's domain has a recipient's name and something added by a hyphen: `acme-payroll` for `acme`."""
    return _likeness(event, "contains")


def name_claims_recipient(event: Seen) -> bool | None:
    """The sender's shown name has the name of a recipient's organisation, and the address is of another."""
    parties, name = _parties(event), event.original.get("from_name")
    if parties is None or not isinstance(name, str):
        return None
    sender, recipients = parties
    words = {*re.findall(r"[\w-]+", name[:500].lower())}
    labels = {domain.partition(".")[0] for domain in recipients}
    return any(len(label) >= _NAME and label in words and label not in sender for label in labels)


_NAME = 5
"""Letters that a company's name has at least to be told from a word of the language."""


def _likeness(event: Seen, *how: str) -> bool | None:
    parties = _parties(event)
    if parties is None:
        return None
    sender, recipients = parties
    found = look_alike(sender, recipients)
    return found is not None and found["of"] in recipients and found["how"] in how


def _parties(event: Seen) -> tuple[str, tuple[str, ...]] | None:
    """The registered domains of the sender and of the recipients, each once; None where either is not known."""
    sender, to = _domain(event.original.get("from")), event.original.get("to")
    some = {domain for each in (to if isinstance(to, list) else [to])[:50] if (domain := _domain(each))}
    return (sender, tuple(sorted(some))) if sender and some else None


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
