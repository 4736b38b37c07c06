"""The pieces of a URL: its host's form, the words of its path, the parameters of its query, and signs of attacks."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus, urlsplit

from watchfloor.core.look_alike import look_alike
from watchfloor.core.text import both_ends, whole

LONGEST = 4_096
_DEEPEST = 3  # how often a URL is encoded in itself at most
_MOST_WORDS = 200
_WORD = re.compile(r"[a-z][a-z0-9]*|\d+")
_PARAMETER = re.compile(r"(?:^|[&;])([^=&;]{1,60})=")
_SIGNS = re.compile(r"\.\./|\.\.\\|<|>|\$\{|\$\(|`|\||;|'|\"|\(|\)|\{|--|/\*|\\|\x00|//|@|\{\{|<\?")
_RUN = re.compile(r"[A-Za-z0-9_-]{24,}")
_ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|0x[0-9a-f]+|\d{8,10}|\[[0-9a-f:]+\]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,11}://", re.IGNORECASE)
_USUAL_PORTS = (None, 80, 443)


def plain(value: str) -> str:
    """A URL or a path with its query as it is judged; empty for what has neither path nor scheme."""
    text = whole(both_ends(value, LONGEST)).strip()
    return text if "/" in text and len(text) > 3 else ""


def pieces(url: str, own: tuple[str, ...] = ()) -> list[str]:
    """The pieces of a plain URL; `own` are the owner's domains."""
    text, depth = url, 0
    while "%" in text and depth < _DEEPEST and (less := unquote_plus(text)) != text:
        text, depth = less, depth + 1
    told = _host(url, own)
    if depth > 1:
        told.append("is:encoded more than once")
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :].partition("/")[2] if scheme else text
    path, _, query = rest.lower().partition("?")
    told += _form(url, path, query)
    told += (f"sign:{sign}" for sign in _SIGNS.findall(rest))
    for kind, part in (("path", path), ("query", query)):
        before = ""
        for word in _WORD.findall(part)[:_MOST_WORDS]:
            name = "a number" if word.isdigit() else word if len(word) < 24 else "a long word"
            told += (f"{kind}:{name}", f"pair:{before} {name}") if before else (f"{kind}:{name}",)
            before = name
    told += (f"parameter:{name}=" for name in _PARAMETER.findall(query))
    return list(dict.fromkeys(told))


def _host(url: str, own: tuple[str, ...]) -> list[str]:
    if not _SCHEME.match(url):
        return []
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip(".")[:253], parts.port
    except ValueError:
        return ["is:a host that cannot be read"]
    told = [f"is:{parts.scheme.lower()[:8]}"]
    if _ADDRESS.fullmatch(host):
        told.append("is:a bare address for a host")
    elif host:
        labels = host.split(".")
        told.append(f"is:a host of {min(len(labels), 6)} parts")
        if "xn--" in host:
            told.append("is:letters of another alphabet in the host")
        if host.count("-") > 1:
            told.append("is:several hyphens in the host")
        told += (f"host:{word}" for word in dict.fromkeys(_WORD.findall(host)) if len(word) > 2)
        told.append(f"suffix:.{labels[-1]}")
        if found := look_alike(host, own):
            told.append(f"like:a known name ({found['how']})")
    if port not in _USUAL_PORTS:
        told.append("is:an unusual port")
    if "@" in parts.netloc:
        told.append("is:a name before the host")
    return told


def _form(url: str, path: str, query: str) -> list[str]:
    name = path.rpartition("/")[2]
    ending = name.rpartition(".")[2] if "." in name else ""
    told = [
        f"is:{_up_to(len(url), (25, 50, 80, 120, 200, 400))} characters long",
        f"is:{min(path.count('/'), 6)} folders deep",
        f"is:{min(query.count('='), 6)} parameters",
    ]
    if ending and len(ending) <= 6:
        told.append(f"ends:.{ending}")
        if name.count(".") > 1:
            told.append("is:two endings")
    if not name and not query:
        told.append("is:a folder only" if path else "is:a host only")
    if encoded := url.count("%"):
        told.append(f"is:{_up_to(encoded, (2, 6, 15))} encoded signs")
    runs = sum(any(map(str.isdigit, run)) for run in _RUN.findall(url))
    if runs:
        told.append(f"is:{min(runs, 3)} long runs of letters and digits")
    return told


def _up_to(count: int, steps: tuple[int, ...]) -> str:
    for step in steps:
        if count <= step:
            return f"up to {step}"
    return f"more than {steps[-1]}"
