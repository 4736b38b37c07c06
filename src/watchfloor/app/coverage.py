"""Coverage of this installation: what arrives, what could, and which detections can fire on it."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from watchfloor import content
from watchfloor.app.parts import Parts
from watchfloor.core.errors import WatchfloorError
from watchfloor.core.event import LAYERS, Layer
from watchfloor.improve.coverage import Coverage, SeenSource, UsedDetection, assess_coverage

if TYPE_CHECKING:
    from watchfloor.detect import Detector

Techniques = dict[str, tuple[str, tuple[str, ...]]]


def coverage_of(parts: Parts, techniques: Techniques | None = None) -> Coverage:
    """Coverage by the events of the tenant's lake and the detections in use.

    A detection can fire when events are kept that its log source means. `techniques` as from `read_techniques`.
    """
    detector, lake = parts.detector, parts.lake
    kinds = lake.kinds(parts.tenant, detector.places)
    events = lake.events(parts.tenant, [kind.uid for kind in kinds])
    reads: dict[str, set[tuple[str, Layer]]] = defaultdict(set)
    counts: dict[tuple[str, Layer], tuple[int, int]] = {}
    for kind in kinds:
        source = (kind.mapping, kind.layer)
        for rule in detector.rules_for(events[kind.uid]):
            reads[rule.uid].add(source)
        before, last = counts.get(source, (0, 0))
        counts[source] = (before + kind.events, max(last, kind.last))
    sources = [
        SeenSource(mapping=mapping, layer=layer, events=count, last_time=last)
        for (mapping, layer), (count, last) in sorted(counts.items())
    ]
    detections = [
        UsedDetection(
            uid=rule.uid,
            title=rule.title,
            techniques=rule.techniques,
            tactics=rule.tactics,
            wants=rule.logsource.words,
            reads=tuple(sorted(reads[rule.uid])),
        )
        for rule in detector.rules
        if rule.uid not in detector.silent
    ]
    detections += _correlations(detector, reads)
    return assess_coverage(sources, detections, _known_mappings(), techniques, parts.intel.counts.indicators)


def _correlations(detector: Detector, reads: Mapping[str, set[tuple[str, Layer]]]) -> list[UsedDetection]:
    """A correlation can fire when events are kept that its rules read: of one that wants all of its rules, all read."""
    wants = {rule.uid: rule.logsource.words for rule in detector.rules}
    seen = {uid: frozenset(some) for uid, some in reads.items()}
    found = []
    for each in detector.correlations:  # each after those that it refers to
        parts = [seen.get(uid, frozenset()) for uid in each.rules]
        fires = all(parts) if each.wants_all else any(parts)
        seen[each.uid] = frozenset().union(*parts) if fires else frozenset()
        wants[each.uid] = " and ".join(dict.fromkeys(wants[uid] for uid in each.rules))
        if each.uid not in detector.silent:
            found.append(
                UsedDetection(
                    uid=each.uid,
                    title=each.title,
                    techniques=each.techniques,
                    tactics=each.tactics,
                    wants=wants[each.uid],
                    reads=tuple(sorted(seen[each.uid])),
                )
            )
    return found


def _known_mappings() -> dict[Layer, set[str]]:
    """The shipped mappings by the layers that their records are in."""
    known: dict[Layer, set[str]] = {layer: set() for layer in LAYERS}
    for document in content.documents(content.folder("mappings")):
        for spec in (document.data, *(document.data.get("types") or ())):
            if spec.get("layer") in known:
                known[spec["layer"]].add(document.data["mapping"])
    return known


def read_techniques(path: Path) -> Techniques:
    """ATT&CK id -> name and tactics, from MITRE's STIX bundle (`enterprise-attack.json`) or from a CSV with the columns
    `mitre_id`, `technique`, `tactics` (by `|`). Raises WatchfloorError that says what is wrong."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise WatchfloorError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    found = _from_bundle(text) if text.lstrip()[:1] == b"{" else _from_table(text)
    if not found:
        raise WatchfloorError("holds no ATT&CK technique", where=str(path), do="Give MITRE's enterprise-attack.json")
    return found


def _from_bundle(text: bytes) -> Techniques:
    try:
        objects = orjson.loads(text).get("objects")
    except ValueError:
        return {}
    found: Techniques = {}
    for item in objects if isinstance(objects, list) else ():
        if (
            not isinstance(item, dict)
            or item.get("type") != "attack-pattern"
            or item.get("revoked")
            or item.get("x_mitre_deprecated")
        ):
            continue
        names = (
            r.get("external_id")
            for r in item.get("external_references") or ()
            if r.get("source_name") == "mitre-attack"
        )
        tactics = tuple(p["phase_name"] for p in item.get("kill_chain_phases") or () if "phase_name" in p)
        found.update({str(name): (str(item.get("name", "")), tactics) for name in names if name})
    return found


def _from_table(text: bytes) -> Techniques:
    rows = csv.DictReader(text.decode("utf-8-sig", "replace").splitlines())
    return {
        row["mitre_id"]: (row.get("technique") or "", tuple(filter(None, (row.get("tactics") or "").split("|"))))
        for row in rows
        if row.get("mitre_id")
    }
