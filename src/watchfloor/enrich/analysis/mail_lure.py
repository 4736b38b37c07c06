"""What a mail brings and what it wants: attachments, codes, forms, hidden text, wording. See `analysis.mail`."""

from __future__ import annotations

import re
from typing import Any

from watchfloor.core.text import clipped, whole
from watchfloor.enrich.analysis.files import RISKY, double_extension, kind_of
from watchfloor.enrich.analysis.mail_links import LOGIN, host_of
from watchfloor.enrich.analysis.patterns import Patterns

MOST = 10
_LONG_HIDDEN = 200
_FEW_WORDS, _LEAST_OVERLAP = 20, 0.2
_PHONE = re.compile(r"(?:\+|\b00|\b\(?)\d[\d ()./-]{7,18}\d\b")
_DIGITS = re.compile(r"\d")
_WORD = re.compile(r"[^\W\d_]{3,}")
# What a file's first bytes say against what its name says.
_RUNS = frozenset({"executable", "shortcut"})
_HARMLESS_NAMES = frozenset({"document", "image", ""})


def attachments(message: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, bool]]:
    """The answer's `attachments`, and which traits they give."""
    found = [_attachment(one) for one in _items(message.get("attachments"))[: 5 * MOST]]
    kinds = {one["kind"] for one in found}
    contents = {one["content"] for one in found}
    told = {
        "risky_attachment": bool(kinds & RISKY),
        "page_attachment": "page" in kinds or "html" in contents,
        "double_extension": any(one["double_extension"] for one in found),
        "disk_image_attachment": "disk_image" in kinds | contents,
        "shortcut_attachment": any(one["name"].lower().rstrip(". ").endswith((".lnk", ".url")) for one in found)
        or "shortcut" in contents,
        "notebook_attachment": any(one["name"].lower().rstrip(". ").endswith(".one") for one in found)
        or "onenote" in contents,
        "macro_attachment": any(one["macros"] for one in found) or "macro_document" in kinds,
        "smuggling_attachment": any(one["smuggling"] for one in found),
        "locked_attachment": any(one["encrypted"] for one in found),
        "disguised_attachment": any(one["content"] in _RUNS and one["kind"] in _HARMLESS_NAMES for one in found),
        "program_in_archive": any(one["risky_members"] for one in found),
        "unread_attachment": any(one["unread"] for one in found),
    }
    # The telling ones first: a claim names the first.
    found.sort(key=lambda one: -sum(map(bool, (one["double_extension"], one["smuggling"], one["risky_members"],
                                               one["encrypted"], one["macros"], one["unread"]))))  # fmt: skip
    return found[:MOST], told


def codes(message: dict[str, Any], words: int) -> tuple[list[dict[str, str]], dict[str, bool]]:
    """The QR codes of a mail's pictures: where each stands, and to which host it leads."""
    texts = [
        (whole(str(one.get("where", ""))), whole(str(one.get("text", "")))) for one in _items(message.get("codes"))
    ]
    found = [{"where": clipped(where, 80), "host": host_of(text)} for where, text in texts[:MOST]]
    web = [text for _, text in texts if host_of(text)]
    told = {
        "code_link": bool(web),
        "code_to_sign_in": any(LOGIN.search(text[:2_000]) for text in web),
        "code_instead_of_text": bool(web) and words < _FEW_WORDS,
    }
    return found, told


def page(message: dict[str, Any]) -> tuple[dict[str, Any], dict[str, bool]]:
    """Forms, hidden text, and whether the text that programs read says the same as the page that people see."""
    forms = _items(message.get("forms"))
    hidden = _text(message, "hidden")
    plain, body = _text(message, "plain"), _text(message, "body")
    shown = body[len(plain) :] if plain and body.startswith(plain) else ""
    one, other = set(_WORD.findall(plain.lower())), set(_WORD.findall(shown.lower()))
    differ = min(len(one), len(other)) >= _FEW_WORDS and len(one & other) / min(len(one), len(other)) < _LEAST_OVERLAP
    found = {
        "forms": [host_of(_text(form, "action")) for form in forms][:MOST],
        "hidden_characters": len(hidden),
        "hidden": clipped(hidden, 120),
    }
    told = {
        "form": bool(forms),
        "password_form": any(form.get("password") is True for form in forms),
        "hidden_text": bool(hidden),
        "much_hidden_text": len(hidden) >= _LONG_HIDDEN,
        "texts_differ": differ,
    }
    return found, told


def wording(subject: str, body: str, has_link: bool) -> tuple[dict[str, list[str]], str, dict[str, bool]]:
    """Which words press, the telephone number that is given, and whether the only way to answer is to call."""
    text = clipped(f"{subject}\n{body}", 32_000)
    words: dict[str, list[str]] = {hit.pattern.trait: [hit.matched] for hit in Patterns.shipped("mail").find([text])}
    phone = next((one[0] for one in _PHONE.finditer(text[:16_000]) if 9 <= len(_DIGITS.findall(one[0])) <= 15), "")
    return words, clipped(phone, 24), {"call_back": bool(phone) and "charge" in words and not has_link}


def _attachment(one: dict[str, Any]) -> dict[str, Any]:
    name = _text(one, "name")
    members = [member for member in one.get("members") or [] if isinstance(member, str)][:200]
    risky = [clipped(member, 120) for member in members if kind_of(member) in RISKY or double_extension(member)]
    unread = [reason for reason in one.get("unread") or [] if isinstance(reason, str)]
    return {
        "name": clipped(name, 120),
        "kind": kind_of(name),
        "content": _text(one, "content")[:20],
        "double_extension": double_extension(name),
        "encrypted": one.get("encrypted") is True,
        "macros": one.get("macros") is True,
        "smuggling": one.get("smuggling") is True,
        "risky_members": risky[:MOST],
        "unread": clipped(unread[0], 160) if unread else "",
    }


def _items(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return whole(value).strip() if isinstance(value, str) else ""
