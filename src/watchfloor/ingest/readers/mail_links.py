"""Where a mail's links lead, wrappers of gateways and redirectors taken off."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from watchfloor.content import documents, folder
from watchfloor.core.unwrap import Rewriters

_WEB = ("http:", "https:")


@cache
def rewriters() -> Rewriters:
    """The shipped table of who writes links anew."""
    return Rewriters.of(row for one in documents(folder("links")) for row in one.data)


def followed(links: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The links with `target` and `by` where a rewriter's wrapper was taken off, `hidden` where it cannot be."""
    for link in links:
        found = rewriters().unwrap(link["href"])
        if found.by:
            link["target"], link["by"] = found.target, list(found.by)
        if found.hidden:
            link["hidden"] = found.hidden
    return links


def targets(urls: Iterable[str], most: int) -> list[str]:
    """Where URLs lead, each once, in their order."""
    return list(dict.fromkeys(rewriters().unwrap(url).target for url in urls))[:most]


def is_web(url: str) -> bool:
    return url.lower().startswith(_WEB)


def host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")[:253]
    except ValueError:
        return ""
