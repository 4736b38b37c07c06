"""Traits of one mail message.

Answer: `{"subject", "from": {"name", "address", "domain"}, "reply_to": address | "", "return_path": address |
"", "authentication": {"spf", "dkim", "dmarc", "arc": results | "none", "server": who says so, "own_server": bool |
null, "trusted": bool, "from_aligned": bool | null}, "external": bool | null, "look_alike": {"domain", "of", "how"} |
null, "imitates": "Ingrid Solberg" | "", "brand": "paypal" | "", "whole": bool, "links": {"count", "hosts": [first 10],
"mismatched": [{"text", "target"}], "look_alike": [{"domain", "of", "how"}], and lists of hosts: "raw_address",
"punycode", "short", "hidden", "user_info", "unusual_port", "login", "free_hosting", "download", "no_page", "recipient",
"rewritten": [{"by", "shown", "target"}]}, "attachments": [{"name", "kind", "content", "double_extension", "encrypted",
"macros", "smuggling", "risky_members", "unread"}], "codes": [{"where", "host"}], "page": {"forms": [hosts],
"hidden_characters", "hidden"}, "phone", "thread": {"answers": message id | "", "known": bool | null, "mails": n},
"words": {"urgency": [..], "finance": [..], ...}, "traits": [names], "traits_count": n, "reported": {"by", "note",
"how"} | null}`. `whole` is whether the mail itself was read, not what a product tells of it: where it was not,
links, files and words are not known to be absent. `from_aligned` (RFC 7489, 3.1): whether the domain that passed SPF or
DKIM is the one of the From header, by organisation. Results count as `trusted` where the server that states them
(authserv-id, RFC 8601) is the owner's or a mail provider's; anybody else may have written them into the mail.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC
from typing import Any

from watchfloor.core.clock import DAY
from watchfloor.core.context import Context, Identity
from watchfloor.core.event import Event
from watchfloor.core.look_alike import BRANDS, look_alike, registrable, skeleton
from watchfloor.core.text import clipped, whole
from watchfloor.enrich.analysis import mail_links, mail_lure
from watchfloor.enrich.analysis.patterns import table, text_at
from watchfloor.store.lake_reader import LakeReader

_ADDRESS = re.compile(r"[\w.+'-]{1,64}@([\w.-]{1,253})")
_BAD = frozenset({"fail", "softfail", "permerror", "policy"})
_METHODS = ("spf", "dkim", "dmarc")
_NAMES: dict[str, list[str]] = table("mail_names")
_FREE, _PROVIDERS = frozenset(_NAMES["free_mail"]), tuple(_NAMES["providers"])
_SUPERIOR = re.compile(
    r"\b(?:chief|ceo|cfo|cto|coo|ciso|president|chair\w*|managing|director|head of|owner|founder|partner"
    r"|gesch\u00e4ftsf\u00fchr\w*|vorstand\w*|leiter\w*|directeur|directrice)\b",
    re.I,
)
_REPLY = re.compile(r"\s*(?:re|aw|sv|antw|wg|fwd?)\s*:", re.I)
_MAIL, _PAST_DAYS = 4009, 180


def traits_of(event: Event, context: Context, reader: LakeReader | None = None) -> dict[str, Any] | None:
    """The traits of a message event, or None for an event that is no message. `reader` knows what came before it."""
    if not isinstance(event.ocsf.get("email"), dict):
        return None
    message = _message(event)
    return traits(message, context, _thread(message, event.time, context.company.own_domains, reader))


def traits(message: dict[str, Any], context: Context, thread: dict[str, Any] | None = None) -> dict[str, Any]:
    """The traits of a message as the mail reader takes it apart. A field of another type counts as empty."""
    own = context.company.own_domains
    sender, name = _clean(message, "from").lower(), _clean(message, "from_name")
    domain = sender.rpartition("@")[2]
    external = not _of(domain, own) if own else None
    authentication = _authentication(message, domain, own)
    person = _imitated(name, sender, context) if external is not False else None
    thread = thread or _thread(message, 0, own, None)
    links, of_links = mail_links.read(message, own)
    attachments, of_attachments = mail_lure.attachments(message)
    subject, body = _clean(message, "subject"), _clean(message, "body")
    codes, of_codes = mail_lure.codes(message, len(body.split()))
    page, of_page = mail_lure.page(message)
    words, phone, of_words = mail_lure.wording(subject, body, links["count"] > 0)
    alike = look_alike(domain, own) if domain else None
    brand = _brand(name, domain)
    told = {
        **_of_sender(message, sender, name, authentication),
        **of_links,
        **of_attachments,
        **of_codes,
        **of_page,
        **of_words,
        "forged_own_domain": external is False and authentication["dmarc"] in _BAD,
        "look_alike_sender": alike is not None,
        "imitates_employee": person is not None,
        "imitates_superior": person is not None and bool(_SUPERIOR.search(person[1].title)),
        "brand_not_by_its_owner": bool(brand),
        "answers_nothing": bool(_REPLY.match(subject)) and not thread["answers"] and "in_reply_to" not in message,
        "unknown_thread": thread["known"] is False,
        "hidden_recipients": external is True
        and "size" in message
        and not any(_of(to.rpartition("@")[2], own) for to in _to(message)),
    }
    names = sorted({*(trait for trait, held in told.items() if held), *words})
    return {
        "subject": clipped(subject, 200),
        "from": {"name": clipped(name, 200), "address": clipped(sender, 320), "domain": domain[:253]},
        "reply_to": clipped(_clean(message, "reply_to").lower(), 320),
        "return_path": clipped(_clean(message, "return_path").lower(), 320),
        "authentication": authentication,
        "external": external,
        "look_alike": alike,
        "imitates": person[0] if person else "",
        "brand": brand,
        "whole": "body" in message or "size" in message,
        "links": links,
        "attachments": attachments,
        "codes": codes,
        "page": page,
        "phone": phone,
        "thread": thread,
        "words": words,
        "traits": names,
        "traits_count": len(names),
        "reported": _reported(message),
    }


def _of_sender(message: dict[str, Any], sender: str, name: str, authentication: dict[str, Any]) -> dict[str, bool]:
    """What the sender's names and the checks of them show."""
    reply_to, return_path = _clean(message, "reply_to").lower(), _clean(message, "return_path").lower()
    vouched = authentication["trusted"] and any(authentication[m] not in ("none", "neutral") for m in _METHODS)
    unchecked = all(authentication[m] in ("none", "neutral") for m in _METHODS)
    quoted = message.get("quoted") is True  # only what a report says of it: its headers are not known
    return {
        **{f"{m}_fail": authentication[m] in _BAD for m in _METHODS},
        "arc_fail": authentication["arc"] in _BAD,
        "unauthenticated": not quoted and (unchecked or not vouched),
        "results_of_others": not unchecked and not authentication["trusted"],
        "not_aligned": authentication["from_aligned"] is False,
        "reply_to_differs": bool(reply_to) and not _same(reply_to, sender),
        "reply_to_free_mail": _free(reply_to) and not _free(sender),
        "return_path_differs": bool(return_path) and not _same(return_path, sender),
        "free_mail_sender": _free(sender),
        "name_shows_other_address": any(not _same(f"x@{d}", sender) for d in _ADDRESS.findall(name)),
        "mixed_alphabets": _mixed(name) or _mixed(_clean(message, "subject")),
    }


def _thread(message: dict[str, Any], at: int, own: tuple[str, ...], reader: LakeReader | None) -> dict[str, Any]:
    """Which mail this one says that it answers, and whether that one is on record. Only where the owner's own mails are
    on record as well can a missing one say anything: else `known` is null."""
    answers = _clean(message, "in_reply_to")
    if not answers or reader is None:
        return {"answers": clipped(answers, 300), "known": None, "mails": 0}
    named = [answers, *(one for one in _items(message.get("references"), str))][:11]
    match = {"message": [one for one in named if one]}
    since = at - _PAST_DAYS * DAY
    mails = reader.query({"class_uid": _MAIL}, ["count", "top:sender"], since=since, before=at, zone=UTC)
    found = reader.query(match, ["count"], since=since, before=at, zone=UTC)["count"]
    ours = any(_of(str(one["value"]).rpartition("@")[2], own) for one in mails["top:sender"])
    known = True if found else False if ours and mails["count"] >= 50 else None
    return {"answers": clipped(answers, 300), "known": known, "mails": mails["count"]}


def _brand(name: str, domain: str) -> str:
    """A well-known name that the sender bears without writing from a domain of that name, or empty."""
    words = {skeleton(word): word for word in re.findall(r"[^\W_]{4,24}", name)[:10]}
    for brand in sorted(BRANDS):
        if skeleton(brand) in words and brand not in registrable(domain):
            return brand
    return ""


def _mixed(text: str) -> bool:
    """Whether a word has letters of two alphabets of which one looks like the other: `\u0420ayPal`."""
    for word in re.findall(r"[^\W\d_]{3,40}", text[:500])[:40]:
        if not word.isascii():
            scripts = {unicodedata.name(sign, "?").partition(" ")[0] for sign in word}
            if len(scripts & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1:
                return True
    return False


def _free(address: str) -> bool:
    return address.rpartition("@")[2] in _FREE


def _to(message: dict[str, Any]) -> list[str]:
    return [to.lower() for to in (*_items(message.get("to"), str), *_items(message.get("cc"), str))]


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
    results: dict[str, Any] = {m: whole(str(stated.get(m) or "none"))[:20] for m in (*_METHODS, "arc")}
    raw = whole(next(iter(_items(stated.get("raw"), str)), ""))
    server = raw.partition(";")[0].strip().partition(" ")[0].lower()
    server = "" if "=" in server else server  # Microsoft's own name stands in none
    passed = []
    if results["spf"] == "pass":
        passed += re.findall(r"smtp\.(?:mailfrom|helo)=(?:[^@\s;]{0,64}@)?([\w.-]{1,253})", raw)
    if results["dkim"] == "pass":
        passed += re.findall(r"header\.[di]=@?([\w.-]{1,253})", raw)
    aligned = any(registrable(one) == registrable(domain) for one in passed) if passed and domain else None
    mine = _of(server, own) if server and own else None
    return {
        **results,
        "server": server[:253],
        "own_server": mine,
        "trusted": mine is not False or _of(server, _PROVIDERS),
        "from_aligned": aligned,
    }


def _imitated(name: str, sender: str, context: Context) -> tuple[str, Identity] | None:
    """The employee whose name a foreign sender shows. Words in any order, look-alike letters included."""
    shown = _name_key(_ADDRESS.sub(" ", name))
    if shown.count(" ") < 1:
        return None
    for identity in context.identities:
        known = {identity.mail.lower(), *(alias.lower() for alias in identity.aliases)}
        if sender in known or identity.service_account:
            continue
        names = [alias for alias in identity.aliases if re.fullmatch(r"[^\W\d_][^@\\/:]* [^@\\/:]+", alias)]
        for full in (*names, re.sub(r"[._]", " ", identity.user)):
            if " " in full and _name_key(full) == shown:
                return full, identity
    return None


def _name_key(name: str) -> str:
    return " ".join(sorted(skeleton(word) for word in re.findall(r"[^\W_]{2,40}", name)[:8]))
