"""Traits of a URL or host name.

Answer: `{"url": text (first 1,000 characters), "host", "registrable", "raw_address": bool, "punycode": bool,
"subdomains": n, "extension": "exe" | "", "extension_kind": "executable" | "script" | "archive" | "document" |
"page" | "", "port": n | null, "user_info": bool, "host_entropy": bits, "encoded_share": share of %-escapes,
"look_alike": {"domain", "of", "how"} | null, "target": where it leads with a rewriter's wrapper taken off | "",
"rewritten_by": names, "hits": [{"trait", "family", "technique", "matched"}], "traits":
[names]}`. Hits are attacks on the web server.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from watchfloor.core.context import Context
from watchfloor.core.event import Event
from watchfloor.core.facets import facets
from watchfloor.core.look_alike import hosted, look_alike, registrable
from watchfloor.core.text import clipped, entropy, whole
from watchfloor.enrich.analysis.files import kind_of
from watchfloor.enrich.analysis.mail_links import LOGIN, rewriters
from watchfloor.enrich.analysis.patterns import Patterns, share

_MANY = 4
_RANDOM_BITS = 3.6
_RANDOM_BITS_WITH_DIGITS = 3.2
_USUAL_PORTS = frozenset({80, 443, 8080, 8443})


def traits_of(event: Event, context: Context) -> dict[str, Any] | None:
    """The traits of an event's URL, or of its domain where it has no URL; None when it has neither."""
    found = facets(event)
    text = found["url"] or found["domain"]
    company = context.company
    return traits(text, company.own_domains) if text else None


def traits(url: str, own: tuple[str, ...] = ()) -> dict[str, Any]:
    """The traits of a URL or host; `own` are the company's domains."""
    text = whole(url).strip()
    host, path, port, user_info = _split(text)
    raw = _is_address(host)
    name = path.rpartition("/")[2]
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    domain = "" if raw else registrable(host)
    subdomains = 0 if raw or not host else host.removesuffix(domain).count(".")
    alike = None if raw or not host else look_alike(host, own)
    encoded = share(3 * text.count("%"), len(text))
    hits = [hit.shown() for hit in Patterns.shipped("web").find([text, unquote_plus(text)])]
    unwrapped = rewriters().unwrap(text)
    foreign = not raw and bool(host) and registrable(host) not in {registrable(one) for one in own}
    told = {
        "short": rewriters().short(host),
        "redirect": bool(unwrapped.by),
        "free_hosting": foreign and hosted(domain),
        "login_words": foreign and bool(LOGIN.search(f"{host}{path}")),
        "raw_address": raw,
        "punycode": "xn--" in host,
        "many_subdomains": subdomains >= _MANY,
        "user_info": user_info,
        "unusual_port": port is not None and port not in _USUAL_PORTS,
        "risky_extension": kind_of(name) in ("executable", "script", "disk_image"),
        "random_host": not raw and _random(domain.partition(".")[0]),
        "look_alike": alike is not None,
        "much_encoded": encoded > 0.4 and len(text) > 60,
    }
    return {
        "url": clipped(text, 1_000),
        "host": host[:253],
        "registrable": domain[:253],
        "raw_address": raw,
        "punycode": told["punycode"],
        "subdomains": subdomains,
        "extension": extension[:12],
        "extension_kind": kind_of(name),
        "port": port,
        "user_info": user_info,
        "host_entropy": entropy(host[:253]),
        "encoded_share": encoded,
        "look_alike": alike,
        "target": clipped(unwrapped.target, 300) if unwrapped.by else "",
        "rewritten_by": list(unwrapped.by),
        "hits": hits,
        "traits": sorted({*(name for name, held in told.items() if held), *(hit["trait"] for hit in hits)}),
    }


def _random(label: str) -> bool:
    """Whether a long label has more disorder than words have."""
    bits = entropy(label[:63])
    digits = sum(map(str.isdigit, label))
    return len(label) >= 12 and (bits > _RANDOM_BITS or (digits >= 3 and bits > _RANDOM_BITS_WITH_DIGITS))


def _split(text: str) -> tuple[str, str, int | None, bool]:
    """Host, path, port and whether there is user info."""
    absolute = "://" in text.partition("?")[0]
    try:
        parts = urlsplit(text if absolute else text if text.startswith("/") else f"//{text}")
        return (parts.hostname or "").rstrip("."), parts.path, parts.port, "@" in parts.netloc
    except ValueError:
        return "", text.partition("?")[0], None, False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Browsers also take one number for an address: http://3221226219/
        return host.isdecimal() or host.startswith("0x")
    return True
