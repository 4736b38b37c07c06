"""MISP events and attributes: those that their author marked for detection (`to_ids`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import Indicator, IntelProblem
from watchfloor.ingest.intel.items import ALIASES, Item, Term, indicators

# Types whose value has two parts: which of them names the thing. The rest of the pair (a port, a file's name beside its
# hash) adds nothing that makes it another thing; `domain|ip` names two.
_PAIRS = {"filename": (1,), "ip-src": (0,), "ip-dst": (0,), "hostname": (0,), "domain": (0, 1)}
_CONFIDENCE = {
    "completely-confident": 100,
    "usually-confident": 75,
    "fairly-confident": 50,
    "rarely-confident": 25,
    "unconfident": 5,
}
_TAGGED = re.compile(r'misp:confidence-level="([a-z-]+)"')


def is_misp(document: Any) -> bool:
    """Whether a document holds events or attributes of MISP: an export, an answer of its API, a feed's event."""
    return any(True for _ in _events(document))


def read_misp(file: Path, document: Any) -> Iterator[Item]:
    for number, event in enumerate(_events(document)):
        yield from _event(f"{file}, event {event.get('uuid') or number}", file, event)


def _events(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, list):
        for item in document:
            yield from _events(item)
    elif isinstance(document, dict):
        inner = document.get("Event", document.get("response"))
        if isinstance(inner, dict) and "Event" in document:
            yield inner
        elif isinstance(inner, (dict, list)):
            yield from _events(inner)
        elif isinstance(document.get("Attribute"), list):
            yield document


def _event(where: str, file: Path, event: dict[str, Any]) -> Iterator[Item]:
    organisation = event.get("Orgc")
    source = str(organisation.get("name") or file.name) if isinstance(organisation, dict) else file.name
    objects = event.get("Object")
    held = [o.get("Attribute") for o in objects if isinstance(o, dict)] if isinstance(objects, list) else []
    for group in (event.get("Attribute"), *held):
        for attribute in group if isinstance(group, list) else ():
            if not isinstance(attribute, dict) or attribute.get("to_ids") is not True or attribute.get("deleted"):
                continue  # context, or withdrawn
            try:
                yield from _attribute(event, attribute, source)
            except (ValueError, KeyError, TypeError, AttributeError, WatchfloorError) as error:
                yield IntelProblem(where=f"{where}, attribute {attribute.get('uuid', '')}".rstrip(), what=str(error))


def _attribute(event: dict[str, Any], attribute: dict[str, Any], source: str) -> list[Indicator]:
    kind, value = str(attribute["type"]).lower(), str(attribute["value"])
    described = [str(event.get("info") or ""), str(attribute.get("comment") or "")]
    return indicators(
        [(term,) for term in _terms(kind, value)],
        description=": ".join(part for part in described if part),
        confidence=_confidence(event, attribute),
        valid_from=parse_iso(str(attribute["first_seen"])) if attribute.get("first_seen") else 0,
        source=source,
    )


def _terms(kind: str, value: str) -> list[Term]:
    first, _, second = kind.partition("|")
    values = value.split("|", 1)
    if not second:
        named = [(kind, value)]
    elif len(values) == 2 and first in _PAIRS:
        types = (first, "ip-dst" if second == "ip" else second)
        named = [(types[at], values[at]) for at in _PAIRS[first]]
    else:
        raise ValueError(f"attribute type {kind!r} with value {value[:80]!r} is not supported")
    found = []
    for name, text in named:
        known = ALIASES.get(name)
        if known is None:
            raise ValueError(f"attribute type {name!r} is not supported")
        found.append(Term(known, text))
    return found


def _confidence(event: dict[str, Any], attribute: dict[str, Any]) -> int:
    for holder in (attribute, event):
        for tag in holder.get("Tag") or ():
            found = _TAGGED.search(str(tag.get("name"))) if isinstance(tag, dict) else None
            if found and found[1] in _CONFIDENCE:
                return _CONFIDENCE[found[1]]
    return 50
