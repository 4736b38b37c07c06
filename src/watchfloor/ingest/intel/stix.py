"""STIX 2.1: bundles, and the envelopes in which TAXII servers hand out the same objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from watchfloor.core.clock import parse_iso
from watchfloor.core.intel import Indicator, IntelProblem
from watchfloor.ingest.intel.items import BROKEN, Item, Term, indicators
from watchfloor.ingest.stix_pattern import PatternError, read_pattern

# The markings of TLP 1.0 and 2.0 have ids of their own.
_TLP = {
    "613f2e26-407d-48c7-9eca-b8e91df99dc9": "tlp:clear",
    "34098fce-860f-48ae-8e50-ebd3cc5e41da": "tlp:green",
    "f88d31f6-486f-44da-b317-01333bde0b82": "tlp:amber",
    "5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "tlp:red",
    "94868c89-83c2-464b-929b-a1a8aa3c8487": "tlp:clear",
    "bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "tlp:green",
    "55d920b0-5e8b-4f79-9ee9-91f868d9b421": "tlp:amber",
    "939a9414-2ddd-4d32-a0cd-375ea402b003": "tlp:amber+strict",
    "e828b379-4e03-4974-9ac4-e53a884c97c1": "tlp:red",
}


def read_stix(file: Path, bundle: dict[str, Any]) -> Iterator[Item]:
    objects = bundle["objects"]
    names = names_of(objects)
    for number, item in enumerate(objects):
        if not isinstance(item, dict) or item.get("type") != "indicator" or item.get("revoked") is True:
            continue  # other objects describe; a revoked indicator was withdrawn by its author
        where = f"{file}, objects[{number}] {item.get('id', '')}".rstrip()
        try:
            yield from indicators_of(item, file.name, names)
        except BROKEN as error:
            yield IntelProblem(where=where, what=reason_of(item, error))


def names_of(objects: Iterable[Any]) -> dict[str, str]:
    """What the identities and markings among objects are called, by id."""
    named = (o for o in objects if isinstance(o, dict) and o.get("type") in ("identity", "marking-definition"))
    return {str(o.get("id")): name for o in named if (name := name_of(o))}


def name_of(item: Mapping[str, Any]) -> str:
    """What an identity or a marking is called."""
    if item.get("type") == "identity":
        return str(item.get("name") or "")[:300]
    if item.get("type") != "marking-definition":
        return ""
    said = item.get("definition")
    statement = said.get("statement") if isinstance(said, dict) else ""
    return str(item.get("name") or statement or "")[:300]


def reason_of(item: Mapping[str, Any], error: Exception) -> str:
    """Why an indicator could not be read, for people."""
    if isinstance(error, PatternError):
        return f"{item.get('pattern', 'no pattern')}: {error}"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def indicators_of(item: Mapping[str, Any], feed: str, names: Mapping[str, str]) -> list[Indicator]:
    """What an indicator object names; `names` are what identities and markings are called. Raises one of BROKEN."""
    if item.get("pattern_type", "stix") != "stix":
        raise ValueError(f"pattern type {item['pattern_type']!r} is not supported; rules go to detections")
    says = item.get("indicator_types") or []
    if "benign" in says:
        raise ValueError("it names benign things; put them on a warninglist")
    until = item.get("valid_until")
    return indicators(
        [tuple(Term(*term) for term in terms) for terms in read_pattern(item.get("pattern") or "")],
        description=item.get("name") or item.get("description") or "",
        confidence=item.get("confidence", 50),
        valid_from=parse_iso(item["valid_from"]) if item.get("valid_from") else 0,
        valid_until=parse_iso(until) if until else None,
        source=names.get(item.get("created_by_ref") or "") or feed,
        kind="suspicious" if "anomalous-activity" in says else "malicious",
        marking=_marking(item.get("object_marking_refs") or [], names),
    )


def _marking(refs: Sequence[str], names: Mapping[str, str]) -> str:
    """TLP's word where a marking is one of its own, else the marking's name."""
    said = [_TLP.get(ref.rpartition("--")[2]) or names.get(ref, "") for ref in refs]
    return ", ".join(dict.fromkeys(filter(None, said)))
