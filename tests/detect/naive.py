"""A deliberately naive Sigma evaluator, written from the specification over the raw YAML.

It shares nothing with the engine and nothing with pySigma: own condition parser, own modifiers, a tree walk for every
question. Slow and plain, so that it can be read against the specification line by line.
"""

from __future__ import annotations

import base64
import fnmatch
import ipaddress
import json
import re
from datetime import UTC, datetime
from typing import Any

STAR, ONE = object(), object()
_FLAGS = {"i": re.I, "ignorecase": re.I, "m": re.M, "multiline": re.M, "s": re.S, "dotall": re.S}
DASHES = "-/–—―"


def matches(rule: dict[str, Any], record: dict[str, Any], aliases: dict[str, list[str]] | None = None) -> bool:
    """Whether a rule (as parsed from YAML) matches a record. `aliases`: other paths of a field, tried in order."""
    detection = rule["detection"]
    conditions = detection["condition"]
    names = {k: v for k, v in detection.items() if k != "condition"}
    return any(
        _Condition(text, names, record, aliases or {}).holds()
        for text in (conditions if isinstance(conditions, list) else [conditions])
    )


class _Condition:
    """Recursive descent: or < and < not < (…) | N of X | name."""

    def __init__(self, text: str, names: dict[str, Any], record: dict[str, Any], aliases: dict[str, list[str]]) -> None:
        self.words = re.findall(r"[()]|[^\s()]+", text)
        self.names, self.record, self.aliases = names, record, aliases

    def holds(self) -> bool:
        result = self._or()
        assert not self.words, self.words
        return result

    def _or(self) -> bool:
        result = self._and()
        while self.words[:1] == ["or"]:
            self.words.pop(0)
            right = self._and()
            result = result or right
        return result

    def _and(self) -> bool:
        result = self._not()
        while self.words[:1] == ["and"]:
            self.words.pop(0)
            right = self._not()
            result = result and right
        return result

    def _not(self) -> bool:
        word = self.words.pop(0)
        if word == "not":
            return not self._not()
        if word == "(":
            result = self._or()
            assert self.words.pop(0) == ")"
            return result
        if self.words[:1] == ["of"]:
            self.words.pop(0)
            pattern = self.words.pop(0)
            chosen = [
                n
                for n in self.names
                if not n.startswith("_") and (pattern == "them" or fnmatch.fnmatchcase(n, pattern))
            ]
            results = [self._search(self.names[n]) for n in chosen]
            return all(results) if word == "all" else any(results)
        return self._search(self.names[word])

    def _search(self, definition: Any) -> bool:
        if isinstance(definition, dict):
            return all(self._item(key, value) for key, value in definition.items())
        if isinstance(definition, list):
            return any(self._search(item) for item in definition)
        return self._item("", definition)

    def _item(self, key: str, value: Any) -> bool:
        field, *modifiers = key.split("|")
        wanted = value if isinstance(value, list) else [value]
        results = [self._one(field, modifiers, item) for item in wanted or [None]]
        result = all(results) if "all" in modifiers else any(results)
        return not result if "neq" in modifiers else result

    def _one(self, field: str, modifiers: list[str], wanted: Any) -> bool:
        found = self._find(field) if field else list(_scalars(self.record))
        mods = [m for m in modifiers if m not in ("all", "neq")]
        if mods == ["exists"]:
            return bool(found) == wanted
        if wanted is None:
            return not found or any(v is None for v in found)
        texts = [_text(v) for v in found if v is not None]
        if "fieldref" in mods:
            other = [_text(v).lower() for v in self._find(wanted) if v is not None]
            return any(_refers(a.lower(), b, mods) for a in texts for b in other)
        if "re" in mods:
            flags = sum({_FLAGS[m] for m in mods if m in _FLAGS}) | re.ASCII
            return any(re.search(str(wanted), t, flags) for t in texts)
        if "cidr" in mods:
            return any(_in_network(t, wanted) for t in texts)
        for name, compare in _COMPARE.items():
            if name in mods:
                part = next((m for m in mods if m in _PARTS), None)
                numbers = [_part(t, part) if part else _number(t) for t in texts]
                return any(n is not None and compare(n, wanted) for n in numbers)
        for part in _PARTS:
            if part in mods:
                return any(_part(t, part) == wanted for t in texts)
        if not isinstance(wanted, str):
            plain = _text(wanted)
            return any(t.lower() == plain.lower() if field else plain.lower() in t.lower() for t in texts)
        patterns = _patterns(wanted, mods, keyword=not field)
        cased = "cased" in mods
        return any(_fits(p, t, cased) for p in patterns for t in texts)

    def _find(self, name: str) -> list[Any]:
        for path in [name, *self.aliases.get(name, [])]:
            if path in self.record:
                return list(_flat(self.record[path]))
            found = [v for w in _walk(self.record, path.split(".")) for v in _flat(w)]
            if found:
                return found
        return []


def _walk(data: Any, parts: list[str]) -> list[Any]:
    if not parts:
        return [data]
    if isinstance(data, list):
        return [v for item in data for v in _walk(item, parts)]
    if not isinstance(data, dict):
        return []
    whole = ".".join(parts)
    if whole in data:
        return [data[whole]]
    for cut in range(1, len(parts)):
        head = ".".join(parts[:cut])
        if data.get(head) is not None and (found := _walk(data[head], parts[cut:])):
            return found
    return []


def _flat(value: Any) -> list[Any]:
    return [v for item in value for v in _flat(item)] if isinstance(value, list) else [value]


def _scalars(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [v for item in value.values() for v in _scalars(item)]
    return [v for item in value for v in _scalars(item)] if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) if isinstance(value, dict) else str(value)


def _tokens(text: str) -> list[Any]:
    """Characters, with `*` and `?` as wildcards; a backslash makes *, ? and itself plain and is plain elsewhere."""
    found: list[Any] = []
    i = 0
    while i < len(text):
        if text[i] == "\\" and text[i + 1 : i + 2] in ("*", "?", "\\") and i + 1 < len(text):
            found.append(text[i + 1])
            i += 2
            continue
        found.append({"*": STAR, "?": ONE}.get(text[i], text[i]))
        i += 1
    return found


def _patterns(wanted: str, mods: list[str], *, keyword: bool) -> list[list[Any]]:
    patterns = [_tokens(wanted)]
    for mod in mods:
        if mod == "utf16":  # as wide, with a byte order mark before it
            patterns = [
                ["\ufeff", *(c for t in p for c in ([t, "\0"] if isinstance(t, str) else [t]))] for p in patterns
            ]
        elif mod in ("wide", "utf16le"):
            patterns = [[c for t in p for c in ([t, "\0"] if isinstance(t, str) else [t])] for p in patterns]
        elif mod == "utf16be":
            patterns = [[c for t in p for c in (["\0", t] if isinstance(t, str) else [t])] for p in patterns]
        elif mod == "base64":
            patterns = [list(base64.b64encode(_encoded(p)).decode()) for p in patterns]
        elif mod == "base64offset":
            patterns = [list(x) for p in patterns for x in _offsets(_encoded(p))]
        elif mod == "windash":
            patterns = [x for p in patterns for x in _dashed(p)]
        elif mod == "contains":
            patterns = [[STAR, *p, STAR] for p in patterns]
        elif mod == "startswith":
            patterns = [[*p, STAR] for p in patterns]
        elif mod == "endswith":
            patterns = [[STAR, *p] for p in patterns]
    return [[STAR, *p, STAR] for p in patterns] if keyword else patterns


def _encoded(pattern: list[Any]) -> bytes:
    """A pattern's bytes; the byte order mark of utf16 is that of UTF-16LE."""
    text = "".join(pattern)
    return b"\xff\xfe" + text[1:].encode() if text.startswith("\ufeff") else text.encode()


def _offsets(data: bytes) -> list[str]:
    """What of the base64 of `data` does not depend on the bytes before and behind it, at each of three offsets."""
    found = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode()
        start = {0: 0, 1: 2, 2: 3}[before]
        end = {0: len(encoded), 1: len(encoded) - 3, 2: len(encoded) - 2}[(before + len(data)) % 3]
        found.append(encoded[start:end])
    return found


def _dashed(pattern: list[Any]) -> list[list[Any]]:
    """Each dash or slash that opens an option, in every spelling."""

    def is_word(token: Any) -> bool:
        return isinstance(token, str) and (token.isalnum() or token == "_")

    results: list[list[Any]] = [[]]
    for i, token in enumerate(pattern):
        before = pattern[i - 1] if i else None
        after = pattern[i + 1] if i + 1 < len(pattern) else None
        opens = token in ("-", "/") and is_word(after) and not is_word(before)
        results = [[*r, t] for r in results for t in (DASHES if opens else [token])]
    return results


def _fits(pattern: list[Any], text: str, cased: bool) -> bool:
    source = "".join(".*" if t is STAR else "." if t is ONE else re.escape(t if cased else t.lower()) for t in pattern)
    return re.fullmatch(source, text if cased else text.lower(), re.DOTALL) is not None


def _refers(mine: str, theirs: str, mods: list[str]) -> bool:
    if "contains" in mods:
        return theirs in mine
    if "startswith" in mods:
        return mine.startswith(theirs)
    return mine.endswith(theirs) if "endswith" in mods else mine == theirs


def _in_network(text: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(text) in ipaddress.ip_network(network)
    except ValueError:
        return False


_COMPARE = {
    "lte": lambda a, b: a <= b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "gt": lambda a, b: a > b,
}  # fmt: skip
_PARTS = ("minute", "hour", "day", "week", "month", "year")


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", text) else None


def _part(text: str, part: str) -> int | None:
    number = _number(text)
    try:
        if number is not None:
            when = datetime.fromtimestamp(number / (1000 if abs(number) >= 1e11 else 1), UTC)
        else:
            when = datetime.fromisoformat(text.upper())
            when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except ValueError:
        return None
    return when.isocalendar()[1] if part == "week" else getattr(when, part)
