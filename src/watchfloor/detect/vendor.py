"""Vendors' alerts: an OCSF Detection Finding is a finding as it is, with the vendor's title, severity and technique.

Alerts of which a product tells again when they change have their id in `unmapped.alert`: all events with it are one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from watchfloor.core.event import Event, get_path
from watchfloor.core.finding import Detection, Severity, Standing
from watchfloor.core.noun import short_id
from watchfloor.detect.findings import Raised, source_of
from watchfloor.detect.sigma.fields import find
from watchfloor.detect.sigma.values import flat, text_of

DETECTION_FINDING = 2004
# OCSF's status_id and verdict_id of findings. A resolved alert was dealt with and may well have been an attack; that
# there was none say those who suppressed or archived it, or whose verdict it is.
_RESOLVED = 4
_DISMISSED = frozenset({3, 5})
_HARMLESS = frozenset({1, 3, 5, 6, 10})  # false positive, disregard, benign, test, duplicate

# Where a vendor puts what OCSF has one place for: first the normalised place, then the vendor's own.
_SIGNATURE = (
    "ocsf.finding_info.analytic.uid",
    "original.alert.signature_id",
    "original.rule.id",
    "ocsf.finding_info.analytic.name",
)
_CLASS = (
    "original.alert.category",
    "original.note",
    "ocsf.finding_info.analytic.category",
    "ocsf.finding_info.types",
)
_TECHNIQUES = (
    "ocsf.finding_info.attacks.technique.uid",
    "ocsf.finding_info.attacks.sub_technique.uid",
    "ocsf.attacks.technique.uid",
    "ocsf.attacks.sub_technique.uid",
    "original.rule.mitre.id",
    "original.alert.metadata.mitre_technique_id",
)
_TACTICS = (
    "ocsf.finding_info.attacks.tactic.name",
    "ocsf.finding_info.attacks.tactics.name",
    "ocsf.attacks.tactic.name",
    "original.rule.mitre.tactic",
    "original.alert.metadata.mitre_tactic_name",
)
_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?", re.ASCII)
# Groups that say where a Wazuh rule came from, not what it is about.
_BROAD_GROUPS = frozenset({"syslog", "ossec", "windows", "local", "web", "accesslog", "attack"})


def vendor_detection(event: Event) -> Raised | None:
    """The finding that a vendor's alert is, or None for any other event."""
    if event.ocsf.get("class_uid") != DETECTION_FINDING:
        return None
    product = event.logsource.get("product") or event.mapping
    if product == "ocsf":  # anybody's, who says so
        product = f"ocsf/{slug(text_of(get_path(event.ocsf, 'metadata.product.name')) or 'unknown')[:40]}"
    title = text_of(get_path(event.ocsf, "finding_info.title")) or f"{product} alert"
    signature = next(_texts(event, _SIGNATURE), title)
    if event.logsource.get("service") == "intel":
        # A sensor's indicator match names the indicator; what can be relied on, or not, is the feed.
        signature = next(_texts(event, ("original.sources", "ocsf.finding_info.types")), "intel")
        title = f"Indicator of {signature} seen: {title}"
    detection = Detection(
        # Vendors' numbers are short, so the product stands before them.
        uid=f"{product}/{signature}" if len(signature) <= 80 else short_id("d", product, signature),
        title=title,
        family=f"{product}/{_class_of(event)}",
        source=source_of(event),
        kind="vendor",
        description=text_of(get_path(event.ocsf, "finding_info.desc")) or "",
    )
    techniques = [t.replace("_", ".").upper() for t in _texts(event, _TECHNIQUES)]
    return Raised(
        detection,
        _severity(event),
        title,
        tuple(dict.fromkeys(t for t in techniques if _TECHNIQUE.fullmatch(t))),
        tuple(dict.fromkeys(slug(t) for t in _texts(event, _TACTICS))),
        alert=f"{product}/{alert}" if (alert := text_of(get_path(event.ocsf, "unmapped.alert"))) else "",
        standing=_standing(event),
        changed=changed if type(changed := get_path(event.ocsf, "finding_info.modified_time")) is int else event.time,
    )


def _standing(event: Event) -> Standing:
    status, verdict = event.ocsf.get("status_id"), event.ocsf.get("verdict_id")
    if status in _DISMISSED or (status == _RESOLVED and verdict in _HARMLESS):
        return "dismissed"
    return "resolved" if status == _RESOLVED else "open"


def slug(text: str) -> str:
    """`Credential Access` -> `credential-access`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _severity(event: Event) -> Severity:
    value = event.ocsf.get("severity_id")
    return Severity(value) if isinstance(value, int) and value in set(Severity) else Severity.unknown


def _class_of(event: Event) -> str:
    groups = [t for v in find(event.original, "rule.groups") for t in map(text_of, flat(v)) if t]
    telling = [group for group in groups if group not in _BROAD_GROUPS]
    classes = (found for found in _texts(event, _CLASS) if found not in _BROAD_GROUPS)
    named = next(iter(telling or groups), "") or next(classes, "")
    return slug(named)[:60] or event.logsource.get("service") or "alert"


def _texts(event: Event, places: tuple[str, ...]) -> Iterator[str]:
    for place in places:
        kind, _, path = place.partition(".")
        data: Any = event.original if kind == "original" else event.ocsf
        for value in flat(list(find(data, path))):
            if text := text_of(value):
                yield text
