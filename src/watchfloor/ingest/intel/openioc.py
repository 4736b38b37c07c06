"""OpenIOC 1.0 and 1.1 (XML): the terms that lists of indicators use, joined by AND and OR.

What is not read is refused with its reason, never read as something simpler. A document type is refused, too: entities
can make a small file endless and can name other files.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from xml.parsers import expat

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import IndicatorType, IntelProblem
from watchfloor.ingest.intel.items import Item, Term, indicators

_SEARCHES: dict[str, IndicatorType] = {
    "fileitem/md5sum": "file",
    "fileitem/sha1sum": "file",
    "fileitem/sha256sum": "file",
    "processitem/sectionlist/memorysection/md5sum": "file",
    "fileitem/filename": "file_name",
    "dnsentryitem/host": "domain",
    "dnsentryitem/recordname": "domain",
    "network/dns": "domain",
    "urlhistoryitem/hostname": "domain",
    "urlhistoryitem/url": "url",
    "portitem/remoteip": "address",
    "routeentryitem/destination": "address",
    "arpentryitem/ipv4address": "address",
    "network/useragent": "user_agent",
    "email/from": "mailbox",
    "email/replyto": "mailbox",
}
_DEEPEST, _MOST_WAYS = 50, 1_000


class _Element:
    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name.rpartition(":")[2]
        self.attributes = attributes
        self.children: list[_Element] = []
        self.text = ""

    def find(self, name: str) -> _Element | None:
        """The first element of this name, itself or below."""
        if self.name == name:
            return self
        return next((found for child in self.children if (found := child.find(name))), None)


def _parsed(data: bytes) -> _Element:
    """Raises ValueError for what is no XML, has a document type, or is nested too deeply."""
    root = _Element("", {})
    open_ = [root]

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_) > _DEEPEST:
            raise ValueError(f"XML nested deeper than {_DEEPEST} levels")
        element = _Element(name, attributes)
        open_[-1].children.append(element)
        open_.append(element)

    def end(_: str) -> None:
        open_.pop()

    def text(piece: str) -> None:
        open_[-1].text += piece

    def refuse(*_: object) -> None:
        raise ValueError("a document type is not allowed")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"no valid XML: {error}") from None
    return root


def read_openioc(file: Path, data: bytes) -> Iterator[Item]:
    try:
        document = _parsed(data)
    except ValueError as error:
        yield IntelProblem(where=str(file), what=str(error))
        return
    criteria = document.find("definition") or document.find("criteria")
    if criteria is None:
        yield IntelProblem(where=str(file), what="XML that is no OpenIOC: it has neither definition nor criteria")
        return
    named = document.find("short_description")
    for part in criteria.children:
        yield from _read(file, part, named.text.strip() if named else "")


def _read(file: Path, part: _Element, description: str) -> Iterator[Item]:
    """Alternatives one by one, so that one which cannot be read does not cost the others."""
    if part.name == "Indicator" and part.attributes.get("operator", "OR").upper() == "OR":
        for child in part.children:
            yield from _read(file, child, description)
        return
    if part.name not in ("Indicator", "IndicatorItem"):
        return
    try:
        yield from indicators(_ways(part), description=description, source=file.name)
    except (ValueError, WatchfloorError) as error:
        yield IntelProblem(where=f"{file}, {part.name} {part.attributes.get('id', '')}".rstrip(), what=str(error))


def _ways(part: _Element) -> list[tuple[Term, ...]]:
    if part.name == "IndicatorItem":
        return [(_term(part),)]
    each = [_ways(child) for child in part.children if child.name in ("Indicator", "IndicatorItem")]
    if part.attributes.get("operator", "OR").upper() == "OR":
        return [way for ways in each for way in ways]
    size = 1
    for ways in each:
        size *= len(ways)
    if size > _MOST_WAYS:
        raise ValueError(f"it holds in more than {_MOST_WAYS} ways")
    return [tuple(dict.fromkeys(term for way in chosen for term in way)) for chosen in product(*each)]


def _term(item: _Element) -> Term:
    context, content = item.find("Context"), item.find("Content")
    search = (context.attributes.get("search") or "").strip() if context else ""
    value = content.text.strip() if content else ""
    condition = item.attributes.get("condition", "is").lower()
    if condition != "is" or item.attributes.get("negate", "false").lower() == "true":
        raise ValueError(f"condition {condition!r} on {search or 'no term'} is not supported")
    if search.lower() == "network/uri" and "://" in value:
        return Term("url", value)
    if search.lower() not in _SEARCHES:
        raise ValueError(f"term {search or 'without a name'} is not supported")
    return Term(_SEARCHES[search.lower()], value)
