"""Where a mail's links lead, and how they hide it. See `analysis.mail` for the answer's shape."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from watchfloor.content import documents, folder
from watchfloor.core.look_alike import hosted, look_alike, registrable
from watchfloor.core.text import clipped, whole
from watchfloor.core.unwrap import Rewriters
from watchfloor.enrich.analysis.files import RISKY, kind_of

MOST = 10
_MOST_LINKS = 300
_LOOKS_LIKE_HOST = re.compile(r"(?:https?://)?((?:[\w-]{1,63}\.){1,8}[a-z]{2,24})(?:[/:?#].*)?", re.IGNORECASE)
LOGIN = re.compile(
    r"\b(?:log-?_?in|sign-?_?in|signon|sso|oauth|webmail|owa|verify|verification|secure|account|password|passwd|credential"
    r"|auth|update|confirm|unlock|mfa|office-?365|anmelden|konto)(?:\b|_)",
    re.I,
)
_USUAL_PORTS = frozenset({None, 80, 443, 8080, 8443})


class Link(NamedTuple):
    """`host` is where it leads in the end, `outer` the host that stands in the mail."""

    text: str
    href: str
    target: str
    host: str
    outer: str
    by: tuple[str, ...]
    hidden: str


@cache
def rewriters() -> Rewriters:
    """The shipped table of who writes links anew."""
    return Rewriters.of(row for one in documents(folder("links")) for row in one.data)


def read(message: dict[str, Any], own: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, bool]]:
    """The answer's `links`, and which traits they give."""
    links = list(_links(message))[:_MOST_LINKS]
    hosts = list(dict.fromkeys(link.host for link in links if link.host))
    foreign = [link for link in links if link.host and not _of(link.host, own)]
    raw = [host for host in hosts if is_address(host)]
    alike = [found for host in hosts if host not in raw and (found := look_alike(host, own)) is not None]
    shown = {
        "count": len(links),
        "hosts": hosts[:MOST],
        "mismatched": [{"text": clipped(one.text.strip(), 120), "target": one.host} for one in _mismatched(links)][
            :MOST
        ],
        "look_alike": alike[:MOST],
        "raw_address": raw[:MOST],
        "punycode": [host for host in hosts if "xn--" in host][:MOST],
        "short": _each(link.outer for link in links if rewriters().short(link.outer)),
        "rewritten": [
            {"by": " and ".join(link.by), "shown": link.outer, "target": link.host} for link in links if link.by
        ][:MOST],
        "hidden": _each(f"{link.hidden} ({link.outer})" for link in links if link.hidden),
        "user_info": _each(link.host for link in links if "@" in _netloc(link.target)),
        "unusual_port": _each(_netloc(link.target) for link in links if _port(link.target) not in _USUAL_PORTS),
        "login": _each(link.host for link in foreign if LOGIN.search(_place(link.target))),
        "free_hosting": _each(
            link.host for link in foreign if not is_address(link.host) and hosted(registrable(link.host))
        ),
        "download": _each(_file(link.target) for link in links if kind_of(_file(link.target)) in (*RISKY, "archive")),
        "no_page": _each(
            clipped(link.href, 60)
            for link in links
            if link.href.lower().lstrip().startswith(("data:", "javascript:", "file:"))
        ),
        "recipient": _each(link.host for link in foreign if _names_recipient(link.target, message)),
    }
    told = {
        "link_text_differs": bool(shown["mismatched"]),
        "look_alike_link": bool(alike),
        "raw_address_link": bool(raw),
        "punycode_link": bool(shown["punycode"]),
        "short_link": bool(shown["short"]),
        "open_redirect_link": any("open redirect" in link.by for link in links),
        "hidden_link": bool(shown["hidden"]),
        "user_info_link": bool(shown["user_info"]),
        "unusual_port_link": bool(shown["unusual_port"]),
        "login_link": bool(shown["login"]),
        "free_hosting_link": bool(shown["free_hosting"]),
        "download_link": bool(shown["download"]),
        "no_page_link": bool(shown["no_page"]),
        "recipient_in_link": bool(shown["recipient"]),
    }
    return shown, told


def host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")[:253]
    except ValueError:
        return ""


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _links(message: dict[str, Any]) -> Iterator[Link]:
    """Each link; those that stand in the text alone have no text that is shown for them."""
    seen: set[str] = set()
    for link in _items(message.get("links"), dict):
        href = _text(link, "href")
        if href.lower().startswith(("http:", "https:", "//", "data:", "javascript:", "file:")):
            one = _link(_text(link, "text"), href)
            seen |= {href, one.target}
            yield one
    for url in _items(message.get("urls"), str):
        if url not in seen:
            yield _link("", whole(url))


def _link(text: str, href: str) -> Link:
    found = rewriters().unwrap(href)
    return Link(text, href, found.target, host_of(found.target), host_of(href), found.by, found.hidden)


def _mismatched(links: list[Link]) -> Iterator[Link]:
    """Links that show one place and lead to another. One that a gateway wrote anew shows rightly what it wraps."""
    for link in links:
        shown = _LOOKS_LIKE_HOST.fullmatch(link.text.strip()[:300])
        if shown and link.host and registrable(shown[1]) not in (registrable(link.host), registrable(link.outer)):
            yield link


def _names_recipient(target: str, message: dict[str, Any]) -> bool:
    """Whether a link tells its server whom it was sent to: pages that fill in the victim's address do."""
    plain = unquote(target[:2_000]).lower()
    for to in _items(message.get("to"), str)[:5]:
        address = to.lower()
        if len(address) > 5 and (address in plain or base64.b64encode(to.encode())[:-3].decode() in target):
            return True
    return False


def _each(values: Any) -> list[str]:
    return list(dict.fromkeys(values))[:MOST]


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc[:253]
    except ValueError:
        return ""


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None


def _place(url: str) -> str:
    """The host and path, where a page says what it is."""
    try:
        parts = urlsplit(url[:2_000])
    except ValueError:
        return ""
    return f"{parts.netloc}{parts.path}"


def _file(url: str) -> str:
    try:
        return urlsplit(url).path.rpartition("/")[2][-120:]
    except ValueError:
        return ""


def _of(domain: str, own: tuple[str, ...]) -> bool:
    return any(domain == mine.lower() or domain.endswith("." + mine.lower()) for mine in own)


def _items(value: Any, kind: type) -> list[Any]:
    return [item for item in value if isinstance(item, kind)] if isinstance(value, list) else []


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return whole(value).strip() if isinstance(value, str) else ""
