"""STIX 2.1: bundles, and the envelopes in which TAXII servers hand out the same objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchfloor.core.clock import parse_iso
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.intel import Indicator, IntelProblem
from watchfloor.ingest.intel.items import Item, Term, indicators
from watchfloor.ingest.stix_pattern import PatternError, read_pattern


def read_stix(file: Path, bundle: dict[str, Any]) -> Iterator[Item]:
    objects = bundle["objects"]
    names = {o.get("id"): o.get("name") for o in objects if isinstance(o, dict) and o.get("type") == "identity"}
    for number, item in enumerate(objects):
        if not isinstance(item, dict) or item.get("type") != "indicator" or item.get("revoked") is True:
            continue  # other objects describe; a revoked indicator was withdrawn by its author
        where = f"{file}, objects[{number}] {item.get('id', '')}".rstrip()
        try:
            source = names.get(item.get("created_by_ref")) or file.name
            yield from _indicators(item, str(source))
        except (ValueError, KeyError, TypeError, AttributeError, WatchfloorError) as error:
            what = f"{item.get('pattern', 'no pattern')}: {error}" if isinstance(error, PatternError) else str(error)
            yield IntelProblem(where=where, what=what)


def _indicators(item: dict[str, Any], source: str) -> list[Indicator]:
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
        source=source,
        kind="suspicious" if "anomalous-activity" in says else "malicious",
    )
