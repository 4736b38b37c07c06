"""Traits of one mail message.

Answer: `{"subject", "from": {"name", "address", "domain"}, "reply_to": address | "", "return_path": address |
"", "authentication": {"spf", "dkim", "dmarc": results | "none", "server": who says so, "own_server": bool |
null, "from_aligned": bool | null}, "external": bool | null, "look_alike": {"domain", "of", "how"} | null,
"imitates": "Ingrid Solberg" | "", "links": {"count", "hosts": [first 10], "mismatched": [{"text", "target"}],
"look_alike": [{"domain", "of", "how"}], "raw_address": [hosts], "punycode": [hosts]}, "attachments": [{"name",
"kind", "double_extension"}], "words": {"urgency": [..], "finance": [..], "credentials": [..]}, "traits":
[names], "traits_count": n, "reported": {"by", "note", "how"} | null}`. `from_aligned` (RFC
7489, 3.1): whether the domain that passed SPF or DKIM is the one of the From header, by organisation.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from watchfloor.core.context import Context
from watchfloor.core.event import Event
from watchfloor.core.look_alike import look_alike, registrable, skeleton
from watchfloor.core.text import clipped, whole
from watchfloor.enrich.analysis.files import RISKY, double_extension, kind_of
from watchfloor.enrich.analysis.patterns import Patterns, text_at

_MOST = 10
_MOST_LINKS = 300
_LOOKS_LIKE_HOST = re.compile(r"(?:https?://)?((?:[\w-]{1,63}\.){1,8}[a-z]{2,24})(?:[/:?#].*)?", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.+'-]{1,64}@([\w.-]{1,253})")
_BAD = frozenset({"fail", "softfail", "permerror", "policy"})


def traits_of(event: Event, context: Context) -> dict[str, Any] | None:
    """The traits of a message event, or None for an event that is no message."""
    if not isinstance(event.ocsf.get("email"), dict):
        return None
    return traits(_message(event), context)


def traits(message: dict[str, Any], context: Context) -> dict[str, Any]:
    """The traits of a message as the mail reader takes it apart. A field of another type counts as empty."""
    company = context.company
    own = company.own_domains
    sender, name = _clean(message, "from").lower(), _clean(message, "from_name")
    domain = sender.rpartition("@")[2]
    reply_to, return_path = _clean(message, "reply_to").lower(), _clean(message, "return_path").lower()
    authentication = _authentication(message, domain, own)
    external = not _of(domain, own) if own else None
    imitated = _imitated(name, sender, context) if external is not False else ""
    links = _links(message, own)
    attachments = _attachments(message)
    body = clipped(_clean(message, "subject") + "\n" + _clean(message, "body"), 32_000)
    hits = Patterns.shipped("mail").find([body])
    words: dict[str, list[str]] = {hit.pattern.trait: [hit.matched] for hit in hits}
    alike = look_alike(domain, own) if domain else None
    told = {
        **{f"{m}_fail": authentication[m] in _BAD for m in ("spf", "dkim", "dmarc")},
        "unauthenticated": all(authentication[m] in ("none", "neutral") for m in ("spf", "dkim", "dmarc")),
        "not_aligned": authentication["from_aligned"] is False,
        "forged_own_domain": external is False and authentication["dmarc"] in _BAD,
        "reply_to_differs": bool(reply_to) and not _same(reply_to, sender),
        "return_path_differs": bool(return_path) and not _same(return_path, sender),
        "look_alike_sender": alike is not None,
        "imitates_employee": bool(imitated),
        "name_shows_other_address": any(not _same(f"x@{d}", sender) for d in _ADDRESS.findall(name)),
        "link_text_differs": bool(links["mismatched"]),
        "look_alike_link": bool(links["look_alike"]),
        "raw_address_link": bool(links["raw_address"]),
        "punycode_link": bool(links["punycode"]),
        "risky_attachment": any(a["kind"] in RISKY for a in attachments),
        "page_attachment": any(a["kind"] == "page" for a in attachments),
        "double_extension": any(a["double_extension"] for a in attachments),
    }
    names = sorted({*(trait for trait, held in told.items() if held), *words})
    return {
        "subject": clipped(_clean(message, "subject"), 200),
        "from": {"name": clipped(name, 200), "address": clipped(sender, 320), "domain": domain[:253]},
        "reply_to": clipped(reply_to, 320),
        "return_path": clipped(return_path, 320),
        "authentication": authentication,
        "external": external,
        "look_alike": alike,
        "imitates": imitated,
        "links": links,
        "attachments": attachments,
        "words": words,
        "traits": names,
        "traits_count": len(names),
        "reported": _reported(message),
    }


def _reported(message: dict[str, Any]) -> dict[str, str] | None:
    """Who reported the mail, and in which words."""
    said = message.get("reported")
    if not isinstance(said, dict):
        return None
    return {name: clipped(_clean(said, name), most) for name, most in (("by", 320), ("note", 500), ("how", 20))}


def _message(event: Event) -> dict[str, Any]:
    """The message as the mail reader left it; from other products, as far as OCSF has it."""
    original, mail = event.original, event.ocsf["email"]
    if original.get("from") and isinstance(original.get("authentication", {}), dict):
        return original
    results = event.ocsf.get("email_auth") or mail.get("email_auth") or {}
    return {
        "from": text_at(mail, "from", "from_mailbox.email_addr"),
        "from_name": text_at(mail, "from_mailbox.display_name"),
        "reply_to": text_at(mail, "reply_to", "reply_to_mailboxes.email_addr"),
        "return_path": text_at(mail, "return_path", "smtp_from"),
        "subject": text_at(mail, "subject"),
        "authentication": {method: text_at(results, method).lower() for method in ("spf", "dkim", "dmarc")},
        "urls": [text_at(one, "url_string") for one in _items(mail.get("urls"), dict)],
        "attachments": [{"name": text_at(one, "name")} for one in _items(mail.get("files"), dict)],
    }


def _items(value: Any, kind: type) -> list[Any]:
    return [item for item in value if isinstance(item, kind)] if isinstance(value, list) else []


def _clean(message: dict[str, Any], key: str) -> str:
    value = message.get(key)
    return whole(value).strip() if isinstance(value, str) else ""


def _same(one: str, other: str) -> bool:
    """Whether two addresses are of one organisation."""
    return registrable(one.rpartition("@")[2]) == registrable(other.rpartition("@")[2])


def _of(domain: str, own: Iterable[str]) -> bool:
    return any(domain == mine.lower() or domain.endswith("." + mine.lower()) for mine in own)


def _authentication(message: dict[str, Any], domain: str, own: tuple[str, ...]) -> dict[str, Any]:
    stated = message.get("authentication")
    stated = stated if isinstance(stated, dict) else {}
    results: dict[str, Any] = {m: whole(str(stated.get(m) or "none"))[:20] for m in ("spf", "dkim", "dmarc")}
    raw = whole(next(iter(_items(stated.get("raw"), str)), ""))
    server = raw.partition(";")[0].strip().partition(" ")[0].lower()
    passed = []
    if results["spf"] == "pass":
        passed += re.findall(r"smtp\.(?:mailfrom|helo)=(?:[^@\s;]{0,64}@)?([\w.-]{1,253})", raw)
    if results["dkim"] == "pass":
        passed += re.findall(r"header\.[di]=@?([\w.-]{1,253})", raw)
    aligned = any(registrable(one) == registrable(domain) for one in passed) if passed and domain else None
    return {
        **results,
        "server": server[:253],
        "own_server": _of(server, own) if server and own else None,
        "from_aligned": aligned,
    }


def _imitated(name: str, sender: str, context: Context) -> str:
    """The employee whose name a foreign sender shows, or empty. Words in any order, look-alike letters included."""
    shown = _name_key(_ADDRESS.sub(" ", name))
    if shown.count(" ") < 1:
        return ""
    for identity in context.identities:
        known = {identity.mail.lower(), *(alias.lower() for alias in identity.aliases)}
        if sender in known or identity.service_account:
            continue
        names = [alias for alias in identity.aliases if re.fullmatch(r"[^\W\d_][^@\\/:]* [^@\\/:]+", alias)]
        for full in (*names, re.sub(r"[._]", " ", identity.user)):
            if " " in full and _name_key(full) == shown:
                return full
    return ""


def _name_key(name: str) -> str:
    return " ".join(sorted(skeleton(word) for word in re.findall(r"[^\W_]{2,40}", name)[:8]))


def _links(message: dict[str, Any], own: tuple[str, ...]) -> dict[str, Any]:
    pairs = list(_targets(message))[:_MOST_LINKS]
    hosts = list(dict.fromkeys(host for _, host in pairs if host))
    mismatched: list[dict[str, str]] = []
    for text, host in pairs:
        shown = _LOOKS_LIKE_HOST.fullmatch(text.strip()[:300])
        if shown and host and registrable(shown[1]) != registrable(host):
            mismatched.append({"text": clipped(text.strip(), 120), "target": host})
    raw = [host for host in hosts if _is_address(host)]
    alike = [found for host in hosts if host not in raw and (found := look_alike(host, own)) is not None]
    return {
        "count": len(pairs),
        "hosts": hosts[:_MOST],
        "mismatched": mismatched[:_MOST],
        "look_alike": alike[:_MOST],
        "raw_address": raw[:_MOST],
        "punycode": [host for host in hosts if "xn--" in host][:_MOST],
    }


def _targets(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each link as (text that is shown, host that it leads to)."""
    seen: set[str] = set()
    for link in _items(message.get("links"), dict):
        target = _clean(link, "href")
        seen.add(target)
        if target.lower().startswith(("http:", "https:", "//")):
            yield _clean(link, "text"), _host(target)
    for url in _items(message.get("urls"), str):
        if url not in seen:
            yield "", _host(whole(url))


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")[:253]
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _attachments(message: dict[str, Any]) -> list[dict[str, Any]]:
    names = [_clean(one, "name") for one in _items(message.get("attachments"), dict)]
    return [
        {"name": clipped(name, 120), "kind": kind_of(name), "double_extension": double_extension(name)}
        for name in names[:_MOST]
    ]
