"""MISP events and attributes: those that their author marked for detection (`to_ids`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchfloor.core.clock import parse_iso
from watchfloor.core.intel import Indicator, IntelProblem
from watchfloor.ingest.intel.items import ALIASES, BROKEN, Item, Term, indicators

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
    return any(True for _ in events_of(document))


def read_misp(file: Path, document: Any) -> Iterator[Item]:
    for number, event in enumerate(events_of(document)):
        where = f"{file}, event {event.get('uuid') or number}"
        for attribute in attributes_of(event):
            if not isinstance(attribute, dict) or not is_indicator(attribute) or attribute.get("deleted"):
                continue  # context, or withdrawn
            try:
                yield from indicators_of(event, attribute, file.name)
            except BROKEN as error:
                yield IntelProblem(where=f"{where}, attribute {attribute.get('uuid', '')}".rstrip(), what=str(error))


def events_of(document: Any) -> Iterator[dict[str, Any]]:
    """The events of a document; attributes without one stand in an event that says nothing else."""
    if isinstance(document, list):
        for item in document:
            yield from events_of(item)
    elif isinstance(document, dict):
        inner = document.get("Event", document.get("response"))
        if isinstance(inner, dict) and "Event" in document:
            yield inner
        elif isinstance(inner, (dict, list)):
            yield from events_of(inner)
        elif isinstance(document.get("Attribute"), list):
            yield document


def attributes_of(event: dict[str, Any]) -> Iterator[Any]:
    """The attributes of an event and those of its objects. A deleted object's are deleted."""
    own, objects = event.get("Attribute"), event.get("Object")
    yield from own if isinstance(own, list) else ()
    for one in objects if isinstance(objects, list) else ():
        held = one.get("Attribute") if isinstance(one, dict) else None
        for attribute in held if isinstance(held, list) else ():
            gone = isinstance(attribute, dict) and one.get("deleted")
            yield attribute | {"deleted": True} if gone else attribute


def is_indicator(attribute: dict[str, Any]) -> bool:
    """Whether its author marked it for detection, and more people saw it than said that it is a false positive."""
    sightings = attribute.get("Sighting")
    kinds = [str(s.get("type")) for s in sightings if isinstance(s, dict)] if isinstance(sightings, list) else []
    return attribute.get("to_ids") is True and kinds.count("1") <= kinds.count("0")


def indicators_of(event: dict[str, Any], attribute: dict[str, Any], feed: str) -> list[Indicator]:
    """What an attribute names. Raises one of BROKEN."""
    if isinstance(attribute.get("Event"), dict):  # as the API gives attributes by themselves
        event = attribute["Event"] | event
    organisation = event.get("Orgc")
    source = organisation.get("name") if isinstance(organisation, dict) else ""
    kind, value = str(attribute["type"]).lower(), str(attribute["value"])
    described = [str(event.get("info") or ""), str(attribute.get("comment") or "")]
    return indicators(
        [(term,) for term in _terms(kind, value)],
        description=": ".join(part for part in described if part),
        confidence=_confidence(event, attribute),
        valid_from=parse_iso(str(attribute["first_seen"])) if attribute.get("first_seen") else 0,
        source=str(source or feed),
        marking=_marking(event, attribute),
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
    for tag in (*_tags(attribute), *_tags(event)):
        found = _TAGGED.search(tag)
        if found and found[1] in _CONFIDENCE:
            return _CONFIDENCE[found[1]]
    return 50


def _marking(event: dict[str, Any], attribute: dict[str, Any]) -> str:
    """The TLP tag of the attribute, or else of its event."""
    return next((tag for tag in (*_tags(attribute), *_tags(event)) if tag.startswith("tlp:")), "")


def _tags(holder: dict[str, Any]) -> list[str]:
    tags = holder.get("Tag")
    return [str(tag.get("name")).lower() for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
