"""Structures that texts of logs have: CEF, LEEF, key=value pairs, RFC 5424 structured data; each as a dictionary."""

from __future__ import annotations

import re
from typing import Any

Data = dict[str, Any]

_LONGEST = 64_000
_MOST = 400
_CEF_PARTS = ("version", "vendor", "product", "device_version", "id", "name", "severity")
_LEEF_PARTS = ("version", "vendor", "product", "device_version", "id")
_BAR = re.compile(r"(?<!\\)\|")
_EXTENSION = re.compile(r"(?:^|(?<=\s))([A-Za-z_][\w.\[\]/-]{0,127})=")
_ESCAPED = re.compile(r"\\([\\|=\"\]])")
_KEY = r"(?:^|[\s,;|\[])([A-Za-z_][\w.:/-]{0,63})="
_QUOTED = r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'"
_PAIR = re.compile(_KEY + r"(?:" + _QUOTED + r"|(\S*))", re.DOTALL)
_COMMA_PAIR = re.compile(_KEY + r"(?:" + _QUOTED + r"|([^,;]*))", re.DOTALL)
_BY_COMMA = re.compile(r"[A-Za-z_][\w.:/-]{0,63}=(?:\"[^\"]*\"|[^=,;\"]*)[,;]\s?[A-Za-z_][\w.:/-]{0,63}=")
_BEGINS = re.compile(r"\s*[A-Za-z_][\w.:/-]{0,63}=")
_SD_ID = re.compile(r"\[([^\s\]\[\"=:]{1,128})[\s\]]")
_PARAMETER = re.compile(r"([\w.@/-]{1,64})(?:=|:) ?\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)


def structured(text: str) -> Data:
    """What a text says in a structure that it has, with `line` naming it (`cef`, `leef`, `pairs`); else nothing.

    CEF: the header stands under `cef`, extensions under their own names, custom fields also under their labels in
    `labels`. LEEF: the header under `leef`, attributes under their own names.
    """
    head = text[:300]
    if (at := head.find("CEF:")) >= 0 and (found := cef(text[at:])):
        return found
    if (at := head.find("LEEF:")) >= 0 and (found := leef(text[at:])):
        return found
    if _BEGINS.match(text) and len(found := pairs(text)) >= 3:
        found["line"] = "pairs"
        return found
    return {}


def cef(text: str) -> Data:
    """ArcSight's Common Event Format, version 0 or 1; empty when the text is none. Source: CEF specification."""
    parts = _BAR.split(text[:_LONGEST], 7)
    if len(parts) < 7 or not parts[0][4:].strip()[:1].isdigit():
        return {}
    header = {name: _plain(part.strip()) for name, part in zip(_CEF_PARTS, [parts[0][4:], *parts[1:7]], strict=True)}
    found: Data = extensions(parts[7]) if len(parts) > 7 else {}
    labels = {
        str(label): found[name]
        for name, label in ((key.removesuffix("Label"), found[key]) for key in list(found) if key.endswith("Label"))
        if name in found
    }
    if labels:
        found["labels"] = labels
    return {**found, "cef": header, "line": "cef"}


def extensions(text: str) -> Data:
    """CEF's `key=value key=value`: a value reaches to the next key."""
    keys = list(_EXTENSION.finditer(text))[:_MOST]
    ends = [*(key.start() for key in keys[1:]), len(text)]
    found: Data = {}
    for key, end in zip(keys, ends, strict=False):
        found.setdefault(key.group(1), _plain(text[key.end() : end].strip()))
    return found


def leef(text: str) -> Data:
    """IBM's Log Event Extended Format 1 and 2; empty when the text is none. Source: LEEF specification."""
    parts = text[:_LONGEST].split("|", 5)
    version = parts[0][5:].strip()
    if len(parts) < 6 or version[:1] not in ("1", "2"):
        return {}
    header = {name: part.strip() for name, part in zip(_LEEF_PARTS, [version, *parts[1:5]], strict=True)}
    rest, delimiter = parts[5], "\t"
    if version.startswith("2"):
        stated, bar, after = rest.partition("|")
        if bar and len(stated) <= 6 and "=" not in stated:
            rest, delimiter = after, _delimiter(stated)
    if delimiter not in rest:  # transports turn tabs into blanks or print them
        delimiter = next((d for d in ("\\t", "#011", "^") if d in rest), "")
    if not delimiter:
        return {**extensions(rest), "leef": header, "line": "leef"}
    found: Data = {}
    for item in rest.split(delimiter)[:_MOST]:
        key, is_pair, value = item.partition("=")
        if is_pair and key.strip():
            found.setdefault(key.strip(), value.strip())
    return {**found, "leef": header, "line": "leef"}


def _delimiter(stated: str) -> str:
    """LEEF 2's delimiter: a character, or its code as `x09` or `0x09`."""
    code = stated.lower().removeprefix("0").removeprefix("x")
    if len(stated) > 1 and re.fullmatch(r"[0-9a-f]{1,4}", code):
        return chr(int(code, 16))
    return stated[:1] or "\t"


def pairs(text: str) -> Data:
    """`key=value` pairs parted by blanks, commas, semicolons or tabs; of a key that comes twice the first counts."""
    text = text[:_LONGEST]
    if text.count("\t") >= 3:  # values with blanks and no quotes, parted by tabs
        items = (item.partition("=") for item in text.split("\t")[:_MOST])
        return {key.strip(): value.strip().strip('"') for key, is_pair, value in reversed(list(items)) if is_pair}
    pattern = _COMMA_PAIR if _BY_COMMA.match(text) else _PAIR
    found: Data = {}
    for key, double, single, bare in pattern.findall(text)[:_MOST]:
        quoted = double or single
        value = (_plain(quoted) if "\\" in quoted else quoted) if quoted else bare.rstrip(",; ")
        if value or key not in found:
            found.setdefault(key, value)
    return found


def elements(text: str) -> Data:
    """The parameters of RFC 5424 structured data, and Check Point's `[name:"value"; ...]`; ids under `sd_id`."""
    text = text[:_LONGEST]
    found: Data = {}
    for key, value in _PARAMETER.findall(text)[:_MOST]:
        found.setdefault(key, _plain(value) if "\\" in value else value)
    if ids := _SD_ID.findall(text)[:_MOST]:
        found["sd_id"] = ids[0] if len(ids) == 1 else ids
    return found


def _plain(text: str) -> str:
    """A text without its escapes. `\\n` is a line's end in prose only: products forget to escape `CORP\\nick`."""
    if "\\" not in text:
        return text
    if " " in text:
        text = re.sub(r"(?<!\\)(?:\\r)?\\n", "\n", text)
    return _ESCAPED.sub(r"\1", text)
