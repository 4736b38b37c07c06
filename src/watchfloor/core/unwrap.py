"""Unwrapping: where a link leads that a gateway, a mail program or a redirector has written anew.

What is read is data (`content/links`): a rewriter has the hosts that it writes links under, and says where in such a
link the true one stands. Nothing is fetched: a rewriter that keeps the true link to itself is named, and the link
counts as one whose end is not known.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from watchfloor.core.errors import WatchfloorError

LONGEST = 8_000
DEEPEST = 6
"""Wrappings within one another that are taken off; gateways in a row wrap what the one before wrapped."""
_MOST_PARAMETERS = 60
_SCHEME = re.compile(r"(?:https?:)?//", re.I)
_BARE = re.compile(r"(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}(?:[/:?#].*)?", re.I)


class Unwrapped(NamedTuple):
    """Where a link leads, and through whom, outermost first. `hidden` names the rewriter that keeps it to itself."""

    target: str
    by: tuple[str, ...] = ()
    hidden: str = ""


class Rewriter(NamedTuple):
    """`path` must be found in the link's path; `parameters` and `in_path` say where the true link stands, `written` how
    it is written there. With none of these, the true link is nowhere in it."""

    name: str
    hosts: re.Pattern[str]
    path: re.Pattern[str]
    parameters: tuple[str, ...]
    in_path: re.Pattern[str] | None
    written: str
    short: bool
    foreign: bool
    """Only where the true link leads to another host: an open redirect of anybody's."""


class Rewriters:
    """All rewriters that are known, asked in order."""

    def __init__(self, rewriters: Iterable[Rewriter]) -> None:
        self._rewriters = tuple(rewriters)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Rewriters:
        """From data. Raises WatchfloorError for a row that is none."""
        return cls(_rewriter(row) for row in rows)

    def unwrap(self, url: str) -> Unwrapped:
        """Where a link leads. One that nobody wrote anew is its own target; so is one that cannot be parsed."""
        by: list[str] = []
        target = url.strip()[:LONGEST]
        while len(by) < DEEPEST:
            found, inner = self._once(target)
            if found is None:
                break
            if not inner:
                return Unwrapped(target, tuple(by), found.name)
            by.append(found.name)
            if inner == target:
                break
            target = inner
        return Unwrapped(target, tuple(by))

    def short(self, host: str) -> bool:
        """Whether a host gives out short links, whose end only it knows."""
        return any(one.short and one.hosts.fullmatch(host.lower()) for one in self._rewriters)

    def _once(self, url: str) -> tuple[Rewriter | None, str]:
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").rstrip(".").lower()
        except ValueError:
            return None, ""
        if not host or parts.scheme not in ("http", "https", ""):
            return None, ""
        for one in self._rewriters:
            if not one.hosts.fullmatch(host) or not one.path.search(parts.path):
                continue
            inner = _inner(one, url, parts.query)
            if one.foreign and (not inner or _host(inner) in ("", host)):
                continue
            return one, inner
        return None, ""


def _rewriter(row: Mapping[str, Any]) -> Rewriter:
    if (written := row.get("written", "plain")) not in _WRITTEN:
        reason = f"unknown way of writing {written!r}; there are {', '.join(_WRITTEN)}"
        raise WatchfloorError(f"{row.get('name')}: {reason}", where="links")
    try:
        return Rewriter(
            name=str(row["name"]),
            hosts=re.compile("|".join(f"(?:{_glob(host)})" for host in row["hosts"])),
            path=re.compile(row.get("path", "")),
            parameters=tuple(row.get("parameters", ())),
            in_path=re.compile(row["in_path"], re.S) if "in_path" in row else None,
            written=written,
            short=bool(row.get("short", False)),
            foreign=bool(row.get("foreign", False)),
        )
    except (KeyError, TypeError, ValueError, re.error) as error:
        raise WatchfloorError(f"{row.get('name', row)}: not a rewriter of links: {error!r}", where="links") from None


def _glob(host: str) -> str:
    """`*` stands for any labels, none of them empty."""
    return re.escape(host).replace(r"\*", r"[a-z0-9_.-]{1,253}")


def _inner(one: Rewriter, url: str, query: str) -> str:
    """The true link as a link, or empty where it is not in this one."""
    told = ""
    if one.in_path is not None and (found := one.in_path.search(url)):
        told = found["link"]
        if "bytes" in found.groupdict() and found["bytes"]:
            told = f"{told}\n{found['bytes']}"
    if not told and one.parameters:
        try:
            given = parse_qsl(query, max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            return ""
        names = {name.lower(): value for name, value in reversed(given)}
        told = next((names[name] for name in one.parameters if names.get(name)), "")
    return _as_link(_WRITTEN[one.written](told)) if told else ""


def _as_link(text: str) -> str:
    text = text.strip()[:LONGEST]
    if _SCHEME.match(text):
        return text
    again = unquote(text)
    if _SCHEME.match(again):
        return again
    return f"http://{text}" if _BARE.fullmatch(text) else ""


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _base64(text: str) -> str:
    plain = text.strip().replace("-", "+").replace("_", "/")
    plain += "=" * (-len(plain) % 4)
    try:
        return base64.b64decode(plain, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _maybe_base64(text: str) -> str:
    """Redirectors write it so or plainly."""
    return text if _SCHEME.match(text) or _SCHEME.match(unquote(text)) else _base64(text)


def _dashes(text: str) -> str:
    """Proofpoint's second version: `-` for `%`, `_` for `/`."""
    return unquote(text.replace("-", "%").replace("_", "/"))


_RUN = re.compile(r"\*(\*[A-Za-z0-9_-])?")
_RUN_LENGTH = {sign: n + 2 for n, sign in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")}


def _asterisks(text: str) -> str:
    """Proofpoint's third version: each `*` stands for the next of the bytes that follow as base64, `**A` for two of
    them, `**B` for three, ..."""
    link, _, packed = text.partition("\n")
    link = re.sub(r"^(https?):/(?!/)", r"\1://", unquote(link))
    kept = iter(_base64(packed))

    def put(found: re.Match[str]) -> str:
        count = _RUN_LENGTH[found[1][1]] if found[1] else 1
        return "".join(islice(kept, count))

    return _RUN.sub(put, link)


def _slash_after_scheme(text: str) -> str:
    """`https/host/path`, `https://host/path`, or the host at once."""
    return re.sub(r"^(https?)(?::?/{1,2}|:)", r"\1://", unquote(text))


_WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": _base64,
    "maybe_base64": _maybe_base64,
    "dashes": _dashes,
    "asterisks": _asterisks,
    "scheme_in_path": _slash_after_scheme,
}
